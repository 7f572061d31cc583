//! The machine's state, and what it does next.

use std::sync::Arc;

use super::config::LONGEST_LINE;
use super::{Config, Request, StartTls, Violation};
use crate::dots::DotDecoder;
use crate::line::{Line, LineError};
use crate::sasl::{LoginReply, Logins};
use crate::server::Goodbye;
use crate::server::protocol::{Progress, Protocol, Shared};
use crate::smtp::EhloName;
use crate::smtp::command::Bdat;
use crate::smtp::content::Checker;
use crate::smtp::replies::{self, Refusal, Reply};

/// What a session is, over any channel.
#[derive(Debug)]
pub struct Submission {
    pub(super) shared: Shared<Request>,
    pub(super) config: Arc<Config>,
    pub(super) state: State,
    pub(super) greeted: Option<Greeted>,
    pub(super) login: Option<String>,
    pub(super) transaction: Option<Transaction>,
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
    /// The session owes an answer.
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
}

/// What the session is asked for.
#[derive(Debug)]
pub(super) enum Await {
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

impl Protocol for Submission {
    type Config = Arc<Config>;
    type Request = Request;

    /// Pipelined commands share a packet of replies (RFC 2920 §3.2).
    const FLUSH: usize = 8 * 1024;
    const CHALLENGE: &'static [u8] = b"334 ";

    fn new(config: Arc<Config>, logins: Logins) -> Self {
        Self {
            shared: Shared::new(LONGEST_LINE, LONGEST_LINE, config.limits.session, logins),
            config,
            state: State::Command,
            greeted: None,
            login: None,
            transaction: None,
            reading: None,
        }
    }

    fn shared(&self) -> &Shared<Request> {
        &self.shared
    }

    fn shared_mut(&mut self) -> &mut Shared<Request> {
        &mut self.shared
    }

    fn greet(&mut self) {
        let greeting = format!("220 {} ESMTP Pillarbox", self.config.hostname);
        self.shared.say(&greeting);
    }

    fn work(&mut self) -> Progress {
        match &self.state {
            State::Command => self.next_command(),
            State::Await(_) => Progress::NeedReply,
            State::Data { .. } => self.receive_data(),
            State::Chunk { .. } => self.receive_chunk(),
            State::Complete { disposition } => {
                let disposition = *disposition;
                self.complete(disposition);
                Progress::Done
            }
        }
    }

    fn permitted_login(&mut self, line: &[u8]) {
        self.auth(line);
    }

    fn refuse_login(&mut self) {
        let reply = self.tls_first(replies::ENCRYPTION_REQUIRED);
        self.say(reply);
        // As bad as a line without sense, as in IMAP and POP3: a client that goes on so has to be stopped.
        let counted = self.shared.counts.bad();
        self.unless_too_many(counted);
    }

    fn login_reply(&mut self, reply: LoginReply) {
        self.tell_login(reply);
    }

    fn last_words(&mut self, violation: Violation) {
        let reply = match violation {
            Violation::Injected(_) => replies::INJECTED,
            Violation::Line(LineError::TooLong | LineError::Endless) => replies::LINE_TOO_LONG,
            Violation::Line(LineError::BareCr | LineError::BareLf | LineError::Nul) => {
                replies::BROKEN_LINE
            }
            Violation::Http => replies::NOT_A_WEB_SERVER,
            Violation::TooManyBadCommands => replies::TOO_MANY_ERRORS,
            Violation::TooManyCommands => replies::TOO_MANY_COMMANDS,
            Violation::TooManyFailedLogins => replies::TOO_MANY_ATTEMPTS,
            Violation::Literal(_) | Violation::TooMuchContent => replies::TOO_LARGE,
            Violation::UnreadableChunk => replies::BAD_ARGUMENTS,
        };
        reply.write(&mut self.shared.out);
    }

    fn client_name(&self) -> Option<String> {
        self.greeted
            .as_ref()
            .map(|greeted| greeted.name.to_string())
    }

    fn say_goodbye(&mut self, why: Goodbye) {
        self.end(match why {
            Goodbye::ShuttingDown => replies::SHUTTING_DOWN,
            Goodbye::NoLogin | Goodbye::Idle => replies::IDLE,
        });
    }
}

impl Submission {
    pub(super) fn starttls_is_listed(&self) -> bool {
        !self.shared.logins.are_sealed()
            && self.config.starttls == StartTls::Offered
            && self.login.is_none()
    }

    fn next_command(&mut self) -> Progress {
        let Some((line, start)) = self.next_line() else {
            return Progress::NeedInput;
        };
        if let Err(violation) = self.shared.counts.command() {
            self.give_up(violation);
            return Progress::Done;
        }
        match (line, start) {
            (Ok(line), _) => self.command(line.as_bytes()),
            (Err(LineError::TooLong), LineStart::WithAuth) => self.say(replies::AUTH_LINE_TOO_LONG),
            (Err(LineError::TooLong), LineStart::Otherwise) => self.say(replies::LINE_TOO_LONG),
            (Err(error), _) => self.give_up(Violation::Line(error)),
        }
        Progress::Done
    }

    /// The next line, and how it begins: a too long one is thrown away before it is whole.
    fn next_line(&mut self) -> Option<(Result<Line, LineError>, LineStart)> {
        const AUTH: &[u8] = b"AUTH ";
        if self.reading.is_none() {
            self.reading = self.shared.lines.as_bytes().get(..AUTH.len()).map(|start| {
                if start.eq_ignore_ascii_case(AUTH) {
                    LineStart::WithAuth
                } else {
                    LineStart::Otherwise
                }
            });
        }
        let line = self.shared.lines.next_line().transpose()?;
        Some((line, self.reading.take().unwrap_or(LineStart::Otherwise)))
    }

    /// Replies and goes on with commands; counts it if it is the answer to a line without sense.
    pub(super) fn say(&mut self, reply: Reply) {
        self.state = State::Command;
        reply.write(&mut self.shared.out);
        if matches!(reply.code, 500 | 501 | 502 | 504 | 555) {
            let counted = self.shared.counts.bad();
            self.unless_too_many(counted);
        }
    }

    /// Asks the session.
    pub(super) fn ask(&mut self, what: Await, request: Request) {
        self.state = State::Await(what);
        self.shared.ask(request);
    }

    /// Ends the transaction, if there is one, without a message.
    pub(super) fn abandon(&mut self) {
        if self.transaction.take().is_some() {
            self.shared.ask(Request::TransactionAbandoned);
        }
    }

    /// Says the last reply, and ends.
    pub(super) fn end(&mut self, last: Reply) {
        if !self.shared.is_over() {
            last.write(&mut self.shared.out);
            self.shared.end(Ok(()));
        }
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
            // The session knows of the end of this transaction, it made it.
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
