//! A client inside TLS, logged in or not, against an caller that accepts what the first octets say.
//!
//! Oracles: no panic; how the client's words are cut into pieces never matters; what is put out is bounded; no
//! piece of content is over 16 KiB; no sender before a login, no content before a recipient; content that is
//! complete holds no bare CR, bare LF or NUL, and is within the limit.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::{binding, server_facts};
use pillarbox_policy::{LoginOutcome, LoginRefusal};
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, Nonce, ScramKeys};
use pillarbox_proto::smtp::Refusal;
use pillarbox_proto::smtp::submission::server::{Config, Event, Request, Server, Violation};
use pillarbox_proto::{LoginMachine, Machine, Sealed, Start, Step};

const LIMIT: u64 = 4096;

/// The toy caller, and what it saw.
#[derive(Debug, Default, PartialEq)]
struct Caller {
    generous: bool,
    authenticated: bool,
    recipients: usize,
    content: Vec<u8>,
    messages: Vec<Vec<u8>>,
    said: Vec<u8>,
    end: Option<Result<(), Violation>>,
}

impl Caller {
    fn verdict(&self, server: &mut Server<Sealed>) -> bool {
        if self.generous {
            server.accept();
        } else {
            server.refuse(Refusal::LocalError);
        }
        self.generous
    }

    fn answer(&mut self, server: &mut Server<Sealed>, event: Event) {
        match event {
            Event::Login(login) => server.answer_login(match login.question {
                LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([1; Nonce::RANDOM])),
                LoginQuestion::ScramKeys { .. } => LoginAnswer::Keys(ScramKeys {
                    salt: vec![9; 16],
                    iterations: 4096,
                    stored_key: [1; 32],
                    server_key: [2; 32],
                }),
                LoginQuestion::Password { .. } if !self.generous => {
                    LoginAnswer::Refuse(LoginRefusal::Credentials)
                }
                LoginQuestion::Password { .. } | LoginQuestion::Proof { .. } => LoginAnswer::Accept,
                LoginQuestion::Ended { outcome, .. } => {
                    assert!(!self.authenticated);
                    self.authenticated = outcome == LoginOutcome::Succeeded;
                    LoginAnswer::Recorded
                }
            }),
            Event::Request(Request::Sender(_)) => {
                assert!(self.authenticated);
                self.recipients = 0;
                self.verdict(server);
            }
            Event::Request(Request::Recipient(_)) => {
                if self.verdict(server) {
                    self.recipients += 1;
                }
            }
            Event::Request(Request::ContentBegins) => {
                assert!(self.recipients > 0);
                self.content.clear();
                self.verdict(server);
            }
            Event::Request(Request::Content(piece)) => {
                assert!(!piece.is_empty() && piece.len() <= 16 * 1024);
                self.content.extend(piece);
            }
            Event::Request(Request::ContentEnds) => {
                let content = std::mem::take(&mut self.content);
                assert!(content.len() as u64 <= LIMIT && !content.contains(&0));
                let lines = content.windows(2).filter(|pair| *pair == b"\r\n").count();
                assert_eq!(
                    content.iter().filter(|octet| **octet == b'\r').count(),
                    lines
                );
                assert_eq!(
                    content.iter().filter(|octet| **octet == b'\n').count(),
                    lines
                );
                self.messages.push(content);
                self.verdict(server);
            }
            Event::Request(Request::TransactionAbandoned) => self.content.clear(),
            other => panic!("{other:?}"),
        }
    }
}

fn session<'a>(generous: bool, pieces: impl Iterator<Item = &'a [u8]>) -> Caller {
    let mut config = Config::new("mail.example.org");
    config.limits.message = LIMIT;
    let mut server = Server::<Sealed>::start(
        &Sealed::new(server_facts(Some(binding()))),
        Arc::new(config),
    );
    let mut caller = Caller {
        generous,
        ..Caller::default()
    };
    // The greeting comes before any piece.
    for piece in std::iter::once(&b""[..]).chain(pieces) {
        server.input(piece);
        loop {
            match server.poll() {
                Step::Output(octets) => {
                    assert!(!octets.is_empty() && octets.len() <= 17 * 1024);
                    caller.said.extend_from_slice(&octets);
                }
                Step::Event(event) => caller.answer(&mut server, event),
                Step::NeedInput => break,
                Step::NeedReply => panic!("every event was answered"),
                Step::Close => {
                    caller.end = Some(Ok(()));
                    break;
                }
                Step::Err(violation) => {
                    caller.end = Some(Err(violation));
                    break;
                }
            }
        }
    }
    caller.content.clear();
    caller
}

fuzz_target!(|data: &[u8]| {
    let [how, cut, input @ ..] = data else {
        return;
    };
    let generous = how & 1 == 0;
    let login = b"EHLO x\r\nAUTH PLAIN AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ=\r\n";
    let mut words = if how & 2 == 0 {
        login.to_vec()
    } else {
        Vec::new()
    };
    words.extend_from_slice(input);
    let whole = session(generous, std::iter::once(words.as_slice()));
    let pieces = session(generous, words.chunks(usize::from(*cut).max(1)));
    // How soon a flood is given up depends on the pieces; everything else does not.
    if words.len() < 64 * 1024 {
        assert_eq!(whole, pieces);
    }
});
