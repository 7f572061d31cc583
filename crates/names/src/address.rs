//! [`Address`]: a mailbox of RFC 5321 §4.1.2 and RFC 6531 §3.3, strict and bounded; and [`AccountAddress`], one
//! that an account can have.
//!
//! Knows no account and no DNS: whether a domain is ours or a mailbox exists is for others to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Domain, NameError, is_deceptive};

/// The most octets of a local part, in the form that is printed (RFC 5321 §4.5.3.1.1).
pub const MAX_LOCAL_PART: usize = 64;

/// Why a text is no address. Reads well after "is not a mail address: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No `@` follows the local part.
    #[error("there is no @ in it")]
    NoAt,
    /// The local part is empty.
    #[error("nothing stands before the @")]
    Empty,
    /// The local part is longer than [`MAX_LOCAL_PART`].
    #[error("more than {MAX_LOCAL_PART} characters stand before the @")]
    Long,
    /// The local part holds what is no atext (RFC 5322 §3.2.3), and no quotes stand around it.
    #[error("it holds a character that would have to be quoted")]
    Character,
    /// The local part's dots do not stand between atoms.
    #[error("a dot stands at the start or end of its name, or two in a row")]
    Dots,
    /// A quoted local part is not closed, or holds a control character.
    #[error("the quotes before the @ are not closed, or hold a control character")]
    Quotes,
    /// The domain is none.
    #[error("after the @: {0}")]
    Domain(#[from] NameError),
    /// An address literal is none (RFC 5321 §4.1.3), or an account's address has one.
    #[error("what stands in brackets after the @ is no domain that can be used here")]
    Literal,
    /// The text goes on after the address.
    #[error("something follows the address")]
    Trailing,
}

/// A mailbox: local part and domain.
///
/// The local part is kept without quoting, so that `"alice"@example.org` and `alice@example.org` are the same
/// address (RFC 5321 §4.1.2). Printing quotes it again where it has to be.
///
/// ```
/// use pillarbox_names::Address;
/// let address: Address = "\"alice\"@example.org".parse()?;
/// assert_eq!(address.to_string(), "alice@example.org");
/// # Ok::<(), pillarbox_names::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    local: String,
    domain: AddressDomain,
}

impl Address {
    /// Reads an address at the start of `text`; answers it and what follows.
    ///
    /// # Errors
    /// No address of RFC 5321 §4.1.2 stands there.
    pub fn read(text: &str) -> Result<(Self, &str), AddressError> {
        let (local, rest) = read_local(text)?;
        let (domain, rest) = AddressDomain::read(rest)?;
        let address = Self { local, domain };
        if PrintedLocal(&address.local).to_string().len() > MAX_LOCAL_PART {
            return Err(AddressError::Long);
        }
        Ok((address, rest))
    }

    /// The local part, unquoted. Its case is kept and matters to its owner alone (RFC 5321 §2.4).
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> &AddressDomain {
        &self.domain
    }

    /// Whether it can travel without SMTPUTF8 (RFC 6531 §3.1).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", PrintedLocal(&self.local), self.domain)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match Self::read(text)? {
            (address, "") => Ok(address),
            _ => Err(AddressError::Trailing),
        }
    }
}

impl From<AccountAddress> for Address {
    fn from(address: AccountAddress) -> Self {
        Self {
            local: address.local,
            domain: AddressDomain::Name(address.domain),
        }
    }
}

/// What stands after the `@`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AddressDomain {
    /// A domain name.
    Name(Domain),
    /// An address literal (RFC 5321 §4.1.3).
    Literal(IpAddr),
}

impl AddressDomain {
    /// Reads a domain or address literal at the start of `text`; answers it and what follows.
    ///
    /// # Errors
    /// None stands there.
    pub fn read(text: &str) -> Result<(Self, &str), AddressError> {
        if let Some(text) = text.strip_prefix('[') {
            let (literal, rest) = text.split_once(']').ok_or(AddressError::Literal)?;
            return Ok((Self::Literal(address_literal(literal)?), rest));
        }
        let (name, rest) = split_while(text, |c| {
            !c.is_whitespace() && !is_deceptive(c) && !"<>()[]\\,;:\"@".contains(c)
        });
        if name.ends_with('.') {
            return Err(NameError::EmptyLabel.into()); // a final dot has no place in RFC 5321
        }
        Ok((Self::Name(Domain::parse(name)?), rest))
    }

    /// Whether it is a domain name of at least two labels (R6409-2).
    #[must_use]
    pub fn is_fully_qualified(&self) -> bool {
        self.name().is_some_and(Domain::is_fully_qualified)
    }

    /// The domain name, unless it is an address literal.
    #[must_use]
    pub fn name(&self) -> Option<&Domain> {
        match self {
            Self::Name(name) => Some(name),
            Self::Literal(_) => None,
        }
    }
}

impl fmt::Display for AddressDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Literal(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
        }
    }
}

impl std::str::FromStr for AddressDomain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match Self::read(text)? {
            (domain, "") => Ok(domain),
            _ => Err(AddressError::Trailing),
        }
    }
}

/// An address that an account can have: one that every client can type and every peer can send without quotes
/// (a dot-atom, RFC 5322 §3.2.3), in a domain that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountAddress {
    local: String,
    domain: Domain,
}

impl AccountAddress {
    /// Reads an address as a person types it.
    ///
    /// # Errors
    /// It is no address, its local part would have to be quoted, or an address literal stands after the `@`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let address: Address = text.trim().parse()?;
        match address.domain {
            _ if address.local.is_empty() => Err(AddressError::Empty),
            _ if !is_dot_atom(&address.local) => Err(AddressError::Character),
            AddressDomain::Literal(_) => Err(AddressError::Literal),
            AddressDomain::Name(domain) => Ok(Self {
                local: address.local,
                domain,
            }),
        }
    }

    /// The part before the `@`, in the case it was typed in.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local
    }

    /// The mail domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl fmt::Display for AccountAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl std::str::FromStr for AccountAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// Reads `Local-part "@"`.
fn read_local(text: &str) -> Result<(String, &str), AddressError> {
    if let Some(text) = text.strip_prefix('"') {
        let (local, rest) = read_quoted(text)?;
        return match rest.strip_prefix('@') {
            Some(rest) => Ok((local, rest)),
            None => Err(AddressError::NoAt),
        };
    }
    let (local, rest) = split_while(text, |c| c == '.' || is_atext(c));
    let Some(rest) = rest.strip_prefix('@') else {
        let has_at = rest.contains('@');
        return Err(if has_at {
            AddressError::Character
        } else {
            AddressError::NoAt
        });
    };
    match local {
        "" => Err(AddressError::Empty),
        local if is_dot_atom(local) => Ok((local.to_owned(), rest)),
        _ => Err(AddressError::Dots),
    }
}

/// Reads a Quoted-string whose first quote was read.
fn read_quoted(text: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next().ok_or(AddressError::Quotes)? {
            '"' => return Ok((local, rest.as_str())),
            '\\' => match rest.next() {
                Some(c @ ' '..='~') => local.push(c),
                _ => return Err(AddressError::Quotes),
            },
            c if matches!(c, ' '..='~') || is_utf8_non_ascii(c) => local.push(c),
            _ => return Err(AddressError::Quotes),
        }
    }
}

fn address_literal(text: &str) -> Result<IpAddr, AddressError> {
    const IPV6: &str = "IPv6:";
    match text.split_at_checked(IPV6.len()) {
        Some((tag, address)) if tag.eq_ignore_ascii_case(IPV6) => {
            address.parse::<Ipv6Addr>().map(IpAddr::V6)
        }
        _ => text.parse::<Ipv4Addr>().map(IpAddr::V4),
    }
    .map_err(|_| AddressError::Literal)
}

/// The longest start of `text` made of wanted characters, and the rest.
fn split_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !wanted(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_utf8_non_ascii(c)
}

/// UTF8-non-ascii of RFC 6531 §3.3, without what only serves to deceive a reader.
fn is_utf8_non_ascii(c: char) -> bool {
    !c.is_ascii() && !c.is_whitespace() && !is_deceptive(c)
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// A local part as it is written: in quotes where it has to be.
struct PrintedLocal<'a>(&'a str);

impl fmt::Display for PrintedLocal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_atom(self.0) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_the_grammar() {
        for (text, printed) in [
            ("a@example.org", "a@example.org"),
            ("a.b+c@Example.ORG", "a.b+c@example.org"),
            ("\"a b\"@example.org", "\"a b\"@example.org"),
            ("\"a\\\"b\"@example.org", "\"a\\\"b\"@example.org"),
            ("\"\"@example.org", "\"\"@example.org"),
            ("\"a@b\"@example.org", "\"a@b\"@example.org"),
            ("a@[192.0.2.1]", "a@[192.0.2.1]"),
            ("a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]"),
            ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_address_and_why() {
        for (text, why) in [
            ("", AddressError::NoAt),
            ("a", AddressError::NoAt),
            ("@example.org", AddressError::Empty),
            ("a@", NameError::Empty.into()),
            (".a@example.org", AddressError::Dots),
            ("a.@example.org", AddressError::Dots),
            ("a..b@example.org", AddressError::Dots),
            ("a b@example.org", AddressError::Character),
            ("a\r\nb@example.org", AddressError::Character),
            ("<a@b.example>", AddressError::Character),
            ("a@-example.org", NameError::Hyphen.into()),
            ("a@example-.org", NameError::Hyphen.into()),
            ("a@example.org.", NameError::EmptyLabel.into()),
            ("a@exa_mple.org", NameError::Character.into()),
            ("a@192.0.2.1", NameError::Numeric.into()),
            ("a@[300.0.0.1]", AddressError::Literal),
            ("a@[192.0.2.1", AddressError::Literal),
            ("\"a@example.org", AddressError::Quotes),
            ("\"a\u{7f}\"@example.org", AddressError::Quotes),
            ("\"a\"example.org", AddressError::NoAt),
            ("a\u{202e}b@example.org", AddressError::Character),
            ("a@example.org b", AddressError::Trailing),
            ("a@b@c.example", AddressError::Trailing),
        ] {
            assert_eq!(text.parse::<Address>(), Err(why), "{text:?}");
        }
    }

    /// What each part of an address answers: the local part without quotes (RFC 5321 §4.1.2), whether SMTPUTF8 is
    /// needed (RFC 6531 §3.1; a domain travels as A-labels), and the domain's name and labels (R6409-2).
    #[test]
    fn the_parts_of_an_address() {
        for (text, local, is_ascii, name, is_fully_qualified) in [
            ("a@example.org", "a", true, Some("example.org"), true),
            ("\"a b\"@localhost", "a b", true, Some("localhost"), false),
            ("用户@example.org", "用户", false, Some("example.org"), true),
            ("a@例え.jp", "a", true, Some("xn--r8jz45g.jp"), true),
            ("a@[192.0.2.1]", "a", true, None, false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.local_part(), local);
            assert_eq!(address.is_ascii(), is_ascii, "{text}");
            let domain = address.domain();
            assert_eq!(domain.name().map(Domain::as_str), name);
            assert_eq!(domain.is_fully_qualified(), is_fully_qualified, "{text}");
            assert_eq!(domain.to_string().parse().as_ref(), Ok(domain));
        }
        let trailing = "example.org b".parse::<AddressDomain>();
        assert_eq!(trailing, Err(AddressError::Trailing));
    }

    #[test]
    fn at_the_limit_and_one_over() {
        let local = "l".repeat(MAX_LOCAL_PART);
        assert!(format!("{local}@example.org").parse::<Address>().is_ok());
        for over in [
            format!("{local}l@example.org"),
            format!("\"{}\\\\\"@example.org", "l".repeat(MAX_LOCAL_PART - 3)),
        ] {
            assert_eq!(over.parse::<Address>(), Err(AddressError::Long));
        }
    }

    #[test]
    fn an_account_has_a_plain_address() {
        let address = AccountAddress::parse(" Alice+x@Example.ORG ").unwrap();
        assert_eq!(
            (address.local_part(), address.domain().as_str()),
            ("Alice+x", "example.org")
        );
        assert_eq!(address.to_string(), "Alice+x@example.org");
        assert_eq!(Address::from(address).to_string(), "Alice+x@example.org");
        for (text, why) in [
            ("alice", AddressError::NoAt),
            ("\"a b\"@example.org", AddressError::Character),
            ("\"\"@example.org", AddressError::Empty),
            ("a@[192.0.2.1]", AddressError::Literal),
        ] {
            assert_eq!(AccountAddress::parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(local in "[ -~éü]{0,30}", domain in "[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,3}\\.test") {
            let address = Address { local, domain: AddressDomain::Name(Domain::parse(&domain).unwrap()) };
            prop_assume!(PrintedLocal(&address.local).to_string().len() <= MAX_LOCAL_PART);
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }

        #[test]
        fn never_panics_and_what_parses_prints_the_same_address(text in "\\PC{0,80}|[<>@a.,:\"\\\\\\[\\] ]{0,40}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
            if let Ok((address, rest)) = Address::read(&text) {
                prop_assert!(text.ends_with(rest));
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
            if let Ok(address) = AccountAddress::parse(&text) {
                prop_assert_eq!(Address::from(address.clone()).to_string(), address.to_string());
            }
        }
    }
}
