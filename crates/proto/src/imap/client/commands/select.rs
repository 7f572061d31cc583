//! SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3).

use super::{
    Access, Client, Command, CommandText, Done, Event, MailboxName, NotNow, Outcome, Response,
    ResponseCode, Sealed, Selected, Session, State, Violation,
};

/// A SELECT or EXAMINE under way, and what is known of the mailbox.
struct Select(Box<Selected>);

impl Client<Sealed> {
    /// SELECT. Ends in [`Done::Selected`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn select(&mut self, mailbox: &MailboxName) -> Result<(), NotNow> {
        self.open("SELECT ", mailbox, Access::ReadWrite)
    }

    /// EXAMINE: SELECT without the right to change anything. Ends in [`Done::Selected`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn examine(&mut self, mailbox: &MailboxName) -> Result<(), NotNow> {
        self.open("EXAMINE ", mailbox, Access::ReadOnly)
    }

    fn open(&mut self, name: &str, mailbox: &MailboxName, access: Access) -> Result<(), NotNow> {
        let mut text = CommandText::new(name);
        text.mailbox(mailbox)?;
        let selected = Selected {
            access,
            ..Selected::default()
        };
        self.begin(Session::Authenticated, text, Select(Box::new(selected)))
    }
}

impl Select {
    /// Takes what a status response says about the mailbox.
    fn note(&mut self, code: &ResponseCode) {
        match code {
            ResponseCode::UidValidity(number) => self.0.uid_validity = Some(*number),
            ResponseCode::UidNext(number) => self.0.uid_next = Some(*number),
            ResponseCode::HighestModSeq(number) => self.0.highest_modseq = Some(*number),
            ResponseCode::PermanentFlags(flags) => self.0.permanent_flags.clone_from(flags),
            ResponseCode::ReadOnly => self.0.access = Access::ReadOnly,
            _ => {}
        }
    }
}

impl Command for Select {
    fn take<'a>(&mut self, response: Response<'a>) -> Result<Option<Event>, Response<'a>> {
        match response {
            Response::Exists(count) => self.0.exists = count,
            Response::Flags(flags) => self.0.flags = flags,
            // The old mailbox's last changes, or the new one's first: nobody can tell.
            Response::Expunge(_) | Response::Fetch(_) => {}
            other => {
                if let Response::Untagged(status) = &other {
                    status.code.iter().for_each(|code| self.note(code));
                }
                return Err(other);
            }
        }
        Ok(None)
    }

    fn succeeded(mut self: Box<Self>, code: Option<ResponseCode>, state: &mut State) -> Outcome {
        code.iter().for_each(|code| self.note(code));
        state.session = Session::Selected;
        Ok(Some(Event::Done(Done::Selected(self.0))))
    }

    /// RFC 9051 §6.3.2: no mailbox is selected then.
    fn refused(&self, state: &mut State) -> Result<(), Violation> {
        state.session = Session::Authenticated;
        Ok(())
    }
}
