//! SEARCH (RFC 9051 §6.4.4), always by UID, with the keys a mail reader needs.

use super::{Answered, Client, CommandText, Done, Event, NotNow, Response, Sealed, Session};
use crate::imap::grammar::{Date, SequenceSet, is_flag};

/// One key. Text may be any Unicode text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// Every message.
    All,
    /// These UIDs.
    Uid(SequenceSet),
    /// With `\Seen`.
    Seen,
    /// Without `\Seen`.
    Unseen,
    /// With `\Flagged`.
    Flagged,
    /// With `\Answered`.
    Answered,
    /// With `\Deleted`.
    Deleted,
    /// Without `\Deleted`.
    Undeleted,
    /// With this keyword.
    Keyword(String),
    /// Received on or after this day.
    Since(Date),
    /// Received before this day.
    Before(Date),
    /// Sent on or after this day.
    SentSince(Date),
    /// Sent before this day.
    SentBefore(Date),
    /// Larger than this many octets.
    Larger(u32),
    /// Smaller than this many octets.
    Smaller(u32),
    /// Text in From.
    From(String),
    /// Text in To.
    To(String),
    /// Text in Cc.
    Cc(String),
    /// Text in Subject.
    Subject(String),
    /// Text in the body.
    Body(String),
    /// Text anywhere.
    Text(String),
    /// Text in the named header field.
    Header(String, String),
    /// Messages that the key does not match.
    Not(Box<SearchKey>),
    /// Messages that at least one of the two matches.
    Or(Box<SearchKey>, Box<SearchKey>),
}

/// Keys nested deeper than this are refused.
const DEPTH: usize = 32;

impl Client<Sealed> {
    /// UID SEARCH for messages that all keys match. UIDs come as [`Event::Found`]; ends in [`Done::Searched`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn search(&mut self, keys: &[SearchKey]) -> Result<(), NotNow> {
        let mut text = CommandText::new("UID SEARCH");
        if keys.iter().any(|key| !key.is_ascii(DEPTH)) {
            text.text(" CHARSET UTF-8");
        }
        if keys.is_empty() {
            text.text(" ALL");
        }
        for key in keys {
            key.write(&mut text, DEPTH)?;
        }
        let search = Answered {
            take: |response| match response {
                Response::Search(uids) => Ok(Event::Found(uids)),
                other => Err(other),
            },
            done: Done::Searched,
        };
        self.begin(Session::Selected, text, search)
    }
}

impl SearchKey {
    fn is_ascii(&self, depth: usize) -> bool {
        match self {
            Self::From(text)
            | Self::To(text)
            | Self::Cc(text)
            | Self::Subject(text)
            | Self::Body(text)
            | Self::Text(text)
            | Self::Header(_, text) => text.is_ascii(),
            // What is too deep is refused when it is written.
            Self::Not(key) => depth == 0 || key.is_ascii(depth - 1),
            Self::Or(a, b) => depth == 0 || (a.is_ascii(depth - 1) && b.is_ascii(depth - 1)),
            _ => true,
        }
    }

    fn write(&self, command: &mut CommandText, depth: usize) -> Result<(), NotNow> {
        let Some(deeper) = depth.checked_sub(1) else {
            return Err(NotNow::BadArgument("search keys are nested too deeply"));
        };
        match self {
            Self::All => command.text(" ALL"),
            Self::Uid(set) => {
                command.text(" UID ");
                command.uids(set)?;
            }
            Self::Seen => command.text(" SEEN"),
            Self::Unseen => command.text(" UNSEEN"),
            Self::Flagged => command.text(" FLAGGED"),
            Self::Answered => command.text(" ANSWERED"),
            Self::Deleted => command.text(" DELETED"),
            Self::Undeleted => command.text(" UNDELETED"),
            Self::Keyword(word) => {
                if word.starts_with('\\') || !is_flag(word) {
                    return Err(NotNow::BadArgument("a keyword is an atom"));
                }
                command.text(&format!(" KEYWORD {word}"));
            }
            Self::Since(day) => command.text(&format!(" SINCE {day}")),
            Self::Before(day) => command.text(&format!(" BEFORE {day}")),
            Self::SentSince(day) => command.text(&format!(" SENTSINCE {day}")),
            Self::SentBefore(day) => command.text(&format!(" SENTBEFORE {day}")),
            Self::Larger(octets) => command.text(&format!(" LARGER {octets}")),
            Self::Smaller(octets) => command.text(&format!(" SMALLER {octets}")),
            Self::From(text) => with_text(command, " FROM ", text)?,
            Self::To(text) => with_text(command, " TO ", text)?,
            Self::Cc(text) => with_text(command, " CC ", text)?,
            Self::Subject(text) => with_text(command, " SUBJECT ", text)?,
            Self::Body(text) => with_text(command, " BODY ", text)?,
            Self::Text(text) => with_text(command, " TEXT ", text)?,
            Self::Header(name, text) => {
                with_text(command, " HEADER ", name)?;
                with_text(command, " ", text)?;
            }
            Self::Not(key) => {
                command.text(" NOT");
                key.write(command, deeper)?;
            }
            Self::Or(a, b) => {
                command.text(" OR");
                a.write(command, deeper)?;
                b.write(command, deeper)?;
            }
        }
        Ok(())
    }
}

fn with_text(command: &mut CommandText, key: &str, text: &str) -> Result<(), NotNow> {
    command.text(key);
    command.string(text.as_bytes())
}
