//! From a line to an [`Event`]: which commands there are, and when each may come.

use pillarbox_policy::AuthPermit;

use crate::imap::grammar::{Cursor, SequenceSet, SyntaxError};

use super::commands::append::{self, AppendHead};
use super::commands::capability;
use super::commands::copy::{self, CopyKind};
use super::commands::expunge;
use super::commands::fetch::{self, Fetch, FetchItem};
use super::commands::list::{self, List};
use super::commands::login::{self, Login, Started};
use super::commands::mailbox;
use super::commands::search::{self, Search};
use super::commands::select::{self, Access, Select};
use super::commands::status::{self, StatusItem};
use super::commands::store::{self, Store};

/// How a command names messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By sequence number.
    Sequence,
    /// By UID: the command began with `UID`.
    Uid,
}

/// What the session has to do. Mailbox names are UTF-8, decoded from modified UTF-7; `INBOX` in any case is
/// spelled `INBOX`.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// ID (RFC 2971): what the client says it is, as `name` and `version` and so on. Needs no answer.
    Id(Vec<(String, Option<String>)>),
    /// LOGIN or AUTHENTICATE came in the clear, and nothing of it was looked at. Read the grants now, and answer with
    /// [`super::Server::permit`].
    NeedPermit,
    /// Authentication. See [`Login`] for the answers.
    Login(Login),
    /// NOOP or CHECK: answer with what is new, then complete.
    Noop,
    /// SELECT or EXAMINE: [`super::Dialogue::selected`], or complete with a failure. The mailbox that was
    /// selected is not any more, whatever the outcome.
    Select(Select),
    /// CREATE.
    Create(String),
    /// DELETE.
    Delete(String),
    /// RENAME.
    Rename {
        /// From this name.
        from: String,
        /// To this name.
        to: String,
    },
    /// SUBSCRIBE.
    Subscribe(String),
    /// UNSUBSCRIBE.
    Unsubscribe(String),
    /// LIST: [`super::Dialogue::listed`] for each, then complete.
    List(List),
    /// LSUB: [`super::Dialogue::listed_subscribed`] for each, then complete.
    Lsub(List),
    /// STATUS: [`super::Dialogue::status`], then complete.
    Status {
        /// The mailbox.
        mailbox: String,
        /// What is asked for.
        items: Vec<StatusItem>,
    },
    /// APPEND was announced: [`super::Dialogue::append_accept`] or [`super::Dialogue::append_refuse`].
    Append(AppendHead),
    /// Octets of the message, at most 16 KiB. Needs no answer.
    AppendPiece(Vec<u8>),
    /// The message is complete: store it, then complete.
    AppendEnd,
    /// The client broke off: forget the message. The refusal was put out. Needs no answer.
    AppendAborted,
    /// CLOSE: expunge what is deleted unless the mailbox is read-only, tell nothing, then complete.
    Close,
    /// UNSELECT: forget the view, then complete.
    Unselect,
    /// EXPUNGE; with a set, UID EXPUNGE. Announce, then complete.
    Expunge(Option<SequenceSet>),
    /// SEARCH: [`super::Dialogue::found`], then complete.
    Search(Search),
    /// FETCH: [`super::Dialogue::fetch_open`] and so on for each message, then complete.
    Fetch(Fetch),
    /// STORE: FETCH responses unless it was silent, then complete.
    Store(Store),
    /// COPY or MOVE.
    Copy {
        /// Which messages.
        set: SequenceSet,
        /// What the set means.
        naming: Naming,
        /// Where to.
        mailbox: String,
        /// Whether the messages stay as well.
        kind: CopyKind,
    },
    /// IDLE has begun: updates may be put out at any time until [`Event::IdleEnd`]. Needs no answer.
    Idle,
    /// IDLE is over: put out what is left, then complete.
    IdleEnd,
}

impl Event {
    /// Whether this command makes the session tell modification sequences from now on (RFC 7162 §3.1).
    pub(super) fn announces_modseqs(&self) -> bool {
        match self {
            Self::Select(select) => select.announce_modseqs,
            Self::Status { items, .. } => items.contains(&StatusItem::HighestModseq),
            Self::Search(search) => search.key.names_modseq(),
            Self::Fetch(fetch) => {
                fetch.changed_since.is_some() || fetch.items.contains(&FetchItem::Modseq)
            }
            Self::Store(store) => store.unchanged_since.is_some(),
            _ => false,
        }
    }
}

/// When a command may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    BeforeLogin,
    AfterLogin,
    Selected,
}

/// A command that was read.
#[derive(Debug)]
pub(super) enum Parsed {
    Capability,
    Noop,
    Logout,
    /// STARTTLS inside TLS, or after a login (S2, S3, R9051-2).
    StartTls,
    Login(Started),
    /// LOGIN or AUTHENTICATE where policy does not permit it.
    PrivacyRequired,
    /// SEARCH in a charset that is not known.
    BadCharset,
    Enable(Vec<String>),
    Namespace,
    /// LIST for the hierarchy separator.
    Separator,
    Idle,
    Id(Vec<(String, Option<String>)>),
    /// CLOSE and UNSELECT with the event for the session.
    Leave(Event),
    Ask(Event),
    /// The arguments are well formed and this is all there is to say to them.
    Refused(super::Completion),
}

/// Why a command cannot be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    Unknown,
    NotNow,
    ReadOnly,
    Syntax(SyntaxError),
}

impl From<SyntaxError> for Bad {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

/// The name under which a completion is reported, and when the command may come.
pub(super) fn known(name: &str, naming: Naming) -> Option<(&'static str, When)> {
    use When::{AfterLogin, Always, BeforeLogin, Selected};
    const PLAIN: [(&str, When); 31] = [
        ("CAPABILITY", Always),
        ("NOOP", Always),
        ("LOGOUT", Always),
        ("ID", Always),
        ("STARTTLS", Always),
        ("LOGIN", BeforeLogin),
        ("AUTHENTICATE", BeforeLogin),
        ("ENABLE", AfterLogin),
        ("SELECT", AfterLogin),
        ("EXAMINE", AfterLogin),
        ("CREATE", AfterLogin),
        ("DELETE", AfterLogin),
        ("RENAME", AfterLogin),
        ("SUBSCRIBE", AfterLogin),
        ("UNSUBSCRIBE", AfterLogin),
        ("LIST", AfterLogin),
        ("LSUB", AfterLogin),
        ("NAMESPACE", AfterLogin),
        ("STATUS", AfterLogin),
        ("APPEND", AfterLogin),
        ("IDLE", AfterLogin),
        ("CHECK", Selected),
        ("CLOSE", Selected),
        ("UNSELECT", Selected),
        ("EXPUNGE", Selected),
        ("SEARCH", Selected),
        ("FETCH", Selected),
        ("STORE", Selected),
        ("COPY", Selected),
        ("MOVE", Selected),
        ("UID", Selected),
    ];
    const UID: [&str; 6] = ["EXPUNGE", "SEARCH", "FETCH", "STORE", "COPY", "MOVE"];
    match naming {
        Naming::Sequence => PLAIN
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name)),
        Naming::Uid => UID
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(name))
            .map(|known| (known, Selected)),
    }
}

/// Reads the arguments of the command `name`, one of those [`known`] answers. Those of LOGIN and
/// AUTHENTICATE are read with policy's permit, and cannot be without.
pub(super) fn arguments(
    name: &'static str,
    naming: Naming,
    cursor: &mut Cursor<'_>,
    permit: Option<&AuthPermit<'_>>,
    access: Option<Access>,
) -> Result<Parsed, Bad> {
    if access == Some(Access::ReadOnly) && matches!(name, "EXPUNGE" | "STORE" | "MOVE") {
        return Err(Bad::ReadOnly);
    }
    let parsed = match name {
        "CAPABILITY" => nothing(cursor, Parsed::Capability)?,
        "NOOP" => nothing(cursor, Parsed::Noop)?,
        "CHECK" => nothing(cursor, Parsed::Ask(Event::Noop))?,
        "LOGOUT" => nothing(cursor, Parsed::Logout)?,
        "STARTTLS" => nothing(cursor, Parsed::StartTls)?,
        "NAMESPACE" => nothing(cursor, Parsed::Namespace)?,
        "IDLE" => nothing(cursor, Parsed::Idle)?,
        "CLOSE" => nothing(cursor, Parsed::Leave(Event::Close))?,
        "UNSELECT" => nothing(cursor, Parsed::Leave(Event::Unselect))?,
        "ID" => Parsed::Id(capability::id(cursor)?),
        "ENABLE" => Parsed::Enable(capability::enable(cursor)?),
        "LOGIN" | "AUTHENTICATE" => match permit {
            // The arguments are not even looked at.
            None => return Ok(Parsed::PrivacyRequired),
            Some(permit) if name == "LOGIN" => Parsed::Login(login::login(cursor, permit)?),
            Some(permit) => Parsed::Login(login::authenticate(cursor, permit)?),
        },
        "SELECT" => select::select(cursor, Access::ReadWrite)?,
        "EXAMINE" => select::select(cursor, Access::ReadOnly)?,
        "CREATE" => mailbox::create(cursor)?,
        "DELETE" => mailbox::one(cursor, Event::Delete)?,
        "SUBSCRIBE" => mailbox::one(cursor, Event::Subscribe)?,
        "UNSUBSCRIBE" => mailbox::one(cursor, Event::Unsubscribe)?,
        "RENAME" => mailbox::rename(cursor)?,
        "LIST" => list::list(cursor)?,
        "LSUB" => list::lsub(cursor)?,
        "STATUS" => status::status(cursor)?,
        "APPEND" => append::without_literal(cursor)?,
        "EXPUNGE" => expunge::expunge(cursor, naming)?,
        "SEARCH" => search::search(cursor, naming)?,
        "FETCH" => Parsed::Ask(Event::Fetch(fetch::fetch(cursor, naming)?)),
        "STORE" => Parsed::Ask(Event::Store(store::store(cursor, naming)?)),
        "COPY" => copy::copy(cursor, naming, CopyKind::Copy)?,
        "MOVE" => copy::copy(cursor, naming, CopyKind::Move)?,
        _ => return Err(Bad::Unknown),
    };
    cursor.end()?;
    Ok(parsed)
}

fn nothing(cursor: &Cursor<'_>, parsed: Parsed) -> Result<Parsed, SyntaxError> {
    cursor.end().map(|()| parsed)
}

/// Whether these are the first words of an HTTP request (S6): answering one would help an attacker who
/// redirects a browser here.
pub(super) fn is_http(line: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] = [
        b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH",
    ];
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    METHODS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(method))
        && words.next_back().is_some_and(|last| {
            last.get(..5)
                .is_some_and(|head| head.eq_ignore_ascii_case(b"HTTP/"))
        })
}
