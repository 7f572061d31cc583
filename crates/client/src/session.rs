//! [`Session`]: a connection to one of an account's servers, inside TLS at the account's level.
//!
//! There is no other kind. Until it exists only what RFC 8314 allows has been sent: nothing at all before
//! implicit TLS, and EHLO, CAPABILITY or CAPA with STARTTLS or STLS before the other (S5.2-8).

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use pillarbox_discover::{Approved, DiscoverError, References, Resolver};
use pillarbox_names::{Host, Service, TlsStart};
use pillarbox_policy::{Code, HandshakeFailure, Level, Refusal, TlsFacts};
use pillarbox_proto::imap::client::{ClearEvent, ClientCertificate};
use pillarbox_proto::smtp::submission;
use pillarbox_proto::{Clear, Injected, Machine, Sealed, imap, pop3};
use pillarbox_transport::{
    Connection, ConnectionError, DialError, Dialer, Driven, HandshakeError, InvalidName, Roots,
    ServerIdentity, Target,
};

use crate::Indicator;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection inside TLS, at the level it was asked for with.
pub struct Session {
    pub(crate) connection: Connection,
    pub(crate) machine: SealedMachine,
    pub(crate) level: Level,
}

/// The protocol spoken on it.
pub(crate) enum SealedMachine {
    Imap(Box<imap::client::Client<Sealed>>),
    Pop3(Box<pop3::client::Client<Sealed>>),
    Submission(Box<submission::client::Client<Sealed>>),
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host's addresses could not be looked up, or are bogus.
    #[error(transparent)]
    Lookup(#[from] DiscoverError),
    /// The host has no address.
    #[error("{0} has no address")]
    NoAddress(Host),
    /// The host's name cannot be put into a certificate check.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// TCP did not work, or TLS.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// TLS after STARTTLS did not work.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// TLS is there, but below the account's level (S5-4).
    #[error(transparent)]
    BelowLevel(#[from] Refusal),
    /// Bytes were slipped in before TLS (C1).
    #[error(transparent)]
    Injected(#[from] Injected),
    /// The conversation went wrong. Holds no words of the server from before TLS (C10).
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl ConnectError {
    /// The stable machine code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Lookup(why) => why.code(),
            Self::Dial(DialError::Handshake(why)) => why.failure.code(),
            // cleartext where the answer to STARTTLS was the last of it: C1, in a segment of its own
            Self::Handshake(why) if why.failure == HandshakeFailure::NotTls => {
                Some(Code::ResponseInjection)
            }
            Self::Handshake(why) => why.failure.code(),
            Self::BelowLevel(why) => Some(why.code()),
            Self::Injected(why) => Some(why.code()),
            Self::Broken(why) => why.code(),
            Self::NoAddress(_) | Self::Name(_) | Self::Dial(_) => None,
        }
    }
}

/// How a conversation ends that nobody meant to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The connection did.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server broke the protocol.
    #[error("{text}")]
    Violation {
        /// The stable machine code.
        code: Code,
        /// What it did, in our words.
        text: String,
    },
    /// The server said goodbye, or the machine waits for us when it should not.
    #[error("the server ended the conversation before it was done")]
    Ended,
}

impl Broken {
    /// The stable machine code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Connection(why) => why.code(),
            Self::Violation { code, .. } => Some(*code),
            Self::Ended => None,
        }
    }
}

/// The next event of a machine.
pub(crate) async fn next<M: Machine<Error: Coded>>(
    connection: &mut Connection,
    machine: &mut M,
) -> Result<M::Event, Broken> {
    match connection.drive(machine).await? {
        Driven::Event(event) => Ok(event),
        Driven::NeedReply | Driven::Closed => Err(Broken::Ended),
        Driven::Violation(why) => Err(Broken::Violation {
            code: why.code(),
            text: why.to_string(),
        }),
    }
}

/// Lets a machine say its goodbye, and closes.
pub(crate) async fn farewell<M: Machine>(mut connection: Connection, machine: &mut M) {
    connection.set_idle_timeout(Duration::from_secs(5));
    // whatever comes now, the connection ends
    while let Ok(Driven::Event(_)) = connection.drive(machine).await {}
    connection.close().await;
}

/// A violation with a stable code.
pub(crate) trait Coded: fmt::Display {
    fn code(&self) -> Code;
}

impl Coded for submission::client::Failure {
    fn code(&self) -> Code {
        self.code()
    }
}

impl Coded for imap::client::Violation {
    fn code(&self) -> Code {
        self.code()
    }
}

impl Coded for pop3::client::Violation {
    fn code(&self) -> Code {
        self.code()
    }
}

impl Session {
    /// Connects to an approved server, and gets to TLS at `level` or fails (S5-4, S5.1-8). No credential is
    /// anywhere near.
    ///
    /// # Errors
    /// See [`ConnectError`]. Nothing else is tried in place of what failed.
    pub async fn open(
        server: &Approved,
        level: Level,
        resolver: &Resolver,
        roots: &Roots,
    ) -> Result<Self, ConnectError> {
        let candidate = server.candidate();
        let host = candidate.host();
        let addresses = resolver.addresses(host).await?.addresses;
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress(host.clone()));
        }
        let target = Target::Addresses(
            addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, candidate.port()))
                .collect(),
        );
        let References { host, mail_domain } = server.references();
        let identity =
            ServerIdentity::host(host.as_str())?.with_mail_domain(mail_domain.as_str())?;
        let service = candidate.service();
        let dialer = Dialer::new(service, roots.clone());
        match candidate.label().start {
            TlsStart::Implicit => {
                let mut connection = dialer.connect_implicit(&target, &identity).await?;
                connection.set_idle_timeout(PATIENCE);
                let facts = at_level(&connection, level)?;
                Ok(Self {
                    machine: SealedMachine::from_the_start(service, facts),
                    connection,
                    level,
                })
            }
            TlsStart::StartTls => {
                let connection = dialer.connect_clear(&target).await?;
                start_tls(service, connection, &dialer, &identity, level).await
            }
        }
    }

    /// The confidentiality sign of this very connection.
    #[must_use]
    pub fn indicator(&self) -> Indicator {
        Indicator::of(self.level, self.connection.channel())
    }

    /// Says goodbye without having logged in.
    pub async fn close(self) {
        self.connection.close().await;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl SealedMachine {
    fn from_the_start(service: Service, facts: TlsFacts) -> Self {
        match service {
            Service::Imap => Self::Imap(Box::new(imap::client::Client::<Sealed>::new(
                facts,
                ClientCertificate::NotSent,
            ))),
            Service::Pop3 => Self::Pop3(Box::new(pop3::client::Client::<Sealed>::new(facts))),
            Service::Submission => {
                Self::Submission(Box::new(submission::client::Client::<Sealed>::new(facts)))
            }
        }
    }
}

/// From the first byte in the clear to TLS at the level: greeting, STARTTLS, handshake. Whatever is not the
/// exact success ends it (C1-C6, C9, C12, C13).
async fn start_tls(
    service: Service,
    connection: Connection,
    dialer: &Dialer,
    identity: &ServerIdentity,
    level: Level,
) -> Result<Session, ConnectError> {
    let mut connection = connection;
    connection.set_idle_timeout(PATIENCE);
    let refused = |why: &dyn fmt::Display| Broken::Violation {
        code: Code::ProtocolViolation,
        text: why.to_string(),
    };
    let (connection, machine) = match service {
        Service::Imap => {
            let seed = crate::random::tag_seed().map_err(|why| refused(&why))?;
            let mut machine = imap::client::Client::<Clear>::new(seed);
            loop {
                match next(&mut connection, &mut machine).await? {
                    ClearEvent::Greeted => machine.start_tls().map_err(|why| refused(&why))?,
                    ClearEvent::Capabilities(_) => {}
                    ClearEvent::ReadyForTls => break,
                }
            }
            let connection = connection.start_tls_as_client(dialer, identity).await?;
            let facts = at_level(&connection, level)?;
            let machine = SealedMachine::Imap(Box::new(machine.into_sealed(facts)?));
            (connection, machine)
        }
        Service::Pop3 => {
            let mut machine = pop3::client::Client::<Clear>::new();
            loop {
                match next(&mut connection, &mut machine).await? {
                    pop3::client::Event::Greeted => {
                        machine.start_tls().map_err(|why| refused(&why))?
                    }
                    pop3::client::Event::StartTls => break,
                    _ => return Err(Broken::Ended.into()),
                }
            }
            let connection = connection.start_tls_as_client(dialer, identity).await?;
            let facts = at_level(&connection, level)?;
            let machine = SealedMachine::Pop3(Box::new(machine.into_sealed(facts)?));
            (connection, machine)
        }
        Service::Submission => {
            let mut machine = submission::client::Client::<Clear>::new();
            let submission::client::Event::StartTls = next(&mut connection, &mut machine).await?
            else {
                return Err(Broken::Ended.into());
            };
            let connection = connection.start_tls_as_client(dialer, identity).await?;
            let facts = at_level(&connection, level)?;
            let machine = SealedMachine::Submission(Box::new(machine.into_sealed(facts)?));
            (connection, machine)
        }
    };
    Ok(Session {
        connection,
        machine,
        level,
    })
}

/// The facts of a connection that meets the level.
fn at_level(connection: &Connection, level: Level) -> Result<TlsFacts, ConnectError> {
    let facts = connection
        .channel()
        .facts()
        .cloned()
        // a dialer's connection has facts once its handshake is done; without them there is nothing to go on with
        .ok_or(Broken::Ended)?;
    level.permits(&facts)?;
    Ok(facts)
}
