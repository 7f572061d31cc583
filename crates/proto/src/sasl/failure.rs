//! Why an exchange fails, on either end.

use pillarbox_policy::{LoginAbort, LoginOutcome, LoginRefusal, Tampering};

use super::prepare::PrepareError;

/// Why an exchange failed on the server's side. All but [`ServerFailure::Malformed`] look the same to the client;
/// [`ServerFailure::outcome`] is what goes on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerFailure {
    /// A message that does not follow the mechanism's grammar, or is over a limit.
    #[error("the client's message is malformed")]
    Malformed,
    /// The client wants to act for somebody else.
    #[error("the client asked to act for another login")]
    OtherIdentity,
    /// The client says that we cannot bind, but we can: somebody took the PLUS mechanism off the list (R5802-2).
    #[error("somebody removed SCRAM-SHA-256-PLUS from the list that the client saw")]
    Downgrade,
    /// `p=` with a type other than `tls-exporter` (R5802-2).
    #[error("the client uses a channel binding type that is not supported")]
    BindingTypeUnsupported,
    /// `p=` without PLUS, or PLUS without `p=`.
    #[error("the client's channel binding flag does not fit the mechanism")]
    BindingFlag,
    /// `c=` is not this connection's binding: somebody stands between (R5802-2).
    #[error("the client is bound to another connection; somebody may stand between")]
    BindingMismatch,
    /// The client's final nonce is not the one of this exchange.
    #[error("the client's message belongs to another exchange")]
    NonceMismatch,
    /// The session refused the login: wrong password, unknown login, or policy.
    #[error("the login was refused")]
    Refused,
    /// A fault of the session's: an answer that nobody asked for.
    #[error("the exchange was driven out of turn")]
    OutOfTurn,
}

impl ServerFailure {
    /// The same as it goes on record.
    #[must_use]
    pub fn outcome(self) -> LoginOutcome {
        match self {
            Self::Malformed => LoginOutcome::Aborted(LoginAbort::Malformed),
            Self::OtherIdentity => LoginOutcome::Refused(LoginRefusal::OtherIdentity),
            Self::BindingTypeUnsupported => LoginOutcome::Refused(LoginRefusal::UnsupportedBinding),
            Self::Downgrade => LoginOutcome::TamperingSuspected(Tampering::PlusStripped),
            Self::BindingFlag => LoginOutcome::TamperingSuspected(Tampering::BindingFlag),
            Self::BindingMismatch => LoginOutcome::TamperingSuspected(Tampering::ChannelBinding),
            Self::NonceMismatch => LoginOutcome::TamperingSuspected(Tampering::Nonce),
            Self::Refused => LoginOutcome::Refused(LoginRefusal::Credentials),
            Self::OutOfTurn => LoginOutcome::Refused(LoginRefusal::Unavailable),
        }
    }
}

/// Why an exchange failed on the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientFailure {
    /// The login cannot be used.
    #[error("the login {0}")]
    Login(PrepareError),
    /// The password cannot be used.
    #[error("the password {0}")]
    Password(PrepareError),
    /// A message that does not follow the mechanism's grammar, or is over a limit.
    #[error("the server's message does not follow the mechanism's rules")]
    Malformed,
    /// The server's nonce does not begin with ours, or adds nothing.
    #[error("the server's message belongs to another exchange")]
    NonceMismatch,
    /// The server asks for too little or too much computing.
    #[error("the server asks for {asked} iterations, and we agree to 4,096 to 1,000,000")]
    Iterations {
        /// What it asked for.
        asked: u32,
    },
    /// The server does not know the password's keys: it is not the one we meant (R5802-2).
    #[error("the server could not prove that it knows your account; it may be somebody else's")]
    ServerNotProved,
    /// The server reported success without proving that it knows the password's keys (R5802-2).
    #[error("the server ended the login without proving that it knows your account")]
    EndedEarly,
    /// The server refused inside the exchange.
    #[error("the server refused the login")]
    Refused,
    /// The server asked for more than the mechanism has to say.
    #[error("the server asked for more than the mechanism has to say")]
    UnexpectedChallenge,
}
