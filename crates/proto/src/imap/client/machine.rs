//! [`Client`], and the channels it can run over.

use std::fmt;

/// The client's machine. What it can do depends on the channel: see the [module](super).
pub struct Client<P: Phase> {
    pub(super) state: P::State,
}

impl<P: Phase> fmt::Debug for Client<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// A channel a [`Client`] can run over: [`crate::Clear`] or [`crate::Sealed`]. Nothing else can be one.
pub trait Phase: phase::OnlyHere {
    /// What the machine keeps there. Nothing of it survives the switch to TLS.
    type State;
}

impl<P: Phase> crate::channel::private::Ours for Client<P> {}

mod phase {
    pub trait OnlyHere {}
    impl OnlyHere for crate::Clear {}
    impl OnlyHere for crate::Sealed {}
}
