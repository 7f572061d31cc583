//! How a command ends: [`Completion`] and the response codes it may carry (RFC 9051 §7.1).

use std::fmt;
use std::num::NonZeroU32;

use crate::imap::grammar::{SequenceSet, SyntaxError};

/// The tagged end of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// It succeeded. The machine adds the usual text.
    Ok(Option<ResponseCode>),
    /// It failed, for this reason. The text never carries what the client sent.
    No(Option<ResponseCode>, &'static str),
    /// It named something that does not exist, such as a sequence number.
    Bad(&'static str),
}

impl Completion {
    /// Success without a code.
    pub const DONE: Self = Self::Ok(None);

    /// Failure with a code.
    #[must_use]
    pub fn no(code: ResponseCode, text: &'static str) -> Self {
        Self::No(Some(code), text)
    }
}

/// Why a command is answered before it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It cannot be read.
    Syntax(SyntaxError),
    /// It can be read, and this is all there is to say to it.
    Answer(Completion),
}

impl From<Completion> for Refusal {
    fn from(completion: Completion) -> Self {
        Self::Answer(completion)
    }
}

impl From<SyntaxError> for Refusal {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

/// A response code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseCode {
    /// RFC 5530: the mailbox exists already.
    AlreadyExists,
    /// RFC 4315: the UIDs of appended messages.
    AppendUid {
        /// UIDVALIDITY of the mailbox.
        validity: NonZeroU32,
        /// The new UIDs.
        uids: SequenceSet,
    },
    /// RFC 5530: wrong name or password; which of both is never said.
    AuthenticationFailed,
    /// RFC 3501: the charset is not known; these are.
    BadCharset,
    /// RFC 5530: this can never work.
    Cannot,
    /// RFC 4315: what copied messages became, in the same order.
    CopyUid {
        /// UIDVALIDITY of the destination.
        validity: NonZeroU32,
        /// UIDs in the source.
        from: SequenceSet,
        /// UIDs in the destination.
        to: SequenceSet,
    },
    /// RFC 5530: the password has to be changed first.
    Expired,
    /// RFC 5530: some of the messages are gone, which will be told when it may be.
    ExpungeIssued,
    /// RFC 5530: over a limit of the server.
    Limit,
    /// RFC 7162 §3.1.3: these were changed by somebody else and left alone.
    Modified(SequenceSet),
    /// RFC 5530: no such mailbox.
    Nonexistent,
    /// RFC 5530: no room left.
    OverQuota,
    /// RFC 5530: not before TLS.
    PrivacyRequired,
    /// RFC 3501: the mailbox was opened for reading only.
    ReadOnly,
    /// RFC 3501: the mailbox was opened for reading and writing.
    ReadWrite,
    /// RFC 5530: a fault of ours.
    ServerBug,
    /// RFC 7889 §4: the message is larger than the limit.
    TooBig,
    /// RFC 3501: the mailbox does not exist, and CREATE would help.
    TryCreate,
    /// RFC 5530: try again later.
    Unavailable,
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyExists => f.write_str("ALREADYEXISTS"),
            Self::AppendUid { validity, uids } => write!(f, "APPENDUID {validity} {uids}"),
            Self::AuthenticationFailed => f.write_str("AUTHENTICATIONFAILED"),
            Self::BadCharset => f.write_str("BADCHARSET (US-ASCII UTF-8)"),
            Self::Cannot => f.write_str("CANNOT"),
            Self::CopyUid { validity, from, to } => write!(f, "COPYUID {validity} {from} {to}"),
            Self::Expired => f.write_str("EXPIRED"),
            Self::ExpungeIssued => f.write_str("EXPUNGEISSUED"),
            Self::Limit => f.write_str("LIMIT"),
            Self::Modified(set) => write!(f, "MODIFIED {set}"),
            Self::Nonexistent => f.write_str("NONEXISTENT"),
            Self::OverQuota => f.write_str("OVERQUOTA"),
            Self::PrivacyRequired => f.write_str("PRIVACYREQUIRED"),
            Self::ReadOnly => f.write_str("READ-ONLY"),
            Self::ReadWrite => f.write_str("READ-WRITE"),
            Self::ServerBug => f.write_str("SERVERBUG"),
            Self::TooBig => f.write_str("TOOBIG"),
            Self::TryCreate => f.write_str("TRYCREATE"),
            Self::Unavailable => f.write_str("UNAVAILABLE"),
        }
    }
}
