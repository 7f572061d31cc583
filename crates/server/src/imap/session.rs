//! [`Session`]: the loop that hands events to their handlers.

use std::sync::Arc;

use pillarbox_proto::imap::server::{
    Access, Completion, Dialogue, Event, Messages, ResponseCode, Responses,
};
use pillarbox_proto::message::Indexer;
use pillarbox_proto::server::Goodbye;
use pillarbox_store::{
    AccountId, Mail, MailboxId, ModSeq, NewMessage, Spool, StoreError, Wake, Watch,
};
use pillarbox_transport::{ConnectionError, Driven};

use super::conversation::{BEFORE_LOGIN, Conversation};
use super::view::View;
use crate::Context;
use crate::session::conversation::ServerConversation;
use crate::session::{self, Next};

/// The mailbox a session has selected.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) id: MailboxId,
    pub(super) access: Access,
    /// What the client knows of its messages.
    pub(super) view: View,
    /// Changes up to here have been taken in.
    pub(super) seen: ModSeq,
    /// Wakes for what changes from then on.
    pub(super) watch: Watch,
    /// Whether there may be changes that were not taken in.
    pub(super) stale: bool,
}

impl Selected {
    /// The messages a command names, as pairs of number and UID, ascending.
    pub(super) fn named(&self, messages: &Messages) -> Result<Vec<(u32, u32)>, Completion> {
        self.view.resolve(messages).map_err(|_| NO_SUCH_MESSAGE)
    }

    /// Whether a wake-up is about something that was not taken in.
    pub(super) fn concerns(&self, wake: Wake) -> bool {
        match wake {
            Wake::Mailbox { mailbox, modseq } => mailbox == self.id && self.seen < modseq,
            Wake::Lagged => true,
            Wake::MailboxList => false,
        }
    }
}

/// A message on its way in.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The command that brings it.
    pub(super) command: Event,
    pub(super) message: NewMessage<Box<dyn Spool>>,
    pub(super) indexer: Indexer,
}

/// Why a session ends.
#[derive(Debug)]
pub(super) enum Ended {
    /// The conversation is over; say goodbye to the connection.
    Over,
    /// The client broke the protocol.
    Violated,
    /// A response was begun that cannot be finished: the connection is dropped without a goodbye, so that
    /// the client knows that what it has is not complete (C19).
    CutOff,
    /// The connection failed.
    Connection(ConnectionError),
}

impl From<ConnectionError> for Ended {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

impl From<session::Ended> for Ended {
    fn from(ended: session::Ended) -> Self {
        match ended {
            session::Ended::Over => Self::Over,
            session::Ended::Violated => Self::Violated,
            session::Ended::Lost(error) => Self::Connection(error),
        }
    }
}

/// Why a command is not carried out.
pub(super) enum Failure {
    /// The session goes on: this is the answer.
    Answer(Completion),
    /// It does not.
    Session(Ended),
}

impl From<Completion> for Failure {
    fn from(completion: Completion) -> Self {
        Self::Answer(completion)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Answer(failed(&error))
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self::Session(ended)
    }
}

/// What a handler answers: how its command is completed.
pub(super) type Handled = Result<Completion, Failure>;

/// One IMAP session from the greeting inside TLS to the end.
pub(super) struct Session {
    pub(super) conversation: Conversation,
    pub(super) context: Arc<Context>,
    /// What all sessions have.
    pub(super) common: session::Session,
    pub(super) selected: Option<Selected>,
    pub(super) incoming: Option<Box<Incoming>>,
}

impl Session {
    pub(super) fn new(mut conversation: Conversation, common: session::Session) -> Self {
        conversation.set_idle_timeout(BEFORE_LOGIN);
        Self {
            conversation,
            context: Arc::clone(&common.cx),
            common,
            selected: None,
            incoming: None,
        }
    }

    /// Nobody is logged in any more, and somebody has to be in time.
    pub(super) fn not_logged_in(&mut self) {
        self.common.log_out();
        self.selected = None;
        self.conversation.set_idle_timeout(BEFORE_LOGIN);
    }

    /// Runs the session to its end. The session itself is boxed, and so is everything but waiting: an idle
    /// connection is as small as its waiting.
    pub(super) async fn run(mut self: Box<Self>) {
        let ended = loop {
            let done = match self.next().await {
                Ok(Event::Idle(_)) => self.idle().await,
                Ok(event) => Box::pin(self.handle(event)).await,
                Err(ended) => Err(ended),
            };
            if let Err(ended) = done {
                break ended;
            }
        };
        Box::pin(self.end(ended)).await;
    }

    /// Waits for the next event, or the shutdown of the server.
    async fn next(&mut self) -> Result<Event, Ended> {
        match self.common.next(&mut self.conversation).await? {
            Next::Request(event) => Ok(event),
            // Every event is answered before this is called again, and there is no STARTTLS any more.
            Next::Reply | Next::StartTls => {
                self.dialogue().bye("The server made a mistake");
                Err(session::unanswered().into())
            }
        }
    }

    pub(super) fn shutting_down(&mut self) -> Ended {
        self.conversation.say_goodbye(Goodbye::ShuttingDown);
        Ended::Over
    }

    async fn end(mut self: Box<Self>, ended: Ended) {
        let ended = match ended {
            Ended::CutOff => return,
            Ended::Over => session::Ended::Over,
            Ended::Violated => session::Ended::Violated,
            // In IDLE.
            Ended::Connection(ConnectionError::IdleTimedOut(_)) => {
                self.conversation.say_goodbye(Goodbye::Idle);
                session::Ended::Over
            }
            Ended::Connection(error) => session::Ended::Lost(error),
        };
        if !matches!(ended, session::Ended::Lost(_)) {
            // Only what was written already; an error shows in close as well.
            let _ = self.conversation.drive().await;
        }
        let Self {
            conversation,
            mut common,
            ..
        } = *self;
        common.end(conversation, ended).await;
    }

    pub(super) fn dialogue(&mut self) -> &mut Dialogue {
        self.conversation.dialogue()
    }

    /// Untagged responses.
    pub(super) fn responses(&mut self) -> &mut Responses {
        self.dialogue().responses()
    }

    /// Lets the client take what was put out, while a command is being answered. (In IDLE nothing is awaited
    /// but the client, so what is new waits in the machine.)
    pub(super) async fn flush_when_full(&mut self) -> Result<(), Ended> {
        if self.dialogue().is_full() && self.dialogue().awaits_completion() {
            match self.conversation.drive().await? {
                Driven::NeedReply => Ok(()),
                Driven::Event(_) | Driven::Closed | Driven::Violation(_) => Err(Ended::Over),
            }
        } else {
            Ok(())
        }
    }

    /// The account and the mail. Commands that need them come only after login, so the error is a fault of
    /// ours.
    pub(super) fn mail(&self) -> Result<(Arc<dyn Mail>, AccountId), Completion> {
        match self.common.logins.account() {
            Some(account) => Ok((Arc::clone(&self.context.stores.mail), account.id)),
            None => Err(INTERNAL),
        }
    }

    /// The selected mailbox, for commands that come only while there is one.
    pub(super) fn selected(&mut self) -> Result<&mut Selected, Completion> {
        self.selected.as_mut().ok_or(INTERNAL)
    }
}

/// A fault of ours that leaves the session usable.
pub(super) const INTERNAL: Completion =
    Completion::No(Some(ResponseCode::ServerBug), "The server made a mistake");

/// A sequence number that the selected mailbox does not have.
const NO_SUCH_MESSAGE: Completion = Completion::Bad("there is no message with that number");

/// The mailbox that something is to be put into does not exist (RFC 3501 §6.3.11).
pub(super) const TRY_CREATE: Completion =
    Completion::No(Some(ResponseCode::TryCreate), "There is no such mailbox");

/// How a command is completed whose store operation failed. What is the operator's to mend is logged.
fn failed(error: &StoreError) -> Completion {
    match error {
        StoreError::NotFound { .. } => {
            Completion::no(ResponseCode::Nonexistent, "There is no such mailbox")
        }
        StoreError::Exists { .. } => Completion::no(
            ResponseCode::AlreadyExists,
            "There is such a mailbox already",
        ),
        StoreError::BadName { why, .. } => Completion::no(ResponseCode::Cannot, why),
        StoreError::TooLarge { .. } => Completion::no(ResponseCode::Limit, "That is over a limit"),
        StoreError::Closed => {
            Completion::no(ResponseCode::Unavailable, "The server is shutting down")
        }
        error => {
            tracing::error!(%error, "a store operation failed");
            Completion::no(
                ResponseCode::Unavailable,
                "The mail store failed; try again later",
            )
        }
    }
}
