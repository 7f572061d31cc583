//! SEARCH (RFC 3501 §6.4.4), with RETURN (ESEARCH, RFC 4731) and MODSEQ (RFC 7162 §3.1.5).

use super::{
    Command, Completion, Cursor, Date, Extension, Forms, Naming, Reading, Refusal, ResponseCode,
    Responses, SequenceSet, State, SyntaxError, When,
};

/// The most keys one SEARCH may have, which bounds what one message costs.
pub const MAX_KEYS: usize = 256;
/// The deepest nesting of NOT, OR and parentheses.
const DEPTH: usize = 32;

/// SEARCH: [`Responses::found`], then complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What the answer is told in.
    pub naming: Naming,
    /// What messages have to be like.
    pub key: SearchKey,
    /// What to tell of them; the whole old-fashioned list, where there is nothing.
    pub returns: Option<Vec<SearchReturn>>,
}

/// What messages have to be like. Keys RFC 3501 defines by others are read as those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// Every message.
    All,
    /// All of these.
    And(Vec<SearchKey>),
    /// One of these two, or both.
    Or(Box<(SearchKey, SearchKey)>),
    /// Not this.
    Not(Box<SearchKey>),
    /// One of these sequence numbers.
    Messages(SequenceSet),
    /// One of these UIDs.
    Uids(SequenceSet),
    /// Has this flag.
    Flag(String),
    /// Received before this day.
    Before(Date),
    /// Received on this day.
    On(Date),
    /// Received on this day or later.
    Since(Date),
    /// Date field before this day.
    SentBefore(Date),
    /// Date field on this day.
    SentOn(Date),
    /// Date field on this day or later.
    SentSince(Date),
    /// A header field with this name holds this text. An empty text asks for the field alone.
    Header {
        /// Its name.
        name: Vec<u8>,
        /// The text.
        text: Vec<u8>,
    },
    /// The body holds this text.
    Body(Vec<u8>),
    /// Header or body hold this text.
    Text(Vec<u8>),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// Changed at this modification sequence or later.
    Modseq(u64),
}

impl SearchKey {
    fn names_modseq(&self) -> bool {
        match self {
            Self::Modseq(_) => true,
            Self::And(keys) => keys.iter().any(Self::names_modseq),
            Self::Or(both) => both.0.names_modseq() || both.1.names_modseq(),
            Self::Not(key) => key.names_modseq(),
            _ => false,
        }
    }
}

/// What RETURN asks for (RFC 4731 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchReturn {
    /// `MIN`: the smallest number.
    Min,
    /// `MAX`: the largest.
    Max,
    /// `COUNT`: how many.
    Count,
    /// `ALL`: all of them.
    All,
}

/// A message that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchOutcome {
    /// Its sequence number or UID, as was asked for.
    pub number: u32,
    /// Its modification sequence.
    pub modseq: u64,
}

impl Command for Search {
    const NAME: &'static str = "SEARCH";
    const WHEN: When = When::Selected;
    const CAPABILITIES: &'static str = "ESEARCH";
    const FORMS: Forms = Forms::PlainAndUid;
    const EXAMPLES: &'static [&'static str] = &[
        "SEARCH ALL",
        "SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN SINCE 1-Feb-1994 NOT FROM \"x\"",
        "UID SEARCH CHARSET UTF-8 OR (DELETED 1:5) UID 1:* HEADER x {1+}\r\ny",
        "SEARCH MODSEQ \"/flags/\\\\draft\" all 5 KEYWORD $x LARGER 1 BODY a TEXT b SENTON 1-Jan-2000",
    ];

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        cursor.space()?;
        let mut returns = None;
        if cursor.eat_text("RETURN ") {
            returns = Some(return_options(cursor)?);
            cursor.space()?;
        }
        if cursor.eat_text("CHARSET ") {
            let charset = cursor.astring()?;
            cursor.space()?;
            if !charset.eq_ignore_ascii_case(b"UTF-8") && !charset.eq_ignore_ascii_case(b"US-ASCII")
            {
                // What is written in an unknown charset cannot be read (RFC 3501 §6.4.4).
                return Err(Refusal::Answer(Completion::no(
                    ResponseCode::BadCharset,
                    "Only US-ASCII and UTF-8 are known",
                )));
            }
        }
        let mut reader = Reader { keys: 0 };
        let mut keys = vec![reader.key(cursor, 0)?];
        while cursor.eat(b' ') {
            keys.push(reader.key(cursor, 0)?);
        }
        Ok(Self {
            naming: reading.naming,
            key: all_of(keys),
            returns,
        })
    }

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        if self.key.names_modseq() {
            state.enable(Extension::Condstore);
        }
        Ok(self)
    }
}

fn return_options(cursor: &mut Cursor<'_>) -> Result<Vec<SearchReturn>, SyntaxError> {
    if cursor.eat_text("()") {
        return Ok(vec![SearchReturn::All]);
    }
    let mut returns = Vec::new();
    cursor.list("a list in parentheses", 16, |cursor| {
        let error = cursor.error("MIN, MAX, COUNT or ALL");
        returns.push(match cursor.word()?.to_ascii_uppercase().as_str() {
            "MIN" => SearchReturn::Min,
            "MAX" => SearchReturn::Max,
            "COUNT" => SearchReturn::Count,
            "ALL" => SearchReturn::All,
            _ => return Err(error),
        });
        Ok(())
    })?;
    Ok(returns)
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        Some(last) => {
            keys.push(last);
            SearchKey::And(keys)
        }
        None => SearchKey::All,
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn flag(name: &str) -> SearchKey {
    SearchKey::Flag(name.to_owned())
}

struct Reader {
    keys: usize,
}

impl Reader {
    fn key(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<SearchKey, SyntaxError> {
        self.keys += 1;
        if self.keys > MAX_KEYS || depth > DEPTH {
            return Err(cursor.error("a simpler search"));
        }
        match cursor.peek() {
            Some(b'(') => return self.group(cursor, depth),
            Some(b'*' | b'0'..=b'9') => return cursor.sequence_set().map(SearchKey::Messages),
            _ => {}
        }
        let error = cursor.error("a search key");
        let word = cursor.word()?.to_ascii_uppercase();
        Ok(match word.as_str() {
            "ALL" | "OLD" => SearchKey::All,
            // Nothing is ever recent here: see SELECT.
            "RECENT" | "NEW" => not(SearchKey::All),
            "ANSWERED" => flag("\\Answered"),
            "DELETED" => flag("\\Deleted"),
            "DRAFT" => flag("\\Draft"),
            "FLAGGED" => flag("\\Flagged"),
            "SEEN" => flag("\\Seen"),
            "UNANSWERED" => not(flag("\\Answered")),
            "UNDELETED" => not(flag("\\Deleted")),
            "UNDRAFT" => not(flag("\\Draft")),
            "UNFLAGGED" => not(flag("\\Flagged")),
            "UNSEEN" => not(flag("\\Seen")),
            "KEYWORD" => SearchKey::Flag(keyword(cursor)?),
            "UNKEYWORD" => not(SearchKey::Flag(keyword(cursor)?)),
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => SearchKey::Header {
                name: word.into_bytes(),
                text: text(cursor)?,
            },
            "HEADER" => SearchKey::Header {
                name: text(cursor)?,
                text: text(cursor)?,
            },
            "BODY" => SearchKey::Body(text(cursor)?),
            "TEXT" => SearchKey::Text(text(cursor)?),
            "BEFORE" => SearchKey::Before(date(cursor)?),
            "ON" => SearchKey::On(date(cursor)?),
            "SINCE" => SearchKey::Since(date(cursor)?),
            "SENTBEFORE" => SearchKey::SentBefore(date(cursor)?),
            "SENTON" => SearchKey::SentOn(date(cursor)?),
            "SENTSINCE" => SearchKey::SentSince(date(cursor)?),
            "LARGER" => SearchKey::Larger(number(cursor)?),
            "SMALLER" => SearchKey::Smaller(number(cursor)?),
            "UID" => {
                cursor.space()?;
                SearchKey::Uids(cursor.sequence_set()?)
            }
            "MODSEQ" => modseq(cursor)?,
            "NOT" => {
                cursor.space()?;
                not(self.key(cursor, depth + 1)?)
            }
            "OR" => {
                cursor.space()?;
                let first = self.key(cursor, depth + 1)?;
                cursor.space()?;
                SearchKey::Or(Box::new((first, self.key(cursor, depth + 1)?)))
            }
            _ => return Err(error),
        })
    }

    fn group(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<SearchKey, SyntaxError> {
        let mut keys = Vec::new();
        cursor.list("search keys in parentheses", MAX_KEYS, |cursor| {
            keys.push(self.key(cursor, depth + 1)?);
            Ok(())
        })?;
        Ok(all_of(keys))
    }
}

fn text(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, SyntaxError> {
    cursor.space()?.astring().map(std::borrow::Cow::into_owned)
}

fn keyword(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    cursor.space()?;
    let error = cursor.error("a keyword");
    let flag = cursor.flag()?;
    if flag.starts_with('\\') {
        return Err(error);
    }
    Ok(flag.to_owned())
}

fn date(cursor: &mut Cursor<'_>) -> Result<Date, SyntaxError> {
    Date::read(cursor.space()?)
}

fn number(cursor: &mut Cursor<'_>) -> Result<u64, SyntaxError> {
    cursor.space()?.number64()
}

/// `MODSEQ ["/flags/\\Seen" all] 12`: modification sequences are kept per message, so the entry, where there
/// is one, is passed over (RFC 7162 §3.1.5 allows that).
fn modseq(cursor: &mut Cursor<'_>) -> Result<SearchKey, SyntaxError> {
    cursor.space()?;
    if cursor.peek() == Some(b'"') {
        cursor.quoted()?;
        cursor.space()?;
        let error = cursor.error("priv, shared or all");
        if !["priv", "shared", "all"]
            .iter()
            .any(|kind| cursor.eat_text(kind))
        {
            return Err(error);
        }
        cursor.space()?;
    }
    cursor.number64().map(SearchKey::Modseq)
}

impl Responses {
    /// Writes what was found, in ascending order.
    pub fn found(&mut self, search: &Search, found: &[SearchOutcome]) {
        let with_modseq = search.key.names_modseq();
        let line = match &search.returns {
            None => {
                let mut line = "SEARCH".to_owned();
                for message in found {
                    line.push_str(&format!(" {}", message.number));
                }
                if let Some(modseq) = highest(found).filter(|_| with_modseq) {
                    line.push_str(&format!(" (MODSEQ {modseq})"));
                }
                line
            }
            Some(returns) => {
                let mut line = format!("ESEARCH (TAG \"{}\")", self.tag());
                if search.naming == Naming::Uid {
                    line.push_str(" UID");
                }
                extended(&mut line, returns, found, with_modseq);
                line
            }
        };
        self.untagged(&line);
    }
}

fn highest(found: &[SearchOutcome]) -> Option<u64> {
    found.iter().map(|message| message.modseq).max()
}

fn extended(
    line: &mut String,
    returns: &[SearchReturn],
    found: &[SearchOutcome],
    with_modseq: bool,
) {
    let asked = |wanted| returns.contains(&wanted);
    let first = found.first().filter(|_| asked(SearchReturn::Min));
    let last = found.last().filter(|_| asked(SearchReturn::Max));
    if let Some(first) = first {
        line.push_str(&format!(" MIN {}", first.number));
    }
    if let Some(last) = last {
        line.push_str(&format!(" MAX {}", last.number));
    }
    if asked(SearchReturn::Count) {
        line.push_str(&format!(" COUNT {}", found.len()));
    }
    if asked(SearchReturn::All) && !found.is_empty() {
        let set = SequenceSet::of(found.iter().map(|message| message.number));
        line.push_str(&format!(" ALL {set}"));
    }
    // RFC 7162 §3.1.10: of what is told, and of everything where ALL or COUNT is told.
    let told = if asked(SearchReturn::All) || asked(SearchReturn::Count) {
        highest(found)
    } else {
        let ends = [first, last];
        ends.into_iter()
            .flatten()
            .map(|message| message.modseq)
            .max()
    };
    if let Some(modseq) = told.filter(|_| with_modseq) {
        line.push_str(&format!(" MODSEQ {modseq}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading<'static> {
        Reading {
            naming: Naming::Sequence,
            permit: None,
        }
    }

    fn key(text: &str) -> Result<SearchKey, Refusal> {
        let mut cursor = Cursor::new(text.as_bytes());
        let search = Search::read(&mut cursor, reading())?;
        cursor.end()?;
        Ok(search.key)
    }

    #[test]
    fn keys() {
        assert_eq!(key(" ALL").unwrap(), SearchKey::All);
        assert_eq!(
            key(" OR (SEEN 1:3) NOT FROM \"x y\"").unwrap(),
            SearchKey::Or(Box::new((
                SearchKey::And(vec![
                    flag("\\Seen"),
                    SearchKey::Messages(SequenceSet::of([1, 2, 3]))
                ]),
                not(SearchKey::Header {
                    name: b"FROM".to_vec(),
                    text: b"x y".to_vec()
                })
            )))
        );
        assert_eq!(
            key(" MODSEQ \"/flags/\\\\draft\" all 620162338").unwrap(),
            SearchKey::Modseq(620_162_338)
        );
        for bad in [
            "",
            " ",
            " FOO",
            " OR SEEN",
            " NOT",
            " ()",
            " (SEEN",
            " FROM",
            " SINCE x",
            " KEYWORD \\Seen",
            " SEEN ",
        ] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_and_number_of_keys_are_bounded() {
        let nested = |depth: usize| format!(" {}SEEN{}", "(".repeat(depth), ")".repeat(depth));
        assert!(key(&nested(DEPTH)).is_ok());
        assert!(key(&nested(DEPTH + 1)).is_err());
        assert!(key(&" SEEN".repeat(MAX_KEYS)).is_ok());
        assert!(key(&" SEEN".repeat(MAX_KEYS + 1)).is_err());
    }
}
