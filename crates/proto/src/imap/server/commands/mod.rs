//! The commands: a file for each family, and the table of all.
//!
//! A command is added by its file and one line in the table below: what it is called, when it may come, which
//! capabilities tell of it and how it is read all stand in its file, as [`Command`].

mod append;
mod capability;
mod close;
mod copy;
mod enable;
mod expunge;
mod fetch;
mod fields;
mod id;
pub(super) mod idle;
mod list;
pub(super) mod login;
mod logout;
mod mailbox;
mod namespace;
mod noop;
mod replace;
mod search;
mod select;
mod starttls;
mod status;
mod store;
mod structure;
mod unauthenticate;

// What commands are made of.
pub(super) use super::command::{
    Answered, Capabilities, Command, Forms, Messages, Naming, Reading, When,
};
pub(super) use super::enabled::{Enabled, Extension};
pub(super) use super::output::Output;
pub(super) use super::reply::{Completion, Refusal, ResponseCode};
pub(super) use super::responses::Responses;
pub(super) use super::state::{Access, Phase, State};
pub(super) use crate::imap::framing::LiteralHeader;
pub(super) use crate::imap::grammar::{
    Cursor, Date, DateTime, SYSTEM_FLAGS, SequenceSet, SyntaxError, put_astring, put_nstring,
    put_string, utf7,
};

pub use append::Append;
pub use close::{Close, Unselect};
pub use copy::{Copy, Move};
pub use expunge::Expunge;
pub use fetch::{Fetch, FetchItem, Label, Octets, Partial, Section, SectionText};
pub use fields::FieldFilter;
pub use id::Id;
pub use idle::Idle;
pub use list::{Attribute, List, ListSelect, Listed, Lsub, Pattern};
pub use mailbox::{Create, Delete, Rename, Subscribe, Unsubscribe};
pub use noop::{Check, Noop};
pub use replace::Replace;
pub use search::{MAX_KEYS, Search, SearchKey, SearchOutcome, SearchReturn};
pub use select::{Examine, Select, SelectedMailbox};
pub use status::{Status, StatusItem, StatusValues};
pub use store::{FlagOperation, Store};
pub use unauthenticate::Unauthenticate;

/// Makes [`TABLE`] of all lines, and of those under `session` a variant of [`Event`] each, named as the type
/// and holding it: `append::Append` becomes `Event::Append(Append)`.
macro_rules! commands {
    (
        machine: $($answered:ty,)*;
        channel: $($channel:ty,)*;
        session: $($module:ident::$asked:ident,)*;
    ) => {
        /// What the session has to do. How a command is answered stands with its type.
        #[derive(Debug, PartialEq, Eq)]
        pub enum Event {
            $(
                #[doc = concat!("A command: [`struct@", stringify!($asked), "`].")]
                $asked($module::$asked),
            )*
            /// LOGIN or AUTHENTICATE came in the clear, and nothing of it was looked at. Read the grants now, and
            /// answer with [`crate::LoginMachine::permit`].
            NeedPermit,
            /// A login: [`super::Dialogue::answer_login`].
            Login(crate::sasl::LoginEvent),
            /// Octets of the message that was accepted, at most 16 KiB. Needs no answer.
            MessagePiece(Vec<u8>),
            /// The message is complete: store it, then complete.
            MessageEnd,
            /// The client broke off: forget the message. The refusal was written. Needs no answer.
            MessageAborted,
            /// IDLE is over: write what is left, then complete.
            IdleEnd,
        }

        $(
            impl From<$module::$asked> for Event {
                fn from(command: $module::$asked) -> Self {
                    Self::$asked(command)
                }
            }
        )*

        static TABLE: &[Entry] = &[
            $(Entry::answered::<$answered>(),)*
            $(Entry::channel::<$channel>(),)*
            $(Entry::asked::<$module::$asked>(),)*
        ];
    };
}

commands! {
    // Answered by the machine alone.
    machine:
        logout::Logout,
        enable::Enable,
        namespace::Namespace,
    ;
    // About the commands, the channel, and who may speak over it.
    channel:
        capability::Capability,
        starttls::StartTls,
        login::LoginCommand,
        login::AuthenticateCommand,
    ;
    // Handed to the session.
    session:
        id::Id,
        noop::Noop,
        idle::Idle,
        select::Select,
        select::Examine,
        mailbox::Create,
        mailbox::Delete,
        mailbox::Rename,
        mailbox::Subscribe,
        mailbox::Unsubscribe,
        list::List,
        list::Lsub,
        status::Status,
        append::Append,
        noop::Check,
        close::Close,
        close::Unselect,
        expunge::Expunge,
        search::Search,
        fetch::Fetch,
        store::Store,
        copy::Copy,
        copy::Move,
        replace::Replace,
        unauthenticate::Unauthenticate,
    ;
}

/// What becomes of a command that was read whole.
#[derive(Debug)]
pub(super) enum Begun {
    /// The machine has answered it; this is its end.
    Answered(Completion),
    /// The capabilities are told.
    Capability,
    /// The handshake begins, where it can.
    StartTls,
    /// An authentication begins.
    Login(login::Started),
    /// The session answers it.
    Asked(Event),
}

impl From<capability::Capability> for Begun {
    fn from(_: capability::Capability) -> Self {
        Self::Capability
    }
}

impl From<starttls::StartTls> for Begun {
    fn from(_: starttls::StartTls) -> Self {
        Self::StartTls
    }
}

impl From<login::LoginCommand> for Begun {
    fn from(command: login::LoginCommand) -> Self {
        Self::Login(command.0)
    }
}

impl From<login::AuthenticateCommand> for Begun {
    fn from(command: login::AuthenticateCommand) -> Self {
        Self::Login(command.0)
    }
}

/// A line of the table.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) when: When,
    forms: Forms,
    examples: &'static [&'static str],
    capabilities: fn(&mut Capabilities<'_>),
    /// Reads the arguments, to the end of the line, and does what is to be done here.
    pub(super) begin: fn(&mut Cursor<'_>, Reading<'_>, &mut State) -> Result<Begun, Refusal>,
    /// Reads the arguments before a literal; the event, where the literal is the message.
    pub(super) message:
        fn(&mut Cursor<'_>, Reading<'_>, LiteralHeader) -> Result<Option<Event>, Refusal>,
}

impl Entry {
    const fn new<C: Command>(
        begin: fn(&mut Cursor<'_>, Reading<'_>, &mut State) -> Result<Begun, Refusal>,
        message: fn(&mut Cursor<'_>, Reading<'_>, LiteralHeader) -> Result<Option<Event>, Refusal>,
    ) -> Self {
        Self {
            name: C::NAME,
            when: C::WHEN,
            forms: C::FORMS,
            examples: C::EXAMPLES,
            capabilities: C::capabilities,
            begin,
            message,
        }
    }

    const fn answered<C: Answered>() -> Self {
        Self::new::<C>(
            |cursor, reading, state| {
                let command: C = whole(cursor, reading)?;
                Ok(Begun::Answered(command.answer(state)))
            },
            |_, _, _| Ok(None),
        )
    }

    const fn channel<C: Command + Into<Begun>>() -> Self {
        Self::new::<C>(
            |cursor, reading, _| whole::<C>(cursor, reading).map(Into::into),
            |_, _, _| Ok(None),
        )
    }

    const fn asked<C: Command + Into<Event>>() -> Self {
        Self::new::<C>(
            |cursor, reading, state| {
                let command: C = whole(cursor, reading)?;
                Ok(match command.begin(state) {
                    Ok(command) => Begun::Asked(command.into()),
                    Err(completion) => Begun::Answered(completion),
                })
            },
            |cursor, reading, literal| {
                let command = C::read_before_message(cursor, reading, literal)?;
                Ok(command.map(Into::into))
            },
        )
    }
}

/// Reads a command whose line is complete.
fn whole<C: Command>(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<C, Refusal> {
    let command = C::read(cursor, reading)?;
    cursor.end()?;
    Ok(command)
}

/// The command a line begins with, which stands at the cursor, and how it names messages.
pub(super) fn find(cursor: &mut Cursor<'_>) -> Result<(&'static Entry, Naming), Refusal> {
    let mut word = cursor.word()?;
    let mut naming = Naming::Sequence;
    if word.eq_ignore_ascii_case("UID") {
        naming = Naming::Uid;
        cursor.space()?;
        word = cursor.word()?;
    }
    TABLE
        .iter()
        .filter(|entry| naming == Naming::Sequence || entry.forms == Forms::PlainAndUid)
        .find(|entry| entry.name.eq_ignore_ascii_case(word))
        .map(|entry| (entry, naming))
        .ok_or(Refusal::Answer(Completion::Bad("Unknown command")))
}

/// The capabilities of this moment (R9051-1, R5802-1).
pub(super) fn capabilities(state: &State) -> String {
    let mut list = Capabilities::new(state);
    for entry in TABLE {
        (entry.capabilities)(&mut list);
    }
    list.into_text()
}

/// For tests and fuzzing: lines of every command, without tag and the end of the line.
pub fn examples() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|entry| entry.examples).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From them the fuzz targets of the server start (see `scripts/fuzz`).
    #[test]
    fn every_form_of_every_command_has_an_example() {
        for entry in TABLE {
            let uid = (entry.forms == Forms::PlainAndUid).then(|| format!("UID {}", entry.name));
            for form in [Some(entry.name.to_owned()), uid].into_iter().flatten() {
                let is_shown = entry.examples.iter().any(|example| {
                    let rest = example.strip_prefix(&form);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
                });
                assert!(is_shown, "{form} stands in none of {:?}", entry.examples);
            }
        }
    }

    #[test]
    fn no_line_of_the_table_hides_another() {
        for entry in TABLE {
            let line = entry.name.to_ascii_lowercase();
            let (found, _) = find(&mut Cursor::new(line.as_bytes())).unwrap();
            assert!(std::ptr::eq(found, entry), "{line}");
        }
    }
}
