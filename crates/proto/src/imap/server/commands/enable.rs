//! ENABLE (RFC 5161).

use super::{
    Answered, Capabilities, Command, Completion, Cursor, Extension, Reading, Refusal, State, When,
};

/// An ENABLE command, of whose names only those count that are known here.
#[derive(Debug)]
pub(super) struct Enable(Vec<(Extension, &'static str)>);

impl Command for Enable {
    const NAME: &'static str = "ENABLE";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &["ENABLE CONDSTORE", "ENABLE X-NONE CONDSTORE"];

    fn capabilities(list: &mut Capabilities<'_>) {
        list.sealed(Self::NAME);
    }

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        let mut known = Vec::new();
        loop {
            cursor.space()?;
            let extension = Extension::named(cursor.atom()?);
            known.extend(extension.filter(|extension| !known.contains(extension)));
            if cursor.is_empty() {
                return Ok(Self(known));
            }
        }
    }
}

impl Answered for Enable {
    fn answer(self, state: &mut State) -> Completion {
        let mut line = "ENABLED".to_owned();
        for (extension, name) in self.0 {
            state.enable(extension);
            line.push(' ');
            line.push_str(name);
        }
        state.responses.untagged(&line);
        Completion::DONE
    }
}
