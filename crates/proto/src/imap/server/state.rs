//! [`State`]: how far a session has come, and what it has enabled.

use crate::sasl::{LoginsInClear, Mechanism};

use super::Limits;
use super::enabled::Extension;
use super::responses::Responses;
pub use crate::server::StartTls;

/// Whether a mailbox may be changed in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// EXAMINE.
    ReadOnly,
    /// SELECT.
    ReadWrite,
}

/// How far the session has come (RFC 3501 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// In the clear, where STARTTLS is all that leads on, or a login that the operator permits.
    Clear(StartTls, LoginsInClear),
    BeforeLogin,
    Authenticated,
    /// SELECT or EXAMINE is under way: no mailbox is selected.
    Opening(Access),
    Selected(Access),
    /// LOGOUT was answered.
    Logout,
}

/// What the commands know of the session and may change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) limits: Limits,
    /// How to authenticate; nothing where policy does not permit it.
    pub(super) mechanisms: &'static [Mechanism],
    pub(super) responses: Responses,
}

impl State {
    pub(super) fn new(phase: Phase, limits: Limits) -> Self {
        Self {
            phase,
            limits,
            mechanisms: &[],
            responses: Responses::default(),
        }
    }

    pub(super) fn enable(&mut self, extension: Extension) {
        self.responses.enabled.insert(extension);
    }
}
