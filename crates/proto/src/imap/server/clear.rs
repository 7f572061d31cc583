//! The cleartext machine: greeting, CAPABILITY, NOOP, LOGOUT and STARTTLS (RFC 3501 §6.2.1, RFC 8314 §4).
//!
//! LOGIN and AUTHENTICATE are refused with the same bytes whatever follows them, which is not looked at.
//! A literal in them is not invited, or read past unseen.

use pillarbox_policy::{
    AuthPermit, Channel, LegacyWindow, MayAuthenticate, NoTls, TlsFacts, may_authenticate,
};

use crate::channel::End;
use crate::imap::framing::{Frame, FrameError, Framer, LiteralHeader, LiteralKind};
use crate::imap::grammar::Cursor;
use crate::{Clear, Injected, Machine, Sealed, Step};

use super::commands::login::PRIVACY_REQUIRED;
use super::output::Output;
use super::{Dialogue, Limits, Server, Violation, command};

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

/// What a cleartext session has to tell its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearEvent {
    /// STARTTLS was granted and nothing followed it: flush, do the handshake, then
    /// [`Server::into_sealed`].
    StartTls,
    /// LOGIN or AUTHENTICATE came, and the operator's window permits it: [`Server::into_legacy`].
    Legacy(AuthPermit),
}

#[derive(Debug)]
enum Turn {
    Client,
    /// Literals nobody wants, then the end of the line, which is answered with this.
    Refusing {
        reply: String,
    },
    /// The owner does the handshake.
    Handshake,
    /// The owner goes on with a dialogue; this frame has been seen and not answered.
    Legacy(Frame),
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
    limits: Limits,
    starttls: StartTls,
    permit: Option<AuthPermit>,
    framer: Framer,
    out: Output,
    turn: Turn,
    event: Option<ClearEvent>,
    bad: u32,
}

impl Server<Clear> {
    /// Starts on a cleartext port: greets.
    #[must_use]
    pub fn new(limits: Limits, starttls: StartTls, window: Option<&LegacyWindow>) -> Self {
        let channel = Channel::Clear(NoTls::NotOffered);
        let permit = match may_authenticate(&channel, window) {
            MayAuthenticate::Yes(permit) => Some(permit),
            MayAuthenticate::NotBeforeTls => None,
        };
        let mut cleartext = Cleartext {
            limits,
            starttls,
            permit,
            framer: Framer::new(limits.before_login),
            out: Output::default(),
            turn: Turn::Client,
            event: None,
            bad: 0,
        };
        let greeting = format!("* OK [CAPABILITY {}] Pillarbox", cleartext.capabilities());
        cleartext.out.line(&greeting);
        Self(cleartext)
    }

    /// The handshake that [`ClearEvent::StartTls`] asked for has these facts: starts from nothing inside TLS.
    /// No greeting is put out again (RFC 3501 §6.2.1).
    ///
    /// # Errors
    /// Bytes were given to this machine after STARTTLS (S1).
    pub fn into_sealed(self, facts: TlsFacts) -> Result<Server<Sealed>, Injected> {
        match self.0.framer.pending() {
            0 => Ok(Server(Dialogue::sealed(facts, self.0.limits))),
            bytes => Err(Injected {
                found_by: End::Server,
                bytes,
            }),
        }
    }

    /// Goes on in the clear, as the operator has granted. STARTTLS is not to be had any more (S2).
    #[must_use]
    pub fn into_legacy(self, permit: AuthPermit) -> Dialogue {
        let waiting = match self.0.turn {
            Turn::Legacy(frame) => Some(frame),
            _ => None,
        };
        Dialogue::legacy(permit, self.0.limits, self.0.framer, waiting)
    }

    /// Ends the session: `* BYE`, then close.
    pub fn bye(&mut self, text: &'static str) {
        self.0.out.line(&format!("* BYE {text}"));
        self.0.turn = Turn::Over(None);
    }
}

impl Cleartext {
    fn capabilities(&self) -> String {
        let mut list = "IMAP4rev1".to_owned();
        if self.starttls == StartTls::Offered {
            list.push_str(" STARTTLS");
        }
        if self.permit.is_none() {
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
        let text = self.framer.text().to_vec();
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
        let login = matches!(word.as_str(), "LOGIN" | "AUTHENTICATE");
        if login && let Some(permit) = self.permit {
            self.turn = Turn::Legacy(frame);
            self.event = Some(ClearEvent::Legacy(permit));
            return;
        }
        let whole = cursor.is_empty() && frame == Frame::End;
        let served = |reply: String| (reply, Served::Yes);
        let (reply, outcome) = match word.as_str() {
            "LOGIN" | "AUTHENTICATE" => (format!("{tag} {PRIVACY_REQUIRED}"), Served::No),
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
        match self.starttls {
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
                if header.size <= self.limits.before_login.line as u64 =>
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
        if self.bad >= self.limits.bad_before_login {
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
                Turn::Handshake | Turn::Legacy(_) => return Step::NeedReply,
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
