//! LIST (RFC 9051 §6.3.9).

use super::{
    Answered, Client, CommandText, Done, Event, MailboxName, NotNow, Response, Sealed, Session,
};

impl Client<Sealed> {
    /// LIST: the mailboxes below `reference` that match `pattern` (`*` for all). Each comes as
    /// [`Event::Mailbox`]; ends in [`Done::Listed`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn list(&mut self, reference: &MailboxName, pattern: &MailboxName) -> Result<(), NotNow> {
        let mut text = CommandText::new("LIST ");
        text.mailbox(reference)?;
        text.text(" ");
        text.mailbox(pattern)?;
        let list = Answered {
            take: |response| match response {
                Response::List(listing) => Ok(Event::Mailbox(listing)),
                other => Err(other),
            },
            done: Done::Listed,
        };
        self.begin(Session::Authenticated, text, list)
    }
}
