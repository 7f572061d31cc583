//! LOGOUT (RFC 9051 §6.1.3).

use super::{
    Client, Command, CommandText, Condition, Done, Event, NotNow, Outcome, Response, ResponseCode,
    Sealed, Session, State,
};

/// A LOGOUT under way.
struct Logout;

impl Client<Sealed> {
    /// LOGOUT. Ends in [`Done::LoggedOut`] and the end of the conversation.
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn logout(&mut self) -> Result<(), NotNow> {
        let text = CommandText::new("LOGOUT");
        self.begin(Session::NotAuthenticated, text, Logout)
    }
}

impl Command for Logout {
    /// The BYE, which goes on with the tagged response.
    fn take<'a>(&mut self, response: Response<'a>) -> Result<Option<Event>, Response<'a>> {
        match response {
            Response::Untagged(status) if status.condition == Condition::Bye => Ok(None),
            other => Err(other),
        }
    }

    fn succeeded(self: Box<Self>, _: Option<ResponseCode>, state: &mut State) -> Outcome {
        state.closing = true;
        Ok(Some(Event::Done(Done::LoggedOut)))
    }
}
