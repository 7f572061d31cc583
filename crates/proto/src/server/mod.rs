//! What the servers' machines have in common, whatever the protocol: what a session is told ([`Event`]) and does
//! ([`ServerMachine`], [`LoginMachine`]), and [`Server`], the machine of POP3 and submission over any channel.

mod event;
pub(crate) mod protocol;

use pillarbox_policy::{LegacyWindow, LoginAbort};

use crate::channel::{permit, private::Ours};
use crate::sasl::{LoginAnswer, LoginEvent, Logins, LoginsInClear};
use crate::{
    AsksForPermit, ChannelState, Clear, Injected, Legacy, LoginChannel, Machine, OnChannel, Sealed,
    Start, Step, Upgrade, Violation,
};

pub use self::event::{Event, Goodbye, StartTls};
use self::protocol::Protocol;
pub use crate::machine::ClearEvent;

/// A server's machine, on any channel.
pub trait ServerMachine: OnChannel<Error = Violation> {
    /// Says goodbye as the protocol has it, and ends.
    fn say_goodbye(&mut self, why: Goodbye);

    /// The conversation is over: the attempt to log in that is under way, if there is one, ended so. To be put on
    /// record.
    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent>;
}

/// A server's machine that a client can log in to.
pub trait LoginMachine: ServerMachine {
    /// Answers [`Event::NeedPermit`], which comes in the clear alone: goes on with the login if the window permits it,
    /// or refuses it as [`AsksForPermit::refuse_login`] does.
    fn permit(&mut self, window: Option<LegacyWindow>);

    /// Answers [`Event::Login`]. Without effect at any other time, as are all answers that nobody asked for.
    fn answer_login(&mut self, answer: LoginAnswer);

    /// What the client calls itself, where the protocol has a command for that.
    fn client_name(&self) -> Option<String> {
        None
    }
}

/// The server's machine of the protocol `P` over [`Clear`], [`Legacy`] or [`Sealed`].
///
/// Nothing of a cleartext session survives STARTTLS (S1, S2, R3207-1): a sealed one starts from nothing.
#[derive(Debug)]
pub struct Server<P, C> {
    pub(crate) protocol: P,
    channel: C,
}

impl<P, C> Ours for Server<P, C> {}
impl<P: Protocol, C: ChannelState> OnChannel for Server<P, C> {
    type Channel = C;

    fn channel(&self) -> &C {
        &self.channel
    }
}

impl<P: Protocol> Start for Server<P, Clear> {
    type Settings = (P::Config, LoginsInClear);

    /// A session on a cleartext port; it greets. Logins, and what comes after them, wait for TLS or for a window.
    fn start(channel: &Clear, (config, logins): (P::Config, LoginsInClear)) -> Self {
        let mut protocol = P::new(config, Logins::in_clear(channel, logins));
        protocol.greet();
        Self {
            protocol,
            channel: channel.share(),
        }
    }
}

impl<P: Protocol> Start for Server<P, Sealed> {
    type Settings = P::Config;

    /// A session inside TLS; it greets where that is due. A client certificate changes nothing: nobody is logged in
    /// (S3.1-4).
    fn start(channel: &Sealed, config: P::Config) -> Self {
        let mut protocol = P::new(config, Logins::sealed(channel));
        if channel.greeting_is_due() {
            protocol.greet();
        }
        Self {
            protocol,
            channel: channel.share(),
        }
    }
}

impl<P: Protocol> Upgrade for Server<P, Clear> {
    fn nothing_left(&self) -> Result<(), Injected> {
        self.protocol.shared().nothing_left()
    }
}

impl<P: Protocol> Upgrade for Server<P, Legacy> {
    fn nothing_left(&self) -> Result<(), Injected> {
        self.protocol.shared().nothing_left()
    }
}

impl<P: Protocol> AsksForPermit for Server<P, Clear> {
    type Permitted = Server<P, Legacy>;

    fn clear_event(event: &Self::Event) -> Option<ClearEvent> {
        match event {
            Event::StartTls => Some(ClearEvent::StartTls),
            Event::NeedPermit => Some(ClearEvent::NeedPermit),
            Event::Login(_) | Event::Request(_) => None,
        }
    }

    fn permitted(self, channel: Legacy, window: LegacyWindow) -> Server<P, Legacy> {
        let mut legacy = Server {
            protocol: self.protocol,
            channel,
        };
        legacy.permit(Some(window));
        legacy
    }

    fn refuse_login(&mut self) {
        protocol::permit(&mut self.protocol, None);
    }
}

impl<P: Protocol, C: ChannelState> ServerMachine for Server<P, C> {
    fn say_goodbye(&mut self, why: Goodbye) {
        let shared = self.protocol.shared_mut();
        // Before the handshake, whatever is said in the clear the client would take for TLS.
        if shared.is_starting_tls() || shared.is_over() {
            shared.end(Ok(()));
        } else {
            self.protocol.say_goodbye(why);
        }
    }

    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        let logins = &mut self.protocol.shared_mut().logins;
        logins.authentication()?.abort(how)
    }
}

impl<P: Protocol, C: LoginChannel> LoginMachine for Server<P, C> {
    fn permit(&mut self, window: Option<LegacyWindow>) {
        let permit = permit(&self.channel, window.as_ref());
        protocol::permit(&mut self.protocol, permit.as_ref());
    }

    fn answer_login(&mut self, answer: LoginAnswer) {
        protocol::answer_login(&mut self.protocol, answer);
    }

    fn client_name(&self) -> Option<String> {
        self.protocol.client_name()
    }
}

impl<P: Protocol, C: ChannelState> Machine for Server<P, C> {
    type Event = Event<P::Request>;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        self.protocol.shared_mut().input(bytes);
    }

    fn poll(&mut self) -> Step<Self::Event, Violation> {
        protocol::poll(&mut self.protocol)
    }
}
