//! [`Conversation`]: the machine of a session and its connection, inside TLS or in the clear under windows.

use std::net::SocketAddr;
use std::time::Duration;

use pillarbox_policy::{Channel, LegacyWindow, LoginAbort};
use pillarbox_proto::imap::server::{Dialogue, Event, Server, Violation};
use pillarbox_proto::sasl::{LoginAnswer, LoginEvent};
use pillarbox_proto::server::{self, Goodbye};
use pillarbox_proto::{Legacy, LoginMachine, Sealed, ServerMachine};
use pillarbox_transport::{ConnectionError, Driven};

use crate::session::conversation::{LoginConversation, ServerConversation};

/// How long a client may take for each step before it has logged in.
pub(super) const BEFORE_LOGIN: Duration = Duration::from_secs(60);
/// The inactivity after which a session is ended (RFC 3501 §5.4: at least 30 minutes).
pub(super) const AUTOLOGOUT: Duration = Duration::from_secs(30 * 60);

/// A conversation in which logins are possible.
#[derive(Debug)]
pub(super) enum Conversation {
    Sealed(pillarbox_transport::Conversation<Server<Sealed>>),
    Legacy(pillarbox_transport::Conversation<Server<Legacy>>),
}

impl Conversation {
    pub(super) fn dialogue(&mut self) -> &mut Dialogue {
        match self {
            Self::Sealed(conversation) => conversation.machine(),
            Self::Legacy(conversation) => conversation.machine(),
        }
    }

    pub(super) fn set_idle_timeout(&mut self, idle: Duration) {
        match self {
            Self::Sealed(conversation) => conversation.set_idle_timeout(idle),
            Self::Legacy(conversation) => conversation.set_idle_timeout(idle),
        }
    }
}

impl ServerConversation for Conversation {
    type Event = Event;

    async fn drive(&mut self) -> Result<Driven<Event, Violation>, ConnectionError> {
        match self {
            Self::Sealed(conversation) => conversation.drive().await,
            Self::Legacy(conversation) => conversation.drive().await,
        }
    }

    fn say_goodbye(&mut self, why: Goodbye) {
        match self {
            Self::Sealed(conversation) => conversation.machine().say_goodbye(why),
            Self::Legacy(conversation) => conversation.machine().say_goodbye(why),
        }
    }

    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        match self {
            Self::Sealed(conversation) => conversation.machine().abort_login(how),
            Self::Legacy(conversation) => conversation.machine().abort_login(how),
        }
    }

    fn peer_addr(&self) -> SocketAddr {
        match self {
            Self::Sealed(conversation) => conversation.connection().peer_addr(),
            Self::Legacy(conversation) => conversation.connection().peer_addr(),
        }
    }

    fn channel(&self) -> Channel<'_> {
        match self {
            Self::Sealed(conversation) => conversation.channel(),
            Self::Legacy(conversation) => conversation.channel(),
        }
    }

    async fn close(self) {
        match self {
            Self::Sealed(conversation) => conversation.close().await,
            Self::Legacy(conversation) => conversation.close().await,
        }
    }
}

impl LoginConversation for Conversation {
    type Request = Event;

    fn sort(event: Event) -> server::Event<Event> {
        match event {
            Event::NeedPermit => server::Event::NeedPermit,
            Event::Login(event) => server::Event::Login(event),
            event => server::Event::Request(event),
        }
    }

    fn permit(&mut self, window: Option<LegacyWindow>) {
        match self {
            Self::Sealed(conversation) => conversation.machine().permit(window),
            Self::Legacy(conversation) => conversation.machine().permit(window),
        }
    }

    fn answer_login(&mut self, answer: LoginAnswer) {
        self.dialogue().answer_login(answer);
    }

    /// ID is a command that the session answers.
    fn client_name(&mut self) -> Option<String> {
        None
    }

    fn logged_in(&mut self) {
        self.set_idle_timeout(AUTOLOGOUT);
    }
}
