//! [`Protocol`]: what a protocol gives to be served, and [`serve`], which does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_proto::sasl::LoginsInClear;
use pillarbox_proto::{AsksForPermit, Clear, OnChannel, Sealed, Start};
use pillarbox_transport::{Accepted, Connection, Conversation};

use super::context::{Context, ListenerInfo};
use super::conversation::ClearMachine;
use super::{AfterClear, Session};
use crate::core::shutdown::Shutdown;

/// A protocol of the server.
pub(crate) trait Protocol: 'static {
    /// Its machine in the clear.
    type Clear: ClearMachine + Start<Channel = Clear>;
    /// Its machine inside TLS.
    type Sealed: OnChannel<Channel = Sealed> + Start<Settings: Clone + Send> + Send;

    /// How long a client may stay silent, until it has logged in or for good.
    const IDLE: Duration;

    /// What a machine inside TLS is started with.
    fn settings(cx: &Context) -> <Self::Sealed as Start>::Settings;

    /// What a machine in the clear is started with.
    fn in_clear(
        settings: <Self::Sealed as Start>::Settings,
        logins: LoginsInClear,
    ) -> <Self::Clear as Start>::Settings;

    /// Runs a session under a window to its end, or through STARTTLS.
    fn run_legacy(
        session: Session,
        conversation: Conversation<<Self::Clear as AsksForPermit>::Permitted>,
    ) -> impl Future<Output = Option<(Session, Connection<Sealed>)>> + Send;

    /// Runs a session inside TLS to its end.
    fn run_sealed(
        session: Session,
        conversation: Conversation<Self::Sealed>,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// A session that runs by itself.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves one connection to its end. It is inside TLS already where that is how the listener opens.
///
/// What comes before TLS and what comes inside it are boxed one by one: an idle session is no larger than its waiting,
/// and not as large as one of another protocol at work.
pub(crate) fn serve<P: Protocol>(
    connection: Accepted,
    cx: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) -> Running {
    let opening = Box::pin(open::<P>(connection, cx, listener, shutdown));
    Box::pin(async move {
        if let Some(inside_tls) = opening.await {
            inside_tls.await;
        }
    })
}

/// Everything up to the session inside TLS, where the client comes so far.
async fn open<P: Protocol>(
    connection: Accepted,
    cx: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) -> Option<Running> {
    let settings = P::settings(&cx);
    let mut session = Session::new(cx, listener, shutdown);
    let mut sealed = match connection {
        Accepted::Sealed(connection) => connection,
        Accepted::Clear(mut connection) => {
            connection.set_idle_timeout(P::IDLE);
            let logins = session.logins_in_clear(connection.peer_addr()).await;
            let clear = connection.start::<P::Clear>(P::in_clear(settings.clone(), logins));
            let next = session.run_clear(clear).await?;
            let (after, connection) = match next {
                AfterClear::StartTls(clear) => session.start_tls(*clear).await?,
                AfterClear::Permitted(legacy) => P::run_legacy(session, *legacy).await?,
            };
            session = after;
            connection
        }
    };
    sealed.set_idle_timeout(P::IDLE);
    Some(Box::pin(P::run_sealed(session, sealed.start(settings))))
}
