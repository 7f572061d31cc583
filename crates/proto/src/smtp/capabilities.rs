//! What a server said it can do, inside TLS.

use crate::sasl::{MAX_LINE, Mechanism};

/// The answer to EHLO (RFC 5321 §4.1.1.1). Made from what came inside TLS alone (R3207-1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(Vec<String>);

impl Capabilities {
    /// From the lines behind the first, which is the server's name.
    pub(super) fn new(lines: &[Vec<u8>]) -> Self {
        Self(
            lines
                .iter()
                .skip(1)
                .filter(|line| line.is_ascii() && line.len() <= MAX_LINE)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect(),
        )
    }

    /// The words behind an extension's keyword, if it is offered.
    #[must_use]
    pub fn parameters(&self, keyword: &str) -> Option<&str> {
        self.0.iter().find_map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            word.eq_ignore_ascii_case(keyword).then_some(rest)
        })
    }

    /// Whether an extension is offered.
    #[must_use]
    pub fn offers(&self, keyword: &str) -> bool {
        self.parameters(keyword).is_some()
    }

    /// The largest message the server takes, in octets, if it says so (RFC 1870 §3).
    #[must_use]
    pub fn size_limit(&self) -> Option<u64> {
        self.parameters("SIZE")?
            .trim()
            .parse()
            .ok()
            .filter(|&limit| limit > 0)
    }

    /// The names of the mechanisms listed.
    pub fn mechanism_names(&self) -> impl Iterator<Item = &str> {
        self.parameters("AUTH")
            .unwrap_or_default()
            .split(' ')
            .filter(|name| !name.is_empty())
    }

    /// The mechanisms listed that we know.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        self.mechanism_names()
            .filter_map(|name| Mechanism::from_name(name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities() {
        let lines: Vec<Vec<u8>> = [
            "host",
            "size 1000",
            "AUTH PLAIN X-ODD scram-sha-256",
            "PIPELINING",
        ]
        .map(|line| line.as_bytes().to_vec())
        .to_vec();
        let capabilities = Capabilities::new(&lines);
        assert_eq!(capabilities.size_limit(), Some(1000));
        assert!(capabilities.offers("pipelining") && !capabilities.offers("host"));
        assert_eq!(
            capabilities.mechanisms().collect::<Vec<_>>(),
            [Mechanism::Plain, Mechanism::ScramSha256]
        );
        assert_eq!(
            Capabilities::new(&[b"h".to_vec(), b"SIZE 0".to_vec()]).size_limit(),
            None
        );
    }
}
