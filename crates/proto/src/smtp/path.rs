//! Paths of the SMTP envelope (RFC 5321 §4.1.2, RFC 6531 §3.3) and the name a client gives with EHLO, strict and
//! bounded.
//!
//! Knows no account and no DNS: whether a domain is ours or a mailbox exists is the session's to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use pillarbox_names::{Address, AddressDomain, AddressError, MAX_DOMAIN};

/// The most octets of a path, angle brackets included (RFC 5321 §4.5.3.1.3).
pub const MAX_PATH: usize = 256;

/// The text is not a path of RFC 5321 §4.1.2, or no name for EHLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The address in it is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Angle brackets or the punctuation of a source route are missing.
    #[error("an address stands in angle brackets: <alice@example.org>")]
    Brackets,
    /// It is longer than [`MAX_PATH`].
    #[error("a path has at most {MAX_PATH} octets")]
    Long,
}

/// The text is neither a domain nor an address literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a domain name nor an address literal")]
pub struct InvalidEhloName;

/// The name a client gives with EHLO or HELO: a domain or an address literal (RFC 5321 §4.1.1.1), as it was
/// written.
///
/// Underscores are let through, since host names of real desktops have them, and so are numbers, since clients
/// forget the brackets of a literal; nothing else that is not a domain is, so the name can be written into a
/// Received field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EhloName(String);

impl EhloName {
    /// What our client says before and after TLS: nothing about the person's computer (C22).
    #[must_use]
    pub fn discreet() -> Self {
        Self(AddressDomain::Literal(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_string())
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EhloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for EhloName {
    type Err = InvalidEhloName;

    fn from_str(text: &str) -> Result<Self, InvalidEhloName> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
                && !label.starts_with(['-', '_'])
                && !label.ends_with(['-', '_'])
        };
        let fits = if text.starts_with('[') {
            text.parse::<AddressDomain>().is_ok()
        } else {
            text.len() <= MAX_DOMAIN && text.split('.').all(is_label)
        };
        fits.then(|| Self(text.to_owned())).ok_or(InvalidEhloName)
    }
}

/// Where bounces go (RFC 5321 §4.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nowhere. On its own no reason to refuse a message (R6409-2).
    Null,
    /// To this address.
    Address(Address),
}

impl ReversePath {
    /// The address, unless the path is null.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl fmt::Display for ReversePath {
    /// With its angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// Where a message goes (RFC 5321 §4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain: whoever runs this server.
    Postmaster,
    /// To this address.
    Address(Address),
}

impl fmt::Display for ForwardPath {
    /// With its angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// Reads a reverse path at the start of `text`; answers it and what follows.
pub(super) fn reverse_path(text: &str) -> Result<(ReversePath, &str), PathError> {
    if let Some(rest) = text.strip_prefix("<>") {
        return Ok((ReversePath::Null, rest));
    }
    path(text).map(|(address, rest)| (ReversePath::Address(address), rest))
}

/// Reads a forward path at the start of `text`; answers it and what follows.
pub(super) fn forward_path(text: &str) -> Result<(ForwardPath, &str), PathError> {
    const POSTMASTER: &str = "<postmaster>";
    if let Some((head, rest)) = text.split_at_checked(POSTMASTER.len())
        && head.eq_ignore_ascii_case(POSTMASTER)
    {
        return Ok((ForwardPath::Postmaster, rest));
    }
    path(text).map(|(address, rest)| (ForwardPath::Address(address), rest))
}

/// `"<" [ A-d-l ":" ] Mailbox ">"`. A source route is read and dropped (RFC 5321 appendix C).
fn path(text: &str) -> Result<(Address, &str), PathError> {
    let mut rest = after(text, '<')?;
    if rest.starts_with('@') {
        loop {
            (_, rest) = AddressDomain::read(after(rest, '@')?)?;
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = after(rest, ':')?;
    }
    let (address, rest) = Address::read(rest)?;
    let rest = after(rest, '>')?;
    if text.len() - rest.len() > MAX_PATH {
        return Err(PathError::Long);
    }
    Ok((address, rest))
}

/// What follows `mark`.
fn after(text: &str, mark: char) -> Result<&str, PathError> {
    text.strip_prefix(mark).ok_or(PathError::Brackets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn at_the_limit_and_one_over() {
        let label = "d".repeat(63);
        let domain = [label.as_str(); 3].join(".");
        let fits = format!("<{}@{domain}>", "a".repeat(MAX_PATH - 3 - domain.len()));
        assert_eq!(fits.len(), MAX_PATH);
        assert!(path(&fits).is_ok());
        assert_eq!(path(&fits.replace('<', "<a")), Err(PathError::Long));
    }

    #[test]
    fn paths() {
        assert_eq!(reverse_path("<> X"), Ok((ReversePath::Null, " X")));
        assert_eq!(
            forward_path("<postMASTER>"),
            Ok((ForwardPath::Postmaster, ""))
        );
        let (routed, rest) = path("<@a.example,@b.example:c@d.example> SIZE=1").unwrap();
        assert_eq!(
            (routed.to_string().as_str(), rest),
            ("c@d.example", " SIZE=1")
        );
        for (text, error) in [
            ("<>", PathError::Address(AddressError::NoAt)),
            ("<@a.example,:c@d.example>", PathError::Brackets),
            ("a@example.org", PathError::Brackets),
            (" <a@example.org>", PathError::Brackets),
            ("<a@example.org", PathError::Brackets),
        ] {
            assert_eq!(forward_path(text), Err(error), "{text}");
        }
    }

    #[test]
    fn ehlo_names() {
        for name in [
            "client.example",
            "[192.0.2.1]",
            "[IPv6:::1]",
            "MY_DESK",
            "localhost",
            "10.0.0.1",
        ] {
            assert_eq!(name.parse::<EhloName>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "a b",
            "a(b)",
            "ü.example",
            "a;b",
            "<a>",
            "[x]",
            "[192.0.2.1]x",
            "a..b",
            "-a",
            "_",
        ] {
            assert!(name.parse::<EhloName>().is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_what_parses_prints_the_same_path(text in "\\PC{0,80}|[<>@a.,:\"\\\\\\[\\] ]{0,40}") {
            if let Ok((path, _)) = forward_path(&text) {
                let printed = path.to_string();
                prop_assert_eq!(forward_path(&printed), Ok((path, "")));
            }
            let _ = reverse_path(&text);
            let _ = text.parse::<EhloName>();
        }
    }
}
