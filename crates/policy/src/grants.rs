//! The operator's dated exceptions for passwords in the clear (S4.1-12).

use std::net::IpAddr;

use pillarbox_names::Network;

use crate::Timestamp;

/// One exception: an account that may still log in without encryption, for how long, from where and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleartextGrant {
    /// The account's address.
    pub account: String,
    /// From where; from anywhere if empty.
    pub networks: Vec<Network>,
    /// When it ends.
    pub until: Timestamp,
    /// Why, in the operator's words. Kept on record.
    pub reason: String,
    /// When it was given.
    pub given: Timestamp,
}

/// All exceptions there are, as the store held them at one moment. Not cloned, and used up by the one question
/// that can be put to it, so that every login has them read again.
///
/// ```
/// use pillarbox_policy::{Grants, LegacyWindow};
/// fn window(read_now: Grants, peer: std::net::IpAddr) -> Option<LegacyWindow> {
///     read_now.window(peer)
/// }
/// ```
/// ```compile_fail,E0382
/// use pillarbox_policy::{Grants, LegacyWindow};
/// fn later_again(read_once: Grants, peer: std::net::IpAddr) -> [Option<LegacyWindow>; 2] {
///     [read_once.window(peer), read_once.window(peer)]
/// }
/// ```
#[derive(Debug)]
pub struct Grants {
    rows: Vec<CleartextGrant>,
    read: Timestamp,
}

impl Grants {
    /// What the store held at `read`, which the reader of the store stamps and nobody else; a house test holds
    /// that.
    #[must_use]
    pub fn restore(rows: Vec<CleartextGrant>, read: Timestamp) -> Self {
        Self { rows, read }
    }

    /// A window for one login of this peer, if any grant is open to it. Which accounts may use it is decided
    /// by their [`crate::Ladder`], before any password is looked at.
    #[must_use]
    pub fn window(self, peer: IpAddr) -> Option<LegacyWindow> {
        let open = |grant: &CleartextGrant| {
            let from = &grant.networks;
            self.read < grant.until
                && (from.is_empty() || from.iter().any(|network| network.contains(peer)))
        };
        self.rows.iter().any(open).then_some(LegacyWindow { peer })
    }
}

/// Permission for one login of one peer in the clear. Without one a machine does not even parse the arguments of
/// LOGIN, AUTH, USER and PASS on a cleartext channel.
///
/// It comes out of [`Grants::window`] and nowhere else:
/// ```compile_fail,E0451
/// use pillarbox_policy::LegacyWindow;
/// fn forge(peer: std::net::IpAddr) -> LegacyWindow {
///     LegacyWindow { peer }
/// }
/// ```
#[derive(Debug)]
pub struct LegacyWindow {
    peer: IpAddr,
}

impl LegacyWindow {
    /// Whom it was opened for.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.peer
    }
}
