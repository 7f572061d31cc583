//! [`Enabled`]: the extensions a session has enabled (RFC 5161).

/// An extension that changes what commands and responses mean from the moment it is enabled
/// (RFC 5161 §3.1). One that stands here works in every reader and writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Modification sequences are told with flags (RFC 7162 §3.1).
    Condstore = 1,
}

impl Extension {
    const NAMES: [(Self, &'static str); 1] = [(Self::Condstore, "CONDSTORE")];

    /// The extension ENABLE calls so, in any case.
    pub(super) fn named(name: &str) -> Option<(Self, &'static str)> {
        Self::NAMES
            .into_iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
    }
}

/// The extensions a session has enabled, by ENABLE or by a command that implies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enabled(u8);

impl Enabled {
    /// Whether this one is enabled.
    #[must_use]
    pub fn has(self, extension: Extension) -> bool {
        self.0 & extension as u8 != 0
    }

    pub(super) fn insert(&mut self, extension: Extension) {
        self.0 |= extension as u8;
    }
}
