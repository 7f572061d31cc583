//! What one protocol puts into a [`super::Server`] ([`Protocol`]), and what its session has whatever the protocol
//! ([`Shared`]): lines, output, events, logins, limits, and the end.

use pillarbox_policy::{AuthPermit, SecretBytes};

use super::event::{Event, Goodbye};
use crate::channel::{End, Injected};
use crate::line::{LineBuffer, LineLimits};
use crate::machine::MAX_OUTPUT;
use crate::sasl::{AuthenticationStep, LoginAnswer, LoginReply, Logins};
use crate::session_limits::SessionCounts;
use crate::{SessionLimits, Step, Violation};

/// A protocol with lines, STARTTLS and SASL.
pub trait Protocol {
    /// What it has to know at the start.
    type Config;
    /// What it asks its session for.
    type Request;

    /// How many octets of replies are gathered before they are output.
    const FLUSH: usize;
    /// What stands before a challenge.
    const CHALLENGE: &'static [u8];

    /// A session whose logins are taken so.
    fn new(config: Self::Config, logins: Logins) -> Self;

    /// What it shares with other protocols.
    fn shared(&self) -> &Shared<Self::Request>;

    /// The same, to be changed.
    fn shared_mut(&mut self) -> &mut Shared<Self::Request>;

    /// Greets.
    fn greet(&mut self);

    /// Does the next piece of work, while neither a login nor the end is to be seen to.
    fn work(&mut self) -> Progress;

    /// Reads the login in this line, which is permitted.
    fn permitted_login(&mut self, line: &[u8]);

    /// Refuses the login in the clear that nobody has looked at (S4.1-5).
    fn refuse_login(&mut self);

    /// Says how a login ended.
    fn login_reply(&mut self, reply: LoginReply);

    /// Says what the client is owed where it broke the protocol.
    fn last_words(&mut self, violation: Violation);

    /// Says goodbye, and ends.
    fn say_goodbye(&mut self, why: Goodbye);

    /// See [`super::LoginMachine::client_name`].
    fn client_name(&self) -> Option<String> {
        None
    }

    /// Ends the session because of what the client did.
    fn give_up(&mut self, violation: Violation) {
        self.last_words(violation);
        self.shared_mut().end(Err(violation));
    }

    /// Ends the session where a limit was reached.
    fn unless_too_many(&mut self, counted: Result<(), Violation>) {
        if let Err(violation) = counted {
            self.give_up(violation);
        }
    }

    /// Goes on with a login.
    fn login_step(&mut self, step: Option<AuthenticationStep>) {
        let shared = self.shared_mut();
        match step {
            None => {}
            Some(AuthenticationStep::Challenge(challenge)) => {
                shared.out.extend_from_slice(Self::CHALLENGE);
                shared.say(&challenge);
                shared.lines.set_limits(shared.exchange_lines);
                shared.turn = Turn::Exchange;
            }
            Some(AuthenticationStep::Ask(event)) => {
                shared.event = Some(Event::Login(event));
                shared.turn = Turn::Login;
            }
            Some(AuthenticationStep::Reply(reply)) => {
                shared.lines.set_limits(shared.command_lines);
                shared.turn = Turn::Protocol;
                let failed = reply.is_failure();
                self.login_reply(reply);
                if failed {
                    let counted = self.shared_mut().counts.failed_login();
                    self.unless_too_many(counted);
                }
            }
        }
    }
}

/// What a piece of work came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more to do.
    Done,
    /// The client has to say more.
    NeedInput,
    /// The session has to answer.
    NeedReply,
}

/// Whose turn it is.
#[derive(Debug)]
enum Turn {
    /// As the protocol's state has it.
    Protocol,
    /// The client's: the next line of an exchange.
    Exchange,
    /// The session's: an answer about a login.
    Login,
    /// The session's: whether the login in this line, which came in the clear and was not looked at, may be read.
    Permit(SecretBytes),
    /// The handshake's, and another machine's.
    Handshake,
}

/// What a session has whatever its protocol.
#[derive(Debug)]
pub struct Shared<R> {
    pub(crate) lines: LineBuffer,
    pub(crate) out: Vec<u8>,
    pub(crate) logins: Logins,
    pub(crate) counts: SessionCounts,
    command_lines: LineLimits,
    exchange_lines: LineLimits,
    /// Waits for `out` to be written first.
    event: Option<Event<R>>,
    turn: Turn,
    over: Option<Result<(), Violation>>,
}

impl<R> Shared<R> {
    /// Lines of commands, and of exchanges, are at most so long, in octets without CRLF.
    pub(crate) fn new(
        command: usize,
        exchange: usize,
        limits: SessionLimits,
        logins: Logins,
    ) -> Self {
        let lines = |line| LineLimits {
            line,
            ..LineLimits::default()
        };
        Self {
            lines: LineBuffer::new(lines(command)),
            out: Vec::new(),
            logins,
            counts: SessionCounts::new(limits),
            command_lines: lines(command),
            exchange_lines: lines(exchange),
            event: None,
            turn: Turn::Protocol,
            over: None,
        }
    }

    /// Says a line.
    pub(crate) fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// Asks the session for something.
    pub(crate) fn ask(&mut self, request: R) {
        self.event = Some(Event::Request(request));
    }

    /// Asks whether the login in this line may be read.
    pub(crate) fn ask_for_permit(&mut self, line: &[u8]) {
        self.event = Some(Event::NeedPermit);
        self.turn = Turn::Permit(SecretBytes::from(line));
    }

    /// The reply to STARTTLS has been said: TLS is next.
    pub(crate) fn start_tls(&mut self) {
        self.event = Some(Event::StartTls);
        self.turn = Turn::Handshake;
    }

    /// Whether TLS is next.
    pub(crate) fn is_starting_tls(&self) -> bool {
        matches!(self.turn, Turn::Handshake)
    }

    /// Nothing may stand in the clear where TLS has to begin (S1).
    pub(crate) fn nothing_left(&self) -> Result<(), Injected> {
        End::Server.found(self.lines.len())
    }

    /// Ends the session; what ended it first counts.
    pub(crate) fn end(&mut self, how: Result<(), Violation>) {
        self.over.get_or_insert(how);
        self.event = None;
        self.lines.consume(self.lines.len());
    }

    /// Whether the session has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    pub(super) fn input(&mut self, bytes: &[u8]) {
        if self.over.is_none() {
            self.lines.push(bytes);
        }
    }

    /// At most [`MAX_OUTPUT`] octets; a piece of a message may have grown beyond by doubled dots.
    fn take_output(&mut self) -> SecretBytes {
        if self.out.len() <= MAX_OUTPUT {
            return std::mem::take(&mut self.out).into();
        }
        let rest = self.out.split_off(MAX_OUTPUT);
        std::mem::replace(&mut self.out, rest).into()
    }
}

/// See [`crate::Machine::poll`].
pub(super) fn poll<P: Protocol>(protocol: &mut P) -> Step<Event<P::Request>, Violation> {
    loop {
        let shared = protocol.shared();
        let is_free =
            shared.event.is_none() && shared.over.is_none() && shared.out.len() < P::FLUSH;
        let progress = if is_free {
            work(protocol)
        } else {
            Progress::NeedReply
        };
        if is_free && progress == Progress::Done {
            continue;
        }
        let shared = protocol.shared_mut();
        if !shared.out.is_empty() {
            return Step::Output(shared.take_output());
        }
        if let Some(event) = shared.event.take() {
            return Step::Event(event);
        }
        return match (shared.over, progress) {
            (Some(Ok(())), _) => Step::Close,
            (Some(Err(violation)), _) => Step::Err(violation),
            (None, Progress::NeedInput) => Step::NeedInput,
            (None, _) => Step::NeedReply,
        };
    }
}

fn work<P: Protocol>(protocol: &mut P) -> Progress {
    match protocol.shared().turn {
        Turn::Protocol => protocol.work(),
        Turn::Exchange => exchange(protocol),
        Turn::Login | Turn::Permit(_) | Turn::Handshake => Progress::NeedReply,
    }
}

/// Reads the next line of an exchange.
fn exchange<P: Protocol>(protocol: &mut P) -> Progress {
    let shared = protocol.shared_mut();
    let line = match shared.lines.next_line() {
        Ok(None) => return Progress::NeedInput,
        Ok(Some(line)) => Ok(line),
        Err(error) if error.is_fatal() => {
            protocol.give_up(Violation::Line(error));
            return Progress::Done;
        }
        Err(error) => Err(error),
    };
    let step = shared.logins.authentication().and_then(|login| match line {
        Ok(line) => login.line(line.as_bytes()),
        Err(_too_long) => login.line_too_long(),
    });
    protocol.login_step(step);
    Progress::Done
}

/// Goes on with the login that waits for a permit, or refuses it.
pub(super) fn permit<P: Protocol>(protocol: &mut P, permit: Option<&AuthPermit<'_>>) {
    let shared = protocol.shared_mut();
    if let Turn::Permit(line) = &mut shared.turn {
        let line = std::mem::take(line);
        shared.turn = Turn::Protocol;
        match permit {
            Some(permit) => {
                shared.logins.permitted(permit);
                protocol.permitted_login(&line);
            }
            None => protocol.refuse_login(),
        }
    }
}

/// See [`super::LoginMachine::answer_login`].
pub(super) fn answer_login<P: Protocol>(protocol: &mut P, answer: LoginAnswer) {
    let shared = protocol.shared_mut();
    if matches!(shared.turn, Turn::Login) {
        let login = shared.logins.authentication();
        let step = login.and_then(|login| login.answer(answer));
        protocol.login_step(step);
    }
}
