//! Trace: the Received field (RFC 5321 §4.4) with the clauses `tls` and `group` (S4.3-*, S7.4-*): written and read.
//!
//! Order of clauses: from, by, via, with, id, for, then the additional registered ones, where `tls` and
//! `group` belong (IANA-1). What a Received field says is never a ground for a decision (S4.3-1).

use std::fmt;
use std::net::IpAddr;

use pillarbox_names::AddressDomain;
use pillarbox_policy::{Channel, Timestamp, TlsFacts};

use super::date::{format_date, parse_date};

/// Columns of a line; a single longer word stands alone on its line.
const COLUMNS: usize = 78;
/// Columns that the tab at the beginning of a folded line counts for.
const TAB: usize = 8;

/// A Received field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who gave us the message.
    pub from: TraceHost,
    /// Who we are.
    pub by: TraceHost,
    /// What carried it, where that is not TCP.
    pub via: Option<String>,
    /// The protocol: `ESMTPSA`.
    pub with: Option<String>,
    /// Our name for this message.
    pub id: Option<String>,
    /// The one recipient, without angle brackets; left out where there are more (RFC 5321 §7.2).
    pub recipient: Option<String>,
    /// The TLS suite and group it came over.
    pub tls: Option<TlsClause>,
    /// Additional registered clauses that are none of the above, name and value.
    pub others: Vec<(String, String)>,
    /// When.
    pub date: Timestamp,
}

/// A host in a from or by clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceHost {
    /// The name it gave, or that we have.
    pub name: String,
    /// What TCP knew of it, which stands in parentheses.
    pub tcp_info: Option<String>,
}

impl TraceHost {
    /// A client: the name it gave with EHLO if that is a domain, and where it connected from.
    #[must_use]
    pub fn client(ehlo: &str, address: IpAddr) -> Self {
        let literal = AddressDomain::Literal(address.to_canonical()).to_string();
        let name = match ehlo.parse::<AddressDomain>() {
            Ok(_) => ehlo.to_owned(),
            Err(_) => literal.clone(),
        };
        Self {
            name,
            tcp_info: Some(literal),
        }
    }

    /// A name alone.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tcp_info: None,
        }
    }
}

/// The clauses `tls` and `group` (S4.3-7). The second appears only behind the first (S4.3-8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsClause {
    /// IANA name of the suite (S4.3-3), or `0x` and four hex digits where it has none here (S4.3-4).
    pub cipher: String,
    /// IANA name of the key-exchange group (S4.3-9), where it is known (S4.3-6).
    pub group: Option<String>,
}

impl TlsClause {
    /// The clauses of a session with these facts. A resumed session without a key exchange has no group.
    #[must_use]
    pub fn of(facts: &TlsFacts) -> Self {
        Self {
            cipher: facts.suite().to_string(),
            group: facts.group().map(|group| group.to_string()),
        }
    }
}

/// The value of `with` (RFC 3848, RFC 6531 §4.3; R3848-1) for a client that logged in or did not.
#[must_use]
pub fn protocol(channel: Channel<'_>, client: Client, text: Text) -> &'static str {
    let tls = channel.facts().is_some();
    match (text, tls, client) {
        (Text::Ascii, false, Client::Anonymous) => "ESMTP",
        (Text::Ascii, false, Client::LoggedIn) => "ESMTPA",
        (Text::Ascii, true, Client::Anonymous) => "ESMTPS",
        (Text::Ascii, true, Client::LoggedIn) => "ESMTPSA",
        (Text::Utf8, false, Client::Anonymous) => "UTF8SMTP",
        (Text::Utf8, false, Client::LoggedIn) => "UTF8SMTPA",
        (Text::Utf8, true, Client::Anonymous) => "UTF8SMTPS",
        (Text::Utf8, true, Client::LoggedIn) => "UTF8SMTPSA",
    }
}

/// Whether the client logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// It did not.
    Anonymous,
    /// It did.
    LoggedIn,
}

/// Whether SMTPUTF8 was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// It was not.
    Ascii,
    /// It was.
    Utf8,
}

impl fmt::Display for Received {
    /// The whole field, folded, with its last CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut clauses = vec![clause("Received: from", &self.from), clause("by", &self.by)];
        let mut pair =
            |name: &str, value: &str| clauses.push(vec![name.to_owned(), value.to_owned()]);
        for (name, value) in [("via", &self.via), ("with", &self.with), ("id", &self.id)] {
            if let Some(value) = value {
                pair(name, value);
            }
        }
        if let Some(recipient) = &self.recipient {
            pair("for", &format!("<{recipient}>"));
        }
        if let Some(tls) = &self.tls {
            pair("tls", &tls.cipher);
            if let Some(group) = &tls.group {
                pair("group", group);
            }
        }
        for (name, value) in &self.others {
            pair(name, value);
        }
        if let Some(last) = clauses.last_mut().and_then(|clause| clause.last_mut()) {
            last.push(';');
        }
        clauses.push(
            format_date(self.date)
                .split(' ')
                .map(str::to_owned)
                .collect(),
        );
        f.write_str(&fold(&clauses))
    }
}

fn clause(keyword: &str, host: &TraceHost) -> Vec<String> {
    let mut words: Vec<String> = keyword.split(' ').map(str::to_owned).collect();
    words.push(host.name.clone());
    words.extend(host.tcp_info.as_ref().map(|info| format!("({info})")));
    words
}

/// Puts clauses on lines: a clause on a new line if it does not fit behind the last, and its words likewise.
fn fold(clauses: &[Vec<String>]) -> String {
    let mut text = String::new();
    let mut column = 0;
    for clause in clauses {
        let width = clause.iter().map(|word| word.len() + 1).sum::<usize>() - 1;
        let mut breaks = column > 0 && column + 1 + width > COLUMNS;
        for word in clause {
            breaks |= column > 0 && column + 1 + word.len() > COLUMNS;
            if breaks && column > TAB {
                text.push_str("\r\n\t");
                column = TAB;
            } else if column > 0 && column != TAB {
                text.push(' ');
                column += 1;
            }
            breaks = false;
            text.push_str(word);
            column += word.len();
        }
    }
    text.push_str("\r\n");
    text
}

/// What is wrong with a Received field. A message is never refused for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No semicolon and date at the end, or no date of RFC 5322.
    #[error("no date behind a semicolon")]
    Date,
    /// A clause without its value, or a comment or quotation without its end.
    #[error("a clause is cut off")]
    CutOff,
    /// No from clause at the beginning, or no by clause behind it.
    #[error("it does not begin with from and by")]
    FromBy,
    /// Clauses twice, or not in the order of RFC 5321 §4.4.
    #[error("clauses stand in the wrong order")]
    Order,
    /// The value of `tls` is no cipher name (S4.3-7).
    #[error("the tls clause has no cipher name")]
    Cipher,
    /// The value of `group` is no group name (S4.3-7).
    #[error("the group clause has no group name")]
    Group,
    /// `group` anywhere but right behind a cipher (S4.3-8).
    #[error("a group clause does not stand behind a tls clause")]
    StrayGroup,
}

/// Reads the body of a Received field: folded or not, with comments, keywords in any case (S2-8).
///
/// # Errors
/// What is wrong with it.
pub fn parse_received(body: &str) -> Result<Received, Malformed> {
    let (tokens, date) = tokens(body)?;
    let mut tokens = tokens.into_iter().peekable();
    let mut received = Received {
        from: trace_host(&mut tokens, "from")?,
        by: trace_host(&mut tokens, "by")?,
        via: None,
        with: None,
        id: None,
        recipient: None,
        tls: None,
        others: Vec::new(),
        date: parse_date(date).ok_or(Malformed::Date)?,
    };
    let mut rank = 0;
    let mut behind_cipher = false;
    while let Some(name) = next_word(&mut tokens) {
        let value = next_word(&mut tokens).ok_or(Malformed::CutOff)?;
        let name = name.to_ascii_lowercase();
        let after_cipher = std::mem::replace(&mut behind_cipher, name == "tls");
        let place = match name.as_str() {
            "from" | "by" => return Err(Malformed::Order),
            "via" => 1,
            "with" => 2,
            "id" => 3,
            "for" => 4,
            _ => 5,
        };
        if place < rank || (place == rank && place < 5) {
            return Err(Malformed::Order);
        }
        rank = place;
        match name.as_str() {
            "via" => received.via = Some(value),
            "with" => received.with = Some(value),
            "id" => received.id = Some(value),
            "for" => received.recipient = Some(without_brackets(value)),
            "tls" if received.tls.is_some() => return Err(Malformed::Order),
            "tls" if !is_cipher(&value) => return Err(Malformed::Cipher),
            "tls" => {
                received.tls = Some(TlsClause {
                    cipher: value,
                    group: None,
                });
            }
            "group" => match &mut received.tls {
                Some(_) if !is_group(&value) => return Err(Malformed::Group),
                Some(tls) if after_cipher => tls.group = Some(value),
                _ => return Err(Malformed::StrayGroup),
            },
            _ => received.others.push((name, value)),
        }
    }
    Ok(received)
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Comment(String),
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<Token>>;

fn next_word(tokens: &mut Tokens) -> Option<String> {
    tokens.find_map(|token| match token {
        Token::Word(word) => Some(word),
        Token::Comment(_) => None,
    })
}

fn trace_host(tokens: &mut Tokens, keyword: &str) -> Result<TraceHost, Malformed> {
    if !next_word(tokens).is_some_and(|word| word.eq_ignore_ascii_case(keyword)) {
        return Err(Malformed::FromBy);
    }
    let name = next_word(tokens).ok_or(Malformed::CutOff)?;
    let tcp_info = match tokens.next_if(|token| matches!(token, Token::Comment(_))) {
        Some(Token::Comment(info)) => Some(info),
        _ => None,
    };
    Ok(TraceHost { name, tcp_info })
}

/// Cuts the body at the semicolon outside of comments and quotations; answers the tokens before it.
fn tokens(body: &str) -> Result<(Vec<Token>, &str), Malformed> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut chars = body.chars();
    while let Some(next) = chars.next() {
        let ends_word = next.is_ascii_whitespace() || matches!(next, '(' | ';');
        if ends_word && !word.is_empty() {
            tokens.push(Token::Word(std::mem::take(&mut word)));
        }
        match next {
            ';' => return Ok((tokens, chars.as_str())),
            '(' => tokens.push(Token::Comment(comment(&mut chars)?)),
            '"' => quoted(&mut chars, &mut word)?,
            next if ends_word => debug_assert!(next.is_ascii_whitespace()),
            next => word.push(next),
        }
    }
    Err(Malformed::Date)
}

/// The text of a comment whose `(` was read, comments inside included (RFC 5322 §3.2.2).
fn comment(chars: &mut std::str::Chars<'_>) -> Result<String, Malformed> {
    let mut text = String::new();
    let mut depth = 1;
    while let Some(next) = chars.next() {
        match next {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => {
                text.extend(chars.next());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            return Ok(text);
        }
        text.push(next);
    }
    Err(Malformed::CutOff)
}

/// A quoted string whose first `"` was read, kept with its quotes.
fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Malformed> {
    word.push('"');
    while let Some(next) = chars.next() {
        word.push(next);
        match next {
            '"' => return Ok(()),
            '\\' => word.extend(chars.next()),
            _ => {}
        }
    }
    Err(Malformed::CutOff)
}

fn without_brackets(path: String) -> String {
    path.strip_prefix('<')
        .and_then(|path| path.strip_suffix('>'))
        .map_or_else(|| path.clone(), str::to_owned)
}

fn is_cipher(value: &str) -> bool {
    if let Some(digits) = value.strip_prefix("0x") {
        return digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    }
    is_name(value, |octet| octet == b'_')
}

fn is_group(value: &str) -> bool {
    is_name(value, |octet| matches!(octet, b'_' | b'-'))
}

fn is_name(value: &str, other: impl Fn(u8) -> bool) -> bool {
    value.starts_with(|first: char| first.is_ascii_alphabetic())
        && value
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || other(octet))
}

#[cfg(test)]
mod tests {
    use pillarbox_policy::{CipherSuite, Group};
    use pillarbox_testkit::{clear_facts, facts, facts_with};
    use proptest::prelude::*;

    use super::*;

    fn example() -> Received {
        Received {
            from: TraceHost::client("client.example", "192.0.2.1".parse().unwrap()),
            by: TraceHost::named("mail.example.org"),
            via: None,
            with: Some("ESMTPSA".to_owned()),
            id: Some("4f1a".to_owned()),
            recipient: Some("bob@example.org".to_owned()),
            tls: Some(TlsClause::of(&facts())),
            others: Vec::new(),
            date: Timestamp(1_795_458_605),
        }
    }

    /// The body of a field as printed.
    fn body(field: &str) -> &str {
        field.strip_prefix("Received:").unwrap()
    }

    #[test]
    fn the_field_as_it_is_written() {
        assert_eq!(
            example().to_string(),
            "Received: from client.example ([192.0.2.1]) by mail.example.org with ESMTPSA\r\n\
             \tid 4f1a for <bob@example.org> tls TLS_AES_256_GCM_SHA384\r\n\
             \tgroup X25519MLKEM768; Mon, 23 Nov 2026 18:30:05 +0000\r\n"
        );
    }

    #[test]
    fn a_client_without_a_domain_for_a_name_is_its_address() {
        let host = TraceHost::client("MY_DESK", "::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(host.name, "[192.0.2.1]");
        assert_eq!(host.tcp_info.as_deref(), Some("[192.0.2.1]"));
    }

    #[test]
    fn protocols() {
        let (tls, cleartext) = (facts(), clear_facts());
        let (sealed, clear) = (Channel::Sealed(&tls), Channel::Clear(&cleartext));
        for (channel, client, text, name) in [
            (sealed, Client::LoggedIn, Text::Ascii, "ESMTPSA"),
            (sealed, Client::Anonymous, Text::Ascii, "ESMTPS"),
            (clear, Client::LoggedIn, Text::Ascii, "ESMTPA"),
            (clear, Client::Anonymous, Text::Ascii, "ESMTP"),
            (sealed, Client::LoggedIn, Text::Utf8, "UTF8SMTPSA"),
            (sealed, Client::Anonymous, Text::Utf8, "UTF8SMTPS"),
            (clear, Client::LoggedIn, Text::Utf8, "UTF8SMTPA"),
            (clear, Client::Anonymous, Text::Utf8, "UTF8SMTP"),
        ] {
            assert_eq!(protocol(channel, client, text), name);
        }
    }

    #[test]
    fn suites_without_a_name_and_sessions_without_a_group() {
        let unnamed = facts_with(|parts| {
            parts.suite = CipherSuite::Unknown(0xfefe);
            parts.group = None;
        });
        assert_eq!(
            TlsClause::of(&unnamed),
            TlsClause {
                cipher: "0xFEFE".to_owned(),
                group: None
            }
        );
        let resumed = facts_with(|parts| parts.group = Some(Group("secp256r1")));
        assert_eq!(TlsClause::of(&resumed).group.as_deref(), Some("secp256r1"));
    }

    #[test]
    fn folds_comments_and_case_do_not_matter() {
        let odd = " FROM client.example\r\n ([192.0.2.1])\r\n\tBy (us) mail.example.org\r\n wItH ESMTPSA (a (nested;\\)) one) ID 4f1a\r\n for <bob@example.org>\r\n TLS\r\n TLS_AES_256_GCM_SHA384 (x)\r\n\tGroup\tX25519MLKEM768 (y) ;\r\n Mon, 23 Nov 2026\r\n 19:30:05 +0100";
        assert_eq!(parse_received(odd), Ok(example()));
    }

    #[test]
    fn malformed_fields_are_told_apart() {
        let with = |tail: &str| {
            parse_received(&format!(
                "from a by b {tail}; Mon, 23 Nov 2026 18:30:05 +0000"
            ))
        };
        assert_eq!(parse_received("from a by b"), Err(Malformed::Date));
        assert_eq!(
            parse_received("from a by b; yesterday"),
            Err(Malformed::Date)
        );
        assert_eq!(
            parse_received("from a by b (x; Mon"),
            Err(Malformed::CutOff)
        );
        assert_eq!(
            parse_received("by b; Mon, 23 Nov 2026 18:30:05 +0000"),
            Err(Malformed::FromBy)
        );
        assert_eq!(with("with"), Err(Malformed::CutOff));
        assert_eq!(with("id x with y"), Err(Malformed::Order));
        assert_eq!(with("tls TLS_A for <a@b>"), Err(Malformed::Order));
        assert_eq!(with("tls TLS_A tls TLS_B"), Err(Malformed::Order));
        for bad in [
            "_TLS", "TLS-A", "TLS,A", "0x009", "0x009CC", "TLS/A", "1TLS", "\"TLS\"",
        ] {
            assert_eq!(with(&format!("tls {bad}")), Err(Malformed::Cipher), "{bad}");
        }
        assert_eq!(with("tlsTLS_A group x"), Err(Malformed::CutOff));
        assert_eq!(with("group x25519 tls TLS_A"), Err(Malformed::StrayGroup));
        assert_eq!(
            with("tls TLS_A x y group x25519"),
            Err(Malformed::StrayGroup)
        );
        assert_eq!(with("tls TLS_A group 25519"), Err(Malformed::Group));
        assert_eq!(
            with("tls TLS_A group x25519")
                .unwrap()
                .tls
                .unwrap()
                .group
                .as_deref(),
            Some("x25519")
        );
    }

    fn fields() -> impl Strategy<Value = Received> {
        let name = "[a-z]{1,20}(\\.[a-z]{1,20}){0,4}";
        let tls = proptest::option::of((
            "[A-Za-z][A-Za-z0-9_]{0,50}|0x[0-9A-F]{4}",
            proptest::option::of("[A-Za-z][A-Za-z0-9_-]{0,40}"),
        ));
        (
            (name, proptest::option::of("\\[[0-9.]{1,15}\\]")),
            name,
            proptest::option::of("[A-Z0-9]{1,12}"),
            proptest::option::of("[a-z0-9]{1,70}"),
            proptest::option::of("[a-z.+]{1,60}@[a-z]{1,40}|\"[a-z ;(]{1,10}\"@[a-z]{1,9}"),
            tls,
            0..4_000_000_000_i64,
        )
            .prop_map(
                |((from, tcp_info), by, with, id, recipient, tls, date)| Received {
                    from: TraceHost {
                        name: from,
                        tcp_info,
                    },
                    by: TraceHost::named(&by),
                    via: None,
                    with,
                    id,
                    recipient,
                    tls: tls.map(|(cipher, group)| TlsClause { cipher, group }),
                    others: Vec::new(),
                    date: Timestamp(date),
                },
            )
    }

    proptest! {
        #[test]
        fn reading_undoes_writing_and_lines_are_short(received in fields()) {
            let field = received.to_string();
            prop_assert_eq!(parse_received(body(&field)), Ok(received));
            for line in field.split("\r\n") {
                let width = line.len() + if line.starts_with('\t') { TAB - 1 } else { 0 };
                let one_word = !line.trim_start_matches("Received: ").trim().contains(' ');
                prop_assert!(width <= COLUMNS || one_word, "{}", line);
                prop_assert!(!line.contains(['\r', '\n']));
            }
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,80}|(from|by|for|tls|group|;|\\(|\\)|\"|<a@b>|x|\\\\| ){0,20}") {
            let _ = parse_received(&text);
        }
    }
}
