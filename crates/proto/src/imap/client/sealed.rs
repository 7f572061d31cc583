//! [`Client<Sealed>`](Client): its states, and how it reads.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use pillarbox_policy::SecretBytes;

use super::Client;
use super::authenticate::Authentication;
use super::capability::Capabilities;
use super::command::{CommandText, NotNow, append_wants};
use super::event::{Done, Event, Refused};
use super::fetch::{self, MessageData};
use super::mailbox::{Access, Selected};
use super::response::{
    self, Condition, Response, ResponseCode, Status, Unreadable, may_hold_literals,
};
use super::violation::Violation;
use crate::channel::Sealed;
use crate::imap::framing::{Frame, FrameLimits, Framer};
use crate::imap::grammar::Cursor;
use crate::machine::{MAX_OUTPUT, Machine, OnChannel, Start, Step};
use crate::sasl::Mechanism;

/// What is read of one response at most, bodies aside: a SEARCH of 100,000 messages fits.
const LIMITS: FrameLimits = FrameLimits {
    line: 1024 * 1024,
    text: 1024 * 1024,
    discard: 0,
};

/// How many literals may stand in a response that a body is looked for in. Honest ones have none but the body;
/// each makes the text before it be read again.
const LITERALS_BEFORE_BODY: u8 = 16;

/// How many ALERTs of one connection are passed on (C10).
const ALERTS: u8 = 16;

/// Whether this connection's handshake sent a certificate of the account: only then may the server greet
/// with PREAUTH (C6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// None was sent.
    NotSent,
    /// One was sent.
    Sent,
}

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Session {
    Greeting(Greeter),
    NotAuthenticated,
    Authenticated,
    Selected,
}

/// [`ClientCertificate`], ordered for [`Session`]'s sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Greeter {
    MayNotPreauth,
    MayPreauth,
}

/// The command under way.
#[derive(Debug)]
pub(super) struct Current {
    tag: String,
    pub(super) task: Task,
    /// What follows once the server has given leave for a literal.
    segments: VecDeque<SecretBytes>,
}

#[derive(Debug)]
pub(super) enum Task {
    /// Asked by the machine itself; the event is what its owner waits for.
    Capability(Option<Event>),
    Authenticate(Box<Authentication>),
    Login,
    Id,
    List,
    Status,
    Select(Box<Selected>),
    Fetch,
    FetchBody {
        uid: NonZeroU32,
        /// Whether a body has come.
        seen: bool,
    },
    Store,
    Append {
        left: u64,
        stage: Append,
    },
    Search,
    Idle(Idle),
    Noop,
    Logout,
}

/// How far an APPEND has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Append {
    /// The server has not given leave.
    Waiting,
    /// The next piece is to be asked for.
    Sending,
    /// The owner was asked for this many octets.
    Asked(usize),
    /// All was given.
    Sent,
}

/// How far an IDLE has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    /// The server has not begun.
    Waiting,
    /// It tells what happens.
    Idling,
    /// It was asked to end.
    Ending,
}

/// What is being read beside ordinary responses.
#[derive(Debug)]
enum Reading {
    Response,
    /// A body streams past; this is what was said about its message.
    Body(Box<MessageData>),
    /// The rest of a response that was too long.
    Skipping,
}

/// What the machine keeps inside TLS.
pub struct State {
    pub(super) channel: Sealed,
    framer: Framer,
    pub(super) out: SecretBytes,
    events: VecDeque<Event>,
    pub(super) session: Session,
    pub(super) capabilities: Capabilities,
    pub(super) current: Option<Current>,
    reading: Reading,
    /// Literals that came in the response being read while a body was awaited.
    literals: u8,
    tags: u64,
    alerts: u8,
    closing: bool,
    broken: Option<Violation>,
}

impl OnChannel for Client<Sealed> {
    type Channel = Sealed;

    fn channel(&self) -> &Sealed {
        &self.state.channel
    }
}

impl Start for Client<Sealed> {
    type Settings = ClientCertificate;

    /// Waits for the greeting where one is due, then asks for CAPABILITY, whatever was listed in the clear (C1).
    fn start(channel: &Sealed, certificate: ClientCertificate) -> Self {
        let greeter = match certificate {
            ClientCertificate::NotSent => Greeter::MayNotPreauth,
            ClientCertificate::Sent => Greeter::MayPreauth,
        };
        let state = if channel.greeting_is_due() {
            State::new(channel, Session::Greeting(greeter))
        } else {
            let mut state = State::new(channel, Session::NotAuthenticated);
            state.ask_capabilities(Event::Ready);
            state
        };
        Self { state }
    }
}

impl State {
    fn new(channel: &Sealed, session: Session) -> Self {
        Self {
            channel: channel.share(),
            framer: Framer::new(LIMITS),
            out: SecretBytes::new(),
            events: VecDeque::new(),
            session,
            capabilities: Capabilities::default(),
            current: None,
            reading: Reading::Response,
            literals: 0,
            tags: 0,
            alerts: ALERTS,
            closing: false,
            broken: None,
        }
    }

    fn ask_capabilities(&mut self, then: Event) {
        self.capabilities = Capabilities::default();
        self.start(CommandText::new("CAPABILITY"), Task::Capability(Some(then)));
    }

    /// Whether a command that needs the session to have come as far as `least` can be given now.
    pub(super) fn may_begin(&self, least: Session) -> Result<(), NotNow> {
        if self.current.is_some()
            || self.closing
            || self.broken.is_some()
            || matches!(self.session, Session::Greeting(_))
        {
            return Err(NotNow::Busy);
        }
        if self.session >= least {
            Ok(())
        } else if least == Session::Selected && self.session == Session::Authenticated {
            Err(NotNow::NotSelected)
        } else {
            Err(NotNow::NotAuthenticated)
        }
    }

    pub(super) fn start(&mut self, command: CommandText, task: Task) {
        self.tags += 1;
        let tag = format!("A{:04}", self.tags);
        self.out.extend_from_slice(tag.as_bytes());
        self.out.push(b' ');
        let mut segments = command.finish();
        if let Some(first) = segments.pop_front() {
            self.out.extend_from_slice(&first);
        }
        self.current = Some(Current {
            tag,
            task,
            segments,
        });
    }

    fn task(&self) -> Option<&Task> {
        self.current.as_ref().map(|current| &current.task)
    }

    /// A literal is announced at the end of the text so far.
    fn literal(&mut self, size: u64) -> Result<(), Violation> {
        match self.reading {
            Reading::Skipping => {
                self.framer.skip();
                return Ok(());
            }
            Reading::Body(_) => {
                self.framer.take_inline()?;
                return Ok(());
            }
            Reading::Response => {}
        }
        if !may_hold_literals(self.framer.text()) {
            self.framer.not_a_literal();
            let text = self.framer.take_text();
            return self.response(&text);
        }
        if let Some(Task::FetchBody { .. }) = self.task() {
            self.literals += 1;
            if self.literals > LITERALS_BEFORE_BODY {
                return Err(Violation::WrongMessage);
            }
        }
        if let Some(Task::FetchBody { .. }) = self.task()
            && let Some(data) = fetch::before_body(self.framer.text())
        {
            if data.uid.is_some() {
                self.check_body(&data)?;
            }
            self.body_comes()?;
            self.framer.take_text();
            self.framer.stream();
            self.reading = Reading::Body(Box::new(data));
            self.events.push_back(Event::BodyBegins { size });
            return Ok(());
        }
        if self.framer.take_inline().is_err() {
            self.framer.skip();
            self.reading = Reading::Skipping;
        }
        Ok(())
    }

    /// Only one body answers a command for one body.
    fn body_comes(&mut self) -> Result<(), Violation> {
        match &mut self.current {
            Some(Current {
                task: Task::FetchBody { seen, .. },
                ..
            }) if !*seen => {
                *seen = true;
                Ok(())
            }
            _ => Err(Violation::WrongMessage),
        }
    }

    fn check_body(&self, data: &MessageData) -> Result<(), Violation> {
        match self.task() {
            Some(Task::FetchBody { uid, .. }) if data.uid == Some(*uid) => Ok(()),
            _ => Err(Violation::WrongMessage),
        }
    }

    /// The text of a response is complete.
    fn text(&mut self, text: &[u8]) -> Result<(), Violation> {
        self.literals = 0;
        match std::mem::replace(&mut self.reading, Reading::Response) {
            Reading::Response => self.response(text),
            Reading::Skipping => {
                self.events.push_back(Event::TooLong);
                Ok(())
            }
            Reading::Body(mut data) => {
                let mut cursor = Cursor::new(text);
                let _ = cursor.eat(b' ');
                fetch::rest_of_items(&mut data, &mut cursor)
                    .map_err(|_| Violation::WrongMessage)?;
                self.check_body(&data)?;
                self.events.push_back(Event::BodyEnds);
                Ok(())
            }
        }
    }

    fn response(&mut self, text: &[u8]) -> Result<(), Violation> {
        let response = match response::parse(text) {
            Ok(response) => response,
            Err(_) if matches!(self.session, Session::Greeting(_)) => {
                return Err(Violation::BadGreeting);
            }
            Err(Unreadable::NotImap) => return Err(Violation::NotImap),
            Err(Unreadable::Data(error)) => {
                self.events.push_back(Event::Unreadable(error));
                return Ok(());
            }
        };
        if let Session::Greeting(greeter) = self.session {
            return self.greeting(greeter, response);
        }
        match response {
            Response::Tagged(tag, status) => self.tagged(tag, status),
            Response::Continuation(text) => self.continuation(text),
            other => {
                self.data(other);
                Ok(())
            }
        }
    }

    fn greeting(&mut self, greeter: Greeter, response: Response<'_>) -> Result<(), Violation> {
        let Response::Untagged(status) = response else {
            return Err(Violation::BadGreeting);
        };
        let then = match (status.condition, greeter) {
            (Condition::Ok, _) => {
                self.session = Session::NotAuthenticated;
                Event::Ready
            }
            (Condition::PreAuth, Greeter::MayPreauth) => {
                self.session = Session::Authenticated;
                Event::ReadyAuthenticated
            }
            (Condition::PreAuth, Greeter::MayNotPreauth) => return Err(Violation::PreauthUnproved),
            (Condition::Bye, _) => {
                return Err(Violation::Bye {
                    text: Some(status.text),
                });
            }
            (Condition::No | Condition::Bad, _) => return Err(Violation::BadGreeting),
        };
        self.alert(&status);
        self.ask_capabilities(then);
        Ok(())
    }

    fn alert(&mut self, status: &Status) {
        if status.code == Some(ResponseCode::Alert)
            && let Some(left) = self.alerts.checked_sub(1)
        {
            self.alerts = left;
            self.events.push_back(Event::Alert(status.text.clone()));
        }
    }

    fn continuation(&mut self, text: &[u8]) -> Result<(), Violation> {
        let Some(current) = &mut self.current else {
            return Err(Violation::UnexpectedContinuation);
        };
        if let Some(segment) = current.segments.pop_front() {
            self.out.extend_from_slice(&segment);
            return Ok(());
        }
        match &mut current.task {
            Task::Authenticate(_) => self.challenge(text),
            Task::Append {
                left: 0,
                stage: stage @ Append::Waiting,
            } => {
                *stage = Append::Sent;
                self.out.extend_from_slice(b"\r\n");
                Ok(())
            }
            Task::Append {
                stage: stage @ Append::Waiting,
                ..
            } => {
                *stage = Append::Sending;
                Ok(())
            }
            Task::Idle(idle @ Idle::Waiting) => {
                *idle = Idle::Idling;
                self.events.push_back(Event::Idling);
                Ok(())
            }
            _ => Err(Violation::UnexpectedContinuation),
        }
    }

    fn data(&mut self, response: Response<'_>) {
        let selected = self.session == Session::Selected;
        let authenticated = self.session >= Session::Authenticated;
        let task = self.current.as_mut().map(|current| &mut current.task);
        let event = match (response, task) {
            (Response::Capability(list), _) => {
                self.capabilities = list;
                return;
            }
            (Response::Untagged(status), task) => {
                if let (Some(Task::Select(into)), Some(code)) = (task, &status.code) {
                    note(into, code);
                }
                return self.untagged(status);
            }
            (Response::Exists(count), Some(Task::Select(into))) => {
                into.exists = count;
                return;
            }
            (Response::Flags(flags), Some(Task::Select(into))) => {
                into.flags = flags;
                return;
            }
            // The old mailbox's last changes, or the new one's first: nobody can tell.
            (Response::Expunge(_) | Response::Fetch(_), Some(Task::Select(_))) => return,
            (Response::Exists(count), _) if selected => Event::Exists(count),
            (Response::Expunge(number), _) if selected => Event::Expunged(number),
            (Response::Fetch(data), _) if selected => return self.fetched(data),
            (Response::Id(fields), Some(Task::Id)) => Event::Id(fields),
            (Response::List(listing), Some(Task::List)) if authenticated => Event::Mailbox(listing),
            (Response::MailboxStatus(status), Some(Task::Status)) if authenticated => {
                Event::Status(status)
            }
            (Response::Search(numbers), Some(Task::Search)) => Event::Found(numbers),
            // What was not asked for tells nothing (C9).
            _ => return,
        };
        self.events.push_back(event);
    }

    fn untagged(&mut self, status: Status) {
        self.alert(&status);
        match (status.condition, status.code) {
            // The answer to LOGOUT, which goes on with the tagged one.
            (Condition::Bye, _) if matches!(self.task(), Some(Task::Logout)) => {}
            (Condition::Bye, _) => {
                self.events.push_back(Event::Bye(status.text));
                self.closing = true;
            }
            (_, Some(ResponseCode::Capability(list))) => self.capabilities = list,
            _ => {}
        }
    }

    /// A whole FETCH response. A body in it came inline.
    fn fetched(&mut self, mut data: MessageData) {
        let Some(body) = data.body.take() else {
            self.events.push_back(Event::Message(Box::new(data)));
            return;
        };
        let wanted = self.check_body(&data).and_then(|()| self.body_comes());
        if let Err(violation) = wanted {
            if matches!(self.task(), Some(Task::FetchBody { .. })) {
                self.broken = Some(violation);
            }
            return;
        }
        self.events.push_back(Event::BodyBegins {
            size: body.len() as u64,
        });
        self.events.extend(
            body.chunks(MAX_OUTPUT)
                .map(|piece| Event::BodyPiece(piece.to_vec())),
        );
        self.events.push_back(Event::BodyEnds);
    }

    fn tagged(&mut self, tag: &[u8], status: Status) -> Result<(), Violation> {
        let Some(current) = self
            .current
            .take_if(|current| current.tag.as_bytes() == tag)
        else {
            return Err(Violation::UnknownTag);
        };
        if status.condition != Condition::Ok {
            return self.refused(current.task, status);
        }
        self.alert(&status);
        let done = match current.task {
            // An OK without a list says no more than a NO (C5).
            Task::Capability(_) if self.capabilities.iter().next().is_none() => {
                return Err(Violation::CapabilityRefused);
            }
            Task::Capability(then) => {
                self.events.extend(then);
                return Ok(());
            }
            Task::Authenticate(authentication) => {
                let mechanism = authentication.exchange.mechanism();
                authentication
                    .exchange
                    .succeeded()
                    .map_err(Violation::Sasl)?;
                self.logged_in(Some(mechanism), status.code);
                return Ok(());
            }
            Task::Login => {
                self.logged_in(None, status.code);
                return Ok(());
            }
            Task::Id => Done::Id,
            Task::List => Done::Listed,
            Task::Status => Done::Status,
            Task::Select(mut selected) => {
                if let Some(code) = &status.code {
                    note(&mut selected, code);
                }
                self.session = Session::Selected;
                Done::Selected(selected)
            }
            Task::Fetch | Task::FetchBody { .. } => Done::Fetched,
            Task::Store => Done::Stored,
            Task::Append { .. } => Done::Appended(match status.code {
                Some(ResponseCode::AppendUid(uid)) => Some(uid),
                _ => None,
            }),
            Task::Search => Done::Searched,
            Task::Idle(_) => Done::Idled,
            Task::Noop => Done::Nothing,
            Task::Logout => {
                self.closing = true;
                Done::LoggedOut
            }
        };
        self.events.push_back(Event::Done(done));
        Ok(())
    }

    /// Capabilities may differ now. They are asked for again unless the server told them already.
    fn logged_in(&mut self, mechanism: Option<Mechanism>, code: Option<ResponseCode>) {
        self.session = Session::Authenticated;
        let done = Event::Done(Done::Authenticated(mechanism));
        match code {
            Some(ResponseCode::Capability(list)) => {
                self.capabilities = list;
                self.events.push_back(done);
            }
            _ => self.ask_capabilities(done),
        }
    }

    fn refused(&mut self, task: Task, status: Status) -> Result<(), Violation> {
        match task {
            Task::Capability(_) => return Err(Violation::CapabilityRefused),
            // RFC 9051 §6.3.2: after a failed SELECT no mailbox is selected.
            Task::Select(_) => self.session = Session::Authenticated,
            _ => {}
        }
        self.events.push_back(Event::Refused(Refused {
            condition: status.condition,
            code: status.code,
            text: status.text,
        }));
        Ok(())
    }

    /// While a message is being appended nothing is read, and its owner is asked for one piece after the
    /// other.
    fn append_step(&mut self) -> Option<Step<Event, Violation>> {
        let Some(Current {
            task: Task::Append { left, stage },
            ..
        }) = &mut self.current
        else {
            return None;
        };
        match stage {
            Append::Waiting | Append::Sent => None,
            Append::Asked(_) => Some(Step::NeedReply),
            Append::Sending => {
                let wants = append_wants(*left);
                *stage = Append::Asked(wants);
                Some(Step::Event(Event::AppendWants(wants)))
            }
        }
    }

    fn read(&mut self) -> Result<bool, Violation> {
        match self.framer.next_frame()? {
            None => return Ok(false),
            Some(Frame::Literal(header)) => self.literal(header.size)?,
            Some(Frame::Piece(piece)) => self.events.push_back(Event::BodyPiece(piece)),
            Some(Frame::LiteralEnd) => {}
            Some(Frame::End) => {
                let text = self.framer.take_text();
                self.text(&text)?;
            }
        }
        Ok(true)
    }
}

/// Takes what a status response says about the mailbox being selected.
fn note(selected: &mut Selected, code: &ResponseCode) {
    match code {
        ResponseCode::UidValidity(number) => selected.uid_validity = Some(*number),
        ResponseCode::UidNext(number) => selected.uid_next = Some(*number),
        ResponseCode::HighestModSeq(number) => selected.highest_modseq = Some(*number),
        ResponseCode::PermanentFlags(flags) => selected.permanent_flags.clone_from(flags),
        ResponseCode::ReadOnly => selected.access = Access::ReadOnly,
        _ => {}
    }
}

impl Machine for Client<Sealed> {
    type Event = Event;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        if self.state.broken.is_none() {
            self.state.framer.push(bytes);
        }
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        let state = &mut self.state;
        loop {
            if let Some(event) = state.events.pop_front() {
                return Step::Event(event);
            }
            if !state.out.is_empty() {
                return Step::Output(state.out.split_to(MAX_OUTPUT));
            }
            if let Some(violation) = &state.broken {
                return Step::Err(violation.clone());
            }
            if state.closing {
                return Step::Close;
            }
            if let Some(step) = state.append_step() {
                return step;
            }
            match state.read() {
                Ok(true) => {}
                Ok(false) => return Step::NeedInput,
                Err(violation) => {
                    state.framer = Framer::new(LIMITS);
                    state.broken = Some(violation);
                }
            }
        }
    }
}
