//! [`Host`] and [`Domain`]: names of servers and of mail domains, in the one spelling that is compared.

use std::borrow::Cow;
use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// The most octets of a name (RFC 1035 §2.3.4: 255 on the wire, 253 as text; within RFC 5321 §4.5.3.1.2).
pub const MAX_DOMAIN: usize = 253;
/// The most octets of one label (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// Why a text is no name of a host or domain. Reads well after "is not a host name: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// More than [`MAX_DOMAIN`] octets.
    #[error("it is longer than {MAX_DOMAIN} characters")]
    Long,
    /// Two dots in a row, or one at the start.
    #[error("there is nothing between two dots")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("a part between dots is longer than {MAX_LABEL} characters")]
    LongLabel,
    /// A character that cannot stand in a host name (RFC 1123 §2.1).
    #[error("only letters, digits, hyphens and dots can stand in it")]
    Character,
    /// A hyphen at the start or end of a label (RFC 1123 §2.1).
    #[error("a hyphen stands at the start or end of a part")]
    Hyphen,
    /// It looks like an IP address, and programs would take it for one.
    #[error("it is an address, not a name")]
    Numeric,
    /// A label in another script, or beginning with `xn--`, that is none (RFC 5891, UTS 46).
    #[error("a part in another script is not one that can be registered")]
    Script,
}

/// Puts a name into the form that is compared: A-labels, lower case, no final dot (R9525-2, RFC 5890 §2.3.2).
fn canonical(text: &str) -> Result<String, NameError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    // Long before it is worth looking at: each character takes at most 4 octets.
    if text.len() > MAX_DOMAIN * 4 {
        return Err(NameError::Long);
    }
    let is_plain = text.is_ascii()
        && text.split('.').all(|label| {
            !label
                .split_at_checked(4)
                .is_some_and(|(prefix, _)| prefix.eq_ignore_ascii_case("xn--"))
        });
    let ascii: Cow<'_, str> = if is_plain {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Uts46::new()
            .to_ascii(
                text.as_bytes(),
                AsciiDenyList::EMPTY,
                Hyphens::Allow,
                DnsLength::Ignore,
            )
            .map_err(|_| NameError::Script)?
    };
    check(&ascii)?;
    Ok(ascii.into_owned())
}

/// RFC 1123 §2.1 and RFC 1035 §2.3.4, for a name in A-labels.
fn check(name: &str) -> Result<(), NameError> {
    if name.len() > MAX_DOMAIN {
        return Err(NameError::Long);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        if label.len() > MAX_LABEL {
            return Err(NameError::LongLabel);
        }
        if !label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(NameError::Character);
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(NameError::Hyphen);
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NameError::Numeric); // the C library's resolver takes 0x7f.1 for 127.0.0.1
    }
    Ok(())
}

/// The domain of mail addresses: A-labels, lower case, no final dot, at least one label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// Reads a name as a person types it. U-labels become A-labels, upper case becomes lower, a final dot goes.
    ///
    /// # Errors
    /// The text is no host name of RFC 1123 §2.1 and no internationalised one.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        canonical(text).map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has at least two labels (R6409-2).
    #[must_use]
    pub fn is_fully_qualified(&self) -> bool {
        self.0.contains('.')
    }

    /// The host `label.self`, for the conventional names; `None` where that is too long.
    #[must_use]
    pub fn host(&self, label: &str) -> Option<Host> {
        Host::parse(&format!("{label}.{}", self.0)).ok()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Domain {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// The name of a server: A-labels, lower case, no final dot, at least one label, never an IP address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    /// Reads a name as a person types it. U-labels become A-labels, upper case becomes lower, a final dot goes.
    ///
    /// # Errors
    /// The text is no host name of RFC 1123 §2.1 and no internationalised one.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        canonical(text).map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the domain itself or a name below it, by whole labels: `badexample.org` is not in
    /// `example.org` (S5.1-10, S5.1-11).
    #[must_use]
    pub fn is_within(&self, domain: &Domain) -> bool {
        self.0
            .strip_suffix(&domain.0)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Host {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// A mail domain may be looked up as a host: it is one of the references of a server's certificate (R7817-1).
impl From<Domain> for Host {
    fn from(domain: Domain) -> Self {
        Self(domain.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spelling_is_one() {
        for (text, canonical) in [
            ("EXAMPLE.org.", "example.org"),
            ("localhost", "localhost"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER。example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("r3---sn-a.example", "r3---sn-a.example"),
        ] {
            assert_eq!(Domain::parse(text).unwrap().as_str(), canonical, "{text}");
            assert_eq!(Host::parse(text).unwrap().as_str(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_and_why() {
        let label = "a".repeat(64);
        for (text, why) in [
            ("", NameError::Empty),
            (".", NameError::Empty),
            ("a..b", NameError::EmptyLabel),
            (".example", NameError::EmptyLabel),
            ("example.org..", NameError::EmptyLabel),
            ("192.0.2.7", NameError::Numeric),
            ("192.0.2", NameError::Numeric),
            ("0x7f.1", NameError::Numeric),
            ("a.0x1", NameError::Numeric),
            ("::1", NameError::Character),
            ("-a.example", NameError::Hyphen),
            ("a-.example", NameError::Hyphen),
            ("a_b.example", NameError::Character),
            ("a b.example", NameError::Character),
            ("*.example", NameError::Character),
            ("a/b", NameError::Character),
            ("user@example.org", NameError::Character),
            ("xn--a.example", NameError::Script),
            ("xn--a", NameError::Script),
            ("a\u{fffd}.example", NameError::Script),
            (label.as_str(), NameError::LongLabel),
        ] {
            assert_eq!(Host::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn at_the_limits_and_one_over() {
        let label = "d".repeat(MAX_LABEL);
        assert!(Domain::parse(&format!("{label}.org")).is_ok());
        let name = [label.as_str(); 4].join(".");
        let (fits, _) = name.split_at(MAX_DOMAIN);
        let (over, _) = name.split_at(MAX_DOMAIN + 1);
        assert!(Domain::parse(fits).is_ok());
        assert_eq!(Domain::parse(over), Err(NameError::Long));
    }

    /// A soft hyphen goes (UTS 46 §4, step 1), so that only what is typed can be too long here.
    #[test]
    fn what_is_typed_is_bounded_too() {
        let typed = |octets: usize| format!("ab.org{}", "\u{ad}".repeat((octets - 6) / 2));
        let longest = Domain::parse(&typed(MAX_DOMAIN * 4)).unwrap();
        assert_eq!(longest.as_str(), "ab.org");
        let over = Domain::parse(&typed(MAX_DOMAIN * 4 + 2));
        assert_eq!(over, Err(NameError::Long));
    }

    #[test]
    fn a_host_of_a_domain() {
        let domain = Domain::parse("example.org").unwrap();
        let host = domain.host("mta-sts").unwrap();
        assert_eq!(host.as_str(), "mta-sts.example.org");
        assert_eq!(domain.host("-"), None);
    }

    #[test]
    fn within_goes_by_whole_labels() {
        for (host, base, within) in [
            ("example.org", "example.org", true),
            ("imap.example.org", "example.org", true),
            ("a.b.example.org", "example.org", true),
            ("badexample.org", "example.org", false),
            ("example.org.evil.test", "example.org", false),
            ("org", "example.org", false),
            ("example.net", "example.org", false),
        ] {
            let base = Domain::parse(base).unwrap();
            assert_eq!(
                Host::parse(host).unwrap().is_within(&base),
                within,
                "{host} in {base}"
            );
        }
    }

    #[test]
    fn fully_qualified() {
        let of = |text: &str| Domain::parse(text).unwrap().is_fully_qualified();
        assert!(of("example.org"));
        assert!(of("例え.テスト"));
        assert!(!of("localhost"));
    }

    proptest! {
        #[test]
        fn never_panics_and_is_stable(text in "\\PC{0,80}|[a-zA-Z0-9.xn-]{0,40}") {
            if let Ok(domain) = Domain::parse(&text) {
                prop_assert_eq!(check(domain.as_str()), Ok(()));
                prop_assert_eq!(Domain::parse(domain.as_str()).unwrap(), domain);
            }
        }

        #[test]
        fn a_prefix_without_a_dot_is_elsewhere(prefix in "[a-z]{1,10}") {
            let base = Domain::parse("example.org").unwrap();
            let (beside, below) = (prefix.clone() + "example.org", prefix + ".example.org");
            prop_assert!(!Host::parse(&beside).unwrap().is_within(&base));
            prop_assert!(Host::parse(&below).unwrap().is_within(&base));
        }
    }
}
