//! Commands: which state lets which one through, and the answers that need no session.

use super::state::{Await, Disposition, Greeted, Hello, State, Submission, Transaction};
use super::{Request, StartTls, Violation};
use crate::http;
use crate::server::protocol::Protocol;
use crate::smtp::DeliveryReports;
use crate::smtp::command::{self, ArgumentError, Bdat, Verb};
use crate::smtp::parameter::ParameterError;
use crate::smtp::replies::{self, Reply};

impl Submission {
    pub(super) fn command(&mut self, line: &[u8]) {
        if http::is_request(line) {
            return self.give_up(Violation::Http);
        }
        let (verb, rest) = Verb::split(line);
        if verb != Verb::Auth && line.len() > self.config.limits.command_line {
            return self.say(replies::LINE_TOO_LONG);
        }
        match verb {
            Verb::Ehlo => self.hello(rest, Hello::Ehlo),
            Verb::Helo => self.hello(rest, Hello::Helo),
            Verb::StartTls => self.start_tls(rest),
            Verb::Noop => self.say(replies::OK),
            Verb::Quit => self.plain(rest, |this| this.end(replies::BYE)),
            Verb::NotImplemented => self.say(replies::NOT_IMPLEMENTED),
            Verb::Unknown => self.say(replies::UNKNOWN_COMMAND),
            Verb::Bdat => self.bdat(rest),
            // Before anything is parsed: the arguments do not matter, so they cannot make a difference.
            Verb::Auth if self.login.is_none() && !self.shared.logins.are_sealed() => {
                self.shared.logins.ask_again();
                self.shared.ask_for_permit(rest);
            }
            Verb::Auth => self.auth(rest),
            Verb::Mail | Verb::Rcpt | Verb::Data => match self.not_yet() {
                Some(refusal) => self.say(refusal),
                None => match verb {
                    Verb::Mail => self.mail(rest),
                    Verb::Rcpt => self.rcpt(rest),
                    _ => self.plain(rest, Self::data),
                },
            },
            Verb::Rset | Verb::Vrfy | Verb::Help => {
                match self.before_tls(replies::AUTHENTICATION_REQUIRED) {
                    Some(refusal) => self.say(refusal),
                    None => match verb {
                        Verb::Rset => self.plain(rest, |this| {
                            this.say(replies::OK);
                            this.abandon();
                        }),
                        Verb::Vrfy => self.say(replies::CANNOT_VERIFY),
                        _ => self.say(replies::HELP),
                    },
                }
            }
        }
    }

    /// The refusal on a cleartext channel where nothing but TLS comes next (R3207-3, R4954-1), and where
    /// there is none to come, `without_tls`. It does not depend on anything but the listener and the verb.
    fn before_tls(&self, without_tls: Reply) -> Option<Reply> {
        match self.shared.logins.listed() {
            Some(_) => None,
            None => Some(self.tls_first(without_tls)),
        }
    }

    /// TLS has to come first; `without_tls` where there is none to come.
    pub(super) fn tls_first(&self, without_tls: Reply) -> Reply {
        match self.config.starttls {
            StartTls::Offered => replies::STARTTLS_FIRST,
            StartTls::NoCertificate => without_tls,
        }
    }

    /// The refusal of a mail command from a client that has not come so far (R6409-1).
    fn not_yet(&self) -> Option<Reply> {
        self.before_tls(replies::AUTHENTICATION_REQUIRED)
            .or(match (&self.greeted, &self.login) {
                (None, _) => Some(replies::EHLO_FIRST),
                (Some(_), None) => Some(replies::AUTHENTICATION_REQUIRED),
                (Some(_), Some(_)) => None,
            })
    }

    /// Goes on if a command without arguments has none.
    fn plain(&mut self, rest: &[u8], then: impl FnOnce(&mut Self)) {
        match command::none(rest) {
            Ok(()) => then(self),
            Err(_) => self.say(replies::BAD_ARGUMENTS),
        }
    }

    fn hello(&mut self, rest: &[u8], how: Hello) {
        let Ok(name) = command::ehlo(rest) else {
            return self.say(replies::BAD_ARGUMENTS);
        };
        self.greeted = Some(Greeted { name, how });
        match how {
            Hello::Helo => {
                let line = format!("250 {}", self.config.hostname);
                self.shared.say(&line);
            }
            Hello::Ehlo => self.list_extensions(),
        }
        // RFC 5321 §4.1.4: a new EHLO is also an RSET.
        self.abandon();
    }

    fn list_extensions(&mut self) {
        let limits = &self.config.limits;
        let mut lines = vec![
            self.config.hostname.clone(),
            "PIPELINING".to_owned(),
            format!("SIZE {}", limits.message),
            "8BITMIME".to_owned(),
            "SMTPUTF8".to_owned(),
            "CHUNKING".to_owned(),
            format!("LIMITS RCPTMAX={}", limits.recipients),
        ];
        if self.config.reports == DeliveryReports::Offered {
            lines.push("DSN".to_owned());
        }
        if self.starttls_is_listed() {
            lines.push("STARTTLS".to_owned());
        }
        if let Some(mechanisms) = self.shared.logins.listed() {
            let mut line = "AUTH".to_owned();
            for mechanism in mechanisms {
                line.push(' ');
                line.push_str(mechanism.as_str());
            }
            lines.push(line);
        }
        for line in lines {
            self.shared.say(&format!("250-{line}"));
        }
        self.shared.say("250 ENHANCEDSTATUSCODES");
    }

    fn start_tls(&mut self, rest: &[u8]) {
        if self.shared.logins.are_sealed() {
            return self.say(replies::ALREADY_TLS);
        }
        if let Err(injected) = self.shared.nothing_left() {
            return self.give_up(injected.into());
        }
        if command::none(rest).is_err() {
            return self.say(replies::BAD_ARGUMENTS);
        }
        if self.login.is_some() {
            return self.say(replies::ALREADY_AUTHENTICATED);
        }
        if self.transaction.is_some() {
            return self.say(replies::IN_TRANSACTION);
        }
        if self.config.starttls == StartTls::NoCertificate {
            return self.say(replies::TLS_NOT_AVAILABLE);
        }
        self.say(replies::READY_FOR_TLS);
        self.shared.start_tls();
    }

    fn mail(&mut self, rest: &[u8]) {
        if self.transaction.is_some() {
            return self.say(replies::IN_TRANSACTION);
        }
        let mail = match command::mail(rest, self.config.reports) {
            Ok(mail) => mail,
            Err(error) => return self.say(wrong(error, replies::BAD_SENDER)),
        };
        if mail
            .parameters
            .size
            .is_some_and(|size| size > self.config.limits.message)
        {
            return self.say(replies::TOO_LARGE);
        }
        let transaction = Transaction {
            smtputf8: mail.parameters.smtputf8,
            recipients: 0,
            chunks: None,
        };
        self.ask(Await::Sender(transaction), Request::Sender(mail))
    }

    fn rcpt(&mut self, rest: &[u8]) {
        let Some(transaction) = &self.transaction else {
            return self.say(replies::MAIL_FIRST);
        };
        if transaction.chunks.is_some() {
            return self.say(replies::CHUNKS_BEGUN);
        }
        let rcpt = match command::rcpt(rest, self.config.reports, transaction.smtputf8) {
            Ok(rcpt) => rcpt,
            Err(error) => return self.say(wrong(error, replies::BAD_RECIPIENT)),
        };
        if transaction.recipients >= self.config.limits.recipients {
            return self.say(replies::TOO_MANY_RECIPIENTS);
        }
        self.ask(Await::Recipient, Request::Recipient(rcpt))
    }

    fn data(&mut self) {
        match &self.transaction {
            None => self.say(replies::MAIL_FIRST),
            Some(transaction) if transaction.chunks.is_some() => self.say(replies::CHUNKS_BEGUN),
            Some(transaction) if transaction.recipients == 0 => self.say(replies::NO_RECIPIENTS),
            Some(_) => self.ask(Await::Data, Request::ContentBegins),
        }
    }

    fn bdat(&mut self, rest: &[u8]) {
        // Whatever the state, the chunk's octets come right behind and are no commands (RFC 3030 §2).
        let Ok(chunk) = command::bdat(rest) else {
            return self.give_up(Violation::UnreadableChunk);
        };
        let limit = self.config.limits.message;
        if chunk.size > limit.saturating_mul(2) {
            return self.give_up(Violation::TooMuchContent);
        }
        if let Some(refusal) = self.not_yet() {
            return self.discard_chunk(chunk, refusal);
        }
        let Some(transaction) = &self.transaction else {
            return self.discard_chunk(chunk, replies::MAIL_FIRST);
        };
        if transaction.recipients == 0 {
            return self.discard_chunk(chunk, replies::NO_RECIPIENTS);
        }
        let before = transaction.chunks.as_ref().map(|chunks| chunks.octets());
        if before.unwrap_or(0).saturating_add(chunk.size) > limit {
            return self.discard_chunk(chunk, replies::TOO_LARGE);
        }
        match before {
            None => self.ask(Await::Chunk(chunk), Request::ContentBegins),
            Some(_) => self.start_chunk(chunk),
        }
    }

    fn discard_chunk(&mut self, chunk: Bdat, reply: Reply) {
        self.state = State::Chunk {
            left: chunk.size,
            chunk,
            disposition: Disposition::Discard(reply),
        };
    }
}

fn wrong(error: ArgumentError, path: Reply) -> Reply {
    match error {
        ArgumentError::Path => path,
        ArgumentError::NeedsUtf8 => replies::NEEDS_SMTPUTF8,
        ArgumentError::Parameter(ParameterError::Unknown) => replies::UNKNOWN_PARAMETER,
        ArgumentError::Syntax | ArgumentError::Parameter(ParameterError::Malformed) => {
            replies::BAD_ARGUMENTS
        }
    }
}
