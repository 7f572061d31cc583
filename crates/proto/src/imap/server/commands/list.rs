//! LIST and LSUB (RFC 3501 §6.3.8, §6.3.9), with LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819),
//! CHILDREN (RFC 3348) and SPECIAL-USE (RFC 6154).

use super::status::{self, StatusItem};
use super::{
    Command, Completion, Cursor, Extension, Reading, Refusal, Responses, State, SyntaxError, When,
    mailbox,
};

/// The most patterns one LIST may have.
const PATTERNS: usize = 32;

/// A mailbox pattern with its reference put in front, in UTF-8. `%` stands for anything but the separator
/// `/`, `*` for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Joins reference and pattern: here the reference is simply put in front (RFC 3501 §6.3.8 leaves it to
    /// the server; no mailbox is named relative to anything).
    #[must_use]
    pub fn new(reference: &str, pattern: &str) -> Self {
        Self(format!("{reference}{pattern}"))
    }

    /// Whether the name is meant. `INBOX` is meant in any case. Takes time in the product of both lengths
    /// at most.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().collect();
        let is_inbox = name == "INBOX" || name.starts_with("INBOX/");
        let name: Vec<char> = name.chars().collect();
        // `reached[i]`: the pattern read so far can stand for the first `i` characters of the name.
        let mut reached = vec![false; name.len() + 1];
        if let Some(first) = reached.first_mut() {
            *first = true;
        }
        for wanted in pattern {
            let mut next = vec![false; name.len() + 1];
            match wanted {
                '*' | '%' => {
                    let mut open = false;
                    for (at, slot) in next.iter_mut().enumerate() {
                        // A `%` cannot pass over the separator before this position.
                        let passed = at.checked_sub(1).and_then(|before| name.get(before));
                        open = open && (wanted == '*' || passed != Some(&'/'));
                        open |= reached.get(at).copied().unwrap_or(false);
                        *slot = open;
                    }
                }
                wanted => {
                    for (at, have) in name.iter().enumerate() {
                        let same = *have == wanted
                            || (is_inbox && at < 5 && have.eq_ignore_ascii_case(&wanted));
                        if same
                            && reached.get(at) == Some(&true)
                            && let Some(slot) = next.get_mut(at + 1)
                        {
                            *slot = true;
                        }
                    }
                }
            }
            reached = next;
        }
        reached.last() == Some(&true)
    }
}

/// Which mailboxes LIST shows, of those whose names match (RFC 5258 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListSelect {
    /// `SUBSCRIBED`: those subscribed to.
    Subscribed,
    /// `SPECIAL-USE`: those with a special use.
    SpecialUse,
    /// `RECURSIVEMATCH`: also those with a selected one below them that does not match by itself.
    RecursiveMatch,
}

/// LIST: [`Responses::listed`] for each, then complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// What names may look like; nothing, where the separator is asked for (RFC 3501 §6.3.8), which the
    /// machine answers.
    pub patterns: Vec<Pattern>,
    /// Which of them; all, where there is nothing.
    pub select: Vec<ListSelect>,
    /// `RETURN (SUBSCRIBED)`: say which are subscribed.
    pub return_subscribed: bool,
    /// `RETURN (STATUS (...))`: a STATUS for each.
    pub status: Option<Vec<StatusItem>>,
}

/// What is said of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// There are mailboxes below it.
    HasChildren,
    /// There are none.
    HasNoChildren,
    /// It is a subscription, or has something below it, and is no mailbox.
    NonExistent,
    /// It is subscribed to.
    Subscribed,
    /// RFC 6154, without the backslash: `Sent`, `Drafts`, `Junk`, `Trash`, `Archive`.
    SpecialUse(String),
}

/// A line of LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What is said of it.
    pub attributes: Vec<Attribute>,
    /// It is shown because of a subscription below it (`CHILDINFO`, RFC 5258 §3.5).
    pub child_subscribed: bool,
}

impl Command for List {
    const NAME: &'static str = "LIST";
    const WHEN: When = When::AfterLogin;
    const CAPABILITIES: &'static str = "CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS";
    const EXAMPLES: &'static [&'static str] = &[
        "LIST \"\" \"\"",
        "LIST \"\" *",
        "LIST (SUBSCRIBED RECURSIVEMATCH) a/ (%/b x) RETURN (CHILDREN STATUS (MESSAGES))",
    ];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        cursor.space()?;
        let select = selection(cursor)?;
        let reference = mailbox::pattern(&cursor.astring()?);
        cursor.space()?;
        let mut patterns = Vec::new();
        let mut pattern = |cursor: &mut Cursor<'_>| {
            patterns.push(mailbox::pattern(&cursor.list_mailbox()?));
            Ok::<_, SyntaxError>(())
        };
        let several = cursor.peek() == Some(b'(');
        match several {
            true => cursor.list("patterns in parentheses", PATTERNS, pattern)?,
            false => pattern(cursor)?,
        }
        let mut list = Self {
            return_subscribed: select
                .as_ref()
                .is_some_and(|select| select.contains(&ListSelect::Subscribed)),
            ..Self::default()
        };
        let returns = cursor.eat(b' ');
        if returns {
            options(cursor, &mut list)?;
        }
        let basic = select.is_none() && !several && !returns;
        list.select = select.unwrap_or_default();
        let is_empty = |pattern: &Option<String>| pattern.as_ref().is_some_and(String::is_empty);
        if !(basic && patterns.iter().all(is_empty)) {
            list.patterns = below(reference, patterns)?;
        }
        Ok(list)
    }

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        if self.patterns.is_empty() {
            state.responses.untagged("LIST (\\Noselect) \"/\" \"\"");
            return Err(Completion::DONE);
        }
        if self
            .status
            .as_ref()
            .is_some_and(|items| items.contains(&StatusItem::HighestModseq))
        {
            state.enable(Extension::Condstore);
        }
        Ok(self)
    }
}

/// LSUB: [`Responses::listed_subscribed`] for each, then complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lsub {
    /// What names may look like.
    pub patterns: Vec<Pattern>,
}

impl Command for Lsub {
    const NAME: &'static str = "LSUB";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &["LSUB \"\" %"];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        cursor.space()?;
        let reference = mailbox::pattern(&cursor.astring()?);
        cursor.space()?;
        let pattern = mailbox::pattern(&cursor.list_mailbox()?);
        let patterns = below(reference, vec![pattern])?;
        Ok(Self { patterns })
    }
}

/// The patterns with their reference. Where none of them can mean a mailbox, there is nothing to list.
fn below(
    reference: Option<String>,
    patterns: Vec<Option<String>>,
) -> Result<Vec<Pattern>, Refusal> {
    let patterns: Vec<Pattern> = reference
        .iter()
        .flat_map(|reference| {
            patterns
                .iter()
                .flatten()
                .map(|pattern| Pattern::new(reference, pattern))
        })
        .collect();
    match patterns.is_empty() {
        true => Err(Refusal::Answer(Completion::DONE)),
        false => Ok(patterns),
    }
}

fn selection(cursor: &mut Cursor<'_>) -> Result<Option<Vec<ListSelect>>, SyntaxError> {
    if cursor.peek() != Some(b'(') {
        return Ok(None);
    }
    let mut select = Vec::new();
    if !cursor.eat_text("()") {
        cursor.list("selection options", 16, |cursor| {
            let error = cursor.error("a selection option");
            let option = match cursor.word()?.to_ascii_uppercase().as_str() {
                "SUBSCRIBED" => ListSelect::Subscribed,
                "SPECIAL-USE" => ListSelect::SpecialUse,
                "RECURSIVEMATCH" => ListSelect::RecursiveMatch,
                // There are no mailboxes on other servers.
                "REMOTE" => return Ok(()),
                _ => return Err(error),
            };
            if !select.contains(&option) {
                select.push(option);
            }
            Ok(())
        })?;
    }
    // RFC 5258 §3.1: RECURSIVEMATCH needs another option than REMOTE beside it.
    if select == [ListSelect::RecursiveMatch] {
        return Err(cursor.error("an option for RECURSIVEMATCH to work on"));
    }
    cursor.space()?;
    Ok(Some(select))
}

fn options(cursor: &mut Cursor<'_>, list: &mut List) -> Result<(), SyntaxError> {
    if !cursor.eat_text("RETURN ") {
        return Err(cursor.error("RETURN and a list in parentheses"));
    }
    if cursor.eat_text("()") {
        return Ok(());
    }
    cursor.list("return options in parentheses", 16, |cursor| {
        let error = cursor.error("a return option");
        match cursor.word()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => list.return_subscribed = true,
            // Both are told always.
            "CHILDREN" | "SPECIAL-USE" => {}
            "STATUS" => {
                cursor.space()?;
                list.status = Some(status::items(cursor)?);
            }
            _ => return Err(error),
        }
        Ok(())
    })
}

impl Responses {
    /// Writes one LIST response.
    pub fn listed(&mut self, listed: &Listed) {
        let mut attributes = String::new();
        for attribute in &listed.attributes {
            attributes.push_str(match attribute {
                Attribute::HasChildren => " \\HasChildren",
                Attribute::HasNoChildren => " \\HasNoChildren",
                // Clients that do not know the first need the second.
                Attribute::NonExistent => " \\NonExistent \\Noselect",
                Attribute::Subscribed => " \\Subscribed",
                Attribute::SpecialUse(_) => " \\",
            });
            if let Attribute::SpecialUse(word) = attribute {
                attributes.push_str(word);
            }
        }
        let out = self.output();
        out.text(&format!("* LIST ({}) \"/\" ", attributes.trim_start()));
        mailbox::put(out, &listed.name);
        out.line(if listed.child_subscribed {
            " (\"CHILDINFO\" (\"SUBSCRIBED\"))"
        } else {
            ""
        });
    }

    /// Writes one LSUB response.
    pub fn listed_subscribed(&mut self, name: &str, exists: bool) {
        let attributes = if exists { "" } else { "\\Noselect" };
        let out = self.output();
        out.text(&format!("* LSUB ({attributes}) \"/\" "));
        mailbox::put(out, name);
        out.line("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new("", pattern).matches(name)
    }

    #[test]
    fn wildcards() {
        for (pattern, name) in [
            ("*", "a/b/c"),
            ("%", "a"),
            ("a/%", "a/b"),
            ("%/b", "a/b"),
            ("a*c", "a/b/c"),
            ("inbox", "INBOX"),
            ("InB%", "INBOX"),
            ("inbox/%", "INBOX/x"),
            ("*", "INBOX"),
            ("%%", "ab"),
            ("Entwürfe", "Entwürfe"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("%", "a/b"),
            ("a%", "a/b"),
            ("a", "A"),
            ("", "a"),
            ("a/%", "a"),
            ("%x", "xy"),
            ("inbox/X", "INBOX/x"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(Pattern::new("a/", "%").matches("a/b"));
    }

    #[test]
    fn many_stars_take_little_time() {
        let name = "a".repeat(1_000);
        assert!(!matches(&"*a".repeat(400), &format!("{name}b")));
    }
}
