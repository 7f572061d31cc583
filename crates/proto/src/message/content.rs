//! Content-Type, Content-Disposition and their parameters (RFC 2045 §5.1, RFC 2183, RFC 2231).

use super::lexer::{Lexer, is_blank, is_token, trim_blanks};

/// A parameter, as it stands on the wire: RFC 2231 continuations and charsets are not resolved, because
/// BODYSTRUCTURE gives them so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, in the sender's case.
    pub name: Vec<u8>,
    /// Its value, without quotes. May hold 8-bit octets.
    pub value: Vec<u8>,
}

/// A media type with its parameters (RFC 2045 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// The top-level type, in the sender's case.
    pub kind: Vec<u8>,
    /// The subtype, in the sender's case.
    pub subtype: Vec<u8>,
    /// Its parameters, in order.
    pub parameters: Vec<Parameter>,
}

/// A Content-Disposition (RFC 2183).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment` or another word, in the sender's case.
    pub kind: Vec<u8>,
    /// Its parameters, in order.
    pub parameters: Vec<Parameter>,
}

impl MediaType {
    /// Reads a Content-Type value. `None` where it has no valid type and subtype; the reader then has to
    /// take the default (RFC 2045 §5.2).
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        lexer.skip_cfws();
        let kind = lexer.until(|octet| !is_token(octet));
        lexer.skip_cfws();
        if kind.is_empty() || !lexer.take(b'/') {
            return None;
        }
        lexer.skip_cfws();
        let subtype = lexer.until(|octet| !is_token(octet));
        (!subtype.is_empty()).then(|| Self {
            kind: kind.to_vec(),
            subtype: subtype.to_vec(),
            parameters: parameters(lexer),
        })
    }

    /// A type without parameters.
    pub(super) fn plain(kind: &str, subtype: &str) -> Self {
        Self {
            kind: kind.into(),
            subtype: subtype.into(),
            parameters: Vec::new(),
        }
    }

    /// What a body is that does not say what it is: US-ASCII text (RFC 2045 §5.2).
    pub(super) fn default_text() -> Self {
        Self {
            parameters: vec![Parameter {
                name: b"charset".to_vec(),
                value: b"us-ascii".to_vec(),
            }],
            ..Self::plain("text", "plain")
        }
    }

    /// Whether it is of this top-level type, in any case.
    #[must_use]
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
    }

    /// Whether it is of this type and subtype, in any case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.is_kind(kind) && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// The value of a parameter, with the RFC 2231 continuations of its name joined. Charset and percent
    /// encoding are left alone.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        joined(&self.parameters, name)
    }
}

impl Disposition {
    /// Reads a Content-Disposition value. `None` where it has no type.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(value);
        lexer.skip_cfws();
        let kind = lexer.until(|octet| !is_token(octet));
        (!kind.is_empty()).then(|| Self {
            kind: kind.to_vec(),
            parameters: parameters(lexer),
        })
    }
}

/// The plain parameter, or its sections `name*0`, `name*1*`, ... in their order (RFC 2231 §3).
fn joined(parameters: &[Parameter], name: &str) -> Option<Vec<u8>> {
    if let Some(plain) = parameters
        .iter()
        .find(|parameter| parameter.name.eq_ignore_ascii_case(name.as_bytes()))
    {
        return Some(plain.value.clone());
    }
    let mut sections: Vec<(u32, &[u8])> = parameters
        .iter()
        .filter_map(|parameter| Some((section(&parameter.name, name)?, &*parameter.value)))
        .collect();
    sections.sort_by_key(|(number, _)| *number);
    (!sections.is_empty()).then(|| {
        sections
            .iter()
            .flat_map(|(_, value)| value.iter().copied())
            .collect()
    })
}

/// The section number of a parameter called `name*N` or `name*N*`.
fn section(parameter: &[u8], name: &str) -> Option<u32> {
    let (head, tail) = parameter.split_at_checked(name.len())?;
    if !head.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    let number = tail.strip_prefix(b"*")?;
    let number = number.strip_suffix(b"*").unwrap_or(number);
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn parameters(mut lexer: Lexer<'_>) -> Vec<Parameter> {
    let mut all = Vec::new();
    loop {
        // Rubbish before the next semicolon is nobody's parameter.
        loop {
            lexer.skip_cfws();
            match lexer.peek() {
                None => return all,
                Some(b';') => break,
                Some(b'"') => drop(lexer.quoted_string()),
                Some(_) => {
                    lexer.skip(1);
                    lexer.until(|octet| matches!(octet, b';' | b'"' | b'('));
                }
            }
        }
        lexer.skip(1);
        lexer.skip_cfws();
        let name = lexer.until(|octet| !is_token(octet));
        lexer.skip_cfws();
        if name.is_empty() || !lexer.take(b'=') {
            continue;
        }
        lexer.skip_cfws();
        let value = match lexer.peek() {
            Some(b'"') => lexer.quoted_string(),
            _ => bare_value(&mut lexer),
        };
        all.push(Parameter {
            name: name.to_vec(),
            value,
        });
    }
}

/// An unquoted value. Many senders forget the quotes around blanks and special characters: it goes on to
/// the next semicolon, or to a comment.
fn bare_value(lexer: &mut Lexer<'_>) -> Vec<u8> {
    let all = lexer.rest();
    let mut length = 0;
    let mut before = b' ';
    for &octet in all {
        if octet == b';' || (octet == b'(' && is_blank(before)) {
            break;
        }
        before = octet;
        length += 1;
    }
    lexer.skip(length);
    trim_blanks(all.get(..length).unwrap_or_default()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> (String, Vec<(String, String)>) {
        let media = MediaType::parse(value.as_bytes()).unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (
            format!("{}/{}", text(&media.kind), text(&media.subtype)),
            media
                .parameters
                .iter()
                .map(|p| (text(&p.name), text(&p.value)))
                .collect(),
        )
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn well_formed() {
        assert_eq!(
            parse("Text/Plain; charset=utf-8; format=\"fl\\\"owed\""),
            (
                "Text/Plain".into(),
                pairs(&[("charset", "utf-8"), ("format", "fl\"owed")])
            )
        );
    }

    #[test]
    fn comments_rubbish_and_missing_quotes() {
        assert_eq!(
            parse("text (a (b)) / html (c) ; x = y (d); ; =z; name=my file (1).pdf; q"),
            (
                "text/html".into(),
                pairs(&[("x", "y"), ("name", "my file")])
            )
        );
        assert_eq!(
            parse("a/b \"; x=1\" ; boundary==_x_=; y=2"),
            ("a/b".into(), pairs(&[("boundary", "=_x_="), ("y", "2")]))
        );
    }

    #[test]
    fn no_type() {
        for bad in ["", "text", "/plain", "text/", "; charset=x", "(text/plain)"] {
            assert_eq!(MediaType::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn continuations_are_joined_in_order() {
        let media =
            MediaType::parse(b"a/b; boundary*1=world; Boundary*0*=hello; boundary*x=no").unwrap();
        assert_eq!(media.parameter("boundary"), Some(b"helloworld".to_vec()));
        assert_eq!(media.parameter("charset"), None);
    }
}
