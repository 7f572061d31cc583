//! What was said, what is expected next, and what a reply means then.

use std::collections::VecDeque;

use pillarbox_policy::{Released, SecretBytes};

use super::auth::{LoginAttempt, LoginStep};
use super::event::{AuthenticateError, Event, Failure, SendError, Stage};
use super::send::{Envelope, SendStep, Sending};
use crate::channel::End;
use crate::line::{LineBuffer, LineLimits};
use crate::machine::MAX_OUTPUT;
use crate::sasl::{self, Mechanism, Nonce};
use crate::smtp::server_reply::{RawReply, ReplyReader};
use crate::smtp::{Capabilities, ContentError, EhloName, LineEnds, ServerReply};
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
    out: SecretBytes,
    events: VecDeque<Event>,
    state: State,
    capabilities: Capabilities,
    authenticated: Option<Mechanism>,
}

#[derive(Debug)]
enum State {
    Greeting,
    Ehlo,
    StartTls,
    /// TLS is next, and another machine.
    Sealing,
    /// The caller says what is next.
    Idle,
    Login(Box<LoginAttempt>),
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

    fn fail(&mut self, failure: Failure) {
        self.out.clear();
        self.state = State::Failed(failure);
        let held = self.lines.len();
        self.lines.consume(held);
    }

    /// A reply as it may be shown.
    fn shown(&self, raw: &RawReply) -> ServerReply {
        match self.aim {
            Aim::StartTls => ServerReply::clear(raw),
            Aim::Mail => ServerReply::sealed(raw),
        }
    }

    /// Writes a command line. An answer must not be here before it (C13).
    fn say(&mut self, command: &str) {
        self.say_parts(&[command]);
    }

    /// Writes a command line that holds a secret, so that no copy of it is made elsewhere.
    fn say_parts(&mut self, parts: &[&str]) {
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

    pub(super) fn authenticate(
        &mut self,
        released: Released<'_>,
        nonce: Nonce,
    ) -> Result<Mechanism, AuthenticateError> {
        if !matches!(self.state, State::Idle) || self.authenticated.is_some() {
            return Err(AuthenticateError::OutOfTurn);
        }
        let (login, mechanism, initial) = LoginAttempt::begin(&self.capabilities, released, nonce)?;
        self.state = State::Login(Box::new(login));
        self.say_parts(&["AUTH ", mechanism.as_str(), " ", &initial]);
        Ok(mechanism)
    }

    fn login_answered(&mut self, login: LoginAttempt, raw: &RawReply) {
        match login.answered(raw, self.shown(raw)) {
            LoginStep::Say(login, line) => {
                self.state = State::Login(login);
                self.say(&line);
            }
            LoginStep::Succeeded(mechanism) => {
                self.authenticated = Some(mechanism);
                self.events.push_back(Event::Authenticated(mechanism));
            }
            LoginStep::Failed(failure) => {
                self.events.push_back(Event::NotAuthenticated(failure));
            }
            LoginStep::Broken(failure) => self.fail(failure),
        }
    }

    pub(super) fn send(&mut self, envelope: Envelope) -> Result<(), SendError> {
        if !matches!(self.state, State::Idle) || self.authenticated.is_none() {
            return Err(SendError::OutOfTurn);
        }
        let (sending, commands) = Sending::begin(envelope, &self.capabilities)?;
        self.state = State::Sending(Box::new(sending));
        self.say(&commands);
        Ok(())
    }

    fn sending_answered(&mut self, mut sending: Box<Sending>, raw: &RawReply) {
        match sending.answered(raw.code, self.shown(raw)) {
            SendStep::Say(commands) => {
                self.state = State::Sending(sending);
                if !commands.is_empty() {
                    self.say(&commands);
                }
            }
            SendStep::Tell(event) => {
                self.state = State::Sending(sending);
                self.events.push_back(event);
            }
            SendStep::Ended(event) => self.events.push_back(event),
            SendStep::Broken(failure) => self.fail(failure),
        }
    }

    pub(super) fn go_ahead(&mut self, line_ends: LineEnds) {
        if let State::Sending(sending) = &mut self.state
            && sending.is_at_decision()
        {
            sending.go_ahead(line_ends);
            self.say("DATA");
        }
    }

    pub(super) fn give_up(&mut self) {
        if matches!(&self.state, State::Sending(sending) if sending.is_at_decision()) {
            self.state = State::Reset;
            self.say("RSET");
        }
    }

    pub(super) fn content(&mut self, piece: &[u8]) -> Result<(), ContentError> {
        let State::Sending(sending) = &mut self.state else {
            return Err(ContentError::OutOfTurn);
        };
        let mut out = Vec::with_capacity(piece.len() + 16);
        let result = sending.content(piece, &mut out);
        self.out.extend_from_slice(&out);
        self.content_given(result)
    }

    pub(super) fn end_content(&mut self) -> Result<(), ContentError> {
        let State::Sending(sending) = &mut self.state else {
            return Err(ContentError::OutOfTurn);
        };
        let mut out = Vec::new();
        let result = sending.end_content(&mut out);
        self.out.extend_from_slice(&out);
        self.content_given(result)
    }

    /// Content with the wrong line ends breaks the connection; content that was not asked for does not.
    fn content_given(&mut self, result: Result<(), ContentError>) -> Result<(), ContentError> {
        if let Err(error) = result
            && error != ContentError::OutOfTurn
        {
            self.fail(Failure::Content(error));
        }
        result
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
            State::Sending(sending) => self.sending_answered(sending, raw),
            State::Reset if raw.code == 250 => self.events.push_back(Event::GivenUp),
            State::Reset => self.refused(Stage::Reset, raw),
            State::Quit => self.state = State::Closed,
            over @ (State::Idle | State::Sealing | State::Closed | State::Failed(_)) => {
                self.state = over;
            }
        }
    }

    fn refused(&mut self, stage: Stage, raw: &RawReply) {
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
