//! [`MailAddress`]: the one thing a person has to type.

use std::fmt;

use crate::{DiscoverError, Domain};

/// A mail address, split at its last `@`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MailAddress {
    local: String,
    domain: Domain,
}

impl MailAddress {
    /// Reads an address as a person types it.
    ///
    /// # Errors
    /// [`DiscoverError::Address`] where there is no local part, it is longer than 64 octets (RFC 5321
    /// §4.5.3.1.1) or holds blanks, control or bracket characters, or the domain is none.
    pub fn parse(text: &str) -> Result<Self, DiscoverError> {
        let error = |why: String| DiscoverError::Address {
            shown: text.escape_default().take(100).collect(),
            why,
        };
        let (local, domain) = text
            .trim()
            .rsplit_once('@')
            .ok_or_else(|| error("it has no @".to_owned()))?;
        let odd = |c: char| c.is_whitespace() || c.is_control() || "<>()[]\\,;:\"@".contains(c);
        if local.is_empty() || local.len() > 64 || local.contains(odd) {
            return Err(error("the part before the @ is wrong".to_owned()));
        }
        let domain = Domain::parse(domain).map_err(|why| error(why.to_string()))?;
        Ok(Self {
            local: local.to_owned(),
            domain,
        })
    }

    /// The part before the `@`, in the case it was typed in.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The mail domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_last_at() {
        let address = MailAddress::parse(" Alice+x@Example.ORG ").unwrap();
        assert_eq!(
            (address.local(), address.domain().as_str()),
            ("Alice+x", "example.org")
        );
        assert_eq!(address.to_string(), "Alice+x@example.org");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "alice",
            "@example.org",
            "a b@example.org",
            "a\r\nb@example.org",
            "a@",
            "<a@b.example>",
            "a@b@c.example",
        ] {
            assert!(
                matches!(MailAddress::parse(text), Err(DiscoverError::Address { .. })),
                "{text:?}"
            );
        }
    }
}
