//! NOOP (RFC 9051 §6.1.2).

use super::{Client, CommandText, Done, NotNow, Sealed, Session};

impl Client<Sealed> {
    /// NOOP: lets the server tell what has changed. Ends in [`Done::Nothing`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn noop(&mut self) -> Result<(), NotNow> {
        let text = CommandText::new("NOOP");
        self.begin(Session::NotAuthenticated, text, Done::Nothing)
    }
}
