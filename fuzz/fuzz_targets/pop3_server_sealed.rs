//! A client inside TLS, against a toy caller with one account and two messages.
//!
//! Oracles: no panic; mail is touched only after a login that the caller admitted; every output is bounded; every
//! event is answered and goes on; a violation is final; pieces do not matter.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::{binding, server_facts};
use pillarbox_policy::{LoginOutcome, LoginRefusal};
use pillarbox_proto::line::LineError;
use pillarbox_proto::machine::MAX_OUTPUT;
use pillarbox_proto::pop3::maildrop::{Entry, Maildrop, UniqueId};
use pillarbox_proto::pop3::server::{Config, Event, Request, Server, Updated, Violation};
use pillarbox_proto::pop3::stuffing::Wanted;
use pillarbox_proto::sasl::server::ScramOutcome;
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, Nonce, ScramKeys};
use pillarbox_proto::{LoginMachine, Machine, Sealed, Start, Step};

const MESSAGES: [&[u8]; 2] = [b"A: 1\r\n\r\n.one\r\n", b"bare\n.\nlines"];

#[derive(Default)]
struct Caller {
    admitted: bool,
    opened: bool,
}

impl Caller {
    fn answer(&mut self, server: &mut Server<Sealed>, event: Event) {
        match event {
            Event::StartTls | Event::NeedPermit => panic!("STLS inside TLS"),
            Event::Login(login) => server.answer_login(match login.question {
                LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([5; 18])),
                LoginQuestion::Password { login, password }
                    if login == "ann" && password == "x".into() =>
                {
                    LoginAnswer::Accept
                }
                LoginQuestion::Password { .. } => LoginAnswer::Refuse(LoginRefusal::Credentials),
                // Derived keys would cost all the time; these match no password.
                LoginQuestion::ScramKeys { .. } => LoginAnswer::Keys(ScramKeys {
                    salt: vec![1; 16],
                    iterations: 4096,
                    stored_key: [2; 32],
                    server_key: [3; 32],
                }),
                LoginQuestion::Proof { outcome, .. } => {
                    assert_eq!(outcome, ScramOutcome::Refuted);
                    LoginAnswer::Accept
                }
                LoginQuestion::Ended { outcome, .. } => {
                    self.admitted = outcome == LoginOutcome::Succeeded;
                    LoginAnswer::Recorded
                }
            }),
            Event::Request(Request::OpenMaildrop { .. }) => {
                assert!(self.admitted && !self.opened);
                self.opened = true;
                let entry = |(uid, message): (u32, &&[u8])| Entry {
                    octets: message.len() as u64,
                    id: UniqueId { validity: 1, uid },
                };
                server.open(Maildrop::new((1..).zip(&MESSAGES).map(entry).collect()));
            }
            Event::Request(Request::Retrieve { entry }) => {
                assert!(self.opened);
                server.message_begins(entry.octets);
                let message = MESSAGES[entry.id.uid as usize - 1];
                for piece in message.chunks(3) {
                    if server.message_piece(piece) == Wanted::NoMore {
                        break;
                    }
                }
                server.message_ends();
            }
            Event::Request(Request::Update { entries }) => {
                assert!(self.opened && !entries.is_empty());
                server.updated(Updated::Removed);
            }
        }
    }
}

fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let mut server = Server::<Sealed>::start(
        &Sealed::new(server_facts(Some(binding()))),
        Config::default(),
    );
    let mut caller = Caller::default();
    let mut said = Vec::new();
    // At least one look, even where nothing is sent.
    for piece in pieces.chain([&b""[..]]) {
        server.input(piece);
        loop {
            match server.poll() {
                Step::Output(bytes) => {
                    assert!(!bytes.is_empty() && bytes.len() <= MAX_OUTPUT);
                    said.extend_from_slice(&bytes);
                }
                Step::Event(event) => caller.answer(&mut server, event),
                Step::NeedInput => break,
                Step::NeedReply => panic!("every event was answered"),
                Step::Close => return (said, false),
                Step::Err(violation) => {
                    server.input(b"CAPA\r\n");
                    assert_eq!(server.poll(), Step::Err(violation));
                    return (said, violation == Violation::Line(LineError::Endless));
                }
            }
        }
        assert_eq!(server.is_in_transaction(), caller.opened);
    }
    (said, false)
}

fuzz_target!(|data: &[u8]| {
    let (whole, endless) = session(std::iter::once(data));
    for size in [1, 1 + data.len() % 11] {
        let (pieces, endless_too) = session(data.chunks(size));
        if !endless && !endless_too {
            assert_eq!(whole, pieces);
        }
    }
});
