//! The two channels a machine can run over, as types.

use std::fmt;

use pillarbox_policy::{Code, TlsFacts};

/// Marks a machine that runs in the clear.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clear(());

impl Clear {
    /// A channel nothing is known about.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

/// Marks a machine that runs inside TLS; holds the facts of the handshake.
#[derive(Debug, Clone)]
pub struct Sealed {
    facts: TlsFacts,
}

impl Sealed {
    /// A channel with these facts.
    #[must_use]
    pub fn new(facts: TlsFacts) -> Self {
        Self { facts }
    }

    /// The facts of the handshake.
    #[must_use]
    pub fn facts(&self) -> &TlsFacts {
        &self.facts
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

impl Injected {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.found_by {
            End::Client => Code::ResponseInjection,
            End::Server => Code::CommandInjection,
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
