//! Logging in: AUTHENTICATE with the best mechanism, LOGIN as the last resort (RFC 9051 §6.2).

use pillarbox_policy::{Credentials, Refusal, SecretBytes};

use super::{
    Client, Command, CommandText, Done, Event, NotNow, Outcome, ResponseCode, Sealed, Session,
    State, Violation,
};
use crate::sasl::client::{ClientStep, Exchange, Failure, choose};
use crate::sasl::{Mechanism, Nonce, coding};

/// Why a login was not begun. No part of the password was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// Not in this state.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The session is below the account's level (S5-4).
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server offers no way to log in that we use, or forbids LOGIN (C11).
    #[error("the server offers no way to log in that this program uses")]
    NoMechanism,
    /// Login or password cannot be used.
    #[error(transparent)]
    Sasl(#[from] Failure),
}

/// A LOGIN under way.
struct Login;

/// An AUTHENTICATE under way.
struct Authentication {
    exchange: Exchange,
    /// The initial response, where it could not go along with the command.
    initial: Option<SecretBytes>,
}

impl Client<Sealed> {
    /// Logs in. The password is released here, under the account's level, for the facts of this channel. Uses
    /// SCRAM-SHA-256-PLUS, SCRAM-SHA-256 or PLAIN, the best the server lists; LOGIN only where it lists none
    /// of them and no LOGINDISABLED (C11). Ends in [`Done::Authenticated`].
    ///
    /// `nonce` must be fresh.
    ///
    /// # Errors
    /// See [`AuthenticateError`].
    pub fn authenticate(
        &mut self,
        credentials: &Credentials,
        nonce: Nonce,
    ) -> Result<(), AuthenticateError> {
        let state = &mut self.state;
        state.may_begin(Session::NotAuthenticated)?;
        if state.session != Session::NotAuthenticated {
            return Err(NotNow::Authenticated.into());
        }
        let released = credentials.release(state.channel.facts())?;
        let listed = state.capabilities.mechanisms().map(str::as_bytes);
        if let Some(choice) = choose(listed, state.channel.facts()) {
            let mechanism = choice.mechanism();
            let (exchange, initial) = Exchange::new(choice, released, nonce)?;
            let mut command = CommandText::new(&format!("AUTHENTICATE {mechanism}"));
            let initial = if state.capabilities.has("SASL-IR") {
                command.text(" ");
                command.text(&coding::encode_initial(&initial));
                None
            } else {
                Some(initial)
            };
            state.send(command, Authentication { exchange, initial });
        } else if state.capabilities.has("LOGINDISABLED") {
            return Err(AuthenticateError::NoMechanism);
        } else {
            let mut command = CommandText::new("LOGIN ");
            command.string(released.login().as_bytes())?;
            command.text(" ");
            command.string(released.password().expose().as_bytes())?;
            state.send(command, Login);
        }
        Ok(())
    }
}

impl Command for Login {
    fn succeeded(self: Box<Self>, code: Option<ResponseCode>, state: &mut State) -> Outcome {
        Ok(logged_in(None, code, state))
    }
}

impl Command for Authentication {
    fn continued(
        &mut self,
        text: &[u8],
        out: &mut SecretBytes,
    ) -> Result<Option<Event>, Violation> {
        let step = match coding::decode(text) {
            Err(_) => ClientStep::Failed(Failure::Malformed),
            Ok(challenge) => match self.initial.take() {
                Some(initial) if challenge.is_empty() => ClientStep::Send(initial),
                Some(_) => ClientStep::Failed(Failure::UnexpectedChallenge),
                None => self.exchange.step(&challenge),
            },
        };
        match step {
            ClientStep::Send(message) => {
                out.extend_from_slice(coding::encode(&message).as_bytes());
                out.extend_from_slice(b"\r\n");
                Ok(None)
            }
            ClientStep::Failed(failure) => {
                out.extend_from_slice(b"*\r\n");
                Err(Violation::Sasl(failure))
            }
        }
    }

    fn succeeded(self: Box<Self>, code: Option<ResponseCode>, state: &mut State) -> Outcome {
        let mechanism = self.exchange.mechanism();
        self.exchange.succeeded().map_err(Violation::Sasl)?;
        Ok(logged_in(Some(mechanism), code, state))
    }
}

/// Capabilities may differ now. They are asked for again unless the server told them already.
fn logged_in(
    mechanism: Option<Mechanism>,
    code: Option<ResponseCode>,
    state: &mut State,
) -> Option<Event> {
    state.session = Session::Authenticated;
    let done = Event::Done(Done::Authenticated(mechanism));
    if let Some(ResponseCode::Capability(list)) = code {
        state.capabilities = list;
        return Some(done);
    }
    state.ask_capabilities(done);
    None
}
