//! AUTH (RFC 4954), by its state rules (R4954-3).

use pillarbox_policy::SecretBytes;

use super::state::{Await, Core, Hello, State, Work};
use super::{Event, LoginAnswer, Violation};
use crate::sasl::coding::{self, ClientLine};
use crate::sasl::server::{Decision, Exchange, Failure, ServerStep};
use crate::sasl::{self, Mechanism, Nonce, ScramKeys};
use crate::smtp::replies::{self, Reply};

impl Core {
    /// The AUTH command, where policy lets credentials be taken.
    pub(super) fn auth(&mut self, rest: &[u8]) -> Work {
        if !self
            .greeted
            .as_ref()
            .is_some_and(|greeted| greeted.how == Hello::Ehlo)
        {
            return self.say(replies::EHLO_FIRST);
        }
        if self.login.is_some() {
            return self.say(replies::ALREADY_AUTHENTICATED);
        }
        if self.transaction.is_some() {
            return self.say(replies::IN_TRANSACTION);
        }
        let mut words = rest.splitn(3, |&octet| octet == b' ');
        let (Some(b""), Some(name), initial) = (words.next(), words.next(), words.next()) else {
            return self.say(replies::BAD_ARGUMENTS);
        };
        let offered = self.logins.listed();
        let Some(mechanism) = Mechanism::from_name(name)
            .filter(|mechanism| offered.is_some_and(|offered| offered.contains(mechanism)))
        else {
            return self.say(replies::UNKNOWN_MECHANISM);
        };
        let initial = match initial.map(decode_initial).transpose() {
            Ok(initial) => initial,
            Err(reply) => return self.login_failed(reply),
        };
        self.ask(Await::Nonce { mechanism, initial }, Event::NeedNonce)
    }

    /// A line of the exchange from the client.
    pub(super) fn response(&mut self, line: &[u8]) -> Work {
        let State::Exchange(mut exchange) = std::mem::replace(&mut self.state, State::Command)
        else {
            return Work::Done;
        };
        match coding::client_line(line) {
            Ok(ClientLine::Message(message)) => {
                let step = exchange.step(&message);
                let refusal = self.login_refusal(LoginAnswer::Refuse);
                self.go_on(exchange, step, refusal)
            }
            Ok(ClientLine::Cancelled) => self.login_failed(replies::CANCELLED),
            Err(_) => self.login_failed(replies::BAD_BASE64),
        }
    }

    pub(super) fn nonce(&mut self, nonce: Nonce) {
        let State::Await(Await::Nonce { mechanism, initial }) = &mut self.state else {
            return;
        };
        let (mechanism, initial) = (*mechanism, initial.take());
        self.state = State::Command;
        let refusal = self.login_refusal(LoginAnswer::Refuse);
        let exchange = self
            .logins
            .offer()
            .and_then(|offer| offer.start(mechanism, nonce));
        let work = match exchange {
            Some(mut exchange) => {
                let step = exchange.begin(initial.as_deref());
                self.go_on(Box::new(exchange), step, refusal)
            }
            // The binding of this connection was used before (R9266-1).
            None => self.login_failed(refusal),
        };
        self.hold(work);
    }

    pub(super) fn scram_keys(&mut self, keys: ScramKeys) {
        let refusal = self.login_refusal(LoginAnswer::Refuse);
        match std::mem::replace(&mut self.state, State::Command) {
            State::Await(Await::Keys(mut exchange)) => {
                let step = exchange.scram_keys(keys);
                let work = self.go_on(exchange, step, refusal);
                self.hold(work);
            }
            other => self.state = other,
        }
    }

    pub(super) fn login_decided(&mut self, answer: LoginAnswer) {
        let refusal = self.login_refusal(answer);
        let decision = match answer {
            LoginAnswer::Accept => Decision::Accept,
            _ => Decision::Refuse,
        };
        match std::mem::replace(&mut self.state, State::Command) {
            State::Await(Await::Login(mut exchange)) => {
                let step = exchange.decided(decision);
                let work = self.go_on(exchange, step, refusal);
                self.hold(work);
            }
            State::Await(Await::Nonce { .. } | Await::Keys(_)) => {
                self.login_failed(refusal);
            }
            other => self.state = other,
        }
    }

    /// The reply to a login that fails so. In the clear there is only one (S4.1-4).
    fn login_refusal(&self, answer: LoginAnswer) -> Reply {
        if !self.logins.are_sealed() {
            return self.tls_first(replies::ENCRYPTION_REQUIRED);
        }
        match answer {
            LoginAnswer::Accept | LoginAnswer::Refuse => replies::BAD_CREDENTIALS,
            LoginAnswer::ChannelTooWeak => replies::CHANNEL_TOO_WEAK,
            LoginAnswer::PasswordChangeNeeded => replies::PASSWORD_CHANGE_NEEDED,
            LoginAnswer::Unavailable => replies::AUTHENTICATION_UNAVAILABLE,
        }
    }

    /// Does what the exchange says is next. `refusal` is the reply if it failed for any reason but grammar.
    fn go_on(&mut self, exchange: Box<Exchange>, step: ServerStep, refusal: Reply) -> Work {
        let mechanism = exchange.mechanism();
        match step {
            ServerStep::Challenge(challenge) => {
                let line = format!("334 {}\r\n", *coding::encode(&challenge));
                self.out.extend_from_slice(line.as_bytes());
                self.state = State::Exchange(exchange);
                Work::Done
            }
            ServerStep::NeedScramKeys { login } => self.ask(
                Await::Keys(exchange),
                Event::NeedScramKeys { mechanism, login },
            ),
            ServerStep::CheckPassword { login, password } => self.ask(
                Await::Login(exchange),
                Event::CheckPassword {
                    mechanism,
                    login,
                    password,
                },
            ),
            ServerStep::CheckScram { login, outcome } => self.ask(
                Await::Login(exchange),
                Event::CheckScram {
                    mechanism,
                    login,
                    outcome,
                },
            ),
            ServerStep::Done { login } => {
                self.login = Some(login.clone());
                self.say(replies::AUTHENTICATED);
                Work::Event(Event::Authenticated { mechanism, login })
            }
            ServerStep::Failed(Failure::Malformed) => self.login_failed(replies::BAD_RESPONSE),
            ServerStep::Failed(_) => self.login_failed(refusal),
        }
    }

    /// Says why a login failed, and ends after too many.
    pub(super) fn login_failed(&mut self, reply: Reply) -> Work {
        self.failed_logins = self.failed_logins.saturating_add(1);
        self.state = State::Command;
        reply.write(&mut self.out);
        if self.failed_logins < self.config.limits.failed_logins {
            return Work::Done;
        }
        self.give_up(replies::TOO_MANY_ATTEMPTS, Violation::TooManyFailedLogins)
    }
}

fn decode_initial(argument: &[u8]) -> Result<SecretBytes, Reply> {
    if argument.len() > sasl::MAX_LINE {
        return Err(replies::AUTH_LINE_TOO_LONG);
    }
    coding::decode_initial(argument).map_err(|_| replies::BAD_BASE64)
}
