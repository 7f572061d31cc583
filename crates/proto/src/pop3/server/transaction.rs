//! The TRANSACTION and UPDATE states (RFC 1939 §5, §6).

use std::num::NonZeroU32;

use super::{Column, Pop3, Request, Server, State, Updated};
use crate::LoginChannel;
use crate::machine::MAX_OUTPUT;
use crate::pop3::command::Command;
use crate::pop3::stuffing::{Stuffer, Wanted};
use crate::server::protocol::Protocol;

/// Said of a number that no message has, or one marked deleted.
const NO_SUCH_MESSAGE: &str = "-ERR no such message";

/// The longest line of a listing, in octets: two numbers of ten digits, one of twenty, and what is between.
const LISTING_LINE: usize = 48;

impl Pop3 {
    pub(super) fn transaction_line(&mut self, line: &[u8]) {
        // Never too many after a login; it begins the count of bad ones anew where the last was good.
        let counted = self.shared.counts.command();
        self.unless_too_many(counted);
        match Command::parse(line) {
            Ok(Command::Stat) => {
                let (messages, octets) = self.maildrop.totals();
                self.say(&format!("+OK {messages} {octets}"));
            }
            Ok(Command::List(number)) => self.list(Column::Octets, number),
            Ok(Command::Uidl(number)) => self.list(Column::UniqueId, number),
            Ok(Command::Retr(number)) => self.retrieve(number, None),
            Ok(Command::Top(number, lines)) => self.retrieve(number, Some(lines)),
            Ok(Command::Dele(number)) => {
                if self.maildrop.delete(number) {
                    self.say("+OK marked deleted");
                } else {
                    self.error(NO_SUCH_MESSAGE);
                }
            }
            Ok(Command::Noop) => self.say("+OK"),
            Ok(Command::Rset) => {
                self.maildrop.reset();
                self.say("+OK nothing is marked deleted");
            }
            Ok(Command::Capa) => self.list_capabilities(),
            Ok(Command::Quit) => self.quit(),
            // STLS after login would be session fixation (S2), a second login no better (R5034-2).
            Ok(
                Command::Stls
                | Command::User(_)
                | Command::Pass(_)
                | Command::Auth { .. }
                | Command::Apop,
            ) => self.error("-ERR not after login"),
            Err(fault) => self.fault(fault),
        }
    }

    fn list(&mut self, what: Column, number: Option<NonZeroU32>) {
        match number {
            Some(number) => match self.entry(number) {
                Some(entry) => {
                    let line = what.line(number.get(), entry);
                    self.say(&format!("+OK {line}"));
                }
                None => self.error(NO_SUCH_MESSAGE),
            },
            None => {
                let (messages, octets) = self.maildrop.totals();
                self.say(&format!("+OK {messages} messages ({octets} octets)"));
                self.state = State::Listing { what, next: 1 };
            }
        }
    }

    /// Puts out as much of a listing as fits into one output.
    pub(super) fn list_on(&mut self, what: Column, mut next: u32) {
        while self.shared.out.len() + LISTING_LINE <= MAX_OUTPUT {
            let Some((number, entry)) = self.maildrop.next_from(next) else {
                self.say(".");
                self.state = State::Transaction;
                return;
            };
            let line = what.line(number, entry);
            self.say(&line);
            next = number.saturating_add(1);
        }
        self.state = State::Listing { what, next };
    }

    fn retrieve(&mut self, number: NonZeroU32, lines: Option<u32>) {
        match self.entry(number) {
            Some(entry) => {
                self.shared.ask(Request::Retrieve { entry });
                self.state = State::Retrieving { lines };
            }
            None => self.error(NO_SUCH_MESSAGE),
        }
    }

    fn quit(&mut self) {
        let entries = self.maildrop.deleted();
        if entries.is_empty() {
            self.say("+OK goodbye");
            return self.shared.end(Ok(()));
        }
        self.shared.ask(Request::Update { entries });
        self.state = State::Updating;
    }
}

/// Answers of the session in the TRANSACTION and UPDATE states.
impl<C: LoginChannel> Server<C> {
    /// Answers [`Request::Retrieve`]: the message is there, and so long.
    pub fn message_begins(&mut self, octets: u64) {
        if let State::Retrieving { lines } = self.protocol.state {
            match lines {
                None => self.protocol.say(&format!("+OK {octets} octets")),
                Some(_) => self.protocol.say("+OK the top of it"),
            }
            self.protocol.state = State::Sending(lines.map_or_else(Stuffer::whole, Stuffer::top));
        }
    }

    /// Gives the next octets of the message, at most 16 KiB; then wait for `NeedReply`. After
    /// [`Wanted::NoMore`] say [`Server::message_ends`].
    pub fn message_piece(&mut self, piece: &[u8]) -> Wanted {
        match &mut self.protocol.state {
            State::Sending(stuffer) => stuffer.push(piece, &mut self.protocol.shared.out),
            _ => Wanted::NoMore,
        }
    }

    /// The message has been given, as far as it was wanted.
    pub fn message_ends(&mut self) {
        match std::mem::replace(&mut self.protocol.state, State::Transaction) {
            State::Sending(stuffer) => stuffer.finish(&mut self.protocol.shared.out),
            other => self.protocol.state = other,
        }
    }

    /// The rest of a message that had begun cannot be read. There is no way to say so in the protocol, so the
    /// session ends without the end mark: the client knows that it does not have the message.
    pub fn message_fails(&mut self) {
        if matches!(self.protocol.state, State::Sending(_)) {
            self.protocol.shared.end(Ok(()));
        }
    }

    /// Answers [`Request::Retrieve`]: the message cannot be read, or another client has removed it.
    pub fn message_missing(&mut self) {
        if matches!(self.protocol.state, State::Retrieving { .. }) {
            self.protocol.state = State::Transaction;
            self.protocol.say(
                "-ERR [SYS/TEMP] the message cannot be read; another client may have removed it",
            );
        }
    }

    /// Answers [`Request::Update`]; the session is over.
    pub fn updated(&mut self, updated: Updated) {
        if matches!(self.protocol.state, State::Updating) {
            self.protocol.say(match updated {
                Updated::Removed => "+OK goodbye",
                Updated::SomeNotRemoved => "-ERR [SYS/TEMP] some deleted messages not removed",
            });
            self.protocol.shared.end(Ok(()));
        }
    }
}
