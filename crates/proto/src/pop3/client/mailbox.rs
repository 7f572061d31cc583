//! The commands of the TRANSACTION state (RFC 1939 §5, §7). They exist inside TLS only.

use super::{Client, Column, Core, Event, Lines, NotNow, Phase, State, Violation};
use crate::Sealed;
use crate::pop3::response::{Response, rest};

impl Client<Sealed> {
    /// STAT. Answered by [`Event::Totals`].
    ///
    /// # Errors
    /// Not logged in, or another command is under way; as with all commands here.
    pub fn stat(&mut self) -> Result<(), NotNow> {
        self.command("STAT", State::Stat)
    }

    /// LIST. Answered by one [`Event::Size`] a message and [`Event::ListEnds`].
    ///
    /// # Errors
    /// As with [`Client::stat`].
    pub fn list(&mut self) -> Result<(), NotNow> {
        self.command("LIST", State::List(Column::Octets, Lines::Status))
    }

    /// UIDL. Answered by one [`Event::UniqueId`] a message and [`Event::ListEnds`].
    ///
    /// # Errors
    /// As with [`Client::stat`].
    pub fn unique_ids(&mut self) -> Result<(), NotNow> {
        self.command("UIDL", State::List(Column::UniqueId, Lines::Status))
    }

    /// RETR. Answered by [`Event::MessageBegins`], pieces, and [`Event::MessageEnds`].
    ///
    /// # Errors
    /// As with [`Client::stat`].
    pub fn retrieve(&mut self, message: u32) -> Result<(), NotNow> {
        self.command(&format!("RETR {message}"), State::Retrieve)
    }

    /// TOP: the header and so many lines of the body. Answered like [`Client::retrieve`].
    ///
    /// # Errors
    /// As with [`Client::stat`].
    pub fn top(&mut self, message: u32, lines: u32) -> Result<(), NotNow> {
        self.command(&format!("TOP {message} {lines}"), State::Retrieve)
    }

    /// DELE: marks a message deleted; it goes with [`Client::quit`]. Answered by [`Event::Done`].
    ///
    /// # Errors
    /// As with [`Client::stat`].
    pub fn delete(&mut self, message: u32) -> Result<(), NotNow> {
        self.command(&format!("DELE {message}"), State::Simple)
    }

    /// RSET: takes all marks back. Answered by [`Event::Done`].
    ///
    /// # Errors
    /// As with [`Client::stat`].
    pub fn reset(&mut self) -> Result<(), NotNow> {
        self.command("RSET", State::Simple)
    }

    /// NOOP. Answered by [`Event::Done`].
    ///
    /// # Errors
    /// As with [`Client::stat`].
    pub fn noop(&mut self) -> Result<(), NotNow> {
        self.command("NOOP", State::Simple)
    }

    fn command(&mut self, line: &str, next: State) -> Result<(), NotNow> {
        match self.core.phase {
            Phase::Transaction => self.core.send(line, next),
            Phase::Authorization => Err(NotNow),
        }
    }
}

impl Core {
    /// The answer to STAT: `+OK`, and two numbers. What follows them is the server's business.
    pub(super) fn totals(&mut self, line: &[u8]) {
        let numbers = rest(line, b"+OK").and_then(|rest| {
            let mut words = words(rest);
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        });
        match (numbers, Response::parse(line)) {
            (Some((messages, octets)), _) => {
                self.rest();
                self.tell(Event::Totals { messages, octets });
            }
            (None, Some(Response::Err(refused))) => {
                self.rest();
                self.tell(Event::Refused(refused));
            }
            (None, _) => self.violate(Violation::Malformed),
        }
    }

    pub(super) fn listing_line(&mut self, column: Column, line: &[u8]) {
        if line == b"." {
            self.rest();
            return self.tell(Event::ListEnds);
        }
        match event(column, line) {
            Some(event) => {
                self.state = State::List(column, Lines::Messages);
                self.tell(event);
            }
            None => self.violate(Violation::Malformed),
        }
    }
}

/// One line of a listing.
fn event(column: Column, line: &[u8]) -> Option<Event> {
    let mut words = words(line);
    let message = words.next()?.parse().ok().filter(|message| *message > 0)?;
    let value = words.next()?;
    match column {
        Column::Octets => Some(Event::Size {
            message,
            octets: value.parse().ok()?,
        }),
        // RFC 1939 §7: 1 to 70 characters from 0x21 to 0x7E, and nothing behind them.
        Column::UniqueId => {
            let printable = value.bytes().all(|octet| octet.is_ascii_graphic());
            (printable && value.len() <= 70 && words.next().is_none()).then(|| Event::UniqueId {
                message,
                id: value.to_owned(),
            })
        }
    }
}

/// The words of a line of ASCII; none of any other.
fn words(line: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(line)
        .ok()
        .filter(|line| line.is_ascii())
        .unwrap_or_default()
        .split(' ')
        .filter(|word| !word.is_empty())
}
