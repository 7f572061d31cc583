//! Address lists (RFC 5322 §3.4 and §4.4), read leniently and in linear time.

use super::lexer::{Lexer, is_blank};

/// An address list is read up to this many entries; the rest is left out of an ENVELOPE.
const ENTRIES: usize = 4_096;

/// One entry of an address list, in the form ENVELOPE wants (RFC 9051 §7.5.2). Octets are as on the wire;
/// encoded words are not decoded, quotes are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A mailbox.
    Mailbox {
        /// Display name, or else the last comment.
        name: Option<Vec<u8>>,
        /// The obsolete source route (`@a,@b`).
        route: Option<Vec<u8>>,
        /// What stands before the `@`. Empty where the sender left it out.
        local_part: Vec<u8>,
        /// What stands after the `@`. Empty where the sender left it out; never absent, since an absent
        /// domain means a group on the wire.
        domain: Vec<u8>,
    },
    /// The beginning of a group with this name.
    Group(Vec<u8>),
    /// The end of a group.
    GroupEnd,
}

impl Address {
    /// Reads an address list. Rubbish between commas is skipped or kept as a local part; nothing is an error.
    pub(super) fn parse_list(value: &[u8]) -> Vec<Self> {
        let mut reader = Reader {
            lexer: Lexer::new(value),
            entries: Vec::new(),
            in_group: false,
        };
        while reader.lexer.peek().is_some() && reader.entries.len() < ENTRIES {
            reader.entry();
        }
        if reader.in_group {
            reader.entries.push(Self::GroupEnd);
        }
        reader.entries
    }
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    entries: Vec<Address>,
    in_group: bool,
}

impl Reader<'_> {
    /// Reads up to and including the next comma, group start or group end.
    fn entry(&mut self) {
        let mut comment = None;
        let mut words = Words::default();
        words.read(&mut self.lexer, &mut comment, b"@<,;:");
        let mut address = None;
        match self.lexer.peek() {
            Some(b':') if !self.in_group => {
                self.lexer.skip(1);
                self.in_group = true;
                self.entries.push(Address::Group(words.phrase));
                return;
            }
            Some(b'@') => {
                self.lexer.skip(1);
                let domain = domain(&mut self.lexer, &mut comment);
                if self.lexer.peek() == Some(b'<') {
                    // `a@b <a@b>`: an address stands where the name should.
                    let name = [&words.phrase[..], b"@", &domain].concat();
                    address = Some((Some(name), self.angle()));
                } else {
                    address = Some((None, (None, words.compact, domain)));
                }
            }
            Some(b'<') => {
                let name = (!words.phrase.is_empty()).then_some(words.phrase);
                address = Some((name, self.angle()));
            }
            _ if !words.compact.is_empty() => {
                address = Some((None, (None, words.compact, Vec::new())));
            }
            _ => {}
        }
        // What stands between an address and the next separator is rubbish, or a comment.
        Words::default().read(&mut self.lexer, &mut comment, b",;");
        if let Some((name, (route, local_part, domain))) = address {
            let name = name.or(comment.filter(|comment| !comment.is_empty()));
            self.entries.push(Address::Mailbox {
                name,
                route,
                local_part,
                domain,
            });
        }
        if self.lexer.take(b';') {
            if self.in_group {
                self.in_group = false;
                self.entries.push(Address::GroupEnd);
            }
        } else {
            self.lexer.take(b',');
        }
    }

    /// The route, local part and domain between `<` and `>`.
    fn angle(&mut self) -> (Option<Vec<u8>>, Vec<u8>, Vec<u8>) {
        self.lexer.skip(1);
        self.lexer.skip_cfws();
        let mut route = None;
        if self.lexer.peek() == Some(b'@') {
            let mut words = Words::default();
            words.read(&mut self.lexer, &mut None, b":>");
            self.lexer.take(b':');
            route = Some(words.compact);
        }
        let mut local = Words::default();
        local.read(&mut self.lexer, &mut None, b"@>");
        let mut domain = Words::default();
        if self.lexer.take(b'@') {
            domain.read(&mut self.lexer, &mut None, b">");
        }
        self.lexer.take(b'>');
        (route, local.compact, domain.compact)
    }
}

/// A run of atoms and quoted strings, both as a phrase and as a local part would have it.
#[derive(Default)]
struct Words {
    /// With one blank where blanks or comments stood.
    phrase: Vec<u8>,
    /// With none.
    compact: Vec<u8>,
}

impl Words {
    /// Reads to the end of the value or one of the octets in `ends`.
    fn read(&mut self, lexer: &mut Lexer<'_>, comment: &mut Option<Vec<u8>>, ends: &[u8]) {
        loop {
            let before = lexer.rest().len();
            lexer.comments(comment);
            let blanks = lexer.rest().len() < before && !self.phrase.is_empty();
            match lexer.peek() {
                None => return,
                Some(octet) if ends.contains(&octet) => return,
                Some(b'"') => self.add(blanks, &lexer.quoted_string()),
                Some(_) => {
                    let word = lexer.until(|octet| {
                        is_blank(octet) || matches!(octet, b'(' | b'"') || ends.contains(&octet)
                    });
                    self.add(blanks, word);
                }
            }
        }
    }

    fn add(&mut self, blanks: bool, word: &[u8]) {
        if blanks {
            self.phrase.push(b' ');
        }
        self.phrase.extend_from_slice(word);
        self.compact.extend_from_slice(word);
    }
}

/// The domain of a bare address: up to a separator, or a blank that no dot stands next to.
fn domain(lexer: &mut Lexer<'_>, comment: &mut Option<Vec<u8>>) -> Vec<u8> {
    let mut domain = Vec::new();
    loop {
        lexer.comments(comment);
        match lexer.peek() {
            Some(b'.') => {}
            _ if domain.is_empty() || domain.last() == Some(&b'.') => {}
            _ => return domain,
        }
        let word = lexer.until(|octet| is_blank(octet) || b"(,;<>\"".contains(&octet));
        if word.is_empty() {
            return domain;
        }
        domain.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(value: &str) -> Vec<String> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        Address::parse_list(value.as_bytes())
            .iter()
            .map(|address| match address {
                Address::Group(name) => format!("{}:", text(name)),
                Address::GroupEnd => ";".to_owned(),
                Address::Mailbox {
                    name,
                    route,
                    local_part,
                    domain,
                } => format!(
                    "{}|{}|{}|{}",
                    name.as_deref().map_or("-".to_owned(), text),
                    route.as_deref().map_or("-".to_owned(), text),
                    text(local_part),
                    text(domain)
                ),
            })
            .collect()
    }

    #[test]
    fn the_forms_of_rfc_5322() {
        assert_eq!(
            list("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
            ["Pete|-|pete|silly.test"]
        );
        assert_eq!(
            list(
                "\"Joe Q. \\\"Public\\\"\" <john.q.public@example.com>, Mary Smith <mary@x.test>, jdoe@example.org"
            ),
            [
                "Joe Q. \"Public\"|-|john.q.public|example.com",
                "Mary Smith|-|mary|x.test",
                "-|-|jdoe|example.org"
            ]
        );
        assert_eq!(
            list("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
            [
                "A Group:",
                "Ed Jones|-|c|a.test",
                "-|-|joe|where.test",
                "John|-|jdoe|one.test",
                ";"
            ]
        );
        assert_eq!(
            list("Undisclosed recipients:;"),
            ["Undisclosed recipients:", ";"]
        );
        assert_eq!(list("\"a b\"@[192.0.2.1]"), ["-|-|a b|[192.0.2.1]"]);
    }

    #[test]
    fn the_obsolete_forms() {
        assert_eq!(
            list("Joe <@a.test,@b.test:joe@c.test>"),
            ["Joe|@a.test,@b.test|joe|c.test"]
        );
        assert_eq!(
            list("john . doe @ example . org (John Doe)"),
            ["John Doe|-|john.doe|example.org"]
        );
        assert_eq!(list(", a@x,,b@y,"), ["-|-|a|x", "-|-|b|y"]);
    }

    #[test]
    fn broken_ones() {
        assert_eq!(list(""), [""; 0]);
        assert_eq!(list("nobody"), ["-|-|nobody|"]);
        assert_eq!(list("<>"), ["-|-||"]);
        assert_eq!(list("a@b <c@d>"), ["a@b|-|c|d"]);
        assert_eq!(list("Group: a@b"), ["Group:", "-|-|a|b", ";"]);
        assert_eq!(list("\"never closed <a@b>"), ["-|-|never closed <a@b>|"]);
        assert_eq!(list("x <a@b"), ["x|-|a|b"]);
        assert_eq!(list("a@b rubbish \", c@d"), ["-|-|a|b"]);
        assert_eq!(list("G1: G2: a@b;"), ["G1:", "-|-|G2|", ";"]);
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(Address::parse_list(&b"a,".repeat(10_000)).len(), ENTRIES);
    }
}
