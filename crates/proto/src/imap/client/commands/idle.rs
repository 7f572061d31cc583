//! IDLE (RFC 2177).

use pillarbox_policy::SecretBytes;

use super::{
    Client, Command, CommandText, Done, Event, NotNow, Outcome, ResponseCode, Sealed, Session,
    State, Violation,
};

/// How far an IDLE has come.
enum Idle {
    /// The server has not begun.
    Waiting,
    /// It tells what happens.
    Idling,
    /// It was asked to end.
    Ending,
}

impl Client<Sealed> {
    /// IDLE: changes come as [`Event::Exists`], [`Event::Expunged`] and [`Event::Message`] until
    /// [`Client::end_idle`]. Ends in [`Done::Idled`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn idle(&mut self) -> Result<(), NotNow> {
        self.needs("IDLE")?;
        self.begin(Session::Selected, CommandText::new("IDLE"), Idle::Waiting)
    }

    /// Ends IDLE.
    ///
    /// # Errors
    /// The client is not idling.
    pub fn end_idle(&mut self) -> Result<(), NotNow> {
        match self.state.under_way() {
            Some(idle @ Idle::Idling) => *idle = Idle::Ending,
            _ => return Err(NotNow::Busy),
        }
        self.state.out.extend_from_slice(b"DONE\r\n");
        Ok(())
    }
}

impl Command for Idle {
    fn continued(&mut self, _: &[u8], _: &mut SecretBytes) -> Outcome {
        match self {
            Self::Waiting => *self = Self::Idling,
            _ => return Err(Violation::UnexpectedContinuation),
        }
        Ok(Some(Event::Idling))
    }

    fn succeeded(self: Box<Self>, _: Option<ResponseCode>, _: &mut State) -> Outcome {
        Ok(Some(Event::Done(Done::Idled)))
    }
}
