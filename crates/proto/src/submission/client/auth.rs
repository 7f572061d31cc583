//! Logging in (RFC 4954), inside TLS.

use pillarbox_policy::Released;

use super::dialogue::{Dialogue, State};
use super::event::{AuthenticateError, Event, Failure, LoginFailure, Stage};
use super::reply::RawReply;
use crate::sasl::client::{ClientStep, Exchange, choose};
use crate::sasl::{Mechanism, Nonce, coding};

/// A login under way.
#[derive(Debug)]
pub(super) enum Login {
    Exchange(Exchange),
    /// We said `*`, and wait for the answer.
    Cancelled(LoginFailure),
}

impl Dialogue {
    pub(super) fn authenticate(
        &mut self,
        released: Released<'_>,
        nonce: Nonce,
    ) -> Result<Mechanism, AuthenticateError> {
        if !matches!(self.state, State::Idle) || self.authenticated.is_some() {
            return Err(AuthenticateError::OutOfTurn);
        }
        let listed = self.capabilities.mechanism_names().map(str::as_bytes);
        let choice = choose(listed, released.facts()).ok_or(AuthenticateError::NoMechanism)?;
        let (exchange, initial) = Exchange::new(choice, released, nonce)?;
        let mechanism = exchange.mechanism();
        self.state = State::Login(Box::new(Login::Exchange(exchange)));
        let initial = coding::encode_initial(&initial);
        self.say_parts(&["AUTH ", mechanism.as_str(), " ", &initial]);
        Ok(mechanism)
    }

    pub(super) fn login_answered(&mut self, login: Login, raw: &RawReply) {
        match (login, raw.code) {
            (Login::Exchange(exchange), 334) => self.challenged(exchange, raw),
            (Login::Exchange(exchange), 235) => {
                let mechanism = exchange.mechanism();
                match exchange.succeeded() {
                    Ok(()) => {
                        self.authenticated = Some(mechanism);
                        self.events.push_back(Event::Authenticated(mechanism));
                    }
                    Err(failure) => self.fail(Failure::NotProved(failure)),
                }
            }
            (Login::Exchange(_), 400..=599) => {
                let failure = LoginFailure::Refused(self.shown(raw));
                self.events.push_back(Event::NotAuthenticated(failure));
            }
            (Login::Cancelled(failure), 400..=599) => {
                self.events.push_back(Event::NotAuthenticated(failure));
            }
            (_, _) => {
                let reply = self.shown(raw);
                self.fail(Failure::Nonsense {
                    stage: Stage::Auth,
                    reply,
                });
            }
        }
    }

    fn challenged(&mut self, mut exchange: Exchange, raw: &RawReply) {
        let [line] = raw.lines.as_slice() else {
            return self.cancel(LoginFailure::UnreadableChallenge);
        };
        let Ok(challenge) = coding::decode(line) else {
            return self.cancel(LoginFailure::UnreadableChallenge);
        };
        match exchange.step(&challenge) {
            ClientStep::Send(message) => {
                self.state = State::Login(Box::new(Login::Exchange(exchange)));
                self.say(&coding::encode(&message));
            }
            ClientStep::Failed(failure) => self.cancel(LoginFailure::Exchange(failure)),
        }
    }

    fn cancel(&mut self, failure: LoginFailure) {
        self.state = State::Login(Box::new(Login::Cancelled(failure)));
        self.say("*");
    }
}
