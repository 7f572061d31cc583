//! LOGIN and AUTHENTICATE (RFC 3501 §6.2.2, §6.2.3; SASL-IR, RFC 4959).
//!
//! Arguments are read only with policy's permit in hand.

use pillarbox_policy::{AuthPermit, Secret, SecretBytes};
use zeroize::Zeroizing;

use crate::imap::grammar::{Cursor, SyntaxError};
use crate::sasl::server::{Decision, Exchange, Failure, ScramOutcome, ServerStep};
use crate::sasl::{Mechanism, Nonce, ScramKeys, coding, prepare_login, prepare_password};

use crate::imap::server::command::{Capabilities, Command, Reading, When};
use crate::imap::server::dialogue::{Dialogue, Turn};
use crate::imap::server::limits::Violation;
use crate::imap::server::reply::{Code, Completion, Refusal};
use crate::imap::server::state::{LoginsInClear, Phase};

use super::Event;

/// What the session has to do for an authentication.
#[derive(Debug, PartialEq, Eq)]
pub enum Login {
    /// An exchange begins: answer with a fresh nonce, by [`Dialogue::exchange_nonce`].
    Nonce(Mechanism),
    /// Is this the password? Answer by [`Dialogue::login_decided`].
    Password {
        /// `LOGIN` for the command, or the mechanism.
        mechanism: &'static str,
        /// The login, prepared.
        login: String,
        /// The password, prepared.
        password: Secret,
    },
    /// Which keys does this login have? Answer by [`Dialogue::scram_keys`].
    ScramKeys {
        /// The login, prepared.
        login: String,
    },
    /// The client's proof was looked at: may it be let in? Answer by [`Dialogue::login_decided`].
    Scram {
        /// The mechanism.
        mechanism: &'static str,
        /// The login, prepared.
        login: String,
        /// Whether it knew the password.
        outcome: ScramOutcome,
    },
}

/// Why somebody is not let in. In the clear all of them look the same (S4.1-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Wrong login or password; which of both is never said.
    Credentials,
    /// The account has climbed past this channel; the password was not looked at.
    Ladder,
    /// Too many attempts of late, or the server cannot look now.
    Unavailable,
}

/// What a cleartext connection is told, whatever it sent (S4.1-4, S4.1-5, R9051-1).
pub(in crate::imap::server) const PRIVACY_REQUIRED: Completion = Completion::No(
    Some(Code::PrivacyRequired),
    "Encryption is required: use the TLS port, or STARTTLS first",
);

/// LOGIN.
#[derive(Debug)]
pub(in crate::imap::server) struct LoginCommand(pub(super) Started);

impl Command for LoginCommand {
    const NAME: &'static str = "LOGIN";
    const WHEN: When = When::BeforeLogin;
    const EXAMPLES: &'static [&'static str] = &["LOGIN a \"b\"", "LOGIN {1+}\r\na {1+}\r\nb"];

    fn capabilities(list: &mut Capabilities<'_>) {
        if matches!(list.state.phase, Phase::Clear(_, LoginsInClear::NotListed)) {
            list.add("LOGINDISABLED");
        }
    }

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        let permit = reading.permit.ok_or(PRIVACY_REQUIRED)?;
        Ok(Self(login(cursor, permit)?))
    }
}

/// AUTHENTICATE.
#[derive(Debug)]
pub(in crate::imap::server) struct AuthenticateCommand(pub(super) Started);

impl Command for AuthenticateCommand {
    const NAME: &'static str = "AUTHENTICATE";
    const WHEN: When = When::BeforeLogin;
    const EXAMPLES: &'static [&'static str] =
        &["AUTHENTICATE PLAIN AGEAYg==", "AUTHENTICATE SCRAM-SHA-256"];

    fn capabilities(list: &mut Capabilities<'_>) {
        list.before_login("SASL-IR");
        for mechanism in list.state.mechanisms {
            list.before_login(&format!("AUTH={}", mechanism.as_str()));
        }
    }

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        let permit = reading.permit.ok_or(PRIVACY_REQUIRED)?;
        Ok(Self(authenticate(cursor, permit)?))
    }
}

/// A LOGIN or AUTHENTICATE that was read.
#[derive(Debug)]
pub(in crate::imap::server) enum Started {
    Login {
        login: String,
        password: Secret,
    },
    /// Strings that are no login or no password.
    Impossible,
    Authenticate {
        mechanism: Mechanism,
        initial: Option<SecretBytes>,
    },
    UnknownMechanism,
}

fn login(cursor: &mut Cursor<'_>, _permit: &AuthPermit<'_>) -> Result<Started, SyntaxError> {
    cursor.space()?;
    let login = cursor.astring()?;
    cursor.space()?;
    let password = Zeroizing::new(cursor.astring()?.into_owned());
    let login = std::str::from_utf8(&login).ok().map(prepare_login);
    let password = std::str::from_utf8(&password)
        .ok()
        .map(|password| prepare_password(&Secret::from(password)));
    Ok(match (login, password) {
        (Some(Ok(login)), Some(Ok(password))) => Started::Login { login, password },
        _ => Started::Impossible,
    })
}

fn authenticate(cursor: &mut Cursor<'_>, _permit: &AuthPermit<'_>) -> Result<Started, SyntaxError> {
    cursor.space()?;
    let mechanism = Mechanism::from_name(cursor.atom()?.as_bytes());
    let initial = if cursor.eat(b' ') {
        let error = cursor.error("an initial response in base64");
        let line = cursor.take_while(|byte| byte != b' ');
        Some(coding::decode_initial(line).map_err(|_| error)?)
    } else {
        None
    };
    Ok(match mechanism {
        Some(mechanism) => Started::Authenticate { mechanism, initial },
        None => Started::UnknownMechanism,
    })
}

/// An authentication under way.
#[derive(Debug)]
pub(in crate::imap::server) struct Attempt {
    tag: String,
    mechanism: Option<Mechanism>,
    /// The client's first message, until the exchange has begun.
    initial: Option<SecretBytes>,
    /// Absent for LOGIN, and until there is a nonce.
    exchange: Option<Exchange>,
    denial: Denial,
}

impl Dialogue {
    pub(in crate::imap::server) fn start_login(
        &mut self,
        tag: String,
        started: Started,
    ) -> Option<Event> {
        let mut attempt = Box::new(Attempt {
            tag,
            mechanism: None,
            initial: None,
            exchange: None,
            denial: Denial::Credentials,
        });
        match started {
            Started::Login { login, password } => {
                self.set_turn(Turn::LoginOwner(attempt));
                Some(Event::Login(Login::Password {
                    mechanism: "LOGIN",
                    login,
                    password,
                }))
            }
            Started::Impossible => {
                self.deny(&attempt.tag, Denial::Credentials);
                None
            }
            Started::Authenticate { mechanism, initial }
                if self.mechanisms().contains(&mechanism) =>
            {
                attempt.mechanism = Some(mechanism);
                attempt.initial = initial;
                self.set_turn(Turn::LoginOwner(attempt));
                Some(Event::Login(Login::Nonce(mechanism)))
            }
            Started::Authenticate { .. } | Started::UnknownMechanism => {
                self.reply(&attempt.tag, "NO [CANNOT] No such mechanism here");
                None
            }
        }
    }

    /// Answers [`Login::Nonce`]. The nonce must be fresh and unpredictable.
    pub fn exchange_nonce(&mut self, nonce: Nonce) {
        let Some(mut attempt) = self.take_attempt() else {
            return;
        };
        let exchange = attempt
            .mechanism
            .zip(self.offer())
            .and_then(|(mechanism, offer)| offer.start(mechanism, nonce));
        match exchange {
            Some(mut exchange) => {
                let initial = attempt.initial.take();
                let step = exchange.begin(initial.as_deref());
                attempt.exchange = Some(exchange);
                self.exchange_step(attempt, step);
            }
            // A channel binding serves one attempt (R9266-1).
            None => self.reply(
                &attempt.tag,
                "NO [CANNOT] This mechanism was used already; connect again for it",
            ),
        }
    }

    /// Answers [`Login::ScramKeys`]: plausible and stable ones for a login that does not exist.
    pub fn scram_keys(&mut self, keys: ScramKeys) {
        let Some(mut attempt) = self.take_attempt() else {
            return;
        };
        match attempt.exchange.as_mut() {
            Some(exchange) => {
                let step = exchange.scram_keys(keys);
                self.exchange_step(attempt, step);
            }
            None => self.deny(&attempt.tag, Denial::Unavailable),
        }
    }

    /// Answers [`Login::Password`] and [`Login::Scram`].
    ///
    /// `Ok` after a SCRAM proof that was refuted changes nothing: it is a failure all the same.
    pub fn login_decided(&mut self, decision: Result<(), Denial>) {
        let Some(mut attempt) = self.take_attempt() else {
            return;
        };
        if let Err(denial) = decision {
            attempt.denial = denial;
        }
        match (attempt.exchange.as_mut(), decision) {
            (Some(exchange), _) => {
                let step = exchange.decided(if decision.is_ok() {
                    Decision::Accept
                } else {
                    Decision::Refuse
                });
                self.exchange_step(attempt, step);
            }
            (None, Ok(())) => self.let_in(&attempt.tag),
            (None, Err(denial)) => self.deny(&attempt.tag, denial),
        }
    }

    /// The client's line in an exchange.
    pub(in crate::imap::server) fn exchange_line(
        &mut self,
        mut attempt: Box<Attempt>,
        line: &[u8],
    ) {
        match coding::client_line(line) {
            Ok(coding::ClientLine::Message(message)) => {
                if let Some(exchange) = attempt.exchange.as_mut() {
                    let step = exchange.step(&message);
                    self.exchange_step(attempt, step);
                }
            }
            Ok(coding::ClientLine::Cancelled) => {
                self.reply(&attempt.tag, "BAD Authentication cancelled");
            }
            Err(coding::NotBase64) => self.bad(&attempt.tag, "expected base64"),
        }
    }

    fn exchange_step(&mut self, mut attempt: Box<Attempt>, step: ServerStep) {
        let mechanism = attempt.mechanism.map_or("", Mechanism::as_str);
        let login = match step {
            ServerStep::Challenge(challenge) => {
                let line = format!("+ {}", *coding::encode(&challenge));
                self.output().line(&line);
                self.set_turn(Turn::LoginClient(attempt));
                return;
            }
            ServerStep::Done { .. } => return self.let_in(&attempt.tag),
            ServerStep::Failed(Failure::Malformed) => {
                return self.bad(&attempt.tag, "expected a message of the mechanism");
            }
            ServerStep::Failed(_) => return self.deny(&attempt.tag, attempt.denial),
            ServerStep::CheckPassword { login, password } => Login::Password {
                mechanism,
                login,
                password,
            },
            ServerStep::NeedScramKeys { login } => Login::ScramKeys { login },
            ServerStep::CheckScram { login, outcome } => {
                attempt.denial = Denial::Credentials;
                Login::Scram {
                    mechanism,
                    login,
                    outcome,
                }
            }
        };
        self.set_turn(Turn::LoginOwner(attempt));
        self.queue(Event::Login(login));
    }

    fn let_in(&mut self, tag: &str) {
        self.set_phase(Phase::Authenticated);
        let line = format!("OK [CAPABILITY {}] Logged in", self.capabilities());
        self.reply(tag, &line);
    }

    fn deny(&mut self, tag: &str, denial: Denial) {
        if self.is_clear() {
            self.responses().complete(&PRIVACY_REQUIRED);
        } else {
            let (code, text) = match denial {
                Denial::Credentials => (Code::AuthenticationFailed, "Wrong login or password"),
                Denial::Ladder => (
                    Code::PrivacyRequired,
                    "This account needs better encryption than this connection has",
                ),
                Denial::Unavailable => (Code::Unavailable, "Try again later"),
            };
            self.reply(tag, &format!("NO [{code}] {text}"));
        }
        self.count_failed_login(Violation::TooManyLogins);
    }
}
