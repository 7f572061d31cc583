//! Addresses and paths of the SMTP envelope (RFC 5321 §4.1.2, RFC 6531 §3.3), strict and bounded.
//!
//! Knows no account and no DNS: whether a domain is ours or a mailbox exists is the session's to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::server_text::is_deceptive;

/// The most octets of a local part (RFC 5321 §4.5.3.1.1), in the form that is printed.
pub const MAX_LOCAL_PART: usize = 64;
/// The most octets of a domain (RFC 5321 §4.5.3.1.2).
pub const MAX_DOMAIN: usize = 255;
/// The most octets of a path, angle brackets included (RFC 5321 §4.5.3.1.3).
pub const MAX_PATH: usize = 256;
/// The most octets of one label of a domain (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// The text is not an address of RFC 5321 §4.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address")]
pub struct NotAnAddress;

/// A mailbox: local part and domain.
///
/// The local part is kept without quoting, so that `"alice"@example.org` and `alice@example.org` are the same
/// address (RFC 5321 §4.1.2). Printing quotes it again where it has to be.
///
/// ```
/// use pillarbox_proto::submission::Address;
/// let address: Address = "\"alice\"@example.org".parse()?;
/// assert_eq!(address.to_string(), "alice@example.org");
/// # Ok::<(), pillarbox_proto::submission::NotAnAddress>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// The local part, unquoted. Its case is kept and matters to its owner alone (RFC 5321 §2.4).
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether it can only travel with SMTPUTF8 (RFC 6531 §3.1).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_local(&self.local, f)?;
        write!(f, "@{}", self.domain)
    }
}

impl std::str::FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let mut rest = Cursor(text);
        let address = rest.mailbox()?;
        rest.end().map(|()| address)
    }
}

/// What stands after the `@`, or after EHLO.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Domain {
    /// A domain name as it was written: A-labels, or U-labels (RFC 6531 §3.3).
    Name(String),
    /// An address literal (RFC 5321 §4.1.3).
    Literal(IpAddr),
}

impl Domain {
    /// Whether it is a fully qualified domain name: at least two labels, the last not a number (R6409-2).
    #[must_use]
    pub fn is_fully_qualified(&self) -> bool {
        match self {
            Self::Name(name) => name
                .rsplit_once('.')
                .is_some_and(|(_, top)| !top.bytes().all(|octet| octet.is_ascii_digit())),
            Self::Literal(_) => false,
        }
    }

    /// Whether it is made of ASCII alone.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Name(name) => name.is_ascii(),
            Self::Literal(_) => true,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
        }
    }
}

impl std::str::FromStr for Domain {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let mut rest = Cursor(text);
        let domain = rest.domain()?;
        rest.end().map(|()| domain)
    }
}

/// The name a client gives with EHLO or HELO: a domain or an address literal (RFC 5321 §4.1.1.1).
///
/// Underscores are let through, since host names of real desktops have them; nothing else that is not a
/// domain is, so the name can be written into a Received field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EhloName(Domain);

impl EhloName {
    /// What our client says before and after TLS: nothing about the person's computer (C22).
    #[must_use]
    pub fn discreet() -> Self {
        Self(Domain::Literal(IpAddr::V4(Ipv4Addr::LOCALHOST)))
    }
}

impl fmt::Display for EhloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for EhloName {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if !text.is_ascii() {
            return Err(NotAnAddress);
        }
        if let Ok(domain) = text.parse() {
            return Ok(Self(domain));
        }
        text.replace('_', "-").parse::<Domain>()?;
        Ok(Self(Domain::Name(text.to_owned())))
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
pub(super) fn reverse_path(text: &str) -> Result<(ReversePath, &str), NotAnAddress> {
    if let Some(rest) = text.strip_prefix("<>") {
        return Ok((ReversePath::Null, rest));
    }
    path(text).map(|(address, rest)| (ReversePath::Address(address), rest))
}

/// Reads a forward path at the start of `text`; answers it and what follows.
pub(super) fn forward_path(text: &str) -> Result<(ForwardPath, &str), NotAnAddress> {
    const POSTMASTER: &str = "<postmaster>";
    if let Some((head, rest)) = text.split_at_checked(POSTMASTER.len())
        && head.eq_ignore_ascii_case(POSTMASTER)
    {
        return Ok((ForwardPath::Postmaster, rest));
    }
    path(text).map(|(address, rest)| (ForwardPath::Address(address), rest))
}

/// `"<" [ A-d-l ":" ] Mailbox ">"`. A source route is read and dropped (RFC 5321 appendix C).
fn path(text: &str) -> Result<(Address, &str), NotAnAddress> {
    let mut rest = Cursor(text);
    rest.expect('<')?;
    if rest.0.starts_with('@') {
        loop {
            rest.expect('@')?;
            rest.domain()?;
            if rest.expect(',').is_err() {
                break;
            }
        }
        rest.expect(':')?;
    }
    let address = rest.mailbox()?;
    rest.expect('>')?;
    if text.len() - rest.0.len() > MAX_PATH {
        return Err(NotAnAddress);
    }
    Ok((address, rest.0))
}

/// Unread text.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn expect(&mut self, wanted: char) -> Result<(), NotAnAddress> {
        self.0 = self.0.strip_prefix(wanted).ok_or(NotAnAddress)?;
        Ok(())
    }

    fn end(&self) -> Result<(), NotAnAddress> {
        self.0.is_empty().then_some(()).ok_or(NotAnAddress)
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let next = chars.next();
        self.0 = chars.as_str();
        next
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|next| !wanted(next)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    fn mailbox(&mut self) -> Result<Address, NotAnAddress> {
        let local = if self.0.starts_with('"') {
            self.quoted_string()?
        } else {
            let text = self.take_while(|next| next == '.' || is_atext(next));
            if !is_dot_string(text) {
                return Err(NotAnAddress);
            }
            text.to_owned()
        };
        self.expect('@')?;
        let address = Address {
            local,
            domain: self.domain()?,
        };
        let printed = address.to_string().len() - address.domain.to_string().len() - 1;
        if printed > MAX_LOCAL_PART {
            return Err(NotAnAddress);
        }
        Ok(address)
    }

    fn quoted_string(&mut self) -> Result<String, NotAnAddress> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.next().ok_or(NotAnAddress)? {
                '"' => return Ok(text),
                '\\' => match self.next() {
                    Some(next @ ' '..='~') => text.push(next),
                    _ => return Err(NotAnAddress),
                },
                next @ ' '..='~' => text.push(next),
                next if is_utf8_non_ascii(next) => text.push(next),
                _ => return Err(NotAnAddress),
            }
        }
    }

    fn domain(&mut self) -> Result<Domain, NotAnAddress> {
        if self.0.starts_with('[') {
            self.expect('[')?;
            let literal = self.take_while(|next| next.is_ascii_graphic() && next != ']');
            self.expect(']')?;
            return address_literal(literal).map(Domain::Literal);
        }
        let name = self.take_while(|next| {
            next == '.' || next == '-' || next.is_ascii_alphanumeric() || is_utf8_non_ascii(next)
        });
        if name.len() <= MAX_DOMAIN && name.split('.').all(is_label) {
            return Ok(Domain::Name(name.to_owned()));
        }
        Err(NotAnAddress)
    }
}

fn address_literal(text: &str) -> Result<IpAddr, NotAnAddress> {
    const IPV6: &str = "IPv6:";
    match text.split_at_checked(IPV6.len()) {
        Some((tag, address)) if tag.eq_ignore_ascii_case(IPV6) => {
            address.parse::<Ipv6Addr>().map(IpAddr::V6)
        }
        _ => text.parse::<Ipv4Addr>().map(IpAddr::V4),
    }
    .map_err(|_| NotAnAddress)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= MAX_LABEL
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_atext(next: char) -> bool {
    next.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(next) || is_utf8_non_ascii(next)
}

/// UTF8-non-ascii of RFC 6531 §3.3, without what only serves to deceive a reader.
fn is_utf8_non_ascii(next: char) -> bool {
    !next.is_ascii() && !next.is_whitespace() && !is_deceptive(next)
}

fn is_dot_string(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn write_local(local: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if is_dot_string(local) {
        return f.write_str(local);
    }
    f.write_str("\"")?;
    for next in local.chars() {
        if matches!(next, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{next}")?;
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_the_grammar() {
        for (text, printed) in [
            ("a@example.org", "a@example.org"),
            ("a.b+c@example.org", "a.b+c@example.org"),
            ("\"a b\"@example.org", "\"a b\"@example.org"),
            ("\"a\\\"b\"@example.org", "\"a\\\"b\"@example.org"),
            ("\"\"@example.org", "\"\"@example.org"),
            ("a@[192.0.2.1]", "a@[192.0.2.1]"),
            ("a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]"),
            ("用户@例え.jp", "用户@例え.jp"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), printed);
        }
        for text in [
            "",
            "a",
            "@example.org",
            "a@",
            ".a@example.org",
            "a.@example.org",
            "a..b@example.org",
            "a b@example.org",
            "a@-example.org",
            "a@example-.org",
            "a@example.org.",
            "a@exa_mple.org",
            "a@[300.0.0.1]",
            "a@[192.0.2.1",
            "\"a@example.org",
            "\"a\u{7f}\"@example.org",
            "a\u{202e}b@example.org",
            "a@example.org b",
        ] {
            assert_eq!(text.parse::<Address>(), Err(NotAnAddress), "{text}");
        }
    }

    #[test]
    fn at_the_limits_and_one_over() {
        let local = "l".repeat(MAX_LOCAL_PART);
        assert!(format!("{local}@example.org").parse::<Address>().is_ok());
        assert!(format!("{local}l@example.org").parse::<Address>().is_err());
        let label = "d".repeat(MAX_LABEL);
        assert!(format!("a@{label}.org").parse::<Address>().is_ok());
        assert!(format!("a@{label}d.org").parse::<Address>().is_err());
        let domain = [label.as_str(); 3].join(".");
        let fits = format!("<{}@{domain}>", "a".repeat(MAX_PATH - 3 - domain.len()));
        assert_eq!(fits.len(), MAX_PATH);
        assert!(path(&fits).is_ok());
        assert!(path(&fits.replace('<', "<a")).is_err());
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
        assert!(forward_path("<>").is_err());
        assert!(path("<@a.example,:c@d.example>").is_err());
        assert!(path("a@example.org").is_err());
        assert!(path(" <a@example.org>").is_err());
    }

    #[test]
    fn fully_qualified() {
        let of = |text: &str| text.parse::<Domain>().unwrap().is_fully_qualified();
        assert!(of("example.org"));
        assert!(of("例え.テスト"));
        assert!(!of("localhost"));
        assert!(!of("10.0.0.1"));
        assert!(!of("[192.0.2.1]"));
    }

    #[test]
    fn ehlo_names() {
        for name in [
            "client.example",
            "[192.0.2.1]",
            "[IPv6:::1]",
            "MY_DESK",
            "localhost",
        ] {
            assert_eq!(name.parse::<EhloName>().unwrap().to_string(), name);
        }
        for name in ["", "a b", "a(b)", "ü.example", "a;b", "<a>", "[x]"] {
            assert!(name.parse::<EhloName>().is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(local in "[ -~éü]{0,30}", domain in "[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,3}") {
            let address = Address { local, domain: Domain::Name(domain) };
            let printed = address.to_string();
            prop_assume!(printed.len() - address.domain.to_string().len() - 1 <= MAX_LOCAL_PART);
            prop_assert_eq!(printed.parse::<Address>(), Ok(address));
        }

        #[test]
        fn never_panics_and_what_parses_prints_the_same_address(text in "\\PC{0,80}|[<>@a.,:\"\\\\\\[\\] ]{0,40}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
            let _ = forward_path(&text);
            let _ = reverse_path(&text);
            let _ = text.parse::<EhloName>();
        }
    }
}
