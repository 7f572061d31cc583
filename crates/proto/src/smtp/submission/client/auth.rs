//! Logging in (RFC 4954), inside TLS.

use pillarbox_policy::Released;
use zeroize::Zeroizing;

use super::event::{AuthenticateError, Failure, LoginFailure, Stage};
use crate::sasl::client::{ClientStep, Exchange, choose};
use crate::sasl::{Mechanism, Nonce, coding};
use crate::smtp::server_reply::RawReply;
use crate::smtp::{Capabilities, ServerReply};

/// A login under way.
#[derive(Debug)]
pub(super) enum LoginAttempt {
    Exchange(Exchange),
    /// We said `*`, and wait for the answer.
    Cancelled(LoginFailure),
}

/// What follows from a reply.
pub(super) enum LoginStep {
    /// This line is to be written, and the login goes on.
    Say(Box<LoginAttempt>, Zeroizing<String>),
    Succeeded(Mechanism),
    Failed(LoginFailure),
    /// The connection cannot be used any more.
    Broken(Failure),
}

impl LoginAttempt {
    /// Begins a login with the best mechanism the server lists; answers the initial
    /// response as it stands behind the mechanism.
    pub(super) fn begin(
        capabilities: &Capabilities,
        released: Released<'_>,
        nonce: Nonce,
    ) -> Result<(Self, Mechanism, Zeroizing<String>), AuthenticateError> {
        let listed = capabilities.mechanism_names().map(str::as_bytes);
        let choice = choose(listed, released.facts()).ok_or(AuthenticateError::NoMechanism)?;
        let (exchange, initial) = Exchange::new(choice, released, nonce)?;
        let mechanism = exchange.mechanism();
        let initial = coding::encode_initial(&initial);
        Ok((Self::Exchange(exchange), mechanism, initial))
    }

    /// Takes the server's reply; `shown` is the same, as it may be shown.
    pub(super) fn answered(self, raw: &RawReply, shown: ServerReply) -> LoginStep {
        match (self, raw.code) {
            (Self::Exchange(exchange), 334) => Self::challenged(exchange, raw),
            (Self::Exchange(exchange), 235) => {
                let mechanism = exchange.mechanism();
                match exchange.succeeded() {
                    Ok(()) => LoginStep::Succeeded(mechanism),
                    Err(failure) => LoginStep::Broken(Failure::NotProved(failure)),
                }
            }
            (Self::Exchange(_), 400..=599) => LoginStep::Failed(LoginFailure::Refused(shown)),
            (Self::Cancelled(failure), 400..=599) => LoginStep::Failed(failure),
            (_, _) => LoginStep::Broken(Failure::Nonsense {
                stage: Stage::Auth,
                reply: shown,
            }),
        }
    }

    fn challenged(mut exchange: Exchange, raw: &RawReply) -> LoginStep {
        let [line] = raw.lines.as_slice() else {
            return Self::cancel(LoginFailure::UnreadableChallenge);
        };
        let Ok(challenge) = coding::decode(line) else {
            return Self::cancel(LoginFailure::UnreadableChallenge);
        };
        match exchange.step(&challenge) {
            ClientStep::Send(message) => {
                let line = coding::encode(&message);
                LoginStep::Say(Box::new(Self::Exchange(exchange)), line)
            }
            ClientStep::Failed(failure) => Self::cancel(LoginFailure::Exchange(failure)),
        }
    }

    fn cancel(failure: LoginFailure) -> LoginStep {
        LoginStep::Say(
            Box::new(Self::Cancelled(failure)),
            Zeroizing::new("*".to_owned()),
        )
    }
}
