//! STORE (RFC 3501 §6.4.6), with UNCHANGEDSINCE (RFC 7162 §3.1.3).

use super::{
    Command, Completion, Cursor, Extension, Forms, Messages, Reading, Refusal, SYSTEM_FLAGS, State,
    SyntaxError, When,
};

/// How flags change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagOperation {
    /// `FLAGS`.
    Replace,
    /// `+FLAGS`.
    Add,
    /// `-FLAGS`.
    Remove,
}

/// STORE: FETCH responses unless it was silent, then complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Which messages.
    pub messages: Messages,
    /// How.
    pub operation: FlagOperation,
    /// Which flags.
    pub flags: Vec<String>,
    /// `.SILENT`: the client knows what it did. With modification sequences announced it is told them all
    /// the same (RFC 7162 §3.1.3).
    pub silent: bool,
    /// Only messages that have not changed since.
    pub unchanged_since: Option<u64>,
}

impl Command for Store {
    const NAME: &'static str = "STORE";
    const WHEN: When = When::ReadWrite;
    const CAPABILITIES: &'static str = "CONDSTORE";
    const FORMS: Forms = Forms::PlainAndUid;
    const EXAMPLES: &'static [&'static str] = &[
        "STORE 1 +FLAGS (\\Seen)",
        "UID STORE 1:* (UNCHANGEDSINCE 5) -FLAGS.SILENT \\Deleted $x",
        "STORE 2 FLAGS ()",
    ];

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        let messages = Messages::read(cursor, reading)?;
        cursor.space()?;
        let mut unchanged_since = None;
        if cursor.eat_text("(UNCHANGEDSINCE ") {
            unchanged_since = Some(cursor.number64()?);
            cursor.expect(b')', "a closing parenthesis")?;
            cursor.space()?;
        }
        let operation = if cursor.eat(b'+') {
            FlagOperation::Add
        } else if cursor.eat(b'-') {
            FlagOperation::Remove
        } else {
            FlagOperation::Replace
        };
        if !cursor.eat_text("FLAGS") {
            return Err(cursor.error("FLAGS").into());
        }
        let silent = cursor.eat_text(".SILENT");
        cursor.space()?;
        Ok(Self {
            messages,
            operation,
            flags: settable(cursor)?,
            silent,
            unchanged_since,
        })
    }

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        if self.unchanged_since.is_some() {
            state.enable(Extension::Condstore);
        }
        Ok(self)
    }
}

/// Reads flags, in parentheses or not, that a client may set.
fn settable(cursor: &mut Cursor<'_>) -> Result<Vec<String>, SyntaxError> {
    if cursor.peek() == Some(b'(') {
        return settable_list(cursor);
    }
    let mut flags = vec![settable_flag(cursor.flag()?, cursor)?];
    while cursor.eat(b' ') {
        flags.push(settable_flag(cursor.flag()?, cursor)?);
    }
    Ok(flags)
}

/// Reads a flag list whose flags a client may set.
pub(super) fn settable_list(cursor: &mut Cursor<'_>) -> Result<Vec<String>, SyntaxError> {
    let flags = cursor.flag_list()?;
    flags
        .into_iter()
        .map(|flag| settable_flag(flag, cursor))
        .collect()
}

/// System flags in their usual spelling; of those with a backslash only the five that exist.
fn settable_flag(flag: &str, cursor: &Cursor<'_>) -> Result<String, SyntaxError> {
    if !flag.starts_with('\\') {
        return Ok(flag.to_owned());
    }
    SYSTEM_FLAGS
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(flag))
        .map(str::to_owned)
        .ok_or_else(|| cursor.error("a flag that can be set"))
}
