//! [`Domain`]: a host or mail domain name in the one spelling that is compared.

use std::fmt;

use hickory_proto::rr::Name;

/// A domain or host name: A-labels, lower case, no trailing dot, at least one label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// The text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{shown}\" is not a domain name: {why}")]
pub struct DomainError {
    shown: String,
    why: &'static str,
}

impl Domain {
    /// Reads a name as a person types it. U-labels become A-labels (R9525-2).
    ///
    /// # Errors
    /// The text is empty, an IP address, longer than DNS allows, or has labels that are not letters, digits
    /// and inner hyphens.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let error = |why| DomainError {
            shown: text.escape_default().take(100).collect(),
            why,
        };
        if text.parse::<std::net::IpAddr>().is_ok() {
            return Err(error("it is an IP address"));
        }
        let name = Name::from_utf8(text).map_err(|_| error("its form is wrong"))?;
        Self::from_name(&name).ok_or_else(|| error("its labels are wrong"))
    }

    /// The name of a DNS answer, where it can be a host name. `None` for the root and for odd labels.
    pub(crate) fn from_name(name: &Name) -> Option<Self> {
        let text = name.to_lowercase().to_ascii();
        let text = text.strip_suffix('.').unwrap_or(&text);
        let label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let numeric_end = text
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        (text.len() <= 253 && !numeric_end && text.split('.').all(label))
            .then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `domain` itself or a name below it, by whole labels: `badexample.org` is not in
    /// `example.org` (S5.1-10, S5.1-11).
    #[must_use]
    pub fn is_within(&self, domain: &Self) -> bool {
        self.0
            .strip_suffix(&domain.0)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// `label.self`, for the conventional names.
    pub(crate) fn child(&self, label: &str) -> Option<Self> {
        Self::parse(&format!("{label}.{}", self.0)).ok()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    #[test]
    fn spelling_is_one() {
        assert_eq!(domain("EXAMPLE.org.").as_str(), "example.org");
        assert_eq!(domain("bücher.example").as_str(), "xn--bcher-kva.example");
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
            assert_eq!(
                domain(host).is_within(&domain(base)),
                within,
                "{host} in {base}"
            );
        }
    }

    #[test]
    fn no_domain() {
        for text in [
            "",
            ".",
            "a..b",
            "192.0.2.7",
            "::1",
            "-a.example",
            "a_b.example",
            "a b.example",
            "1.2.3",
        ] {
            assert!(Domain::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_is_stable(text in "\\PC{0,80}") {
            if let Ok(domain) = Domain::parse(&text) {
                prop_assert_eq!(Domain::parse(domain.as_str()).unwrap(), domain);
            }
        }

        #[test]
        fn a_prefix_without_a_dot_is_elsewhere(prefix in "[a-z]{1,10}") {
            let (beside, below) = (prefix.clone() + "example.org", prefix + ".example.org");
            prop_assert!(!domain(&beside).is_within(&domain("example.org")));
            prop_assert!(domain(&below).is_within(&domain("example.org")));
        }
    }
}
