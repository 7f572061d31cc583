//! The cleartext machine: greeting, CAPABILITY, NOOP, LOGOUT and STARTTLS (RFC 3501 §6.2.1, RFC 8314 §4).
//!
//! LOGIN and AUTHENTICATE are refused with the same bytes whatever follows them, which is not looked at.
//! A literal in them is not invited, or read past unseen.

use pillarbox_policy::{LegacyWindow, SecretBytes};

use crate::channel::End;
use crate::imap::framing::{Frame, FrameError, Framer, LiteralHeader, LiteralKind};
use crate::imap::grammar::Cursor;
use crate::{AsksForPermit, Clear, Injected, Legacy, Machine, OnChannel, Start, Step, Upgrade};

use super::commands::login::PRIVACY_REQUIRED;
use super::output::Output;
use super::{Dialogue, Limits, OnLoginChannel, Server, Violation, command};

/// The longest tag that is read and echoed.
const LONGEST_TAG: usize = 64;

/// Whether STARTTLS can succeed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// It can.
    Offered,
    /// There is no usable certificate: it is neither listed nor done (S4-6).
    NoCertificate,
}

/// Whether a cleartext session says that logins are possible: where a grant is open to its peer. Only a hint to the
/// client; each login is asked about when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginsInClear {
    /// `LOGINDISABLED` is not listed.
    Listed,
    /// It is.
    NotListed,
}

/// What a cleartext machine is started with.
#[derive(Debug, Clone, Copy)]
pub struct ClearSettings {
    /// Its limits, which a session under a window keeps.
    pub limits: Limits,
    /// Whether STARTTLS can succeed.
    pub starttls: StartTls,
    /// Whether logins are said to be possible.
    pub logins: LoginsInClear,
}

/// What a cleartext machine has to tell its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearEvent {
    /// STARTTLS was granted and nothing followed it: do the handshake.
    StartTls,
    /// LOGIN or AUTHENTICATE came, and nothing of it was looked at. Read the grants now, and answer with the window
    /// that is open, or [`AsksForPermit::refuse_login`].
    NeedPermit,
}

#[derive(Debug)]
enum Turn {
    Client,
    /// Literals nobody wants, then the end of the line, which is answered with this.
    Refusing {
        reply: String,
    },
    /// The handshake is next.
    Handshake,
    /// The session decides about a login; this frame of it has been seen and not answered.
    Permit(Frame),
    Over(Option<Violation>),
}

/// Whether a command did what it is for. Too many in a row that did not end the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    Yes,
    No,
}

/// The conversation of [`Server<Clear>`].
pub struct Cleartext {
    channel: Clear,
    settings: ClearSettings,
    framer: Framer,
    out: Output,
    turn: Turn,
    event: Option<ClearEvent>,
    bad: u32,
}

impl OnChannel for Server<Clear> {
    type Channel = Clear;

    fn channel(&self) -> &Clear {
        &self.0.channel
    }
}

impl Start for Server<Clear> {
    type Settings = ClearSettings;

    /// Starts on a cleartext port: greets.
    fn start(channel: &Clear, settings: ClearSettings) -> Self {
        let mut cleartext = Cleartext {
            channel: channel.share(),
            settings,
            framer: Framer::new(settings.limits.before_login),
            out: Output::default(),
            turn: Turn::Client,
            event: None,
            bad: 0,
        };
        let greeting = format!("* OK [CAPABILITY {}] Pillarbox", cleartext.capabilities());
        cleartext.out.line(&greeting);
        Self(cleartext)
    }
}

impl Upgrade for Server<Clear> {
    fn nothing_left(&self) -> Result<(), Injected> {
        End::Server.found(self.0.framer.pending())
    }
}

impl AsksForPermit for Server<Clear> {
    type Permitted = Server<Legacy>;

    /// STARTTLS is not to be had any more (S2).
    fn permitted(self, channel: Legacy, window: LegacyWindow) -> Server<Legacy> {
        let waiting = match self.0.turn {
            Turn::Permit(frame) => Some(frame),
            _ => None,
        };
        let limits = self.0.settings.limits;
        let (framer, shared) = (self.0.framer, channel.share());
        Server(OnLoginChannel {
            channel,
            dialogue: Dialogue::legacy(shared, window, limits, framer, waiting),
        })
    }

    fn refuse_login(&mut self) {
        let cleartext = &mut self.0;
        if let Turn::Permit(frame) = std::mem::replace(&mut cleartext.turn, Turn::Client) {
            let text = cleartext.framer.text().to_vec();
            let tag = Cursor::new(&text).tag().unwrap_or("*").to_owned();
            cleartext.settle(frame, format!("{tag} {PRIVACY_REQUIRED}"), Served::No);
        }
    }
}

impl Server<Clear> {
    /// Ends the session: `* BYE`, then close.
    pub fn bye(&mut self, text: &'static str) {
        self.0.out.line(&format!("* BYE {text}"));
        self.0.turn = Turn::Over(None);
    }
}

impl Cleartext {
    fn capabilities(&self) -> String {
        let mut list = "IMAP4rev1".to_owned();
        if self.settings.starttls == StartTls::Offered {
            list.push_str(" STARTTLS");
        }
        if self.settings.logins == LoginsInClear::NotListed {
            list.push_str(" LOGINDISABLED");
        }
        list
    }

    fn frame(&mut self, frame: Frame) {
        match (std::mem::replace(&mut self.turn, Turn::Client), frame) {
            (Turn::Client, frame @ (Frame::End | Frame::Literal(_))) => self.command(frame),
            (Turn::Refusing { reply }, Frame::Literal(header)) => {
                self.refuse_literal(header, reply)
            }
            (Turn::Refusing { reply }, Frame::End) => {
                self.framer.take_text();
                self.answer(&reply, Served::No);
            }
            (turn, _) => self.turn = turn,
        }
    }

    fn command(&mut self, frame: Frame) {
        let text = SecretBytes::from(self.framer.text());
        if command::is_http(&text) {
            self.turn = Turn::Over(Some(Violation::Http));
            return;
        }
        let mut cursor = Cursor::new(&text);
        let (tag, word) = match (cursor.tag(), cursor.space(), cursor.word()) {
            (Ok(tag), Ok(()), Ok(word)) if tag.len() <= LONGEST_TAG => {
                (tag, word.to_ascii_uppercase())
            }
            (Ok(tag), _, _) if tag.len() <= LONGEST_TAG => (tag, String::new()),
            _ => ("*", String::new()),
        };
        if matches!(word.as_str(), "LOGIN" | "AUTHENTICATE") {
            self.turn = Turn::Permit(frame);
            self.event = Some(ClearEvent::NeedPermit);
            return;
        }
        let whole = cursor.is_empty() && frame == Frame::End;
        let served = |reply: String| (reply, Served::Yes);
        let (reply, outcome) = match word.as_str() {
            "CAPABILITY" if whole => served(format!(
                "* CAPABILITY {}\r\n{tag} OK CAPABILITY completed",
                self.capabilities()
            )),
            "NOOP" if whole => served(format!("{tag} OK NOOP completed")),
            "LOGOUT" if whole => {
                self.turn = Turn::Over(None);
                served(format!("* BYE Goodbye\r\n{tag} OK LOGOUT completed"))
            }
            "STARTTLS" if whole => return self.starttls(tag),
            "CAPABILITY" | "NOOP" | "LOGOUT" | "STARTTLS" => (
                format!("{tag} BAD expected the end of the line"),
                Served::No,
            ),
            _ => (
                format!("{tag} BAD Encryption is required before anything else"),
                Served::No,
            ),
        };
        self.settle(frame, reply, outcome);
    }

    /// Answers the command that this frame is of.
    fn settle(&mut self, frame: Frame, reply: String, outcome: Served) {
        match frame {
            Frame::Literal(header) => self.refuse_literal(header, reply),
            _ => {
                self.framer.take_text();
                self.answer(&reply, outcome);
            }
        }
    }

    fn starttls(&mut self, tag: &str) {
        self.framer.take_text();
        let bytes = self.framer.pending();
        match self.settings.starttls {
            StartTls::NoCertificate => {
                self.out.line(&format!(
                    "{tag} NO There is no certificate; tell the operator"
                ));
            }
            StartTls::Offered if bytes > 0 => {
                self.out
                    .line(&format!("{tag} BAD Nothing may follow STARTTLS"));
                self.turn = Turn::Over(Some(Violation::Injected(Injected {
                    found_by: End::Server,
                    bytes,
                })));
            }
            StartTls::Offered => {
                self.out.line(&format!("{tag} OK Begin TLS now"));
                self.turn = Turn::Handshake;
                self.event = Some(ClearEvent::StartTls);
            }
        }
    }

    fn refuse_literal(&mut self, header: LiteralHeader, reply: String) {
        match header.kind {
            LiteralKind::Synchronizing => {
                self.framer.refuse();
                self.answer(&reply, Served::No);
            }
            // What is read past counts as a line does.
            LiteralKind::NonSynchronizing
                if header.size <= self.settings.limits.before_login.line as u64 =>
            {
                self.framer.skip();
                self.turn = Turn::Refusing { reply };
            }
            LiteralKind::NonSynchronizing => {
                self.out.line(&reply);
                self.end(Violation::Literal(header.size), "Too much at once");
            }
        }
    }

    /// Puts out the answer to a command, and counts those that did nothing.
    fn answer(&mut self, reply: &str, outcome: Served) {
        self.out.line(reply);
        match outcome {
            Served::Yes => self.bad = 0,
            Served::No => self.bad += 1,
        }
        if self.bad >= self.settings.limits.bad_before_login {
            self.end(Violation::TooManyBad, "Too many bad commands");
        }
    }

    fn broken(&mut self, error: FrameError) {
        match error {
            FrameError::Line(line) if line.is_fatal() => {
                self.end(Violation::Line(line), "That is no line");
            }
            FrameError::Line(_) | FrameError::TextTooLong => {
                self.framer.take_text();
                self.turn = Turn::Client;
                self.answer("* BAD The line is too long", Served::No);
            }
        }
    }

    fn end(&mut self, violation: Violation, text: &str) {
        self.out.line(&format!("* BYE {text}"));
        self.turn = Turn::Over(Some(violation));
    }
}

impl Machine for Server<Clear> {
    type Event = ClearEvent;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        self.0.framer.push(bytes);
    }

    fn poll(&mut self) -> Step<ClearEvent, Violation> {
        loop {
            if let Some(piece) = self.0.out.next_piece() {
                return Step::Output(piece);
            }
            if let Some(event) = self.0.event.take() {
                return Step::Event(event);
            }
            match &self.0.turn {
                Turn::Over(None) => return Step::Close,
                Turn::Over(Some(violation)) => return Step::Err(*violation),
                Turn::Handshake | Turn::Permit(_) => return Step::NeedReply,
                Turn::Client | Turn::Refusing { .. } => {}
            }
            match self.0.framer.next_frame() {
                Ok(Some(frame)) => self.0.frame(frame),
                Ok(None) => return Step::NeedInput,
                Err(error) => self.0.broken(error),
            }
        }
    }
}
