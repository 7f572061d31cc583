//! Replays `tests/transcripts/imap/server/*.txt`. A session starts as `sealed`, `clear`, `clear without certificate`,
//! or `window`, where an operator allows logins in the clear.

use pillarbox_proto::imap::server::{
    ClearEvent, ClearSettings, Limits, LoginsInClear, Server, StartTls,
};
use pillarbox_proto::{AsksForPermit, Clear, Legacy, Machine, Sealed, Start as _, Step};
use pillarbox_testkit::facts;
use pillarbox_testkit::transcript::{Session, Side, Start, Transcripts};

use crate::caller::{Caller, End};
use crate::channels::{clear, permitted, seal};

enum State {
    Clear(Server<Clear>),
    /// STARTTLS was granted.
    Upgrading(Server<Clear>),
    Legacy(Server<Legacy>),
    Sealed(Server<Sealed>),
}

struct Served {
    /// None only while it changes.
    state: Option<State>,
    logins: LoginsInClear,
    caller: Caller,
    out: Vec<u8>,
    end: Option<String>,
}

fn limits() -> Limits {
    Limits {
        message: 1_000,
        skip: 2_000,
        ..Limits::default()
    }
}

impl Served {
    fn new(start: &Start) -> Self {
        let (starttls, logins) = match start.channel.as_str() {
            "clear without certificate" => (StartTls::NoCertificate, LoginsInClear::NotListed),
            "window" => (StartTls::Offered, LoginsInClear::Listed),
            "clear" | "sealed" => (StartTls::Offered, LoginsInClear::NotListed),
            other => panic!("there is no channel {other:?}"),
        };
        let state = if start.channel == "sealed" {
            State::Sealed(Server::<Sealed>::start(&Sealed::new(facts()), limits()))
        } else {
            let settings = ClearSettings {
                limits: limits(),
                starttls,
                logins,
            };
            State::Clear(Server::<Clear>::start(&clear(), settings))
        };
        let mut served = Self {
            state: Some(state),
            logins,
            caller: Caller::default(),
            out: Vec::new(),
            end: None,
        };
        served.run();
        served
    }

    fn run(&mut self) {
        let (state, end) = match self.state.take().unwrap() {
            State::Clear(server) => self.run_clear(server),
            State::Legacy(mut server) => {
                let end = self.caller.run(&mut server, &mut self.out);
                (State::Legacy(server), end)
            }
            State::Sealed(mut server) => {
                let end = self.caller.run(&mut server, &mut self.out);
                (State::Sealed(server), end)
            }
            State::Upgrading(_) => panic!("STARTTLS comes last before the handshake"),
        };
        self.state = Some(state);
        match end {
            End::NeedInput => {}
            End::Closed => self.end = Some("Closed".to_owned()),
            End::Violation(violation) => self.end = Some(format!("{violation:?}")),
        }
    }

    fn run_clear(&mut self, mut server: Server<Clear>) -> (State, End) {
        loop {
            let end = match server.poll() {
                Step::Output(bytes) => {
                    self.out.extend_from_slice(&bytes);
                    continue;
                }
                Step::Event(ClearEvent::StartTls) => {
                    return (State::Upgrading(server), End::NeedInput);
                }
                Step::Event(ClearEvent::NeedPermit) if self.logins == LoginsInClear::Listed => {
                    let mut server = permitted(server);
                    let end = self.caller.run(&mut server, &mut self.out);
                    return (State::Legacy(server), end);
                }
                Step::Event(ClearEvent::NeedPermit) => {
                    server.refuse_login();
                    continue;
                }
                Step::NeedInput => End::NeedInput,
                Step::NeedReply => panic!("the caller owes nothing"),
                Step::Close => End::Closed,
                Step::Err(violation) => End::Violation(violation),
            };
            return (State::Clear(server), end);
        }
    }
}

impl Session for Served {
    fn input(&mut self, octets: &[u8]) {
        match self.state.as_mut().unwrap() {
            State::Clear(server) | State::Upgrading(server) => server.input(octets),
            State::Legacy(server) => server.input(octets),
            State::Sealed(server) => server.input(octets),
        }
        self.run();
    }

    fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn start_tls(&mut self) {
        let Some(State::Upgrading(server)) = self.state.take() else {
            panic!("STARTTLS was not granted");
        };
        self.state = Some(State::Sealed(seal(server, limits()).unwrap()));
        self.run();
    }

    fn end(&self) -> Option<String> {
        self.end.clone()
    }
}

#[test]
fn server_transcripts_in_every_split() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/imap/server");
    Transcripts::read(folder, Side::Server).replay(|start| Box::new(Served::new(start)));
}
