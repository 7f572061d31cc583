//! The contract between a protocol machine and the connection that starts and drives it.

use pillarbox_policy::{LegacyWindow, SecretBytes};

use crate::channel::private::Ours;
use crate::channel::{ChannelState, Clear, Injected, Legacy};

/// What a driver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<E, X> {
    /// Write these bytes to the peer. A machine never holds more output than one piece of at most
    /// [`MAX_OUTPUT`] bytes plus one short reply, so a slow reader costs no memory.
    Output(SecretBytes),
    /// Something the session has to know, and often to answer by one of the machine's own methods.
    Event(E),
    /// Nothing to do until the peer sends more.
    NeedInput,
    /// Nothing to do until the session has answered the last event. Do not read from the peer meanwhile.
    NeedReply,
    /// The conversation is over: write all output, close (close_notify first, S3.4-1).
    Close,
    /// The peer broke the protocol beyond repair. Any reply it is owed was output before; close.
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
    /// What the machine tells its session.
    type Event;
    /// How the peer can break the protocol beyond repair.
    type Error;

    /// Takes bytes from the peer. Never blocks.
    fn input(&mut self, bytes: &[u8]);

    /// What to do next.
    fn poll(&mut self) -> Step<Self::Event, Self::Error>;
}

/// A machine that belongs to one channel: that of the connection which started it. The driver carries it over no
/// other. Only the machines of this crate are such, so what runs over a channel of a given state is decided here.
pub trait OnChannel: Machine + Ours {
    /// The state of its channel.
    type Channel: ChannelState;

    /// Its channel.
    fn channel(&self) -> &Self::Channel;
}

/// A machine that a connection can start.
pub trait Start: OnChannel + Sized {
    /// What it has to know at the start.
    type Settings;

    /// Starts it. In a product this is called by the connection that has the channel, and there is no other way to a
    /// machine that can be driven; a machine made here from other facts reaches no wire.
    fn start(channel: &Self::Channel, settings: Self::Settings) -> Self;
}

/// A cleartext machine that can give its place to one inside TLS.
pub trait Upgrade: OnChannel {
    /// To be asked when the handshake behind STARTTLS or STLS is about to begin.
    ///
    /// # Errors
    /// Bytes of the peer came in the clear behind it (C1, S1).
    fn nothing_left(&self) -> Result<(), Injected>;
}

/// What a server asks of its session in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearEvent {
    /// STARTTLS or STLS was granted, and nothing stood behind it: do the handshake.
    StartTls,
    /// A login came, and nothing of it was looked at. Read the grants now, and answer with the window that is open
    /// ([`AsksForPermit::permitted`]), or [`AsksForPermit::refuse_login`].
    NeedPermit,
}

/// A cleartext server that has been asked for a login and has not parsed its arguments.
pub trait AsksForPermit: OnChannel<Channel = Clear> + Sized {
    /// The machine that parses them, and goes on in the clear.
    type Permitted: OnChannel<Channel = Legacy>;

    /// What this event asks for, of what can be asked for in the clear.
    fn clear_event(event: &Self::Event) -> Option<ClearEvent>;

    /// Goes on with the login, which this window permits.
    fn permitted(self, channel: Legacy, window: LegacyWindow) -> Self::Permitted;

    /// Refuses it, in the words that every login in the clear is refused with.
    fn refuse_login(&mut self);
}
