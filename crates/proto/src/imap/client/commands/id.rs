//! ID (RFC 2971).

use super::{Answered, Client, CommandText, Done, Event, NotNow, Response, Sealed, Session};

impl Client<Sealed> {
    /// ID: says who we are. Ends in [`Done::Id`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn id(&mut self, fields: &[(&str, &str)]) -> Result<(), NotNow> {
        self.needs("ID")?;
        let mut text = CommandText::new("ID ");
        for (index, (name, value)) in fields.iter().enumerate() {
            text.text(if index == 0 { "(" } else { " " });
            text.string(name.as_bytes())?;
            text.text(" ");
            text.string(value.as_bytes())?;
        }
        text.text(if fields.is_empty() { "NIL" } else { ")" });
        let id = Answered {
            take: |response| match response {
                Response::Id(fields) => Ok(Event::Id(fields)),
                other => Err(other),
            },
            done: Done::Id,
        };
        self.begin(Session::NotAuthenticated, text, id)
    }
}
