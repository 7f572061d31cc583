//! The server's end: [`Offer`] says what is listed and starts an [`Exchange`].
//!
//! An exchange takes decoded messages and answers [`ServerStep`]s. What it cannot know it asks for:
//!
//! | step | the session answers with |
//! |---|---|
//! | [`ServerStep::Challenge`] | the client's next message, by [`Exchange::step`] |
//! | [`ServerStep::NeedScramKeys`] | [`Exchange::scram_keys`] (plausible and stable ones for unknown logins), or a refusal by [`Exchange::decided`] |
//! | [`ServerStep::CheckPassword`], [`ServerStep::CheckScram`] | [`Exchange::decided`] |
//! | [`ServerStep::Done`], [`ServerStep::Failed`] | nothing, the exchange is over |
//!
//! None of IMAP, POP3 and submission can carry data beside its success reply, so SCRAM's last message goes out
//! as one more challenge, which the client answers with an empty message (RFC 5034 §4, RFC 4954 §4). It goes
//! out only after the session has decided: a login that policy refuses looks like a wrong password (S4.1-5).

use pillarbox_policy::{AuthPermit, ChannelBinding, Secret};

pub use super::failure::ServerFailure as Failure;
pub use super::scram::server::{ScramOutcome, ScramProof};

use super::coding::MAX_MESSAGE;
use super::login::{self, LoginExchange, Next};
use super::mechanism::{Mechanism, mechanisms_offered};
use super::nonce::Nonce;
use super::plain;
use super::scram::keys::ScramKeys;
use super::scram::server::{AwaitFinal, AwaitKeys, Finished, Start, Variant};

/// What one connection's server offers. Holds the connection's channel binding, which one authentication at
/// most may use (R9266-1).
#[derive(Debug, Clone)]
pub struct Offer {
    mechanisms: &'static [Mechanism],
    binding: Option<ChannelBinding>,
}

impl Offer {
    /// The offer on the channel that policy permits to authenticate on. Make one per channel, not one per
    /// attempt.
    #[must_use]
    pub fn new(permit: &AuthPermit<'_>) -> Self {
        let channel = permit.channel();
        Self {
            mechanisms: mechanisms_offered(channel),
            binding: channel.facts().and_then(|facts| facts.binding().cloned()),
        }
    }

    /// What to list, strongest first. Stays the same for as long as the channel lives (R5802-1).
    #[must_use]
    pub fn mechanisms(&self) -> &'static [Mechanism] {
        self.mechanisms
    }

    /// Whether [`Offer::start`] would start an exchange.
    #[must_use]
    pub fn can_start(&self, mechanism: Mechanism) -> bool {
        self.mechanisms.contains(&mechanism)
            && (mechanism != Mechanism::ScramSha256Plus || self.binding.is_some())
    }

    /// Starts an exchange. `None` where the mechanism is not offered, or is SCRAM-SHA-256-PLUS for a second
    /// time on this connection: the client has to connect anew for that.
    ///
    /// `nonce` is used by SCRAM only, and must be fresh.
    pub fn start(&mut self, mechanism: Mechanism, nonce: Nonce) -> Option<Exchange> {
        if !self.mechanisms.contains(&mechanism) {
            return None;
        }
        let state = match mechanism {
            Mechanism::Login => State::Login(LoginExchange::Username),
            Mechanism::Plain => State::Plain,
            Mechanism::ScramSha256 => {
                let variant = if self.mechanisms.contains(&Mechanism::ScramSha256Plus) {
                    Variant::BesidePlus
                } else {
                    Variant::Alone
                };
                State::ScramFirst(Start { variant, nonce })
            }
            Mechanism::ScramSha256Plus => State::ScramFirst(Start {
                variant: Variant::Plus(self.binding.take()?),
                nonce,
            }),
        };
        Some(Exchange {
            mechanism,
            login: None,
            state,
        })
    }
}

/// What a server does next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerStep {
    /// Send this, and give the client's answer to [`Exchange::step`].
    Challenge(Vec<u8>),
    /// Is this the password of this login, and may it be used here?
    CheckPassword {
        /// The login, prepared.
        login: String,
        /// The password, prepared.
        password: Secret,
    },
    /// Which keys does this login have?
    NeedScramKeys {
        /// The login, prepared.
        login: String,
    },
    /// The client's proof was looked at. May this login be used here?
    CheckScram {
        /// The login, prepared.
        login: String,
        /// Whether it knew the password.
        outcome: ScramOutcome,
    },
    /// The login is authenticated; send the protocol's success.
    Done {
        /// The login, prepared.
        login: String,
    },
    /// The exchange failed; send the protocol's failure.
    Failed(Failure),
}

/// The session's decision about a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Let it in. Without effect where the client's SCRAM proof was refuted.
    Accept,
    /// Do not.
    Refuse,
}

/// One exchange, from the client's first message to the end.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    /// As soon as the client has said it.
    login: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    Plain,
    Login(LoginExchange),
    ScramFirst(Start),
    ScramKeys(AwaitKeys),
    ScramFinal(AwaitFinal),
    /// The session decides on a password.
    Password,
    /// The session decides on a SCRAM proof.
    Scram {
        proved: Result<(), Failure>,
        server_final: Vec<u8>,
    },
    /// The client owes the empty answer to SCRAM's last message.
    Acknowledge,
    Over,
}

impl Exchange {
    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Who wants to log in, prepared; `None` until the client has said it.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// Begins with the client's initial response, where it sent one; otherwise asks for it.
    pub fn begin(&mut self, initial: Option<&[u8]>) -> ServerStep {
        match (initial, &self.state) {
            (Some(message), _) => self.step(message),
            (None, State::Login(_)) => ServerStep::Challenge(login::USERNAME.to_vec()),
            (None, _) => ServerStep::Challenge(Vec::new()),
        }
    }

    /// Takes the client's next message, decoded.
    pub fn step(&mut self, message: &[u8]) -> ServerStep {
        let state = std::mem::replace(&mut self.state, State::Over);
        if message.len() > MAX_MESSAGE {
            return ServerStep::Failed(Failure::Malformed);
        }
        let next = match state {
            State::Plain => plain::parse(message, &mut self.login).map(check_password),
            State::Login(dialogue) => dialogue.step(message).map(|next| match next {
                Next::Ask(dialogue) => {
                    self.login = dialogue.login().map(str::to_owned);
                    let prompt = login::PASSWORD.to_vec();
                    (State::Login(dialogue), ServerStep::Challenge(prompt))
                }
                Next::Check { login, password } => check_password((login, password)),
            }),
            State::ScramFirst(start) => start.client_first(message, &mut self.login).map(|next| {
                let login = self.login.clone().unwrap_or_default();
                (State::ScramKeys(next), ServerStep::NeedScramKeys { login })
            }),
            State::ScramFinal(last) => last
                .client_final(message)
                .map(|finished| self.check_scram(finished)),
            State::Acknowledge if message.is_empty() => Ok(self.done()),
            State::Acknowledge => Err(Failure::Malformed),
            State::ScramKeys(_) | State::Password | State::Scram { .. } | State::Over => {
                Err(Failure::OutOfTurn)
            }
        };
        self.go_on(next)
    }

    /// Answers [`ServerStep::NeedScramKeys`].
    pub fn scram_keys(&mut self, keys: ScramKeys) -> ServerStep {
        let next = match std::mem::replace(&mut self.state, State::Over) {
            State::ScramKeys(waiting) => {
                let (next, server_first) = waiting.keys(keys);
                Ok((State::ScramFinal(next), ServerStep::Challenge(server_first)))
            }
            _ => Err(Failure::OutOfTurn),
        };
        self.go_on(next)
    }

    /// Answers [`ServerStep::CheckPassword`] and [`ServerStep::CheckScram`]; a refusal answers
    /// [`ServerStep::NeedScramKeys`], too.
    pub fn decided(&mut self, decision: Decision) -> ServerStep {
        let next = match (std::mem::replace(&mut self.state, State::Over), decision) {
            (State::Password, Decision::Accept) => Ok(self.done()),
            (
                State::Scram {
                    proved,
                    server_final,
                },
                Decision::Accept,
            ) => proved.map(|()| (State::Acknowledge, ServerStep::Challenge(server_final))),
            (State::Password | State::Scram { .. } | State::ScramKeys(_), Decision::Refuse) => {
                Err(Failure::Refused)
            }
            _ => Err(Failure::OutOfTurn),
        };
        self.go_on(next)
    }

    fn check_scram(&self, finished: Finished) -> (State, ServerStep) {
        let Finished {
            outcome,
            server_final,
        } = finished;
        let proved = match outcome {
            ScramOutcome::Proved(_) => Ok(()),
            ScramOutcome::Refuted => Err(Failure::Refused),
        };
        let login = self.login.clone().unwrap_or_default();
        let state = State::Scram {
            proved,
            server_final,
        };
        (state, ServerStep::CheckScram { login, outcome })
    }

    fn done(&self) -> (State, ServerStep) {
        let login = self.login.clone().unwrap_or_default();
        (State::Over, ServerStep::Done { login })
    }

    fn go_on(&mut self, next: Result<(State, ServerStep), Failure>) -> ServerStep {
        match next {
            Ok((state, step)) => {
                self.state = state;
                step
            }
            Err(failure) => ServerStep::Failed(failure),
        }
    }
}

fn check_password((login, password): (String, Secret)) -> (State, ServerStep) {
    (
        State::Password,
        ServerStep::CheckPassword { login, password },
    )
}
