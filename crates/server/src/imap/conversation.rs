//! [`Conversation`]: the machine of a session and its connection, inside TLS or in the clear under windows.

use std::net::SocketAddr;
use std::time::Duration;

use pillarbox_policy::{Channel, LegacyWindow, LoginAbort};
use pillarbox_proto::imap::server::{Dialogue, Event, Server, Violation};
use pillarbox_proto::sasl::LoginEvent;
use pillarbox_proto::{Legacy, Sealed};
use pillarbox_transport::{ConnectionError, Driven};

use super::text;
use crate::session::{Goodbye, ServerConversation};

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
