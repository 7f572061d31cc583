//! Logging in: AUTH with the best mechanism (RFC 5034), or USER and PASS where the server has nothing else.

use pillarbox_policy::{Credentials, Refusal, SecretBytes};
use zeroize::Zeroizing;

use super::{
    Binding, Client, Core, Event, LoggedInBy, NotNow, Phase, State, Violation, exchange_lines,
};
use crate::Sealed;
use crate::pop3::response::{Response, rest};
use crate::sasl::client::{ClientStep, Exchange, Failure, choose};
use crate::sasl::{Mechanism, Nonce, PrepareError, coding, prepare_login, prepare_password};

/// The longest command, in octets without CRLF (RFC 2449 §4).
const MAX_COMMAND: usize = 253;

/// Why a login cannot begin. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Another command is under way, or the session is logged in.
    #[error("{0}")]
    NotNow(NotNow),
    /// The session does not meet the account's level (S5-4).
    #[error("{0}")]
    BelowLevel(Refusal),
    /// Login or password cannot be used.
    #[error("{0}")]
    Unusable(Failure),
    /// The connection's channel binding served an earlier attempt, and may serve one only (R9266-1).
    #[error("connect again to try another login")]
    ConnectAgain,
    /// The server lists no way to log in that we use.
    #[error("the server offers no way of logging in that is used here")]
    NoMechanism,
}

impl Client<Sealed> {
    /// Logs in with the best way the server listed inside TLS (C11). Computes for up to a second where the
    /// server asks SCRAM for many iterations.
    ///
    /// `nonce` must be fresh.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub fn log_in(&mut self, credentials: &Credentials, nonce: Nonce) -> Result<(), LoginError> {
        if !matches!(self.core.state, State::Authorization) || self.core.event.is_some() {
            return Err(LoginError::NotNow(NotNow));
        }
        let facts = self.channel.facts();
        let released = credentials.release(facts).map_err(LoginError::BelowLevel)?;
        if let Some(choice) = choose(self.core.capabilities.mechanisms(), facts) {
            let binds = choice.mechanism() == Mechanism::ScramSha256Plus;
            if binds && self.core.binding == Binding::Used {
                return Err(LoginError::ConnectAgain);
            }
            let (exchange, initial) =
                Exchange::new(choice, released, nonce).map_err(LoginError::Unusable)?;
            if binds {
                self.core.binding = Binding::Used;
            }
            return self.core.send_auth(exchange, initial);
        }
        // A server without CAPA is an old one that has USER (RFC 1939); one with CAPA says so (RFC 2449 §6.2).
        if self.core.capabilities.lines() > 0 && !self.core.capabilities.has("USER") {
            return Err(LoginError::NoMechanism);
        }
        let login = prepare_login(released.login())
            .map_err(|error| LoginError::Unusable(Failure::Login(error)))?;
        let password = prepare_password(released.password())
            .map_err(|error| LoginError::Unusable(Failure::Password(error)))?;
        let user =
            command("USER", &login).map_err(|error| LoginError::Unusable(Failure::Login(error)))?;
        let pass = command("PASS", password.expose())
            .map_err(|error| LoginError::Unusable(Failure::Password(error)))?;
        self.core
            .send(&user, State::User(pass))
            .map_err(LoginError::NotNow)
    }
}

/// A command with a prepared argument, which holds no line end.
fn command(keyword: &str, argument: &str) -> Result<Zeroizing<String>, PrepareError> {
    let length = keyword.len() + 1 + argument.len();
    if length > MAX_COMMAND {
        return Err(PrepareError::TooLong {
            limit: MAX_COMMAND - keyword.len() - 1,
        });
    }
    let mut line = Zeroizing::new(String::with_capacity(length));
    line.push_str(keyword);
    line.push(' ');
    line.push_str(argument);
    Ok(line)
}

impl Core {
    fn send_auth(&mut self, exchange: Exchange, initial: SecretBytes) -> Result<(), LoginError> {
        let mechanism = exchange.mechanism();
        let encoded = coding::encode_initial(&initial);
        self.lines.set_limits(exchange_lines());
        let length = "AUTH ".len() + mechanism.as_str().len() + 1 + encoded.len();
        if length > MAX_COMMAND {
            let line = format!("AUTH {mechanism}");
            return self
                .send(&line, State::Auth(exchange, Some(initial)))
                .map_err(LoginError::NotNow);
        }
        let mut line = Zeroizing::new(String::with_capacity(length));
        line.push_str("AUTH ");
        line.push_str(mechanism.as_str());
        line.push(' ');
        line.push_str(&encoded);
        self.send(&line, State::Auth(exchange, None))
            .map_err(LoginError::NotNow)
    }

    pub(super) fn exchange_line(
        &mut self,
        mut exchange: Exchange,
        owed: Option<SecretBytes>,
        line: &[u8],
    ) {
        if let Some(challenge) = rest(line, b"+") {
            let Ok(challenge) = coding::decode(challenge) else {
                return self.give_up(Failure::Malformed);
            };
            let step = match owed {
                Some(initial) if challenge.is_empty() => ClientStep::Send(initial),
                Some(_) => ClientStep::Failed(Failure::UnexpectedChallenge),
                None => exchange.step(&challenge),
            };
            return match step {
                ClientStep::Send(message) => {
                    let line = coding::encode(&message);
                    self.write(&line, State::Auth(exchange, None));
                }
                ClientStep::Failed(failure) => self.give_up(failure),
            };
        }
        match Response::parse(line) {
            Some(Response::Ok) if owed.is_some() => {
                self.violate(Violation::Login(Failure::EndedEarly));
            }
            Some(Response::Ok) => {
                let by = LoggedInBy::Sasl(exchange.mechanism());
                match exchange.succeeded() {
                    Ok(()) => self.logged_in(by),
                    Err(failure) => self.violate(Violation::Login(failure)),
                }
            }
            Some(Response::Err(refused)) => {
                self.rest();
                self.tell(Event::LoginRefused(refused));
            }
            None => self.violate(Violation::Malformed),
        }
    }

    /// Cancels the exchange and ends the session.
    fn give_up(&mut self, failure: Failure) {
        self.write("*", State::Over(Some(Violation::Login(failure))));
    }

    pub(super) fn logged_in(&mut self, by: LoggedInBy) {
        self.phase = Phase::Transaction;
        self.rest();
        self.tell(Event::LoggedIn(by));
    }
}
