//! The server's end: [`Offer`] says what is listed and starts an [`Exchange`].
//!
//! An exchange takes decoded messages and answers [`ServerStep`]s. What it cannot know it asks for:
//!
//! | step | the owner answers with |
//! |---|---|
//! | [`ServerStep::Challenge`] | the client's next message, by [`Exchange::step`] |
//! | [`ServerStep::NeedScramKeys`] | [`Exchange::scram_keys`] (plausible and stable ones for unknown logins), or a refusal by [`Exchange::decided`] |
//! | [`ServerStep::CheckPassword`], [`ServerStep::CheckScram`] | [`Exchange::decided`] |
//! | [`ServerStep::Done`], [`ServerStep::Failed`] | nothing, the exchange is over |
//!
//! None of IMAP, POP3 and submission can carry data beside its success reply, so SCRAM's last message goes out
//! as one more challenge, which the client answers with an empty message (RFC 5034 §4, RFC 4954 §4). It goes
//! out only after the owner has decided: a login that policy refuses looks like a wrong password (S4.1-5).

use pillarbox_policy::{AuthPermit, ChannelBinding, Secret};

use super::{
    MAX_MESSAGE, Mechanism, Nonce, ScramKeys,
    login::{self, Login, Next},
    mechanisms_offered, plain,
    scram::server::{AwaitFinal, AwaitKeys, Finished, Start, Variant},
};

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

    /// Starts an exchange. `None` where the mechanism is not offered, or is SCRAM-SHA-256-PLUS for a second
    /// time on this connection: the client has to connect anew for that.
    ///
    /// `nonce` is used by SCRAM only, and must be fresh.
    pub fn start(&mut self, mechanism: Mechanism, nonce: Nonce) -> Option<Exchange> {
        if !self.mechanisms.contains(&mechanism) {
            return None;
        }
        let state = match mechanism {
            Mechanism::Login => State::Login(Login::Username),
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
        Some(Exchange { mechanism, state })
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

/// Whether a SCRAM client knew the password.
#[derive(Debug, PartialEq, Eq)]
pub enum ScramOutcome {
    /// It did.
    Proved(ScramProof),
    /// It did not.
    Refuted,
}

/// Shows that an [`Exchange`] has verified a client's proof; nothing else can make one.
///
/// ```compile_fail,E0423
/// let forged = pillarbox_proto::sasl::server::ScramProof(());
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct ScramProof(());

impl ScramProof {
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// The owner's decision about a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Let it in. Without effect where the client's SCRAM proof was refuted.
    Accept,
    /// Do not.
    Refuse,
}

/// Why an exchange failed. All but [`Failure::Malformed`] look the same to the client; the log may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
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
    /// The owner refused the login: wrong password, unknown login, or policy.
    #[error("the login was refused")]
    Refused,
    /// A fault of the owner's: an answer that nobody asked for.
    #[error("the exchange was driven out of turn")]
    OutOfTurn,
}

/// One exchange, from the client's first message to the end.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    Plain,
    Login(Login),
    ScramFirst(Start),
    ScramKeys(AwaitKeys),
    ScramFinal(AwaitFinal),
    /// The owner decides on a password.
    Password {
        login: String,
    },
    /// The owner decides on a SCRAM proof.
    Scram {
        login: String,
        refuted: Option<Failure>,
        server_final: Vec<u8>,
    },
    /// The client owes the empty answer to SCRAM's last message.
    Acknowledge {
        login: String,
    },
    Over,
}

impl Exchange {
    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
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
            State::Plain => plain::parse(message).map(|(login, password)| {
                let state = State::Password {
                    login: login.clone(),
                };
                (state, ServerStep::CheckPassword { login, password })
            }),
            State::Login(dialogue) => dialogue.step(message).map(|next| match next {
                Next::Ask(dialogue) => (
                    State::Login(dialogue),
                    ServerStep::Challenge(login::PASSWORD.to_vec()),
                ),
                Next::Check { login, password } => (
                    State::Password {
                        login: login.clone(),
                    },
                    ServerStep::CheckPassword { login, password },
                ),
            }),
            State::ScramFirst(start) => start.client_first(message).map(|next| {
                let login = next.login.clone();
                (State::ScramKeys(next), ServerStep::NeedScramKeys { login })
            }),
            State::ScramFinal(last) => last.client_final(message).map(Self::check_scram),
            State::Acknowledge { login } if message.is_empty() => {
                Ok((State::Over, ServerStep::Done { login }))
            }
            State::Acknowledge { .. } => Err(Failure::Malformed),
            State::ScramKeys(_) | State::Password { .. } | State::Scram { .. } | State::Over => {
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
            (State::Password { login }, Decision::Accept) => {
                Ok((State::Over, ServerStep::Done { login }))
            }
            (
                State::Scram {
                    login,
                    refuted: None,
                    server_final,
                },
                Decision::Accept,
            ) => Ok((
                State::Acknowledge { login },
                ServerStep::Challenge(server_final),
            )),
            (State::Password { .. } | State::Scram { .. }, _)
            | (State::ScramKeys(_), Decision::Refuse) => Err(Failure::Refused),
            _ => Err(Failure::OutOfTurn),
        };
        self.go_on(next)
    }

    fn check_scram(finished: Finished) -> (State, ServerStep) {
        let Finished {
            login,
            outcome,
            server_final,
        } = finished;
        let refuted = (outcome == ScramOutcome::Refuted).then_some(Failure::Refused);
        let state = State::Scram {
            login: login.clone(),
            refuted,
            server_final,
        };
        (state, ServerStep::CheckScram { login, outcome })
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
