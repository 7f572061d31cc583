//! Replays `tests/transcripts/pop3/server/*.txt`. A session starts as `sealed`, `clear`, `clear without STLS` or
//! `clear with window`.

use pillarbox_proto::pop3::server::{Config, LoginsInClear, Server, StartTls};
use pillarbox_proto::{Clear, Machine, Sealed, Start as _};
use pillarbox_testkit::transcript::{Session, Side, Start, Transcripts};

use crate::caller::{Caller, InWindow, Stop, facts, in_the_clear};
use crate::channels::seal;

enum State {
    Clear(Server<Clear>),
    InWindow(InWindow),
    Sealed(Server<Sealed>),
}

struct Served {
    /// None only during the handshake.
    state: Option<State>,
    caller: Caller,
    out: Vec<u8>,
    stop: Stop,
}

impl Served {
    fn new(start: &Start) -> Self {
        let clear = |stls| State::Clear(in_the_clear(stls, LoginsInClear::NotListed));
        let state = match start.channel.as_str() {
            "sealed" => {
                let channel = Sealed::new(facts());
                State::Sealed(Server::<Sealed>::start(&channel, Config::default()))
            }
            "clear" => clear(StartTls::Offered),
            "clear without STLS" => clear(StartTls::NoCertificate),
            "clear with window" => State::InWindow(InWindow::new()),
            other => panic!("there is no channel {other:?}"),
        };
        let mut served = Self {
            state: Some(state),
            caller: Caller::new(),
            out: Vec::new(),
            stop: Stop::NeedInput,
        };
        served.run();
        served
    }

    fn run(&mut self) {
        self.stop = match self.state.as_mut().unwrap() {
            State::Clear(server) => self.caller.run(server, &mut self.out),
            State::InWindow(server) => self.caller.run(server, &mut self.out),
            State::Sealed(server) => self.caller.run(server, &mut self.out),
        };
    }
}

impl Session for Served {
    fn input(&mut self, octets: &[u8]) {
        assert_eq!(self.stop, Stop::NeedInput);
        match self.state.as_mut().unwrap() {
            State::Clear(server) => server.input(octets),
            State::InWindow(server) => server.input(octets),
            State::Sealed(server) => server.input(octets),
        }
        self.run();
    }

    fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn start_tls(&mut self) {
        assert_eq!(self.stop, Stop::StartTls);
        let server = match self.state.take() {
            Some(State::Clear(server)) => seal(server, Config::default()),
            Some(State::InWindow(server)) => server.upgrade(),
            _ => panic!("TLS inside TLS"),
        };
        self.state = Some(State::Sealed(server.unwrap()));
        self.run();
    }

    fn end(&self) -> Option<String> {
        match &self.stop {
            Stop::NeedInput | Stop::StartTls => None,
            Stop::Closed => Some("Closed".to_owned()),
            Stop::Violated(violation) => Some(format!("{violation:?}")),
        }
    }
}

#[test]
fn server_transcripts_in_every_split() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/pop3/server");
    Transcripts::read(folder, Side::Server).replay(|start| Box::new(Served::new(start)));
}
