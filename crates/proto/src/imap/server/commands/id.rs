//! ID (RFC 2971).

use super::{Capabilities, Command, Completion, Cursor, Reading, Refusal, State, When, put_string};

/// The most field and value pairs ID may have (RFC 2971 §3.3).
const FIELDS: usize = 30;

/// ID: what the client says it is, as `name` and `version` and so on. Complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Id {
    /// Names and values.
    pub fields: Vec<(String, Option<String>)>,
}

impl Command for Id {
    const NAME: &'static str = "ID";
    const WHEN: When = When::Sealed;
    const EXAMPLES: &'static [&'static str] =
        &["ID NIL", "ID (\"name\" \"x\" \"version\" NIL)", "ID ()"];

    fn capabilities(list: &mut Capabilities<'_>) {
        list.sealed(Self::NAME);
    }

    /// Values that are no UTF-8 are read leniently: they go into a log.
    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        cursor.space()?;
        let mut fields = Vec::new();
        if !cursor.eat_text("NIL") && !cursor.eat_text("()") {
            cursor.list("NIL or a list in parentheses", FIELDS, |cursor| {
                let name = text(&cursor.string()?);
                cursor.space()?;
                let value = cursor.nstring()?.map(|value| text(&value));
                fields.push((name, value));
                Ok(())
            })?;
        }
        Ok(Self { fields })
    }

    /// We say our name, and nothing that helps an attacker choose.
    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        let out = state.responses.output();
        out.text("* ID (\"name\" ");
        put_string(out.buffer(), b"Pillarbox");
        out.line(")");
        Ok(self)
    }
}

/// Printable text of at most 1,024 octets (RFC 2971 §3.3).
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.get(..1024).unwrap_or(octets)).replace(char::is_control, " ")
}
