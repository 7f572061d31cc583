//! What a session is told and tells, whatever the protocol.

use crate::sasl::LoginEvent;

/// What a server's machine tells its session. `R` is what the protocol has beside what all have.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<R> {
    /// STARTTLS or STLS was granted, the reply is output, and nothing stood behind the command: do the handshake.
    StartTls,
    /// A login came in the clear, and nothing of it was looked at. Read the grants now, and answer with the window that
    /// is open: [`crate::AsksForPermit::permitted`] or
    /// [`crate::AsksForPermit::refuse_login`], and [`super::LoginMachine::permit`] after the
    /// first.
    NeedPermit,
    /// A login. Answer with [`super::LoginMachine::answer_login`].
    Login(LoginEvent),
    /// What the protocol asks for.
    Request(R),
}

/// Whether STARTTLS or STLS can succeed on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// It can: it is listed and done.
    Offered,
    /// There is no usable certificate: it is neither (S3, S4-6, R3207-3).
    NoCertificate,
}

/// Why a session is ended from the server's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goodbye {
    /// The server shuts down.
    ShuttingDown,
    /// The client has not logged in in time.
    NoLogin,
    /// The client has said nothing for too long.
    Idle,
}
