//! STATUS (RFC 9051 §6.3.11).

use super::{
    Answered, Client, CommandText, Done, Event, MailboxName, NotNow, Response, Sealed, Session,
};

impl Client<Sealed> {
    /// STATUS of one mailbox: [`Event::Status`], then [`Done::Status`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn status(&mut self, mailbox: &MailboxName) -> Result<(), NotNow> {
        let mut text = CommandText::new("STATUS ");
        text.mailbox(mailbox)?;
        text.text(" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)");
        let status = Answered {
            take: |response| match response {
                Response::MailboxStatus(status) => Ok(Event::Status(status)),
                other => Err(other),
            },
            done: Done::Status,
        };
        self.begin(Session::Authenticated, text, status)
    }
}
