//! CAPABILITY (RFC 9051 §6.1.1), which the machine asks by itself.

use super::{
    Capabilities, Client, Command, CommandText, Event, Outcome, ResponseCode, Sealed, State,
    Violation,
};

/// A CAPABILITY under way, and the event that follows it.
struct Capability(Event);

impl Client<Sealed> {
    /// What the server can do, as it said inside TLS; empty before [`Event::Ready`].
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.state.capabilities
    }
}

impl State {
    /// Asks anew what the server can do; then this happens.
    pub(in crate::imap::client) fn ask_capabilities(&mut self, then: Event) {
        self.capabilities = Capabilities::default();
        self.send(CommandText::new("CAPABILITY"), Capability(then));
    }
}

impl Command for Capability {
    fn succeeded(self: Box<Self>, _: Option<ResponseCode>, state: &mut State) -> Outcome {
        // An OK without a list says no more than a NO (C5).
        if state.capabilities.is_empty() {
            return Err(Violation::CapabilityRefused);
        }
        Ok(Some(self.0))
    }

    fn refused(&self, _: &mut State) -> Result<(), Violation> {
        Err(Violation::CapabilityRefused)
    }
}
