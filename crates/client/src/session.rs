//! [`Session`]: a connection to one of an account's servers, inside TLS at the account's level.
//!
//! There is no other kind. Until it exists only what RFC 8314 allows has been sent: nothing at all before
//! implicit TLS, and EHLO, CAPABILITY or CAPA with STARTTLS or STLS before the other (S5.2-8).

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use pillarbox_discover::{Approved, DiscoverError, References, Resolver};
use pillarbox_names::{Host, TlsStart};
use pillarbox_policy::{Credentials, Level, Refusal, RefusalCode};
use pillarbox_proto::smtp::submission;
use pillarbox_proto::{Clear, Machine, OnChannel, Sealed, Start, Upgrade, imap, pop3};
use pillarbox_transport::{
    ConnectionError, Conversation, DialError, Dialer, Driven, Roots, ServerIdentity, Target,
    UpgradeError,
};

use crate::Indicator;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take to answer our goodbye.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A protocol that a client speaks: how it gets to TLS, logs in and says goodbye. [`crate::Imap`], [`crate::Pop3`] and
/// [`crate::Submission`] are such.
#[expect(
    async_fn_in_trait,
    reason = "only this crate implements it, and its futures are sent where they are concrete"
)]
pub trait Protocol: Sized {
    /// The machine until TLS.
    type Clear: Start<Channel = Clear> + Upgrade + Machine<Error: Coded>;
    /// The machine inside TLS.
    type Sealed: Start<Channel = Sealed> + Machine<Error: Coded>;

    /// What the cleartext machine is started with.
    fn clear_settings() -> Result<<Self::Clear as Start>::Settings, Broken>;

    /// What the sealed machine is started with.
    fn settings() -> <Self::Sealed as Start>::Settings;

    /// Reads the greeting and asks for TLS, until the server has agreed. Whatever is not the exact success ends it
    /// (C1-C6, C9, C12, C13).
    async fn ask_for_tls(clear: &mut Conversation<Self::Clear>) -> Result<(), Broken>;

    /// Logs in.
    async fn log_in(
        session: &mut Session<Self>,
        credentials: &Credentials,
    ) -> Result<(), LoginError>;

    /// Says goodbye, if the machine can at this point.
    fn quit(machine: &mut Self::Sealed);
}

/// A connection inside TLS, at the level it was asked for with. Nobody has logged in.
pub struct Session<P: Protocol> {
    pub(crate) conversation: Conversation<P::Sealed>,
    level: Level,
}

/// A session in which the account is logged in.
pub struct LoggedIn<P: Protocol>(pub(crate) Session<P>);

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
    /// TCP did not work, or TLS.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// STARTTLS did not lead into TLS.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// TLS is there, but below the account's level (S5-4).
    #[error(transparent)]
    BelowLevel(#[from] Refusal),
    /// The conversation went wrong. Holds no words of the server from before TLS (C10).
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl ConnectError {
    /// The stable machine code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Lookup(why) => why.code(),
            Self::Dial(DialError::Handshake(why)) => why.failure.code(),
            Self::Upgrade(why) if why.is_injection() => Some(RefusalCode::ResponseInjection),
            Self::Upgrade(why) => why.code(),
            Self::BelowLevel(why) => Some(why.code()),
            Self::Broken(why) => why.code(),
            Self::NoAddress(_) | Self::Dial(_) => None,
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
        code: RefusalCode,
        /// What it did, in our words.
        text: String,
    },
    /// The server said goodbye, or the machine waits for us when it should not.
    #[error("the server ended the conversation before it was done")]
    Ended,
}

impl Broken {
    fn violation(why: &impl Coded) -> Self {
        Self::Violation {
            code: why.code(),
            text: why.to_string(),
        }
    }

    /// We could not go on.
    pub(crate) fn ours(why: impl fmt::Display) -> Self {
        Self::Violation {
            code: RefusalCode::ProtocolViolation,
            text: why.to_string(),
        }
    }

    /// The stable machine code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Connection(why) => why.code(),
            Self::Violation { code, .. } => Some(*code),
            Self::Ended => None,
        }
    }
}

/// The next event of a machine.
pub(crate) async fn next<M: OnChannel + Machine<Error: Coded>>(
    conversation: &mut Conversation<M>,
) -> Result<M::Event, Broken> {
    match conversation.drive().await? {
        Driven::Event(event) => Ok(event),
        Driven::NeedReply | Driven::Closed => Err(Broken::Ended),
        Driven::Violation(why) => Err(Broken::violation(&why)),
    }
}

/// A violation with a stable code.
pub trait Coded: fmt::Display {
    /// The code.
    fn code(&self) -> RefusalCode;
}

impl Coded for submission::client::Failure {
    fn code(&self) -> RefusalCode {
        self.code()
    }
}

impl Coded for imap::client::Violation {
    fn code(&self) -> RefusalCode {
        self.code()
    }
}

impl Coded for pop3::client::Violation {
    fn code(&self) -> RefusalCode {
        self.code()
    }
}

impl<P: Protocol> Session<P> {
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
        let identity = ServerIdentity::host(host.clone()).with_mail_domain(mail_domain.clone());
        let dialer = Dialer::new(candidate.service(), roots.clone());
        let mut connection = match candidate.label().start {
            TlsStart::Implicit => dialer.connect_implicit(&target, &identity).await?,
            TlsStart::StartTls => {
                let mut clear = dialer.connect_clear(&target).await?;
                clear.set_idle_timeout(PATIENCE);
                let mut clear = clear.start(P::clear_settings()?);
                P::ask_for_tls(&mut clear).await?;
                clear.start_tls_as_client(&dialer, &identity).await?
            }
        };
        connection.set_idle_timeout(PATIENCE);
        level.permits(connection.facts())?;
        Ok(Self {
            conversation: connection.start(P::settings()),
            level,
        })
    }

    /// The confidentiality sign of this very connection.
    #[must_use]
    pub fn indicator(&self) -> Indicator {
        Indicator::of(self.level, self.conversation.channel())
    }

    /// Logs in. The credentials are zeroed before anything else is said.
    ///
    /// # Errors
    /// See [`LoginError`]. A server that refused is said goodbye to.
    pub async fn log_in(mut self, credentials: Credentials) -> Result<LoggedIn<P>, LoginError> {
        let outcome = P::log_in(&mut self, &credentials).await;
        drop(credentials);
        match outcome {
            Ok(()) => Ok(LoggedIn(self)),
            Err(why) => {
                if let LoginError::Refused { .. } = why {
                    LoggedIn(self).close().await;
                }
                Err(why)
            }
        }
    }

    /// Ends the connection without having logged in.
    pub async fn close(self) {
        self.conversation.close().await;
    }

    pub(crate) fn machine(&mut self) -> &mut P::Sealed {
        self.conversation.machine()
    }

    pub(crate) async fn next(&mut self) -> Result<<P::Sealed as Machine>::Event, Broken> {
        next(&mut self.conversation).await
    }
}

impl<P: Protocol> LoggedIn<P> {
    /// The confidentiality sign of this very connection.
    #[must_use]
    pub fn indicator(&self) -> Indicator {
        self.0.indicator()
    }

    /// Says goodbye, and closes.
    pub async fn close(mut self) {
        P::quit(self.machine());
        let mut conversation = self.0.conversation;
        conversation.set_idle_timeout(QUIT_TIMEOUT);
        // whatever comes now, the connection ends
        while let Ok(Driven::Event(_)) = conversation.drive().await {}
        conversation.close().await;
    }

    pub(crate) fn machine(&mut self) -> &mut P::Sealed {
        self.0.machine()
    }

    pub(crate) async fn next(&mut self) -> Result<<P::Sealed as Machine>::Event, Broken> {
        self.0.next().await
    }
}

impl<P: Protocol> fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl<P: Protocol> fmt::Debug for LoggedIn<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A login failed. No other mechanism or server is tried in its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The server does not take this login and password.
    #[error("the server does not accept this login and password; it said: \"{said}\"")]
    Refused {
        /// The server's words, made fit for a terminal.
        said: String,
    },
    /// The session does not meet the account's level; nothing was sent.
    #[error(transparent)]
    BelowLevel(#[from] Refusal),
    /// The login could not be made, or the server could not be proved to know the password.
    #[error("the login failed: {0}")]
    Exchange(String),
    /// The conversation broke off.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl LoginError {
    pub(crate) fn refused(said: impl std::fmt::Display) -> Self {
        let said = said.to_string();
        Self::Refused { said }
    }

    pub(crate) fn exchange(why: impl std::fmt::Display) -> Self {
        Self::Exchange(why.to_string())
    }

    /// The stable machine code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::BelowLevel(why) => Some(why.code()),
            Self::Broken(why) => why.code(),
            Self::Refused { .. } | Self::Exchange(_) => None,
        }
    }
}
