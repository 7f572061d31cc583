//! A toy caller: one account, a few messages, and a note of everything it was asked.

use pillarbox_policy::{LoginOutcome, LoginRefusal, Secret, TlsFacts};
use pillarbox_proto::pop3::maildrop::{Entry, Maildrop, UniqueId};
use pillarbox_proto::pop3::server::{
    CannotOpen, Config, Event, LoginsInClear, Request, Server, StartTls, Updated, Violation,
};
use pillarbox_proto::pop3::stuffing::Wanted;
use pillarbox_proto::sasl::server::ScramOutcome;
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, Nonce, ScramKeys};
use pillarbox_proto::{
    AsksForPermit, Clear, Injected, Legacy, LoginChannel, LoginMachine, Machine, Sealed, Start,
    Step,
};

use crate::channels::{clear, permitted, seal, window};

pub(crate) const LOGIN: &str = "ann@example.org";
pub(crate) const PASSWORD: &str = "open sesame";

/// Why a machine stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    NeedInput,
    StartTls,
    Closed,
    Violated(Violation),
}

#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) messages: Vec<(u32, Vec<u8>)>,
    pub(crate) removed: Vec<u32>,
    /// Every event that has to do with credentials.
    pub(crate) credentials_seen: usize,
    /// How each attempt to log in ended.
    pub(crate) outcomes: Vec<LoginOutcome>,
    pub(crate) in_use: bool,
    pub(crate) piece: usize,
    attempts: u8,
}

impl Caller {
    pub(crate) fn new() -> Self {
        Self::with_messages(&[
            (1, b"Subject: one\r\n\r\nHello\r\n.dot\r\n"),
            (4, b"Subject: two\n\nbare\n"),
            (9, b""),
        ])
    }

    pub(crate) fn with_messages(messages: &[(u32, &[u8])]) -> Self {
        Self {
            messages: messages
                .iter()
                .map(|(uid, message)| (*uid, message.to_vec()))
                .collect(),
            removed: Vec::new(),
            credentials_seen: 0,
            outcomes: Vec::new(),
            in_use: false,
            piece: 7,
            attempts: 0,
        }
    }

    fn maildrop(&self) -> Maildrop {
        let entry = |(uid, message): &(u32, Vec<u8>)| Entry {
            octets: message.len() as u64,
            id: UniqueId {
                validity: 7,
                uid: *uid,
            },
        };
        Maildrop::new(self.messages.iter().map(entry).collect())
    }

    /// Runs a machine until it needs input or stops for good; its output goes to `out`.
    pub(crate) fn run<S: Served>(&mut self, server: &mut S, out: &mut Vec<u8>) -> Stop {
        loop {
            match server.poll() {
                Step::Output(bytes) => {
                    assert!(bytes.len() <= pillarbox_proto::machine::MAX_OUTPUT);
                    out.extend_from_slice(&bytes);
                }
                Step::Event(Event::StartTls) => return Stop::StartTls,
                Step::Event(event) => server.answer(self, event, out),
                Step::NeedInput => return Stop::NeedInput,
                Step::NeedReply => panic!("an event was not answered"),
                Step::Close => return Stop::Closed,
                Step::Err(violation) => return Stop::Violated(violation),
            }
        }
    }

    fn answer<C: LoginChannel>(&mut self, server: &mut Server<C>, event: Event, out: &mut Vec<u8>) {
        match event {
            Event::StartTls => unreachable!("handled by the caller"),
            Event::NeedPermit => server.permit(Some(window())),
            Event::Login(event) => {
                let answer = self.answer_login(event.question);
                server.answer_login(answer);
            }
            Event::Request(Request::OpenMaildrop { login }) => {
                assert_eq!(login, LOGIN);
                if self.in_use {
                    server.cannot_open(CannotOpen::InUse);
                } else {
                    server.open(self.maildrop());
                }
            }
            Event::Request(Request::Retrieve { entry }) => self.send(server, entry, out),
            Event::Request(Request::Update { entries }) => {
                self.removed = entries.iter().map(|entry| entry.id.uid).collect();
                server.updated(Updated::Removed);
            }
        }
    }

    fn answer_login(&mut self, question: LoginQuestion) -> LoginAnswer {
        match question {
            LoginQuestion::Nonce => {
                self.credentials_seen += 1;
                self.attempts += 1;
                LoginAnswer::Nonce(Nonce::from_random([self.attempts; Nonce::RANDOM]))
            }
            LoginQuestion::Password { login, password } => {
                self.credentials_seen += 1;
                decide(login == LOGIN && password == Secret::from(PASSWORD))
            }
            LoginQuestion::ScramKeys { login } => {
                let password = if login == LOGIN {
                    PASSWORD
                } else {
                    "nobody has this"
                };
                let keys = ScramKeys::derive(&password.into(), &[4; 16], 4096).unwrap();
                LoginAnswer::Keys(keys)
            }
            LoginQuestion::Proof { login, outcome } => {
                decide(login == LOGIN && outcome != ScramOutcome::Refuted)
            }
            LoginQuestion::Ended { outcome, .. } => {
                self.outcomes.push(outcome);
                LoginAnswer::Recorded
            }
        }
    }

    fn send<C: LoginChannel>(&self, server: &mut Server<C>, entry: Entry, out: &mut Vec<u8>) {
        let (_, message) = self
            .messages
            .iter()
            .find(|(uid, _)| *uid == entry.id.uid)
            .unwrap();
        server.message_begins(entry.octets);
        for piece in message.chunks(self.piece) {
            let wanted = server.message_piece(piece);
            while let Step::Output(bytes) = server.poll() {
                out.extend_from_slice(&bytes);
            }
            if wanted == Wanted::NoMore {
                break;
            }
        }
        server.message_ends();
    }
}

fn decide(right: bool) -> LoginAnswer {
    if right {
        LoginAnswer::Accept
    } else {
        LoginAnswer::Refuse(LoginRefusal::Credentials)
    }
}

/// A server in some state of its channel, and how its caller answers it.
pub(crate) trait Served: Machine<Event = Event, Error = Violation> {
    fn answer(&mut self, caller: &mut Caller, event: Event, out: &mut Vec<u8>);
}

impl Served for Server<Sealed> {
    fn answer(&mut self, caller: &mut Caller, event: Event, out: &mut Vec<u8>) {
        caller.answer(self, event, out);
    }
}

/// There is no window.
impl Served for Server<Clear> {
    fn answer(&mut self, _: &mut Caller, event: Event, _: &mut Vec<u8>) {
        assert_eq!(event, Event::NeedPermit);
        self.refuse_login();
    }
}

/// A server in the clear, for which a window is opened at every login.
pub(crate) enum InWindow {
    Clear(Server<Clear>),
    Legacy(Server<Legacy>),
    Moved,
}

impl InWindow {
    pub(crate) fn new() -> Self {
        Self::Clear(in_the_clear(StartTls::Offered, LoginsInClear::Listed))
    }

    pub(crate) fn upgrade(self) -> Result<Server<Sealed>, Injected> {
        match self {
            Self::Clear(server) => seal(server, Config::default()),
            Self::Legacy(server) => seal(server, Config::default()),
            Self::Moved => unreachable!(),
        }
    }
}

impl Machine for InWindow {
    type Event = Event;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        match self {
            Self::Clear(server) => server.input(bytes),
            Self::Legacy(server) => server.input(bytes),
            Self::Moved => unreachable!(),
        }
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        match self {
            Self::Clear(server) => server.poll(),
            Self::Legacy(server) => server.poll(),
            Self::Moved => unreachable!(),
        }
    }
}

impl Served for InWindow {
    fn answer(&mut self, caller: &mut Caller, event: Event, out: &mut Vec<u8>) {
        *self = match std::mem::replace(self, Self::Moved) {
            Self::Clear(server) => {
                assert_eq!(event, Event::NeedPermit);
                Self::Legacy(permitted(server))
            }
            Self::Legacy(mut server) => {
                caller.answer(&mut server, event, out);
                Self::Legacy(server)
            }
            Self::Moved => unreachable!(),
        };
    }
}

/// A server in the clear.
pub(crate) fn in_the_clear(starttls: StartTls, logins: LoginsInClear) -> Server<Clear> {
    let config = Config {
        starttls,
        ..Config::default()
    };
    Server::<Clear>::start(&clear(), (config, logins))
}

/// Feeds `input` in pieces of these lengths (then byte by byte), and answers what came out and why it stopped.
pub(crate) fn feed<S: Served>(
    caller: &mut Caller,
    server: &mut S,
    input: &[u8],
    pieces: &[usize],
) -> (String, Stop) {
    let mut out = Vec::new();
    let mut stop = caller.run(server, &mut out);
    let mut rest = input;
    let mut pieces = pieces.iter();
    while !rest.is_empty() && stop == Stop::NeedInput {
        let (piece, tail) = rest.split_at(pieces.next().copied().unwrap_or(1).min(rest.len()));
        rest = tail;
        server.input(piece);
        stop = caller.run(server, &mut out);
    }
    (String::from_utf8(out).unwrap(), stop)
}

pub(crate) fn facts() -> TlsFacts {
    pillarbox_testkit::facts()
}
