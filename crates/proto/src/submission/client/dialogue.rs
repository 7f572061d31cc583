//! What was said, what is expected next, and what a reply means then.

use std::collections::VecDeque;

use pillarbox_policy::SecretBytes;

use super::auth::Login;
use super::event::{Event, Failure, Stage};
use super::reply::{RawReply, ReplyReader};
use super::send::Sending;
use super::{Capabilities, ServerReply};
use crate::channel::End;
use crate::line::{LineBuffer, LineLimits};
use crate::machine::MAX_OUTPUT;
use crate::sasl;
use crate::submission::EhloName;
use crate::{Injected, Step};

/// What the conversation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// To get to TLS. Replies may come from anybody; their text is not kept (C10).
    StartTls,
    /// To send mail, inside TLS.
    Mail,
}

/// A whole conversation, over either channel.
#[derive(Debug)]
pub(super) struct Dialogue {
    aim: Aim,
    lines: LineBuffer,
    reader: ReplyReader,
    pub(super) out: SecretBytes,
    pub(super) events: VecDeque<Event>,
    pub(super) state: State,
    pub(super) capabilities: Capabilities,
    pub(super) authenticated: Option<sasl::Mechanism>,
}

#[derive(Debug)]
pub(super) enum State {
    Greeting,
    Ehlo,
    StartTls,
    /// Only [`super::Client::into_sealed`] goes on.
    Sealing,
    /// The owner says what is next.
    Idle,
    Login(Box<Login>),
    Sending(Box<Sending>),
    Reset,
    Quit,
    Closed,
    Failed(Failure),
}

impl Dialogue {
    pub(super) fn greeted_by_server(aim: Aim) -> Self {
        Self {
            aim,
            lines: LineBuffer::new(LineLimits {
                line: sasl::MAX_LINE + 64,
                discard: 0,
            }),
            reader: ReplyReader::default(),
            out: SecretBytes::new(),
            events: VecDeque::new(),
            state: State::Greeting,
            capabilities: Capabilities::default(),
            authenticated: None,
        }
    }

    pub(super) fn after_starttls() -> Self {
        let mut dialogue = Self::greeted_by_server(Aim::Mail);
        dialogue.say_ehlo();
        dialogue
    }

    pub(super) fn held(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(super) fn input(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closed | State::Failed(_)) {
            self.lines.push(bytes);
        }
    }

    pub(super) fn poll(&mut self) -> Step<Event, Failure> {
        loop {
            if !self.out.is_empty() {
                return Step::Output(self.out.split_to(MAX_OUTPUT));
            }
            if let Some(event) = self.events.pop_front() {
                return Step::Event(event);
            }
            match &mut self.state {
                State::Idle | State::Sealing => return Step::NeedReply,
                State::Closed => return Step::Close,
                State::Failed(failure) => return Step::Err(failure.clone()),
                State::Sending(sending) if !sending.waits_for_reply() => {
                    match sending.ask_for_content() {
                        Some(event) => return Step::Event(event),
                        None => return Step::NeedReply,
                    }
                }
                _ => match self.reader.next(&mut self.lines) {
                    Ok(Some(reply)) => self.reply(&reply),
                    Ok(None) => return Step::NeedInput,
                    Err(error) => self.fail(Failure::Reply(error)),
                },
            }
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.out.clear();
        self.state = State::Failed(failure);
        let held = self.lines.len();
        self.lines.consume(held);
    }

    /// A reply as it may be shown.
    pub(super) fn shown(&self, raw: &RawReply) -> ServerReply {
        match self.aim {
            Aim::StartTls => ServerReply::clear(raw),
            Aim::Mail => ServerReply::sealed(raw),
        }
    }

    /// Writes a command line. An answer must not be here before it (C13).
    pub(super) fn say(&mut self, command: &str) {
        self.say_parts(&[command]);
    }

    /// Writes a command line that holds a secret, so that no copy of it is made elsewhere.
    pub(super) fn say_parts(&mut self, parts: &[&str]) {
        if !self.lines.is_empty() || self.reader.is_amid() {
            return self.unsolicited();
        }
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Something came that nobody had asked for; a server that goes away may do that (RFC 5321 §3.8).
    fn unsolicited(&mut self) {
        let failure = match self.reader.next(&mut self.lines) {
            Ok(Some(raw)) if raw.code == 421 => Failure::GoingAway(self.shown(&raw)),
            _ if self.aim == Aim::StartTls => Failure::EarlyAnswer,
            _ => Failure::Unsolicited,
        };
        self.fail(failure);
    }

    fn say_ehlo(&mut self) {
        self.state = State::Ehlo;
        self.say(&format!("EHLO {}", EhloName::discreet()));
    }

    pub(super) fn quit(&mut self) {
        if matches!(self.state, State::Idle) {
            self.state = State::Quit;
            self.say("QUIT");
        }
    }

    fn reply(&mut self, raw: &RawReply) {
        if raw.code == 421 && !matches!(self.state, State::Quit) {
            let reply = self.shown(raw);
            return self.fail(Failure::GoingAway(reply));
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Greeting if raw.code == 220 => self.say_ehlo(),
            State::Greeting => self.refused(Stage::Greeting, raw),
            State::Ehlo if raw.code == 250 => self.ehlo_answered(raw),
            State::Ehlo => self.refused(Stage::Ehlo, raw),
            State::StartTls => self.starttls_answered(raw),
            State::Login(login) => self.login_answered(*login, raw),
            State::Sending(sending) => self.sending_answered(*sending, raw),
            State::Reset if raw.code == 250 => self.events.push_back(Event::GivenUp),
            State::Reset => self.refused(Stage::Reset, raw),
            State::Quit => self.state = State::Closed,
            over @ (State::Idle | State::Sealing | State::Closed | State::Failed(_)) => {
                self.state = over;
            }
        }
    }

    pub(super) fn refused(&mut self, stage: Stage, raw: &RawReply) {
        let reply = self.shown(raw);
        self.fail(Failure::Refused { stage, reply });
    }

    fn ehlo_answered(&mut self, raw: &RawReply) {
        let capabilities = Capabilities::new(&raw.lines);
        match self.aim {
            Aim::Mail => {
                self.capabilities = capabilities;
                self.events
                    .push_back(Event::Ready(self.capabilities.clone()));
            }
            Aim::StartTls if capabilities.offers("STARTTLS") => {
                self.state = State::StartTls;
                self.say("STARTTLS");
            }
            Aim::StartTls => self.fail(Failure::StartTlsNotOffered),
        }
    }

    fn starttls_answered(&mut self, raw: &RawReply) {
        if raw.code != 220 {
            let reply = self.shown(raw);
            return self.fail(Failure::StartTlsRefused(reply));
        }
        match self.lines.len() {
            0 => {
                self.state = State::Sealing;
                self.events.push_back(Event::StartTls);
            }
            bytes => self.fail(Failure::Injected(Injected {
                found_by: End::Client,
                bytes,
            })),
        }
    }
}
