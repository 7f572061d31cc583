//! [`Conversation`]: the machine of a session and its connection, inside TLS or in the clear under windows.

use std::net::SocketAddr;
use std::time::Duration;

use pillarbox_policy::{Channel, LegacyWindow, LoginAbort};
use pillarbox_proto::imap::server::{ClearEvent, Dialogue, Event, Server, Violation};
use pillarbox_proto::sasl::LoginEvent;
use pillarbox_proto::{Clear, Legacy, Sealed};
use pillarbox_transport::{ConnectionError, Driven};

use crate::session::{ClearMachine, ClearRequest, Goodbye, ServerConversation, ServerMachine};

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

    /// Answers [`Event::NeedPermit`].
    pub(super) fn permit(&mut self, window: Option<LegacyWindow>) {
        match self {
            Self::Sealed(conversation) => conversation.machine().permit(window),
            Self::Legacy(conversation) => conversation.machine().permit(window),
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
        self.dialogue().bye(text(why));
    }

    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        self.dialogue().abort_login(how)
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

/// The last words to a client.
pub(super) fn text(why: Goodbye) -> &'static str {
    match why {
        Goodbye::ShuttingDown => "The server is shutting down",
        Goodbye::NoLogin => "Autologout; no login in time",
        Goodbye::Idle => "Autologout; idle for too long",
    }
}

impl ServerMachine for Server<Clear> {
    fn say_goodbye(&mut self, why: Goodbye) {
        self.bye(text(why));
    }

    fn abort_login(&mut self, _how: LoginAbort) -> Option<LoginEvent> {
        None
    }
}

impl ClearMachine for Server<Clear> {
    fn request(event: &ClearEvent) -> ClearRequest {
        match event {
            ClearEvent::StartTls => ClearRequest::StartTls,
            ClearEvent::NeedPermit => ClearRequest::Permit,
        }
    }
}
