//! [`Violation`]: how a server, or whoever pretends to be it, can end the conversation.

use pillarbox_policy::RefusalCode;

use crate::ServerText;
use crate::channel::Injected;
use crate::imap::framing::FrameError;
use crate::sasl::client::Failure;

/// What stood in the place of STARTTLS's success (C4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripSign {
    /// A tagged NO.
    No,
    /// A tagged BAD.
    Bad,
    /// A continuation request (`+`).
    Continuation,
    /// A tagged answer with any other word.
    OtherAnswer,
    /// CAPABILITY was refused, as if by a server of old (C5).
    CapabilityRefused,
}

/// The peer broke the protocol beyond repair, or may be somebody else. Always final: close, and send nothing
/// more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A PREAUTH greeting in the clear, which would make STARTTLS impossible (C6).
    #[error(
        "the server claims that we are logged in already, before encryption; somebody on the way may be tampering with the connection"
    )]
    PreauthInClear,
    /// A PREAUTH greeting inside TLS although no client certificate was sent: whose mailbox would it be? (C6)
    #[error("the server claims that we are logged in, and we are not")]
    PreauthUnproved,
    /// A BYE greeting. What it said in the clear is not shown (C10); inside TLS it is here.
    #[error("the server does not take connections now; try again later")]
    Bye {
        /// Its words, where they came inside TLS.
        text: Option<ServerText>,
    },
    /// The first line is not a greeting (C12).
    #[error("the other end did not greet as an IMAP server does")]
    BadGreeting,
    /// STARTTLS did not succeed (C4, C5).
    #[error("the server would not start encryption; somebody on the way may be removing it")]
    StarttlsStripped(StripSign),
    /// Something was said in the clear that has no place there (C9).
    #[error(
        "the server sent data before encryption that nobody asked for; somebody on the way may be tampering with the connection"
    )]
    Unsolicited,
    /// Something was said in the clear before the command it could answer was written, or with a tag that was
    /// never sent (C13).
    #[error(
        "the server answered before it was asked; somebody on the way may be tampering with the connection"
    )]
    EarlyAnswer,
    /// Inside TLS, a tagged answer to no command of ours (C13).
    #[error("the server answered a command that was not sent")]
    UnknownTag,
    /// Bytes followed the answer to STARTTLS (C1, C2, C3).
    #[error(transparent)]
    Injected(#[from] Injected),
    /// A continuation request where nothing is to be continued.
    #[error("the server asked for more where there was no more to send")]
    UnexpectedContinuation,
    /// The lines themselves are broken, or endless.
    #[error("the server's lines cannot be read: {0}")]
    Framing(#[from] FrameError),
    /// A line that is no IMAP response.
    #[error("the other end does not speak IMAP")]
    NotImap,
    /// CAPABILITY was refused inside TLS, or answered without a list (C5).
    #[error("the server would not say what it can do")]
    CapabilityRefused,
    /// The SASL exchange failed on our side: the server has not proved what it must.
    #[error("{0}")]
    Sasl(Failure),
    /// The body that came is not that of the message that was asked for.
    #[error("the server sent another message than the one asked for")]
    WrongMessage,
}

impl Violation {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::PreauthInClear => RefusalCode::PreauthCleartext,
            Self::StarttlsStripped(_) => RefusalCode::StarttlsStripped,
            Self::Injected(injected) => injected.code(),
            Self::Unsolicited | Self::EarlyAnswer => RefusalCode::ResponseInjection,
            Self::PreauthUnproved
            | Self::Bye { .. }
            | Self::BadGreeting
            | Self::UnknownTag
            | Self::UnexpectedContinuation
            | Self::Framing(_)
            | Self::NotImap
            | Self::CapabilityRefused
            | Self::Sasl(_)
            | Self::WrongMessage => RefusalCode::ProtocolViolation,
        }
    }
}
