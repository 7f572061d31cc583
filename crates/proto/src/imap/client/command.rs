//! The commands a client gives, each a method of [`Client<Sealed>`](Client), one at a time.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::num::NonZeroU32;

use pillarbox_policy::SecretBytes;
use zeroize::Zeroizing;

use super::mailbox::{Access, MailboxName, Selected};
use super::response::set_text;
use super::sealed::{Append, Current, Idle, Session, Task};
use super::search::{self, SearchKey};
use super::{Capabilities, Client};
use crate::channel::Sealed;
use crate::imap::grammar::{DateTime, SequenceSet, is_flag, quoted};
use crate::machine::MAX_OUTPUT;

/// Why a command cannot be given. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotNow {
    /// Another command is under way, or the conversation is over.
    #[error("another command is under way")]
    Busy,
    /// It needs a login first.
    #[error("not logged in")]
    NotAuthenticated,
    /// The login has happened already.
    #[error("logged in already")]
    Authenticated,
    /// It needs a mailbox to be selected first.
    #[error("no mailbox is selected")]
    NotSelected,
    /// The server does not list what it needs.
    #[error("the server does not offer {0}")]
    Unsupported(&'static str),
    /// The argument cannot be written in IMAP.
    #[error("{0}")]
    BadArgument(&'static str),
}

/// Why a piece of a message to be appended was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The server has not asked for it: wait for [`super::Event::AppendWants`].
    #[error("the server has not asked for the message")]
    NotAsked,
    /// It is longer than what was announced or asked for. Nothing of it was taken.
    #[error("more octets than announced")]
    TooMuch,
}

/// How STORE is to change flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagChange {
    /// These as well.
    Add,
    /// Without these.
    Remove,
    /// Exactly these.
    Replace,
}

/// A command's text, in the segments between which the server has to give leave for a literal.
pub(super) struct CommandText(VecDeque<SecretBytes>);

impl CommandText {
    pub(super) fn new(text: &str) -> Self {
        let mut command = Self(VecDeque::new());
        command.next_segment();
        command.text(text);
        command
    }

    fn next_segment(&mut self) {
        self.0.push_back(SecretBytes::new());
    }

    pub(super) fn text(&mut self, text: &str) {
        if let Some(segment) = self.0.back_mut() {
            segment.extend_from_slice(text.as_bytes());
        }
    }

    /// A string: quoted, or else a literal.
    pub(super) fn string(&mut self, octets: &[u8]) -> Result<(), NotNow> {
        if octets.contains(&0) {
            return Err(NotNow::BadArgument("a NUL cannot be sent"));
        }
        if let Some(text) = quoted(octets) {
            self.text(&Zeroizing::new(text));
        } else {
            self.text(&format!("{{{}}}\r\n", octets.len()));
            self.next_segment();
            if let Some(segment) = self.0.back_mut() {
                segment.extend_from_slice(octets);
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> VecDeque<SecretBytes> {
        self.text("\r\n");
        self.0
    }
}

impl Client<Sealed> {
    /// What the server can do, as it said inside TLS; empty before [`super::Event::Ready`].
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.state.capabilities
    }

    /// ID (RFC 2971): says who we are. Ends in [`super::Done::Id`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn id(&mut self, fields: &[(&str, &str)]) -> Result<(), NotNow> {
        self.needs("ID")?;
        let mut command = CommandText::new("ID ");
        if fields.is_empty() {
            command.text("NIL");
        } else {
            for (index, (name, value)) in fields.iter().enumerate() {
                command.text(if index == 0 { "(" } else { " " });
                command.string(name.as_bytes())?;
                command.text(" ");
                command.string(value.as_bytes())?;
            }
            command.text(")");
        }
        self.begin(Session::NotAuthenticated, command, Task::Id)
    }

    /// LIST: the mailboxes below `reference` that match `pattern` (`*` for all). Each comes as
    /// [`super::Event::Mailbox`]; ends in [`super::Done::Listed`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn list(&mut self, reference: &MailboxName, pattern: &MailboxName) -> Result<(), NotNow> {
        let mut command = CommandText::new("LIST ");
        command.string(reference.as_wire())?;
        command.text(" ");
        command.string(pattern.as_wire())?;
        self.begin(Session::Authenticated, command, Task::List)
    }

    /// STATUS of one mailbox: [`super::Event::Status`], then [`super::Done::Status`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn status(&mut self, mailbox: &MailboxName) -> Result<(), NotNow> {
        let mut command = CommandText::new("STATUS ");
        command.string(mailbox.as_wire())?;
        command.text(" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)");
        self.begin(Session::Authenticated, command, Task::Status)
    }

    /// SELECT. Ends in [`super::Done::Selected`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn select(&mut self, mailbox: &MailboxName) -> Result<(), NotNow> {
        self.open("SELECT ", mailbox, Access::ReadWrite)
    }

    /// EXAMINE: SELECT without leave to change anything. Ends in [`super::Done::Selected`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn examine(&mut self, mailbox: &MailboxName) -> Result<(), NotNow> {
        self.open("EXAMINE ", mailbox, Access::ReadOnly)
    }

    fn open(&mut self, verb: &str, mailbox: &MailboxName, access: Access) -> Result<(), NotNow> {
        let mut command = CommandText::new(verb);
        command.string(mailbox.as_wire())?;
        let selected = Selected {
            access,
            ..Selected::default()
        };
        self.begin(
            Session::Authenticated,
            command,
            Task::Select(Box::new(selected)),
        )
    }

    /// UID, FLAGS, INTERNALDATE, RFC822.SIZE and ENVELOPE of these UIDs. Each message comes as
    /// [`super::Event::Message`]; ends in [`super::Done::Fetched`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn fetch_summaries(&mut self, uids: &SequenceSet) -> Result<(), NotNow> {
        let uids = set_text(uids).ok_or(NO_UIDS)?;
        let command = CommandText::new(&format!(
            "UID FETCH {uids} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"
        ));
        self.begin(Session::Selected, command, Task::Fetch)
    }

    /// The whole of one message, without setting `\Seen`: [`super::Event::BodyBegins`],
    /// [`super::Event::BodyPiece`]s, [`super::Event::BodyEnds`], then [`super::Done::Fetched`]. Without the
    /// first of them there is no such message; without the third it is not whole and must be thrown away (C19).
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn fetch_body(&mut self, uid: NonZeroU32) -> Result<(), NotNow> {
        let command = CommandText::new(&format!("UID FETCH {uid} (UID BODY.PEEK[])"));
        self.begin(
            Session::Selected,
            command,
            Task::FetchBody { uid, seen: false },
        )
    }

    /// STORE: changes flags of these UIDs. The new flags come as [`super::Event::Message`]; ends in
    /// [`super::Done::Stored`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn store_flags(
        &mut self,
        uids: &SequenceSet,
        change: FlagChange,
        flags: &[&str],
    ) -> Result<(), NotNow> {
        let uids = set_text(uids).ok_or(NO_UIDS)?;
        let item = match change {
            FlagChange::Add => "+FLAGS",
            FlagChange::Remove => "-FLAGS",
            FlagChange::Replace => "FLAGS",
        };
        let command = CommandText::new(&format!("UID STORE {uids} {item} {}", flag_list(flags)?));
        self.begin(Session::Selected, command, Task::Store)
    }

    /// APPEND of a message of `octets` octets. At every [`super::Event::AppendWants`] give a piece with
    /// [`Client::append_data`]; ends in [`super::Done::Appended`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn append(
        &mut self,
        mailbox: &MailboxName,
        flags: &[&str],
        internal_date: Option<DateTime>,
        octets: u64,
    ) -> Result<(), NotNow> {
        let mut command = CommandText::new("APPEND ");
        command.string(mailbox.as_wire())?;
        let mut rest = format!(" {}", flag_list(flags)?);
        if let Some(date) = internal_date {
            // Writing to a String never fails.
            let _ = write!(rest, " {date}");
        }
        let _ = write!(rest, " {{{octets}}}");
        command.text(&rest);
        self.begin(
            Session::Authenticated,
            command,
            Task::Append {
                left: octets,
                stage: Append::Waiting,
            },
        )
    }

    /// The next piece of the message being appended: at most what [`super::Event::AppendWants`] asked for.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_data(&mut self, piece: &[u8]) -> Result<(), AppendError> {
        let state = &mut self.state;
        let Some(Current {
            task: Task::Append { left, stage },
            ..
        }) = &mut state.current
        else {
            return Err(AppendError::NotAsked);
        };
        let Append::Asked(most) = *stage else {
            return Err(AppendError::NotAsked);
        };
        if piece.len() > most {
            return Err(AppendError::TooMuch);
        }
        if piece.is_empty() {
            return Ok(());
        }
        *left = left.saturating_sub(piece.len() as u64);
        *stage = Append::Sending;
        state.out.extend_from_slice(piece);
        if *left == 0 {
            *stage = Append::Sent;
            state.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// UID SEARCH for messages that all keys match. UIDs come as [`super::Event::Found`]; ends in
    /// [`super::Done::Searched`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn search(&mut self, keys: &[SearchKey]) -> Result<(), NotNow> {
        self.begin(Session::Selected, search::command(keys)?, Task::Search)
    }

    /// IDLE (RFC 2177): changes come as [`super::Event::Exists`], [`super::Event::Expunged`] and
    /// [`super::Event::Message`] until [`Client::end_idle`]. Ends in [`super::Done::Idled`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn idle(&mut self) -> Result<(), NotNow> {
        self.needs("IDLE")?;
        let task = Task::Idle(Idle::Waiting);
        self.begin(Session::Selected, CommandText::new("IDLE"), task)
    }

    /// Ends IDLE.
    ///
    /// # Errors
    /// The client is not idling.
    pub fn end_idle(&mut self) -> Result<(), NotNow> {
        match &mut self.state.current {
            Some(Current {
                task: Task::Idle(idle @ Idle::Idling),
                ..
            }) => {
                *idle = Idle::Ending;
                self.state.out.extend_from_slice(b"DONE\r\n");
                Ok(())
            }
            _ => Err(NotNow::Busy),
        }
    }

    /// NOOP: lets the server tell what has changed. Ends in [`super::Done::Nothing`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn noop(&mut self) -> Result<(), NotNow> {
        self.begin(
            Session::NotAuthenticated,
            CommandText::new("NOOP"),
            Task::Noop,
        )
    }

    /// LOGOUT. Ends in [`super::Done::LoggedOut`] and the end of the conversation.
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn logout(&mut self) -> Result<(), NotNow> {
        self.begin(
            Session::NotAuthenticated,
            CommandText::new("LOGOUT"),
            Task::Logout,
        )
    }

    pub(super) fn needs(&self, capability: &'static str) -> Result<(), NotNow> {
        if self.state.capabilities.has(capability) {
            Ok(())
        } else {
            Err(NotNow::Unsupported(capability))
        }
    }

    /// Sends a command if the session has come at least as far as `least`.
    pub(super) fn begin(
        &mut self,
        least: Session,
        command: CommandText,
        task: Task,
    ) -> Result<(), NotNow> {
        self.state.may_begin(least)?;
        self.state.start(command, task);
        Ok(())
    }
}

const NO_UIDS: NotNow = NotNow::BadArgument("no UIDs were given");

fn flag_list(flags: &[&str]) -> Result<String, NotNow> {
    if !flags.iter().all(|flag| is_flag(flag)) {
        return Err(NotNow::BadArgument(
            "a flag is an atom, perhaps with a backslash in front",
        ));
    }
    Ok(format!("({})", flags.join(" ")))
}

/// How much of a message to be appended is asked for at once.
pub(super) fn append_wants(left: u64) -> usize {
    usize::try_from(left).map_or(MAX_OUTPUT, |left| left.min(MAX_OUTPUT))
}
