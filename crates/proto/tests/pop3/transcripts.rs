//! Replays `tests/transcripts/pop3/*.txt`, whole, byte by byte, and in random pieces.
//!
//! First line: `@ sealed`, `@ clear`, `@ clear without STLS` or `@ clear with window`. Then `C:` and `S:` lines
//! (CRLF is added), `S/` lines (LF is added), `--TLS--`, and at the end `--CLOSED--` or nothing.

use pillarbox_proto::pop3::server::{Limits, LoginsInClear, Server, Stls};
use pillarbox_proto::{Clear, Machine, Sealed, Start};
use proptest::prelude::*;

use crate::channels::seal;
use crate::owner::{InWindow, Owner, Stop, facts, in_the_clear};

enum Either {
    Clear(Server<Clear>),
    InWindow(InWindow),
    Sealed(Server<Sealed>),
}

impl Either {
    fn begin(channel: &str) -> Self {
        let clear = |stls| Self::Clear(in_the_clear(stls, LoginsInClear::NotListed));
        match channel {
            "sealed" => {
                let channel = Sealed::new(facts());
                Self::Sealed(Server::<Sealed>::start(&channel, Limits::default()))
            }
            "clear" => clear(Stls::Available),
            "clear without STLS" => clear(Stls::Unavailable),
            "clear with window" => Self::InWindow(InWindow::new()),
            other => panic!("no such channel: {other}"),
        }
    }

    fn run(&mut self, owner: &mut Owner, out: &mut Vec<u8>) -> Stop {
        match self {
            Self::Clear(server) => owner.run(server, out),
            Self::InWindow(server) => owner.run(server, out),
            Self::Sealed(server) => owner.run(server, out),
        }
    }

    fn input(&mut self, bytes: &[u8]) {
        match self {
            Self::Clear(server) => server.input(bytes),
            Self::InWindow(server) => server.input(bytes),
            Self::Sealed(server) => server.input(bytes),
        }
    }

    fn upgrade(self) -> Self {
        match self {
            Self::Clear(server) => Self::Sealed(seal(server, Limits::default()).unwrap()),
            Self::InWindow(server) => Self::Sealed(server.upgrade().unwrap()),
            Self::Sealed(_) => panic!("TLS inside TLS"),
        }
    }
}

/// Replays a transcript with its input cut into pieces of `piece()` octets.
fn replay(name: &str, text: &str, mut piece: impl FnMut() -> usize) {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let channel = lines
        .next()
        .and_then(|line| line.strip_prefix("@ "))
        .unwrap();
    let mut server = Either::begin(channel);
    let mut owner = Owner::new();
    let mut out = Vec::new();
    let mut stop = server.run(&mut owner, &mut out);
    let mut expected = Vec::new();
    let mut input = Vec::new();
    for line in lines {
        if let Some(sent) = line.strip_prefix("C: ") {
            input.extend_from_slice(sent.as_bytes());
            input.extend_from_slice(b"\r\n");
            continue;
        }
        let mut rest = input.as_slice();
        while !rest.is_empty() {
            assert_eq!(stop, Stop::NeedInput, "{name}: {line}");
            let (now, later) = rest.split_at(piece().min(rest.len()));
            rest = later;
            server.input(now);
            stop = server.run(&mut owner, &mut out);
        }
        input.clear();
        match line {
            "--TLS--" => {
                assert_eq!(stop, Stop::StartTls, "{name}");
                server = server.upgrade();
                stop = server.run(&mut owner, &mut out);
            }
            "--CLOSED--" => assert_eq!(stop, Stop::Closed, "{name}"),
            line => {
                if let Some(text) = line.strip_prefix("S: ") {
                    expected.extend_from_slice(format!("{text}\r\n").as_bytes());
                } else if let Some(text) = line.strip_prefix("S/ ") {
                    expected.extend_from_slice(format!("{text}\n").as_bytes());
                } else {
                    panic!("{name}: {line:?} is no line of a transcript");
                }
                let said = &out[..expected.len().min(out.len())];
                assert_eq!(
                    String::from_utf8_lossy(said),
                    String::from_utf8_lossy(&expected),
                    "{name}"
                );
            }
        }
    }
    assert_eq!(
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&expected),
        "{name}"
    );
}

fn all() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/pop3");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

#[test]
fn transcripts_whole_and_byte_by_byte() {
    for (name, text) in all() {
        replay(&name, &text, || usize::MAX);
        replay(&name, &text, || 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn transcripts_in_random_pieces(pieces in prop::collection::vec(1usize..40, 1..50)) {
        for (name, text) in all() {
            let mut pieces = pieces.iter().copied().cycle();
            replay(&name, &text, || pieces.next().unwrap());
        }
    }
}
