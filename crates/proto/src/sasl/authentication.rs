//! [`Authentication`]: the server's side of logging in, the same for IMAP, POP3 and submission.
//!
//! A protocol's machine gives it what the client sent and does what the [`AuthenticationStep`] says: it frames a
//! challenge, passes a question on to its session, or words the reply. Everything else is decided here: which
//! mechanisms there are, base64, `*`, limits, what is asked of the session and when, and what is told on a
//! cleartext channel.
//!
//! An attempt that began ends in exactly one [`LoginQuestion::Ended`]. The client gets its last reply only once
//! the session has answered that, so what the client knows is on record.

use pillarbox_policy::{
    AuthPermit, Channel, LadderRefusal, LoginAbort, LoginOutcome, LoginRefusal, Secret, SecretBytes,
};
use zeroize::Zeroizing;

use super::coding::{self, ClientLine};
use super::mechanism::Mechanism;
use super::nonce::Nonce;
use super::prepare::{prepare_login, prepare_password};
use super::scram::keys::ScramKeys;
use super::scram::server::ScramOutcome;
use super::server::{Decision, Exchange, Offer, ServerStep};

/// How a client logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginMethod {
    /// IMAP's LOGIN command (RFC 9051 §6.2.3).
    LoginCommand,
    /// POP3's USER and PASS (RFC 1939 §7).
    UserPass,
    /// A SASL mechanism.
    Sasl(Mechanism),
}

impl LoginMethod {
    /// The word in login records: `LOGIN`, `USER`, or the name of the mechanism.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginCommand => "LOGIN",
            Self::UserPass => "USER",
            Self::Sasl(mechanism) => mechanism.as_str(),
        }
    }
}

/// What a machine asks its session about a login. To be answered with a [`LoginAnswer`].
#[derive(Debug, PartialEq, Eq)]
pub struct LoginEvent {
    /// How the client logs in.
    pub method: LoginMethod,
    /// What is asked.
    pub question: LoginQuestion,
}

/// A question about a login.
#[derive(Debug, PartialEq, Eq)]
pub enum LoginQuestion {
    /// An exchange begins: [`LoginAnswer::Nonce`].
    Nonce,
    /// Which SCRAM keys has this login? [`LoginAnswer::Keys`], plausible and stable ones for nobody's login.
    ScramKeys {
        /// The login, prepared.
        login: String,
    },
    /// Is this the password, and may it be used here? [`LoginAnswer::Accept`].
    Password {
        /// The login, prepared.
        login: String,
        /// The password, prepared.
        password: Secret,
    },
    /// A SCRAM proof was looked at. May the login be used here? [`LoginAnswer::Accept`], which changes nothing
    /// where the proof was refuted.
    Proof {
        /// The login, prepared.
        login: String,
        /// Whether the client knew the password.
        outcome: ScramOutcome,
    },
    /// The attempt is over: put it on record, then [`LoginAnswer::Recorded`].
    Ended {
        /// Who wanted to log in, where that was said: prepared, or as it came where it cannot be.
        login: Option<String>,
        /// How it ended.
        outcome: LoginOutcome,
    },
}

/// The session's answer to a [`LoginEvent`].
#[derive(Debug)]
pub enum LoginAnswer {
    /// A fresh and unpredictable nonce.
    Nonce(Nonce),
    /// The keys of the login.
    Keys(ScramKeys),
    /// Let it in.
    Accept,
    /// Do not, for this reason.
    Refuse(LoginRefusal),
    /// The end of the attempt is on record.
    Recorded,
}

/// What a protocol's machine does next.
#[derive(Debug)]
pub enum AuthenticationStep {
    /// Send this challenge, in base64 already. The client owes a line.
    Challenge(Zeroizing<String>),
    /// Ask the session.
    Ask(LoginEvent),
    /// Send the reply. Nothing is under way any more.
    Reply(LoginReply),
}

/// The last word to the client; each protocol has its own wording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginReply {
    /// The client is logged in.
    Success {
        /// As whom, prepared.
        login: String,
    },
    /// Every refusal on a cleartext channel, whatever its reason (S4.1-4, S4.1-5).
    PrivacyRequired,
    /// Wrong login or proof; and every suspicion, which is not told.
    WrongCredentials,
    /// The account needs a better channel than this one.
    ChannelTooWeak(LadderRefusal),
    /// The password has to be changed first (S4.1-6).
    PasswordChangeNeeded,
    /// Not now.
    Unavailable,
    /// The client sent `*`.
    Cancelled,
    /// A line that is not base64.
    NotBase64,
    /// A line over [`super::MAX_LINE`].
    TooLong,
    /// A message that does not follow the mechanism's grammar.
    Malformed,
    /// No attempt began: the mechanism is not offered.
    UnknownMechanism,
    /// No attempt began: the connection's channel binding serves one attempt, and did (R9266-1).
    BindingUsed,
}

impl LoginReply {
    /// Whether an attempt began and did not succeed.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !matches!(
            self,
            Self::Success { .. } | Self::UnknownMechanism | Self::BindingUsed
        )
    }
}

/// Logging in on one connection: what is offered, and the attempt under way.
///
/// To hold one is to hold policy's permit for the channel, so a machine whose channel has none parses no
/// credentials.
#[derive(Debug)]
pub struct Authentication {
    offer: Offer,
    refusals: Refusals,
    attempt: Option<Box<Attempt>>,
}

/// Whether a client is told why it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusals {
    AllAlike,
    Told,
}

#[derive(Debug)]
struct Attempt {
    method: LoginMethod,
    /// As soon as the client has said it.
    login: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The session owes a nonce.
    Nonce {
        mechanism: Mechanism,
        initial: Option<SecretBytes>,
    },
    /// The client owes a line.
    Client(Exchange),
    /// The session owes keys or a decision.
    Session(Exchange),
    /// The session decides on a password that came without SASL.
    Password,
    /// The session puts the end on record; then this is the reply.
    Recording {
        outcome: LoginOutcome,
        reply: LoginReply,
    },
}

impl Authentication {
    /// On the channel of this permit.
    #[must_use]
    pub fn new(permit: &AuthPermit<'_>) -> Self {
        Self {
            offer: Offer::new(permit),
            refusals: match permit.channel() {
                Channel::Clear(_) => Refusals::AllAlike,
                Channel::Sealed(_) => Refusals::Told,
            },
            attempt: None,
        }
    }

    /// What to list, strongest first (R5802-1).
    #[must_use]
    pub fn mechanisms(&self) -> &'static [Mechanism] {
        self.offer.mechanisms()
    }

    /// AUTH or AUTHENTICATE: the mechanism's name, and the initial response as it stands on the wire.
    pub fn begin(&mut self, mechanism: &[u8], initial: Option<&[u8]>) -> AuthenticationStep {
        let Some(mechanism) =
            Mechanism::from_name(mechanism).filter(|known| self.mechanisms().contains(known))
        else {
            return AuthenticationStep::Reply(LoginReply::UnknownMechanism);
        };
        if !self.offer.can_start(mechanism) {
            return AuthenticationStep::Reply(LoginReply::BindingUsed);
        }
        let mut attempt = Box::new(Attempt {
            method: LoginMethod::Sasl(mechanism),
            login: None,
            state: State::Nonce {
                mechanism,
                initial: None,
            },
        });
        match initial.map(coding::decode_initial).transpose() {
            Ok(initial) => {
                attempt.state = State::Nonce { mechanism, initial };
                self.ask(attempt, LoginQuestion::Nonce)
            }
            Err(coding::NotBase64) => {
                let too_long = initial.is_some_and(|line| line.len() > coding::MAX_LINE);
                self.abort_with(
                    attempt,
                    LoginAbort::Malformed,
                    if too_long {
                        LoginReply::TooLong
                    } else {
                        LoginReply::NotBase64
                    },
                )
            }
        }
    }

    /// A login and a password that came without SASL, as they stand on the wire.
    pub fn password(
        &mut self,
        method: LoginMethod,
        login: &[u8],
        password: &[u8],
    ) -> AuthenticationStep {
        let prepared = prepare(login, password);
        let mut attempt = Box::new(Attempt {
            method,
            login: None,
            state: State::Password,
        });
        match prepared {
            Some((login, password)) => {
                attempt.login = Some(login.clone());
                self.ask(attempt, LoginQuestion::Password { login, password })
            }
            None => {
                attempt.login = Some(String::from_utf8_lossy(login).into_owned());
                let refused = LoginOutcome::Refused(LoginRefusal::Credentials);
                self.end(attempt, refused)
            }
        }
    }

    /// The client's line, without CRLF, while it owes one; `None` while it does not.
    pub fn line(&mut self, line: &[u8]) -> Option<AuthenticationStep> {
        let (attempt, mut exchange) = self.take_client()?;
        Some(match coding::client_line(line) {
            _ if line.len() > coding::MAX_LINE => {
                self.abort_with(attempt, LoginAbort::Malformed, LoginReply::TooLong)
            }
            Ok(ClientLine::Message(message)) => {
                let step = exchange.step(&message);
                self.exchange_step(attempt, exchange, step)
            }
            Ok(ClientLine::Cancelled) => {
                self.abort_with(attempt, LoginAbort::Cancelled, LoginReply::Cancelled)
            }
            Err(coding::NotBase64) => {
                self.abort_with(attempt, LoginAbort::Malformed, LoginReply::NotBase64)
            }
        })
    }

    /// The client's line, while it owes one, was over the limit and is gone.
    pub fn line_too_long(&mut self) -> Option<AuthenticationStep> {
        let (attempt, _) = self.take_client()?;
        Some(self.abort_with(attempt, LoginAbort::Malformed, LoginReply::TooLong))
    }

    /// The session's answer. `None` where nobody asked; one that does not fit the question is a refusal.
    pub fn answer(&mut self, answer: LoginAnswer) -> Option<AuthenticationStep> {
        let mut attempt = self.attempt.take()?;
        let state = std::mem::replace(&mut attempt.state, State::Password);
        Some(match (state, answer) {
            (State::Nonce { mechanism, initial }, LoginAnswer::Nonce(nonce)) => {
                match self.offer.start(mechanism, nonce) {
                    Some(mut exchange) => {
                        let step = exchange.begin(initial.as_deref());
                        self.exchange_step(attempt, exchange, step)
                    }
                    None => self.end(attempt, LoginOutcome::Refused(LoginRefusal::Unavailable)),
                }
            }
            (State::Session(mut exchange), LoginAnswer::Keys(keys)) => {
                let step = exchange.scram_keys(keys);
                self.exchange_step(attempt, exchange, step)
            }
            (State::Session(mut exchange), LoginAnswer::Accept) => {
                let step = exchange.decided(Decision::Accept);
                self.exchange_step(attempt, exchange, step)
            }
            (State::Password, LoginAnswer::Accept) => self.end(attempt, LoginOutcome::Succeeded),
            (State::Recording { reply, .. }, _) => AuthenticationStep::Reply(reply),
            (State::Client(exchange), _) => {
                attempt.state = State::Client(exchange);
                self.attempt = Some(attempt);
                return None;
            }
            (_, LoginAnswer::Refuse(refusal)) => self.end(attempt, LoginOutcome::Refused(refusal)),
            _ => self.end(attempt, LoginOutcome::Refused(LoginRefusal::Unavailable)),
        })
    }

    /// The conversation is over. What was under way ends so, unless it had ended and that is not on record yet.
    pub fn abort(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        let attempt = self.attempt.take()?;
        let outcome = match attempt.state {
            State::Recording { outcome, .. } => outcome,
            _ => LoginOutcome::Aborted(how),
        };
        Some(attempt.ended(outcome))
    }

    fn take_client(&mut self) -> Option<(Box<Attempt>, Exchange)> {
        let mut attempt = self.attempt.take()?;
        match std::mem::replace(&mut attempt.state, State::Password) {
            State::Client(exchange) => Some((attempt, exchange)),
            other => {
                attempt.state = other;
                self.attempt = Some(attempt);
                None
            }
        }
    }

    fn exchange_step(
        &mut self,
        mut attempt: Box<Attempt>,
        exchange: Exchange,
        step: ServerStep,
    ) -> AuthenticationStep {
        attempt.login = exchange.login().map(str::to_owned);
        let question = match step {
            ServerStep::Challenge(challenge) => {
                attempt.state = State::Client(exchange);
                self.attempt = Some(attempt);
                return AuthenticationStep::Challenge(coding::encode(&challenge));
            }
            ServerStep::NeedScramKeys { login } => LoginQuestion::ScramKeys { login },
            ServerStep::CheckPassword { login, password } => {
                LoginQuestion::Password { login, password }
            }
            ServerStep::CheckScram { login, outcome } => LoginQuestion::Proof { login, outcome },
            ServerStep::Done { .. } => return self.end(attempt, LoginOutcome::Succeeded),
            ServerStep::Failed(failure) => return self.end(attempt, failure.outcome()),
        };
        attempt.state = State::Session(exchange);
        self.ask(attempt, question)
    }

    fn ask(&mut self, attempt: Box<Attempt>, question: LoginQuestion) -> AuthenticationStep {
        let method = attempt.method;
        self.attempt = Some(attempt);
        AuthenticationStep::Ask(LoginEvent { method, question })
    }

    fn end(&mut self, attempt: Box<Attempt>, outcome: LoginOutcome) -> AuthenticationStep {
        let reply = self.reply(&attempt, outcome);
        self.record(attempt, outcome, reply)
    }

    fn abort_with(
        &mut self,
        attempt: Box<Attempt>,
        how: LoginAbort,
        reply: LoginReply,
    ) -> AuthenticationStep {
        self.record(attempt, LoginOutcome::Aborted(how), reply)
    }

    fn record(
        &mut self,
        mut attempt: Box<Attempt>,
        outcome: LoginOutcome,
        reply: LoginReply,
    ) -> AuthenticationStep {
        let event = attempt.ended(outcome);
        attempt.state = State::Recording { outcome, reply };
        self.attempt = Some(attempt);
        AuthenticationStep::Ask(event)
    }

    /// What the client is told. In the clear nothing of it depends on why (S4.1-4, S4.1-5).
    fn reply(&self, attempt: &Attempt, outcome: LoginOutcome) -> LoginReply {
        match (self.refusals, outcome) {
            (_, LoginOutcome::Succeeded) => LoginReply::Success {
                login: attempt.login.clone().unwrap_or_default(),
            },
            (_, LoginOutcome::Aborted(_)) => LoginReply::Malformed,
            (Refusals::AllAlike, _) => LoginReply::PrivacyRequired,
            (Refusals::Told, LoginOutcome::TamperingSuspected(_)) => LoginReply::WrongCredentials,
            (Refusals::Told, LoginOutcome::Refused(refusal)) => match refusal {
                LoginRefusal::Credentials
                | LoginRefusal::OtherIdentity
                | LoginRefusal::UnsupportedBinding => LoginReply::WrongCredentials,
                LoginRefusal::Ladder(refusal) => LoginReply::ChannelTooWeak(refusal),
                LoginRefusal::PasswordChangeNeeded => LoginReply::PasswordChangeNeeded,
                LoginRefusal::TooManyFailures | LoginRefusal::Unavailable => {
                    LoginReply::Unavailable
                }
            },
        }
    }
}

impl Attempt {
    fn ended(&self, outcome: LoginOutcome) -> LoginEvent {
        LoginEvent {
            method: self.method,
            question: LoginQuestion::Ended {
                login: self.login.clone(),
                outcome,
            },
        }
    }
}

/// Login and password, prepared as every other end prepares them.
fn prepare(login: &[u8], password: &[u8]) -> Option<(String, Secret)> {
    let login = prepare_login(std::str::from_utf8(login).ok()?).ok()?;
    let password = Secret::from(std::str::from_utf8(password).ok()?);
    Some((login, prepare_password(&password).ok()?))
}
