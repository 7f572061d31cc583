//! The machine's state, and what it does next.

use std::sync::Arc;

use pillarbox_policy::{AuthPermit, SecretBytes};

use super::config::LONGEST_LINE;
use super::{Config, Event, StartTlsOffer, Violation};
use crate::channel::End;
use crate::dots::DotDecoder;
use crate::line::{Line, LineBuffer, LineError, LineLimits};
use crate::sasl::Logins;
use crate::session_limits::SessionCounts;
use crate::smtp::EhloName;
use crate::smtp::command::Bdat;
use crate::smtp::content::Checker;
use crate::smtp::replies::{self, Refusal, Reply};
use crate::{Injected, Step};

/// Replies are put out together once they are this long, so that pipelined commands share a packet
/// (RFC 2920 §3.2).
const FLUSH: usize = 8 * 1024;

/// Everything a session is, over either channel.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: Arc<Config>,
    pub(super) logins: Logins,
    pub(super) lines: LineBuffer,
    pub(super) out: Vec<u8>,
    /// An event that waits for `out` to be written first.
    held: Option<Event>,
    pub(super) state: State,
    pub(super) greeted: Option<Greeted>,
    pub(super) login: Option<String>,
    pub(super) transaction: Option<Transaction>,
    pub(super) counts: SessionCounts,
    /// How the line being read begins; told once its first octets are there.
    reading: Option<LineStart>,
}

/// How the client introduced itself.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) name: EhloName,
    pub(super) how: Hello,
}

/// How a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineStart {
    WithAuth,
    Otherwise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hello {
    Ehlo,
    Helo,
}

/// A mail transaction (RFC 5321 §3.3).
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) smtputf8: bool,
    pub(super) recipients: u32,
    /// Content of BDAT chunks so far, once one came.
    pub(super) chunks: Option<Checker>,
}

#[derive(Debug)]
pub(super) enum State {
    Command,
    /// The client owes a line of the exchange.
    Exchange,
    /// The session owes an answer about a login.
    AwaitLogin,
    /// The caller owes an answer.
    Await(Await),
    Data {
        decoder: DotDecoder,
        checker: Checker,
        disposition: Disposition,
    },
    Chunk {
        left: u64,
        chunk: Bdat,
        disposition: Disposition,
    },
    /// All content came.
    Complete {
        disposition: Disposition,
    },
    /// STARTTLS was answered: TLS is next, and another machine.
    Sealing,
    Closed,
    Broken(Violation),
}

/// What the caller is asked for.
#[derive(Debug)]
pub(super) enum Await {
    /// The arguments of an AUTH that was not looked at.
    Permit(SecretBytes),
    Sender(Transaction),
    Recipient,
    Data,
    Chunk(Bdat),
    End,
}

/// What becomes of content that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    Keep,
    /// It is read to its end, thrown away, and answered so.
    Discard(Reply),
}

/// What one piece of work came to.
pub(super) enum Progress {
    Done,
    Event(Event),
    Blocked(Step<Event, Violation>),
}

impl Core {
    pub(super) fn new(config: Arc<Config>, logins: Logins) -> Self {
        let counts = SessionCounts::new(config.limits.session);
        Self {
            config,
            logins,
            lines: LineBuffer::new(LineLimits {
                line: LONGEST_LINE,
                ..LineLimits::default()
            }),
            out: Vec::new(),
            held: None,
            state: State::Command,
            greeted: None,
            login: None,
            transaction: None,
            counts,
            reading: None,
        }
    }

    pub(super) fn greet(&mut self) {
        let greeting = format!("220 {} ESMTP Pillarbox\r\n", self.config.hostname);
        self.out.extend_from_slice(greeting.as_bytes());
    }

    pub(super) fn client_name(&self) -> Option<&EhloName> {
        self.greeted.as_ref().map(|greeted| &greeted.name)
    }

    /// Reads the AUTH that waits for it, with policy's permit.
    pub(super) fn login_permitted(&mut self, permit: &AuthPermit<'_>) {
        if let State::Await(Await::Permit(arguments)) = &mut self.state {
            let arguments = std::mem::take(arguments);
            self.state = State::Command;
            self.logins.permitted(permit);
            let work = self.auth(&arguments);
            self.hold(work);
        }
    }

    /// Refuses the AUTH that waits for a permit.
    pub(super) fn refuse_login(&mut self) {
        if matches!(self.state, State::Await(Await::Permit(_))) {
            let reply = self.tls_first(replies::ENCRYPTION_REQUIRED);
            self.say(reply);
        }
    }

    pub(super) fn starttls_is_listed(&self) -> bool {
        !self.logins.are_sealed()
            && self.config.starttls == StartTlsOffer::Offered
            && self.login.is_none()
    }

    /// Nothing may stand in the clear where TLS has to begin (S1).
    pub(super) fn nothing_left(&self) -> Result<(), Injected> {
        End::Server.found(self.lines.len())
    }

    pub(super) fn input(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closed | State::Broken(_)) {
            self.lines.push(bytes);
        }
    }

    pub(super) fn poll(&mut self) -> Step<Event, Violation> {
        if self.held.is_some() && !self.out.is_empty() {
            return Step::Output(std::mem::take(&mut self.out).into());
        }
        if let Some(event) = self.held.take() {
            return Step::Event(event);
        }
        loop {
            let work = if self.out.len() < FLUSH {
                self.work()
            } else {
                Progress::Blocked(Step::NeedInput)
            };
            match work {
                Progress::Done => {}
                Progress::Event(event) if self.out.is_empty() => return Step::Event(event),
                Progress::Event(event) => {
                    self.held = Some(event);
                    return Step::Output(std::mem::take(&mut self.out).into());
                }
                Progress::Blocked(step) if self.out.is_empty() => return step,
                Progress::Blocked(_) => return Step::Output(std::mem::take(&mut self.out).into()),
            }
        }
    }

    fn work(&mut self) -> Progress {
        match &self.state {
            State::Command => self.next_command(),
            State::Exchange => self.next_response(),
            State::Await(_) | State::AwaitLogin | State::Sealing => {
                Progress::Blocked(Step::NeedReply)
            }
            State::Data { .. } => self.receive_data(),
            State::Chunk { .. } => self.receive_chunk(),
            State::Complete { disposition } => {
                let disposition = *disposition;
                self.complete(disposition)
            }
            State::Closed => Progress::Blocked(Step::Close),
            State::Broken(violation) => Progress::Blocked(Step::Err(*violation)),
        }
    }

    fn next_command(&mut self) -> Progress {
        let Some((line, verb)) = self.next_line() else {
            return Progress::Blocked(Step::NeedInput);
        };
        if let Err(violation) = self.counts.command() {
            return self.give_up(replies::TOO_MANY_COMMANDS, violation);
        }
        match (line, verb) {
            (Ok(line), _) => self.command(line.as_bytes()),
            (Err(LineError::TooLong), LineStart::WithAuth) => self.say(replies::AUTH_LINE_TOO_LONG),
            (Err(LineError::TooLong), LineStart::Otherwise) => self.say(replies::LINE_TOO_LONG),
            (Err(error), _) => self.broken_line(error),
        }
    }

    fn next_response(&mut self) -> Progress {
        let Some((line, _)) = self.next_line() else {
            return Progress::Blocked(Step::NeedInput);
        };
        match line {
            Ok(line) => self.response(line.as_bytes()),
            Err(LineError::TooLong) => self.response_too_long(),
            Err(error) => self.broken_line(error),
        }
    }

    /// The next line, and how it begins: a too long one is thrown away before it is whole.
    fn next_line(&mut self) -> Option<(Result<Line, LineError>, LineStart)> {
        const AUTH: &[u8] = b"AUTH ";
        if self.reading.is_none() {
            self.reading = self.lines.as_bytes().get(..AUTH.len()).map(|start| {
                if start.eq_ignore_ascii_case(AUTH) {
                    LineStart::WithAuth
                } else {
                    LineStart::Otherwise
                }
            });
        }
        let line = self.lines.next_line().transpose()?;
        Some((line, self.reading.take().unwrap_or(LineStart::Otherwise)))
    }

    /// Keeps an event that an answer of the caller brought about.
    pub(super) fn hold(&mut self, work: Progress) {
        if let Progress::Event(event) = work {
            self.held = Some(event);
        }
    }

    fn broken_line(&mut self, error: LineError) -> Progress {
        let reply = match error {
            LineError::TooLong | LineError::Endless => replies::LINE_TOO_LONG,
            LineError::BareCr | LineError::BareLf | LineError::Nul => replies::BROKEN_LINE,
        };
        self.give_up(reply, Violation::Line(error))
    }

    /// Puts a reply out and goes on with commands; counts it if it is the answer to a line without sense.
    pub(super) fn say(&mut self, reply: Reply) -> Progress {
        self.state = State::Command;
        reply.write(&mut self.out);
        if !matches!(reply.code, 500 | 501 | 502 | 504 | 555) {
            return Progress::Done;
        }
        match self.counts.bad() {
            Ok(()) => Progress::Done,
            Err(violation) => self.give_up(replies::TOO_MANY_ERRORS, violation),
        }
    }

    /// Puts the last reply out and ends.
    pub(super) fn give_up(&mut self, reply: Reply, violation: Violation) -> Progress {
        reply.write(&mut self.out);
        self.state = State::Broken(violation);
        self.forget_input();
        Progress::Done
    }

    fn forget_input(&mut self) {
        let held = self.lines.len();
        self.lines.consume(held);
    }

    /// Asks the caller.
    pub(super) fn ask(&mut self, what: Await, event: Event) -> Progress {
        self.state = State::Await(what);
        Progress::Event(event)
    }

    /// Ends the transaction, if there is one, without a message.
    pub(super) fn abandon(&mut self) -> Progress {
        match self.transaction.take() {
            Some(_) => Progress::Event(Event::TransactionAbandoned),
            None => Progress::Done,
        }
    }

    pub(super) fn shut_down(&mut self) {
        self.end(replies::SHUTTING_DOWN);
    }

    pub(super) fn idle_too_long(&mut self) {
        self.end(replies::IDLE);
    }

    pub(super) fn end(&mut self, last: Reply) {
        if matches!(self.state, State::Closed | State::Broken(_)) {
            return;
        }
        last.write(&mut self.out);
        self.held = None;
        self.state = State::Closed;
        self.forget_input();
    }

    pub(super) fn accept(&mut self) {
        match std::mem::replace(&mut self.state, State::Command) {
            State::Await(Await::Sender(transaction)) => {
                self.transaction = Some(transaction);
                self.say(replies::SENDER_OK);
            }
            State::Await(Await::Recipient) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients = transaction.recipients.saturating_add(1);
                }
                self.say(replies::RECIPIENT_OK);
            }
            State::Await(Await::Data) => self.start_data(),
            State::Await(Await::Chunk(chunk)) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.chunks = Some(Checker::default());
                }
                self.start_chunk(chunk);
            }
            State::Await(Await::End) => {
                self.transaction = None;
                self.say(replies::ACCEPTED);
            }
            other => self.state = other,
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let reply = refusal.reply();
        match std::mem::replace(&mut self.state, State::Command) {
            State::Await(Await::Sender(_) | Await::Recipient) => {
                self.say(reply);
            }
            // The caller knows of the end of this transaction, it made it.
            State::Await(Await::Data | Await::End) => {
                self.transaction = None;
                self.say(reply);
            }
            State::Await(Await::Chunk(chunk)) => {
                self.transaction = None;
                self.state = State::Chunk {
                    left: chunk.size,
                    chunk,
                    disposition: Disposition::Discard(reply),
                };
            }
            State::Data {
                decoder, checker, ..
            } => {
                self.state = State::Data {
                    decoder,
                    checker,
                    disposition: Disposition::Discard(reply),
                };
            }
            State::Chunk { left, chunk, .. } => {
                self.state = State::Chunk {
                    left,
                    chunk,
                    disposition: Disposition::Discard(reply),
                };
            }
            State::Complete { .. } => {
                self.state = State::Complete {
                    disposition: Disposition::Discard(reply),
                };
            }
            other => self.state = other,
        }
    }
}
