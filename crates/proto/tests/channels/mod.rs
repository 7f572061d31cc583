//! Channels for machines that never see a socket.
#![allow(dead_code, reason = "each program of tests uses its part")]

use pillarbox_policy::{CleartextGrant, Grants, LegacyWindow, Timestamp};
use pillarbox_proto::{AsksForPermit, Clear, Injected, Legacy, Sealed, Start, Upgrade};
use pillarbox_testkit::{clear_facts, starttls_facts};

/// A cleartext connection.
pub(crate) fn clear() -> Clear {
    Clear::new(clear_facts())
}

/// The machine inside TLS that takes the place of a cleartext one.
pub(crate) fn seal<S: Start<Channel = Sealed>>(
    clear: impl Upgrade,
    settings: S::Settings,
) -> Result<S, Injected> {
    clear.nothing_left()?;
    Ok(S::start(&Sealed::new(starttls_facts()), settings))
}

/// A window for one login over [`clear`].
pub(crate) fn window() -> LegacyWindow {
    let grant = CleartextGrant {
        account: "ann@example.org".to_owned(),
        networks: Vec::new(),
        until: Timestamp(2),
        reason: "an old printer".to_owned(),
        given: Timestamp(0),
    };
    let grants = Grants::restore(vec![grant], Timestamp(1));
    grants.window(clear_facts().peer()).unwrap()
}

/// The machine that goes on under a window.
pub(crate) fn permitted<M: AsksForPermit>(clear: M) -> M::Permitted {
    let channel = Legacy::opened(clear.channel(), &window()).unwrap();
    clear.permitted(channel, window())
}
