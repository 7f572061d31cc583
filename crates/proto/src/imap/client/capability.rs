//! [`Capabilities`]: what a server says it can do.

/// The most capabilities that are kept of one list.
const MOST: usize = 256;

/// A CAPABILITY list (RFC 9051 §7.2.2). In the clear it is advice and no more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities(Vec<String>);

impl Capabilities {
    /// Reads the names that follow the word CAPABILITY.
    pub(super) fn parse(names: &[u8]) -> Self {
        Self(
            names
                .split(|octet| *octet == b' ')
                .filter(|name| !name.is_empty())
                .filter_map(|name| std::str::from_utf8(name).ok())
                .map(str::to_ascii_uppercase)
                .take(MOST)
                .collect(),
        )
    }

    /// Whether the list is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this capability is in the list, in any case of letters.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|have| have.eq_ignore_ascii_case(name))
    }

    /// The names of SASL mechanisms in the list.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|name| name.strip_prefix("AUTH="))
    }

    /// The list, in capitals.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
