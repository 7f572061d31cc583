//! Conversations as every session drives them, whatever machine they have.

use std::future::Future;
use std::net::SocketAddr;

use pillarbox_policy::{Channel, LegacyWindow, LoginAbort};
use pillarbox_proto::sasl::{LoginAnswer, LoginEvent};
use pillarbox_proto::server::{Event, Goodbye};
use pillarbox_proto::{AsksForPermit, LoginMachine, ServerMachine, Upgrade, Violation};
use pillarbox_transport::{ConnectionError, Conversation, Driven};

/// A server's machine in the clear.
pub(crate) trait ClearMachine:
    ServerMachine<Event: Send> + AsksForPermit<Permitted: Send> + Upgrade + Send
{
}

impl<M> ClearMachine for M where
    M: ServerMachine<Event: Send> + AsksForPermit<Permitted: Send> + Upgrade + Send
{
}

/// A conversation of a server.
pub(crate) trait ServerConversation: Sized + Send {
    /// What its machine tells.
    type Event: Send;

    /// See [`Conversation::drive`].
    fn drive(
        &mut self,
    ) -> impl Future<Output = Result<Driven<Self::Event, Violation>, ConnectionError>> + Send;
    /// See [`ServerMachine::say_goodbye`].
    fn say_goodbye(&mut self, why: Goodbye);
    /// See [`ServerMachine::abort_login`].
    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent>;
    /// The other end's address.
    fn peer_addr(&self) -> SocketAddr;
    /// What the connection is worth.
    fn channel(&self) -> Channel<'_>;
    /// See [`Conversation::close`].
    fn close(self) -> impl Future<Output = ()> + Send;
}

impl<M> ServerConversation for Conversation<M>
where
    M: ServerMachine<Event: Send> + Send,
{
    type Event = M::Event;

    async fn drive(&mut self) -> Result<Driven<M::Event, Violation>, ConnectionError> {
        Self::drive(self).await
    }

    fn say_goodbye(&mut self, why: Goodbye) {
        self.machine().say_goodbye(why);
    }

    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        self.machine().abort_login(how)
    }

    fn peer_addr(&self) -> SocketAddr {
        self.connection().peer_addr()
    }

    fn channel(&self) -> Channel<'_> {
        Self::channel(self)
    }

    async fn close(self) {
        Self::close(self).await;
    }
}

/// A conversation of a server that a client can log in to.
pub(crate) trait LoginConversation: ServerConversation {
    /// What the protocol asks for.
    type Request: Send;

    /// What an event is, of what all protocols have.
    fn sort(event: Self::Event) -> Event<Self::Request>;
    /// See [`LoginMachine::permit`].
    fn permit(&mut self, window: Option<LegacyWindow>);
    /// See [`LoginMachine::answer_login`].
    fn answer_login(&mut self, answer: LoginAnswer);
    /// See [`LoginMachine::client_name`].
    fn client_name(&mut self) -> Option<String>;
    /// The client has logged in.
    fn logged_in(&mut self) {}
}

impl<M, R> LoginConversation for Conversation<M>
where
    M: LoginMachine<Event = Event<R>> + Send,
    R: Send,
{
    type Request = R;

    fn sort(event: Event<R>) -> Event<R> {
        event
    }

    fn permit(&mut self, window: Option<LegacyWindow>) {
        self.machine().permit(window);
    }

    fn answer_login(&mut self, answer: LoginAnswer) {
        self.machine().answer_login(answer);
    }

    fn client_name(&mut self) -> Option<String> {
        self.machine().client_name()
    }
}
