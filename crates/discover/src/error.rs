//! What can go wrong between an address and its candidates.

use pillarbox_policy::RefusalCode;

/// Discovery failed. Nothing was connected to but name servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// A DNS answer that ought to be signed is not, or its signature is wrong. Never treated as "no such
    /// record" (S5.1-10 (d), R7673-1).
    #[error(
        "the DNS answer for {name} fails its DNSSEC check: somebody may be forging it, or the name server \
         in use drops signatures. Try another network or name server; nothing was connected to"
    )]
    Bogus {
        /// The name that was looked up.
        name: String,
    },
    /// The name servers gave no usable answer. Also never treated as "no such record".
    #[error(
        "the name servers gave no answer about {name} ({why}); check the network and try again"
    )]
    Unanswered {
        /// The name that was looked up.
        name: String,
        /// What happened, in the resolver's words.
        why: String,
    },
    /// The resolver could not be set up.
    #[error("name resolution cannot start: {why}")]
    Resolver {
        /// What is wrong with its settings.
        why: String,
    },
}

impl DiscoverError {
    /// The stable machine code, where security is what it is about.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        matches!(self, Self::Bogus { .. }).then_some(RefusalCode::DiscoveryUntrusted)
    }
}
