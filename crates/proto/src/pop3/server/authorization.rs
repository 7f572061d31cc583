//! The AUTHORIZATION state: CAPA, STLS, USER and PASS, AUTH, QUIT (RFC 1939 §4, RFC 2595 §4, RFC 5034 §4).

use pillarbox_policy::{AuthPermit, Secret, SecretBytes};

use super::{
    CannotOpen, Core, Event, LoginRefusal, Logins, Server, State, Stls, Violation, exchange_lines,
};
use crate::channel::End;
use crate::pop3::capabilities::{self, StlsNow};
use crate::pop3::command::{Command, Fault, keyword, takes_credentials};
use crate::pop3::maildrop::Maildrop;
use crate::sasl::coding::{self, ClientLine};
use crate::sasl::server::{Decision, Exchange, Failure, Offer, ServerStep};
use crate::sasl::{Mechanism, Nonce, ScramKeys, prepare_login, prepare_password};
use crate::{Injected, LoginChannel};

/// The mechanism's name of USER and PASS in login records.
const USER: &str = "USER";

/// The one answer to every login on a cleartext channel that may not be, whatever its arguments (S4.1-5).
const PRIVACY_REQUIRED: &str = "-ERR [AUTH] encryption is required before logging in";

impl Core {
    pub(super) fn authorization_line(&mut self, user: Option<SecretBytes>, line: &[u8]) {
        self.state = State::Authorization { user: None };
        self.commands += 1;
        if self.commands > self.limits.commands_before_login {
            self.say("-ERR too many commands before login");
            self.state = State::Over(Some(Violation::TooManyCommands));
            return;
        }
        if let Logins::Once(offer) = &self.logins {
            let listed = offer.mechanisms();
            self.logins = Logins::Ask { listed };
        }
        // Before anything is parsed: the arguments do not matter, so they cannot make a difference.
        if matches!(self.logins, Logins::Ask { .. }) && takes_credentials(keyword(line)) {
            self.event = Some(Event::NeedPermit);
            self.state = State::AwaitPermit {
                user,
                line: SecretBytes::from(line),
            };
            return;
        }
        self.authorization_command(user, line);
    }

    /// Reads the login that waits for it, with policy's permit.
    pub(super) fn login_permitted(&mut self, permit: &AuthPermit<'_>) {
        if let State::AwaitPermit { user, line } = &mut self.state {
            let (user, line) = (user.take(), std::mem::take(line));
            self.state = State::Authorization { user: None };
            self.logins = Logins::Once(Offer::new(permit));
            self.authorization_command(user, &line);
        }
    }

    /// Refuses the login that waits for a permit.
    pub(super) fn refuse_login(&mut self) {
        if matches!(self.state, State::AwaitPermit { .. }) {
            self.state = State::Authorization { user: None };
            self.error(PRIVACY_REQUIRED);
        }
    }

    fn authorization_command(&mut self, user: Option<SecretBytes>, line: &[u8]) {
        match Command::parse(line) {
            Ok(Command::Capa) => self.list_capabilities(),
            Ok(Command::Stls) => self.stls(),
            Ok(Command::Quit) => {
                self.say("+OK goodbye");
                self.state = State::Over(None);
            }
            Ok(Command::User(login)) => {
                // Said to every name alike, whether there is such an account or not.
                self.say("+OK now the password");
                self.state = State::Authorization {
                    user: Some(login.into()),
                };
            }
            Ok(Command::Pass(password)) => match user {
                Some(login) => self.pass(&login, password),
                None => self.error("-ERR say USER first"),
            },
            Ok(Command::Auth { mechanism, initial }) => self.auth(mechanism, initial),
            Ok(Command::Apop) => self.error("-ERR APOP is not supported; use AUTH"),
            Ok(_) => self.error("-ERR log in first"),
            Err(fault) => self.fault(fault),
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Unknown => self.error("-ERR unknown command"),
            Fault::Arguments => self.error("-ERR wrong arguments"),
        }
    }

    pub(super) fn list_capabilities(&mut self) {
        let mechanisms = self.logins.mechanisms();
        let stls = match (&self.state, self.stls) {
            (State::Authorization { .. }, Stls::Available) => StlsNow::Permitted,
            _ => StlsNow::NotPermitted,
        };
        let list = capabilities::list(mechanisms, stls);
        self.out.extend_from_slice(&list);
    }

    fn stls(&mut self) {
        if self.stls == Stls::Unavailable {
            return self.error("-ERR STLS is not possible here");
        }
        let held = self.lines.len();
        if held > 0 {
            self.say("-ERR nothing may follow STLS before the reply");
            self.state = State::Over(Some(Violation::Injected(Injected {
                found_by: End::Server,
                bytes: held,
            })));
            return;
        }
        self.say("+OK begin TLS");
        self.event = Some(Event::StartTls);
        self.state = State::Upgrading;
    }

    fn pass(&mut self, login: &[u8], password: &[u8]) {
        let Some((login, password)) = prepared(login, password) else {
            return self.refused(LoginRefusal::Credentials);
        };
        self.event = Some(Event::CheckPassword {
            mechanism: USER,
            login: login.clone(),
            password,
        });
        self.state = State::AwaitVerdict { login };
    }

    fn auth(&mut self, mechanism: &[u8], initial: Option<&[u8]>) {
        let offered = self.logins.mechanisms();
        let Some(mechanism) =
            Mechanism::from_name(mechanism).filter(|mechanism| offered.contains(mechanism))
        else {
            return self.error("-ERR unknown mechanism; CAPA lists those there are");
        };
        let Ok(initial) = initial.map(coding::decode_initial).transpose() else {
            return self.error("-ERR the initial response is not base64");
        };
        self.event = Some(Event::NeedNonce);
        self.state = State::AwaitNonce { mechanism, initial };
    }

    pub(super) fn exchange_line(&mut self, mut exchange: Exchange, line: &[u8]) {
        match coding::client_line(line) {
            Ok(ClientLine::Message(message)) => {
                let step = exchange.step(&message);
                self.exchange_step(exchange, step);
            }
            Ok(ClientLine::Cancelled) => {
                self.end_exchange();
                self.error("-ERR cancelled");
            }
            Err(_) => {
                self.end_exchange();
                self.error("-ERR not base64; the exchange is over");
            }
        }
    }

    fn exchange_step(&mut self, exchange: Exchange, step: ServerStep) {
        let mechanism = exchange.mechanism().as_str();
        match step {
            ServerStep::Challenge(challenge) => {
                self.say(&format!("+ {}", *coding::encode(&challenge)));
                self.lines.set_limits(exchange_lines());
                self.state = State::Exchange(exchange);
            }
            ServerStep::CheckPassword { login, password } => {
                self.state = State::ExchangeAsks(exchange);
                self.event = Some(Event::CheckPassword {
                    mechanism,
                    login,
                    password,
                });
            }
            ServerStep::NeedScramKeys { login } => {
                self.state = State::ExchangeAsks(exchange);
                self.event = Some(Event::NeedScramKeys { mechanism, login });
            }
            ServerStep::CheckScram { login, outcome } => {
                self.state = State::ExchangeAsks(exchange);
                self.event = Some(Event::CheckScram {
                    mechanism,
                    login,
                    outcome,
                });
            }
            ServerStep::Done { login } => {
                self.end_exchange();
                self.logged_in(login);
            }
            ServerStep::Failed(Failure::Malformed) => {
                self.end_exchange();
                self.error("-ERR that is no message of this mechanism; the exchange is over");
            }
            ServerStep::Failed(failure) => {
                self.end_exchange();
                self.event = (failure != Failure::Refused)
                    .then_some(Event::ExchangeFailed { mechanism, failure });
                self.refused(LoginRefusal::Credentials);
            }
        }
    }

    fn logged_in(&mut self, login: String) {
        self.event = Some(Event::OpenMaildrop { login });
        self.state = State::AwaitMaildrop;
    }

    /// Answers a refused login.
    fn refused(&mut self, refusal: LoginRefusal) {
        self.state = State::Authorization { user: None };
        match (&self.logins, refusal) {
            (Logins::Ask { .. } | Logins::Once(_), _) | (_, LoginRefusal::PrivacyRequired) => {
                self.say(PRIVACY_REQUIRED);
            }
            (Logins::Open(_), LoginRefusal::Credentials) => {
                self.say("-ERR [AUTH] wrong login name or password");
            }
            (Logins::Open(_), LoginRefusal::Ladder(refusal)) => {
                self.say(&format!("-ERR [AUTH] {refusal}"));
            }
            (Logins::Open(_), LoginRefusal::Unavailable) => {
                self.say(
                    "-ERR [SYS/TEMP] logging in is not possible at the moment; try again later",
                );
            }
        }
        self.failed_logins += 1;
        if self.failed_logins >= self.limits.failed_logins {
            self.state = State::Over(Some(Violation::TooManyFailedLogins));
        }
    }
}

/// Login and password of USER and PASS, prepared as every other end prepares them.
fn prepared(login: &[u8], password: &[u8]) -> Option<(String, Secret)> {
    let login = prepare_login(std::str::from_utf8(login).ok()?).ok()?;
    let password = Secret::from(std::str::from_utf8(password).ok()?);
    Some((login, prepare_password(&password).ok()?))
}

/// Answers of the session in the AUTHORIZATION state.
impl<C: LoginChannel> Server<C> {
    /// Answers [`Event::NeedNonce`]. The nonce must be fresh.
    pub fn nonce(&mut self, nonce: Nonce) {
        let core = &mut self.core;
        let State::AwaitNonce { mechanism, initial } = &mut core.state else {
            return;
        };
        let (mechanism, initial) = (*mechanism, initial.take());
        core.end_exchange();
        match core
            .logins
            .offer()
            .and_then(|offer| offer.start(mechanism, nonce))
        {
            Some(mut exchange) => {
                let step = exchange.begin(initial.as_ref().map(|initial| initial.as_slice()));
                core.exchange_step(exchange, step);
            }
            // The connection's binding was used (R9266-1).
            None => core.error("-ERR connect again to use this mechanism again"),
        }
    }

    /// Answers [`Event::NeedScramKeys`].
    pub fn scram_keys(&mut self, keys: ScramKeys) {
        self.answer_exchange(|exchange| exchange.scram_keys(keys));
    }

    /// Answers [`Event::CheckPassword`] and [`Event::CheckScram`]: let it in.
    pub fn admit(&mut self) {
        if let State::AwaitVerdict { login } = &mut self.core.state {
            let login = std::mem::take(login);
            self.core.logged_in(login);
        } else {
            self.answer_exchange(|exchange| exchange.decided(Decision::Accept));
        }
    }

    /// Answers [`Event::CheckPassword`], [`Event::NeedScramKeys`] and [`Event::CheckScram`]: do not let it in.
    pub fn refuse(&mut self, refusal: LoginRefusal) {
        if matches!(
            self.core.state,
            State::AwaitVerdict { .. } | State::ExchangeAsks(_)
        ) {
            self.core.end_exchange();
            self.core.refused(refusal);
        }
    }

    /// Answers [`Event::OpenMaildrop`]: the session enters the TRANSACTION state.
    pub fn open(&mut self, maildrop: Maildrop) {
        if matches!(self.core.state, State::AwaitMaildrop) {
            let (messages, octets) = maildrop.totals();
            self.core.maildrop = maildrop;
            self.core.errors = 0;
            self.core.state = State::Transaction;
            self.core
                .say(&format!("+OK {messages} messages ({octets} octets)"));
        }
    }

    /// Answers [`Event::OpenMaildrop`]: the session stays in the AUTHORIZATION state.
    pub fn cannot_open(&mut self, why: CannotOpen) {
        if matches!(self.core.state, State::AwaitMaildrop) {
            self.core.state = State::Authorization { user: None };
            self.core.say(match why {
                CannotOpen::InUse => {
                    "-ERR [IN-USE] another session has the mailbox; try again later"
                }
                CannotOpen::Unavailable => {
                    "-ERR [SYS/TEMP] the mailbox cannot be opened at the moment; try again later"
                }
            });
        }
    }

    fn answer_exchange(&mut self, answer: impl FnOnce(&mut Exchange) -> ServerStep) {
        let core = &mut self.core;
        match std::mem::replace(&mut core.state, State::Authorization { user: None }) {
            State::ExchangeAsks(mut exchange) => {
                let step = answer(&mut exchange);
                core.exchange_step(exchange, step);
            }
            other => core.state = other,
        }
    }
}
