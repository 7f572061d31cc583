//! The client's end: [`choose`] picks a mechanism, [`Exchange`] runs it.
//!
//! ```
//! use pillarbox_policy::{AccountLevel, Credentials};
//! use pillarbox_proto::sasl::{Mechanism, Nonce, client};
//!
//! let facts = pillarbox_testkit::facts();
//! let credentials = Credentials::new("ann@example.org", "secret".into(), &AccountLevel::default());
//! let released = credentials.release(&facts).unwrap();
//! let choice = client::choose([&b"PLAIN"[..], b"SCRAM-SHA-256"], &facts).unwrap();
//! assert_eq!(choice.mechanism(), Mechanism::ScramSha256);
//! let (exchange, initial) = client::Exchange::new(choice, released, Nonce::from_random([1; 18])).unwrap();
//! // The connection could be bound and the server lists no PLUS: the flag is `y` (R5802-2).
//! assert!(initial.starts_with(b"y,,n=ann@example.org,r="));
//! # let _ = exchange;
//! ```

use pillarbox_policy::{Released, SecretBytes, TlsFacts};

pub use super::failure::ClientFailure as Failure;

use super::coding::MAX_MESSAGE;
use super::mechanism::Mechanism;
use super::nonce::Nonce;
use super::plain;
use super::prepare::{prepare_login, prepare_password};
use super::scram::client::{self as scram, AwaitServerFinal, AwaitServerFirst, Binding};

/// What a client may use, best first (C11). LOGIN is not in it: whoever has LOGIN has PLAIN.
const ALLOWED: [Mechanism; 3] = [
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::Plain,
];

/// A mechanism that [`choose`] chose for a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice(Mechanism);

impl Choice {
    /// The mechanism. To be remembered per account, and compared with the next one: a fall is worth a warning
    /// (C11).
    #[must_use]
    pub fn mechanism(self) -> Mechanism {
        self.0
    }
}

/// The best mechanism out of those a server listed inside TLS; `None` where there is none that we use.
pub fn choose<'a>(listed: impl IntoIterator<Item = &'a [u8]>, facts: &TlsFacts) -> Option<Choice> {
    listed
        .into_iter()
        .filter_map(Mechanism::from_name)
        .filter(|mechanism| {
            ALLOWED.contains(mechanism)
                && (*mechanism != Mechanism::ScramSha256Plus || facts.binding().is_some())
        })
        .max()
        .map(Choice)
}

/// What a client does next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientStep {
    /// Send this; it may be empty.
    Send(SecretBytes),
    /// Give up: cancel the exchange with `*`, then close.
    Failed(Failure),
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    ServerFirst(AwaitServerFirst),
    ServerFinal(AwaitServerFinal),
    /// All was said, and the server has proved what the mechanism lets it prove.
    Said,
    Failed(Failure),
}

impl Exchange {
    /// Begins. Answers the initial response too, which every mechanism here has.
    ///
    /// # Errors
    /// Login or password cannot be prepared with SASLprep.
    pub fn new(
        choice: Choice,
        released: Released<'_>,
        nonce: Nonce,
    ) -> Result<(Self, SecretBytes), Failure> {
        let login = prepare_login(released.login()).map_err(Failure::Login)?;
        let password = prepare_password(released.password()).map_err(Failure::Password)?;
        let bound = released.facts().binding();
        let binding = match (choice.0, bound) {
            (Mechanism::ScramSha256Plus, Some(binding)) => Binding::Bound(binding),
            (_, Some(_)) => Binding::ServerCannot,
            (_, None) => Binding::CannotBind,
        };
        let (state, initial) = match choice.0 {
            Mechanism::Plain | Mechanism::Login => (State::Said, plain::compose(&login, &password)),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                let (next, first) = scram::start(&login, password, &binding, nonce);
                (State::ServerFirst(next), first)
            }
        };
        let exchange = Self {
            mechanism: choice.0,
            state,
        };
        Ok((exchange, initial))
    }

    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Answers a challenge of the server, decoded. May compute for up to a second (SCRAM).
    pub fn step(&mut self, challenge: &[u8]) -> ClientStep {
        let state = std::mem::replace(&mut self.state, State::Failed(Failure::UnexpectedChallenge));
        let next = if challenge.len() > MAX_MESSAGE {
            Err(Failure::Malformed)
        } else {
            match state {
                State::ServerFirst(waiting) => waiting
                    .server_first(challenge)
                    .map(|(next, last)| (State::ServerFinal(next), last)),
                State::ServerFinal(waiting) => waiting
                    .server_final(challenge)
                    .map(|()| (State::Said, SecretBytes::new())),
                State::Said => Err(Failure::UnexpectedChallenge),
                State::Failed(failure) => Err(failure),
            }
        };
        match next {
            Ok((state, message)) => {
                self.state = state;
                ClientStep::Send(message)
            }
            Err(failure) => {
                self.state = State::Failed(failure);
                ClientStep::Failed(failure)
            }
        }
    }

    /// The protocol reported success. Whether the login may be believed.
    ///
    /// # Errors
    /// The server has not proved what the mechanism demands (R5802-2).
    pub fn succeeded(self) -> Result<(), Failure> {
        match self.state {
            State::Said => Ok(()),
            State::Failed(failure) => Err(failure),
            State::ServerFirst(_) | State::ServerFinal(_) => Err(Failure::EndedEarly),
        }
    }
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
