//! LOGIN: two prompts, as old clients expect them (draft-murchison-sasl-login-00). Server side only.

use pillarbox_policy::Secret;

use super::failure::ServerFailure as Failure;
use super::plain;

/// What is asked first.
pub(super) const USERNAME: &[u8] = b"Username:";
/// What is asked second.
pub(super) const PASSWORD: &[u8] = b"Password:";

/// Where the dialogue stands.
#[derive(Debug)]
pub(super) enum LoginExchange {
    /// The login comes next.
    Username,
    /// The password of this login comes next.
    Password { login: String },
}

/// What follows from a client's message.
#[derive(Debug)]
pub(super) enum Next {
    /// Ask for the password.
    Ask(LoginExchange),
    /// Both are here.
    Check { login: String, password: Secret },
}

impl LoginExchange {
    /// The login, once it was said.
    pub(super) fn login(&self) -> Option<&str> {
        match self {
            Self::Username => None,
            Self::Password { login } => Some(login),
        }
    }

    pub(super) fn step(self, message: &[u8]) -> Result<Next, Failure> {
        match self {
            Self::Username => Ok(Next::Ask(Self::Password {
                login: plain::login(message)?,
            })),
            Self::Password { login } => Ok(Next::Check {
                login,
                password: plain::password(message)?,
            }),
        }
    }
}
