//! [`Command`]: what a command is.

use pillarbox_policy::AuthPermit;

use crate::imap::framing::LiteralHeader;
use crate::imap::grammar::{Cursor, SequenceSet, SyntaxError};

use super::reply::{Completion, Refusal, ResponseCode};
use super::state::{Access, Phase, StartTls, State};

/// How a command names messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By sequence number.
    Sequence,
    /// By UID: the command began with `UID`.
    Uid,
}

/// The messages a command names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// Their numbers.
    pub set: SequenceSet,
    /// What the numbers mean.
    pub naming: Naming,
}

impl Messages {
    /// Reads a space and a set.
    pub(super) fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, SyntaxError> {
        Ok(Self {
            set: cursor.space()?.sequence_set()?,
            naming: reading.naming,
        })
    }
}

/// When a command may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// In the clear alone.
    Clear,
    /// At any time, in the clear as well.
    Always,
    /// At any time inside TLS.
    Sealed,
    /// Before login.
    BeforeLogin,
    /// After login.
    AfterLogin,
    /// While a mailbox is selected.
    Selected,
    /// While a mailbox is selected that may be changed.
    ReadWrite,
}

impl When {
    /// Whether the command may come now.
    pub(super) fn check(self, phase: Phase) -> Result<(), Refusal> {
        let selected = matches!(phase, Phase::Selected(_));
        let may = match self {
            Self::Clear => matches!(phase, Phase::Clear(..)),
            Self::Always => true,
            Self::Sealed => !matches!(phase, Phase::Clear(..)),
            Self::BeforeLogin => phase == Phase::BeforeLogin,
            Self::AfterLogin => selected || phase == Phase::Authenticated,
            Self::Selected => selected,
            Self::ReadWrite if phase == Phase::Selected(Access::ReadOnly) => {
                return Err(Refusal::Answer(Completion::no(
                    ResponseCode::ReadOnly,
                    "The mailbox was opened for reading only",
                )));
            }
            Self::ReadWrite => selected,
        };
        match may {
            true => Ok(()),
            false => Err(Refusal::Answer(Completion::Bad("not now"))),
        }
    }
}

/// Whether a command has a form that begins with `UID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forms {
    /// It has none.
    Plain,
    /// It has one beside the other.
    PlainAndUid,
}

/// What a reader has to know beside the words of the command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) naming: Naming,
    /// Without it the arguments of LOGIN and AUTHENTICATE are not read.
    pub(super) permit: Option<&'a AuthPermit<'a>>,
}

/// A command: a value of this type is one that was read.
pub(super) trait Command: Sized {
    const NAME: &'static str;
    const WHEN: When;
    const FORMS: Forms = Forms::Plain;
    /// Lines as clients write them, without tag and the end of the line, for tests and fuzzing.
    const EXAMPLES: &'static [&'static str] = &[Self::NAME];
    /// What is read of a command that has no arguments.
    const BARE: Option<Self> = None;

    /// The capabilities that tell of this command after login, with spaces between them.
    const CAPABILITIES: &'static str = "";

    /// Adds the capabilities that tell of this command.
    fn capabilities(list: &mut Capabilities<'_>) {
        if !Self::CAPABILITIES.is_empty() {
            list.after_login(Self::CAPABILITIES);
        }
    }

    /// Reads what follows the name. That nothing is left afterwards is checked for it.
    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        // A command with neither arguments nor a reader brings a message: see below.
        Self::BARE.ok_or_else(|| cursor.error("the message as a literal").into())
    }

    /// Reads what follows the name up to the announcement of a literal. A command that takes a message,
    /// which streams past instead of being read as an argument, is complete there.
    fn read_before_message(
        _: &mut Cursor<'_>,
        _: Reading<'_>,
        _: LiteralHeader,
    ) -> Result<Option<Self>, Refusal> {
        Ok(None)
    }

    /// What handing it to the session changes here; or the answer, where the session need not be asked.
    fn begin(self, _: &mut State) -> Result<Self, Completion> {
        Ok(self)
    }
}

/// A command that the machine answers by itself.
pub(super) trait Answered: Command {
    /// Writes the untagged responses.
    fn answer(self, state: &mut State) -> Completion;
}

/// The list of capabilities at this moment (R9051-1, R5802-1).
pub(super) struct Capabilities<'a> {
    pub(super) state: &'a State,
    text: String,
}

impl<'a> Capabilities<'a> {
    /// The protocol itself, and its literals.
    pub(super) fn new(state: &'a State) -> Self {
        let mut list = Self {
            state,
            text: "IMAP4rev1".to_owned(),
        };
        list.sealed("LITERAL+");
        list
    }

    /// Adds one.
    pub(super) fn add(&mut self, name: &str) {
        self.text.push(' ');
        self.text.push_str(name);
    }

    /// Adds one that means something before TLS where STARTTLS can succeed.
    pub(super) fn before_tls(&mut self, name: &str) {
        if matches!(self.state.phase, Phase::Clear(StartTls::Offered, _)) {
            self.add(name);
        }
    }

    /// Adds one that means something before login and after it, inside TLS.
    pub(super) fn sealed(&mut self, name: &str) {
        if !matches!(self.state.phase, Phase::Clear(..)) {
            self.add(name);
        }
    }

    /// Adds one that means something before login, inside TLS.
    pub(super) fn before_login(&mut self, name: &str) {
        if self.state.phase == Phase::BeforeLogin {
            self.add(name);
        }
    }

    /// Adds some that mean something after login.
    pub(super) fn after_login(&mut self, names: &str) {
        if !matches!(self.state.phase, Phase::Clear(..) | Phase::BeforeLogin) {
            self.add(names);
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
