//! The states of a channel that a machine can run over, as types.

use std::fmt;
use std::sync::Arc;

use pillarbox_names::TlsStart;
use pillarbox_policy::{
    AuthPermit, Channel, ClearFacts, LegacyWindow, MayAuthenticate, RefusalCode, TlsEnd, TlsFacts,
    may_authenticate,
};

pub(crate) mod private {
    /// What only this crate implements.
    pub trait Ours {}
}

/// A state of a channel: [`Clear`], [`Legacy`] or [`Sealed`].
///
/// None of them can be cloned outside this crate: a connection and the machine it started share one.
pub trait ChannelState: private::Ours + fmt::Debug + Send + Sync + 'static {
    /// The channel as policy sees it.
    fn view(&self) -> Channel<'_>;
}

/// A state in which credentials may be taken, and mail after them: [`Sealed`], or [`Legacy`] with a window for each
/// login.
pub trait LoginChannel: ChannelState {}

/// Cleartext: nothing secret is said or taken.
#[derive(Debug)]
pub struct Clear(pub(crate) Arc<ClearFacts>);

/// Cleartext on which an operator's grant has permitted a login. The next login needs a window of its own.
#[derive(Debug)]
pub struct Legacy(pub(crate) Arc<ClearFacts>);

/// TLS, with the facts of its handshake.
#[derive(Debug)]
pub struct Sealed(pub(crate) Arc<TlsFacts>);

impl Clear {
    /// The channel of a connection with these facts.
    #[must_use]
    pub fn new(facts: ClearFacts) -> Self {
        Self(Arc::new(facts))
    }

    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Legacy {
    /// The same channel, once a window for its very peer permits a login.
    #[must_use]
    pub fn opened(channel: &Clear, window: &LegacyWindow) -> Option<Self> {
        let legacy = Self(Arc::clone(&channel.0));
        permit(&legacy, Some(window)).is_some().then_some(legacy)
    }

    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Sealed {
    /// The channel of a connection with these facts.
    #[must_use]
    pub fn new(facts: TlsFacts) -> Self {
        Self(Arc::new(facts))
    }

    /// The facts of the handshake.
    #[must_use]
    pub fn facts(&self) -> &TlsFacts {
        &self.0
    }

    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Whether the server has still to greet: it does unless STARTTLS went before on this very connection
    /// (RFC 3501 §6.2.1, RFC 2595 §4, RFC 3207 §4.2). A balancer that ends STARTTLS hands on a fresh connection.
    pub(crate) fn greeting_is_due(&self) -> bool {
        self.0.tls_start() == TlsStart::Implicit || self.0.tls_end() != TlsEnd::Here
    }
}

/// What policy answers for a channel, as an option.
pub(crate) fn permit<'c>(
    channel: &'c impl ChannelState,
    window: Option<&LegacyWindow>,
) -> Option<AuthPermit<'c>> {
    match may_authenticate(channel.view(), window) {
        MayAuthenticate::Yes(permit) => Some(permit),
        MayAuthenticate::NotBeforeTls => None,
    }
}

impl private::Ours for Clear {}
impl ChannelState for Clear {
    fn view(&self) -> Channel<'_> {
        Channel::Clear(&self.0)
    }
}

impl private::Ours for Legacy {}
impl LoginChannel for Legacy {}
impl ChannelState for Legacy {
    fn view(&self) -> Channel<'_> {
        Channel::Clear(&self.0)
    }
}

impl private::Ours for Sealed {}
impl LoginChannel for Sealed {}
impl ChannelState for Sealed {
    fn view(&self) -> Channel<'_> {
        Channel::Sealed(&self.0)
    }
}

/// Bytes stood in the clear where the TLS handshake had to begin (C1, C2, C3, S1). Always fatal: they are
/// neither replayed nor given to the TLS engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injected {
    /// Which end found them.
    pub found_by: End,
    /// How many there were.
    pub bytes: usize,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client.
    Client,
    /// The server.
    Server,
}

impl End {
    /// Answers for a machine that holds so many bytes where TLS has to begin.
    pub(crate) fn found(self, bytes: usize) -> Result<(), Injected> {
        match bytes {
            0 => Ok(()),
            bytes => Err(Injected {
                found_by: self,
                bytes,
            }),
        }
    }
}

impl Injected {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self.found_by {
            End::Client => RefusalCode::ResponseInjection,
            End::Server => RefusalCode::CommandInjection,
        }
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes were slipped in before encryption started; somebody on the way may be tampering with the connection",
            self.bytes
        )
    }
}

impl std::error::Error for Injected {}
