//! [`Dialogue`]: everything that may be said once policy permits authentication.

use pillarbox_policy::{AuthPermit, LegacyWindow, SecretBytes};

use crate::channel::permit;
use crate::imap::framing::{Frame, FrameError, Framer, LiteralHeader, LiteralKind};
use crate::imap::grammar::Cursor;
use crate::sasl::Mechanism;
use crate::sasl::server::Offer;
use crate::{Legacy, Sealed, Step};

use super::command::{self, Bad, Event, Naming, Parsed, When};
use super::commands::append::{self, Announced};
use super::commands::idle;
use super::commands::login::Attempt;
use super::commands::select::Access;
use super::output::Output;
use super::{Code, Completion, Limits, Violation};
use crate::machine::MAX_OUTPUT;

/// The longest tag that is read. Clients use a handful of octets; it is echoed, also before login.
const LONGEST_TAG: usize = 64;

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    BeforeLogin,
    Authenticated,
    Selected(Access),
}

/// Whether modification sequences are told with flags (RFC 7162 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modseqs {
    Untold,
    Told,
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Turn {
    /// The client's: its next command.
    Client,
    /// The owner's: it completes this command.
    Owner(Pending),
    /// The session's: it decides whether a login in the clear, of which this frame has been seen, may be read.
    Permit(Frame),
    /// The owner's: it answers for an authentication.
    LoginOwner(Box<Attempt>),
    /// The client's: its next line of an exchange.
    LoginClient(Box<Attempt>),
    /// The owner's: it takes or refuses a message.
    AppendOwner { tag: String, header: LiteralHeader },
    /// The client's: the octets of a message.
    AppendStream { tag: String },
    /// The client's: the end of APPEND's line.
    AppendTail { tag: String },
    /// The client's: literals nobody wants, then the end of the line, which is answered with this.
    Refusing { reply: String },
    /// The client's: DONE.
    Idling { tag: String },
    /// Nobody's.
    Over(Option<Violation>),
}

/// A command the owner completes.
#[derive(Debug)]
pub(super) struct Pending {
    tag: String,
    name: &'static str,
    /// BAD, whatever the owner says.
    spoiled: Option<&'static str>,
    /// The mailbox that is being opened.
    selecting: Option<Access>,
}

/// What the conversation runs over, and so how logins are taken.
#[derive(Debug)]
pub(super) enum Over {
    Tls(Sealed),
    /// Each login needs a window; this is the one for the login being read.
    Clear(Legacy, Option<LegacyWindow>),
}

/// See the [module above](super). Waits for its owner after every event that wants an answer.
pub struct Dialogue {
    limits: Limits,
    over: Over,
    /// How to log in, where policy permits it.
    offer: Option<Offer>,
    framer: Framer,
    /// A frame that was read before this dialogue began.
    waiting: Option<Frame>,
    out: Output,
    phase: Phase,
    turn: Turn,
    event: Option<Event>,
    /// Whether the response being written has had an item.
    items: bool,
    modseqs: Modseqs,
    bad: u32,
    failed_logins: u32,
}

impl std::fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialogue")
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl Dialogue {
    fn new(limits: Limits, over: Over, framer: Framer) -> Self {
        let offer = over.permit().map(|permit| Offer::new(&permit));
        Self {
            limits,
            over,
            offer,
            framer,
            waiting: None,
            out: Output::default(),
            phase: Phase::BeforeLogin,
            turn: Turn::Client,
            event: None,
            items: false,
            modseqs: Modseqs::Untold,
            bad: 0,
            failed_logins: 0,
        }
    }

    /// Starts from nothing inside TLS.
    pub(super) fn sealed(channel: Sealed, limits: Limits) -> Self {
        let framer = Framer::new(limits.before_login);
        Self::new(limits, Over::Tls(channel), framer)
    }

    /// Goes on in the clear with what a cleartext machine has read.
    pub(super) fn legacy(
        channel: Legacy,
        window: LegacyWindow,
        limits: Limits,
        framer: Framer,
        waiting: Option<Frame>,
    ) -> Self {
        let mut dialogue = Self::new(limits, Over::Clear(channel, Some(window)), framer);
        dialogue.waiting = waiting;
        dialogue
    }

    /// Goes on with the login that waits for a permit, or refuses it (S4.1-5).
    pub(super) fn permit(&mut self, window: Option<LegacyWindow>) {
        let frame = match self.take_turn() {
            Turn::Permit(frame) => frame,
            other => {
                self.turn = other;
                return;
            }
        };
        if let Over::Clear(_, slot) = &mut self.over {
            *slot = window;
        }
        if self.over.permit().is_some() {
            self.waiting = Some(frame);
            return;
        }
        let text = self.framer.text().to_vec();
        let tag = Cursor::new(&text).tag().unwrap_or("*").to_owned();
        let reply = format!("{tag} {}", super::commands::login::PRIVACY_REQUIRED);
        match frame {
            Frame::Literal(header) => self.refuse_literal(header, reply),
            _ => {
                self.framer.take_text();
                self.out.line(&reply);
                self.count_bad();
            }
        }
    }

    /// Whether the command being read is a login that has to be asked about first.
    fn needs_permit(&self) -> bool {
        let mut cursor = Cursor::new(self.framer.text());
        self.phase == Phase::BeforeLogin
            && self.over.permit().is_none()
            && cursor.tag().is_ok()
            && cursor.space().is_ok()
            && cursor.word().is_ok_and(|word| {
                ["LOGIN", "AUTHENTICATE"]
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(word))
            })
    }

    pub(super) fn greet(&mut self) {
        let line = format!("* OK [CAPABILITY {}] Pillarbox", self.capabilities());
        self.out.line(&line);
    }

    /// Ends the command under way: writes its tagged response. What is new must have been put out before.
    /// Without a command under way it does nothing.
    pub fn complete(&mut self, completion: Completion) {
        let pending = match self.take_turn() {
            Turn::Owner(pending) => pending,
            other => {
                self.turn = other;
                return;
            }
        };
        let Pending {
            tag, name, spoiled, ..
        } = pending;
        let completion = spoiled.map_or(completion, Completion::Bad);
        let line = match completion {
            Completion::Ok(None) => format!("{tag} OK {name} completed"),
            Completion::Ok(Some(code)) => format!("{tag} OK [{code}] {name} completed"),
            Completion::No(None, text) => format!("{tag} NO {text}"),
            Completion::No(Some(code), text) => format!("{tag} NO [{code}] {text}"),
            Completion::Bad(text) => format!("{tag} BAD {text}"),
        };
        self.bad = 0;
        self.out.line(&line);
    }

    /// Ends the session: `* BYE`, then close. Only between responses, never inside one.
    pub fn bye(&mut self, text: &'static str) {
        self.out.line(&format!("* BYE {text}"));
        self.turn = Turn::Over(None);
    }

    /// Shows text that the user has to be shown (RFC 3501 §7.1 `ALERT`).
    pub fn alert(&mut self, text: &'static str) {
        self.out.line(&format!("* OK [ALERT] {text}"));
    }

    /// Whether the owner should let output be written before it adds more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.out.len() >= MAX_OUTPUT
    }

    /// Whether a command waits for [`Dialogue::complete`].
    #[must_use]
    pub fn awaits_completion(&self) -> bool {
        matches!(self.turn, Turn::Owner(_))
    }

    /// Whether flag changes have to be told with modification sequences (RFC 7162 §3.1).
    #[must_use]
    pub fn announces_modseqs(&self) -> bool {
        self.modseqs == Modseqs::Told
    }

    /// Takes the message: invites it where the client waits for that. Its octets come as
    /// [`Event::AppendPiece`].
    pub fn append_accept(&mut self) {
        let Some((tag, header)) = self.take_announced() else {
            return;
        };
        if header.kind == LiteralKind::Synchronizing {
            self.out.line("+ Ready");
        }
        self.framer.stream();
        self.turn = Turn::AppendStream { tag };
    }

    /// Refuses the message before it is sent, or reads past it where it is on its way already.
    pub fn append_refuse(&mut self, code: Code, text: &'static str) {
        let Some((tag, header)) = self.take_announced() else {
            return;
        };
        self.refuse_literal(header, format!("{tag} NO [{code}] {text}"));
    }

    /// Breaks a message off that has begun to stream: what is left is read past, then this is the answer.
    pub fn append_break(&mut self, code: Code, text: &'static str) {
        let tag = match self.take_turn() {
            Turn::AppendStream { tag } => tag,
            other => {
                self.turn = other;
                return;
            }
        };
        self.framer.skip_rest();
        self.turn = Turn::Refusing {
            reply: format!("{tag} NO [{code}] {text}"),
        };
    }

    fn frame(&mut self, frame: Frame) {
        match (self.take_turn(), frame) {
            (Turn::Client, frame @ (Frame::Literal(_) | Frame::End)) if self.needs_permit() => {
                self.turn = Turn::Permit(frame);
                self.event = Some(Event::NeedPermit);
            }
            (Turn::Client, Frame::Literal(header)) => self.literal(header),
            (Turn::Client, Frame::End) => self.command(),
            (Turn::LoginClient(attempt), Frame::End) => {
                let line = self.framer.take_text();
                self.exchange_line(attempt, &line);
            }
            (Turn::LoginClient(attempt), Frame::Literal(header)) => {
                let reply = format!("{} BAD expected base64", Self::attempt_tag(&attempt));
                self.refuse_literal(header, reply);
            }
            (Turn::AppendStream { tag }, Frame::Piece(piece)) => {
                self.turn = Turn::AppendStream { tag };
                self.event = Some(Event::AppendPiece(piece));
            }
            (Turn::AppendStream { tag }, Frame::LiteralEnd) => self.turn = Turn::AppendTail { tag },
            (Turn::AppendTail { tag }, Frame::End) => {
                if self.framer.take_text().is_empty() {
                    self.owner(tag, "APPEND", Event::AppendEnd);
                } else {
                    self.event = Some(Event::AppendAborted);
                    self.bad(&tag, "expected the end of the line");
                }
            }
            (Turn::AppendTail { tag }, Frame::Literal(header)) => {
                self.event = Some(Event::AppendAborted);
                self.refuse_literal(header, format!("{tag} BAD one message at a time"));
            }
            (Turn::Refusing { reply }, Frame::Literal(header)) => {
                self.refuse_literal(header, reply)
            }
            (Turn::Refusing { reply }, Frame::End) => {
                self.framer.take_text();
                self.out.line(&reply);
                self.count_bad();
            }
            (Turn::Idling { tag }, Frame::End) => {
                let line = self.framer.take_text();
                self.owner(tag, "IDLE", Event::IdleEnd);
                if !idle::is_done(&line) {
                    self.spoil("expected DONE");
                }
            }
            (Turn::Idling { .. }, Frame::Literal(header)) => {
                self.end(Violation::Literal(header.size), "A literal inside IDLE");
            }
            // The end of a literal that was skipped; nothing else comes here.
            (turn, _) => self.turn = turn,
        }
    }

    /// A literal was announced inside a command.
    fn literal(&mut self, header: LiteralHeader) {
        let text = SecretBytes::from(self.framer.text());
        let mut cursor = Cursor::new(&text);
        let (tag, name) = match self.head(&mut cursor) {
            Ok((tag, name, _)) => (tag, name),
            Err((tag, bad)) => return self.refuse_literal(header, bad_reply(tag.as_deref(), bad)),
        };
        if name == "APPEND" {
            match append::announced(&mut cursor, header) {
                Ok(Announced::Message(head)) => return self.message_announced(tag, header, head),
                Ok(Announced::Name) => {}
                Err(error) => {
                    return self.refuse_literal(header, bad_reply(Some(&tag), error.into()));
                }
            }
        }
        if self.framer.take_inline().is_err() {
            return self.refuse_literal(
                header,
                format!("{tag} BAD [TOOBIG] The literal is too long here"),
            );
        }
        if header.kind == LiteralKind::Synchronizing {
            self.out.line("+ Ready");
        }
    }

    fn message_announced(
        &mut self,
        tag: String,
        header: LiteralHeader,
        head: Result<super::AppendHead, super::BadMailboxName>,
    ) {
        self.turn = Turn::AppendOwner { tag, header };
        match head {
            Err(_) => self.append_refuse(Code::Cannot, "That cannot be a mailbox name"),
            Ok(_) if header.size > self.limits.message => {
                self.append_refuse(Code::TooBig, "The message is larger than the limit");
            }
            Ok(head) => self.event = Some(Event::Append(head)),
        }
    }

    /// Answers `reply` to a command with a literal that is not wanted: at once where the client waits for
    /// leave to send it, else after reading past it.
    fn refuse_literal(&mut self, header: LiteralHeader, reply: String) {
        match header.kind {
            LiteralKind::Synchronizing => {
                self.framer.refuse();
                self.out.line(&reply);
                self.count_bad();
            }
            LiteralKind::NonSynchronizing if header.size <= self.limits.skip => {
                self.framer.skip();
                self.turn = Turn::Refusing { reply };
            }
            LiteralKind::NonSynchronizing => {
                self.out.line(&reply);
                self.end(Violation::Literal(header.size), "Too much at once");
            }
        }
    }

    /// Reads tag and name, and checks that the command may come now.
    fn head(
        &self,
        cursor: &mut Cursor<'_>,
    ) -> Result<(String, &'static str, Naming), (Option<String>, Bad)> {
        let tag = cursor.tag().map_err(|error| (None, error.into()))?;
        if tag.len() > LONGEST_TAG {
            return Err((None, cursor.error("a shorter tag").into()));
        }
        let tag = tag.to_owned();
        let fail = |bad| (Some(tag.clone()), bad);
        cursor.space().map_err(|error| fail(error.into()))?;
        let word = cursor.word().map_err(|error| fail(error.into()))?;
        let (mut name, mut when) =
            command::known(word, Naming::Sequence).ok_or_else(|| fail(Bad::Unknown))?;
        let mut naming = Naming::Sequence;
        if name == "UID" {
            naming = Naming::Uid;
            cursor.space().map_err(|error| fail(error.into()))?;
            let word = cursor.word().map_err(|error| fail(error.into()))?;
            (name, when) = command::known(word, naming).ok_or_else(|| fail(Bad::Unknown))?;
        }
        let now = match when {
            When::Always => true,
            When::BeforeLogin => self.phase == Phase::BeforeLogin,
            When::AfterLogin => self.phase != Phase::BeforeLogin,
            When::Selected => matches!(self.phase, Phase::Selected(_)),
        };
        if now {
            Ok((tag, name, naming))
        } else {
            Err(fail(Bad::NotNow))
        }
    }

    /// A whole command is here.
    fn command(&mut self) {
        let text = self.framer.take_text();
        if self.phase == Phase::BeforeLogin && command::is_http(&text) {
            self.turn = Turn::Over(Some(Violation::Http));
            return;
        }
        let mut cursor = Cursor::new(&text);
        let (tag, name, naming) = match self.head(&mut cursor) {
            Ok(head) => head,
            Err((tag, bad)) => {
                self.out.line(&bad_reply(tag.as_deref(), bad));
                return self.count_bad();
            }
        };
        let access = match self.phase {
            Phase::Selected(access) => Some(access),
            Phase::BeforeLogin | Phase::Authenticated => None,
        };
        let permit = self.over.permit();
        let parsed = command::arguments(name, naming, &mut cursor, permit.as_ref(), access);
        if let Over::Clear(_, window) = &mut self.over {
            *window = None;
        }
        match parsed {
            Ok(parsed) => self.run(tag, name, parsed),
            Err(Bad::ReadOnly) => {
                let line = "NO [READ-ONLY] The mailbox was opened for reading only";
                self.reply(&tag, line);
            }
            Err(bad) => {
                self.out.line(&bad_reply(Some(&tag), bad));
                self.count_bad();
            }
        }
    }

    fn run(&mut self, tag: String, name: &'static str, parsed: Parsed) {
        match parsed {
            Parsed::Login(started) => {
                self.event = self.start_login(tag, started);
                return;
            }
            Parsed::PrivacyRequired => {
                return self.reply(&tag, super::commands::login::PRIVACY_REQUIRED);
            }
            Parsed::StartTls => return self.bad(&tag, "not now"),
            Parsed::Idle => {
                self.out.line("+ Idling");
                self.turn = Turn::Idling { tag };
                self.event = Some(Event::Idle);
                return;
            }
            _ => {}
        }
        self.turn = Turn::Owner(Pending {
            tag,
            name,
            spoiled: None,
            selecting: None,
        });
        match parsed {
            Parsed::Capability => {
                let line = format!("* CAPABILITY {}", self.capabilities());
                self.out.line(&line);
                self.complete(Completion::DONE);
            }
            Parsed::Noop if self.phase == Phase::BeforeLogin => self.complete(Completion::DONE),
            Parsed::Noop => self.event = Some(Event::Noop),
            Parsed::Logout => {
                self.out.line("* BYE Goodbye");
                self.complete(Completion::DONE);
                self.turn = Turn::Over(None);
            }
            Parsed::Id(fields) => {
                // The client's words are for the login record; in the clear nobody's words are taken.
                self.put_id();
                self.complete(Completion::DONE);
                if !self.is_clear() {
                    self.event = Some(Event::Id(fields));
                }
            }
            Parsed::Enable(names) => self.enable(&names),
            Parsed::Namespace => {
                self.put_namespace();
                self.complete(Completion::DONE);
            }
            Parsed::Separator => {
                self.put_separator();
                self.complete(Completion::DONE);
            }
            Parsed::BadCharset => self.put_bad_charset(),
            Parsed::Refused(completion) => self.complete(completion),
            Parsed::Leave(event) => {
                // CLOSE has to know what it may expunge: the event says so.
                self.phase = Phase::Authenticated;
                self.event = Some(event);
            }
            Parsed::Ask(event) => self.ask(event),
            Parsed::Login(_) | Parsed::PrivacyRequired | Parsed::StartTls | Parsed::Idle => {}
        }
    }

    fn ask(&mut self, event: Event) {
        if let Event::Select(select) = &event {
            if let Phase::Selected(_) = self.phase
                && self.announces_modseqs()
            {
                // RFC 7162 §3.2.11: what follows is about the new mailbox.
                self.out
                    .line("* OK [CLOSED] The previous mailbox is closed");
            }
            self.phase = Phase::Authenticated;
            if let Turn::Owner(pending) = &mut self.turn {
                pending.selecting = Some(select.access);
            }
        }
        if event.announces_modseqs() {
            self.modseqs = Modseqs::Told;
        }
        self.event = Some(event);
    }

    fn enable(&mut self, names: &[String]) {
        let mut enabled = String::new();
        if names.iter().any(|name| name == "CONDSTORE") {
            self.modseqs = Modseqs::Told;
            enabled.push_str(" CONDSTORE");
        }
        self.out.line(&format!("* ENABLED{enabled}"));
        self.complete(Completion::DONE);
    }

    fn broken(&mut self, error: FrameError) {
        match error {
            FrameError::Line(line) if line.is_fatal() => {
                self.end(Violation::Line(line), "That is no line");
            }
            FrameError::Line(_) | FrameError::TextTooLong => {
                if matches!(self.turn, Turn::AppendTail { .. }) {
                    self.event = Some(Event::AppendAborted);
                }
                self.turn = Turn::Client;
                self.framer.take_text();
                self.out.line("* BAD The line is too long");
                self.count_bad();
            }
        }
    }
}

/// What the command files need of the dialogue.
impl Dialogue {
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn mechanisms(&self) -> &'static [Mechanism] {
        self.offer.as_ref().map_or(&[], Offer::mechanisms)
    }

    pub(super) fn offer(&mut self) -> Option<&mut Offer> {
        self.offer.as_mut()
    }

    pub(super) fn output(&mut self) -> &mut Output {
        &mut self.out
    }

    pub(super) fn is_clear(&self) -> bool {
        matches!(self.over, Over::Clear(..))
    }

    /// The tag of the command under way.
    pub(super) fn tag(&self) -> &str {
        match &self.turn {
            Turn::Owner(pending) => &pending.tag,
            _ => "",
        }
    }

    /// The mailbox that is being opened is opened how?
    pub(super) fn selecting(&self) -> Option<Access> {
        match &self.turn {
            Turn::Owner(pending) => pending.selecting,
            _ => None,
        }
    }

    /// The turn, which is the client's from now on unless it is set again.
    pub(super) fn take_turn(&mut self) -> Turn {
        std::mem::replace(&mut self.turn, Turn::Client)
    }

    /// The authentication the owner answers for, if it does.
    pub(super) fn take_attempt(&mut self) -> Option<Box<Attempt>> {
        match self.take_turn() {
            Turn::LoginOwner(attempt) => Some(attempt),
            other => {
                self.turn = other;
                None
            }
        }
    }

    /// The message the owner takes or refuses, if it does.
    fn take_announced(&mut self) -> Option<(String, LiteralHeader)> {
        match self.take_turn() {
            Turn::AppendOwner { tag, header } => Some((tag, header)),
            other => {
                self.turn = other;
                None
            }
        }
    }

    pub(super) fn set_turn(&mut self, turn: Turn) {
        self.turn = turn;
    }

    pub(super) fn queue(&mut self, event: Event) {
        self.event = Some(event);
    }

    pub(super) fn first_item(&mut self) {
        self.items = false;
    }

    /// What parts the next item of a response from the one before.
    pub(super) fn next_item(&mut self) -> &'static str {
        if std::mem::replace(&mut self.items, true) {
            " "
        } else {
            ""
        }
    }

    pub(super) fn reply(&mut self, tag: &str, rest: &str) {
        self.out.line(&format!("{tag} {rest}"));
    }

    pub(super) fn bad(&mut self, tag: &str, what: &str) {
        self.out.line(&format!("{tag} BAD {what}"));
        self.count_bad();
    }

    pub(super) fn widen_limits(&mut self) {
        self.bad = 0;
        self.framer.set_limits(self.limits.after_login);
    }

    pub(super) fn count_failed_login(&mut self, violation: Violation) {
        self.failed_logins += 1;
        if self.failed_logins >= self.limits.failed_logins {
            self.end(violation, "Too many failed logins");
        }
    }

    fn owner(&mut self, tag: String, name: &'static str, event: Event) {
        self.turn = Turn::Owner(Pending {
            tag,
            name,
            spoiled: None,
            selecting: None,
        });
        self.event = Some(event);
    }

    fn spoil(&mut self, text: &'static str) {
        if let Turn::Owner(pending) = &mut self.turn {
            pending.spoiled = Some(text);
        }
    }

    fn count_bad(&mut self) {
        self.bad += 1;
        let most = match self.phase {
            Phase::BeforeLogin => self.limits.bad_before_login,
            Phase::Authenticated | Phase::Selected(_) => self.limits.bad_after_login,
        };
        if self.bad >= most {
            self.end(Violation::TooManyBad, "Too many bad commands");
        }
    }

    fn end(&mut self, violation: Violation, text: &str) {
        self.out.line(&format!("* BYE {text}"));
        self.turn = Turn::Over(Some(violation));
    }
}

impl Over {
    fn permit(&self) -> Option<AuthPermit<'_>> {
        match self {
            Self::Tls(channel) => permit(channel, None),
            Self::Clear(channel, window) => permit(channel, window.as_ref()),
        }
    }
}

fn bad_reply(tag: Option<&str>, bad: Bad) -> String {
    let tag = tag.unwrap_or("*");
    match bad {
        Bad::Unknown => format!("{tag} BAD Unknown command"),
        Bad::NotNow => format!("{tag} BAD not now"),
        Bad::ReadOnly => format!("{tag} NO [READ-ONLY] The mailbox was opened for reading only"),
        Bad::Syntax(error) => format!("{tag} BAD {error}"),
    }
}

/// Its [`Machine`], which is [`super::Server`]'s.
impl Dialogue {
    pub(super) fn input(&mut self, bytes: &[u8]) {
        self.framer.push(bytes);
    }

    pub(super) fn poll(&mut self) -> Step<Event, Violation> {
        loop {
            if let Some(piece) = self.out.next_piece() {
                return Step::Output(piece);
            }
            if let Some(event) = self.event.take() {
                return Step::Event(event);
            }
            match &self.turn {
                Turn::Over(None) => return Step::Close,
                Turn::Over(Some(violation)) => return Step::Err(*violation),
                Turn::Owner(_)
                | Turn::Permit(_)
                | Turn::LoginOwner(_)
                | Turn::AppendOwner { .. } => {
                    return Step::NeedReply;
                }
                _ => {}
            }
            let frame = match self.waiting.take() {
                Some(frame) => Ok(Some(frame)),
                None => self.framer.next_frame(),
            };
            match frame {
                Ok(Some(frame)) => self.frame(frame),
                Ok(None) => return Step::NeedInput,
                Err(error) => self.broken(error),
            }
        }
    }
}
