//! The contract between a protocol machine and whoever drives it.

use pillarbox_policy::SecretBytes;

/// What a driver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<E, X> {
    /// Write these bytes to the peer. A machine never holds more output than one piece of at most
    /// [`MAX_OUTPUT`] bytes plus one short reply, so a slow reader costs no memory.
    Output(SecretBytes),
    /// Something the owner has to know, and often to answer by one of the machine's own methods.
    Event(E),
    /// Nothing to do until the peer sends more.
    NeedInput,
    /// Nothing to do until the owner has answered the last event. Do not read from the peer meanwhile.
    NeedReply,
    /// The conversation is over: write what was put out, close (close_notify first, S3.4-1).
    Close,
    /// The peer broke the protocol beyond repair. Any reply it is owed was put out before; close.
    Err(X),
}

/// The most bytes a machine puts into one [`Step::Output`].
pub const MAX_OUTPUT: usize = 16 * 1024;

/// A sans-IO protocol machine.
///
/// `input` only buffers; all work happens in `poll`, which is called until it answers
/// [`Step::NeedInput`], [`Step::NeedReply`], [`Step::Close`] or [`Step::Err`]. Input given before a `poll`
/// that answers `NeedReply` is kept, in order.
pub trait Machine {
    /// What the machine tells its owner.
    type Event;
    /// How the peer can break the protocol beyond repair.
    type Error;

    /// Takes bytes from the peer. Never blocks.
    fn input(&mut self, bytes: &[u8]);

    /// What to do next.
    fn poll(&mut self) -> Step<Self::Event, Self::Error>;
}
