//! Transcripts: what a client says (`C:`) and what the server must answer (`S:`), replayed in every split.
//!
//! `--CLEAR--` starts a cleartext session, `--NOCERT--` one without certificate, `--LEGACY--` one with an
//! operator's window, `--TLS--` a sealed one, with greeting where nothing came before it. `--VIOLATION-- text`
//! and `--CLOSE--` say how a phase ends. `\r`, `\n`, `\0`, `\t`, `\\` and `\xNN` are escapes; a line ends in CRLF unless it
//! ends in `\+`.

use pillarbox_proto::imap::server::{
    ClearEvent, ClearSettings, Limits, LoginsInClear, Server, StartTls,
};
use pillarbox_proto::{AsksForPermit, Clear, LoginChannel, Machine, Sealed, Start, Step};
use pillarbox_testkit::facts;

use crate::channels::{clear, permitted, seal};
use crate::owner::{End, Owner};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Clear,
    NoCertificate,
    Legacy,
    Tls,
}

#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) kind: Kind,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) end: String,
}

pub(crate) fn parse(text: &str) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let kind = match line {
            "--CLEAR--" => Some(Kind::Clear),
            "--NOCERT--" => Some(Kind::NoCertificate),
            "--LEGACY--" => Some(Kind::Legacy),
            "--TLS--" => Some(Kind::Tls),
            _ => None,
        };
        if let Some(kind) = kind {
            phases.push(Phase {
                kind,
                input: Vec::new(),
                output: Vec::new(),
                end: String::new(),
            });
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let phase = phases.last_mut().expect("a phase comes first");
        if let Some(said) = line.strip_prefix("C: ") {
            phase.input.extend(unescape(said));
        } else if let Some(said) = line.strip_prefix("S: ") {
            phase.output.extend(unescape(said));
        } else if line == "--CLOSE--" {
            phase.end = "closed".to_owned();
        } else if let Some(violation) = line.strip_prefix("--VIOLATION-- ") {
            phase.end = violation.to_owned();
        } else {
            panic!("line {}: {line}", number + 1);
        }
    }
    phases
}

fn unescape(text: &str) -> Vec<u8> {
    let (text, end) = match text.strip_suffix("\\+") {
        Some(text) => (text, ""),
        None => (text, "\r\n"),
    };
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        let (octet, length) = match &escape[..1] {
            "r" => (b'\r', 1),
            "n" => (b'\n', 1),
            "0" => (0, 1),
            "t" => (b'\t', 1),
            "x" => (u8::from_str_radix(&escape[1..3], 16).unwrap(), 3),
            "\\" => (b'\\', 1),
            other => panic!("unknown escape {other}"),
        };
        out.push(octet);
        rest = &escape[length..];
    }
    out.extend_from_slice(rest.as_bytes());
    out.extend_from_slice(end.as_bytes());
    out
}

/// Replays a transcript; `cut` says how many octets the machine gets at the n-th time.
pub(crate) fn replay(name: &str, phases: &[Phase], cut: &mut dyn FnMut() -> usize) {
    let mut carried: Option<Server<Sealed>> = None;
    for phase in phases {
        let mut out = Vec::new();
        let end = match phase.kind {
            Kind::Tls => {
                let mut dialogue = carried
                    .take()
                    .unwrap_or_else(|| Server::<Sealed>::start(&Sealed::new(facts()), limits()));
                converse(&mut dialogue, &phase.input, &mut out, cut)
            }
            kind => {
                let (end, next) = in_the_clear(kind, &phase.input, &mut out, cut);
                carried = next;
                end
            }
        };
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&phase.output),
            "{name}, {:?}",
            phase.kind
        );
        assert_eq!(end, phase.end, "{name}, {:?}", phase.kind);
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        message: 1_000,
        skip: 2_000,
        ..Limits::default()
    }
}

fn converse<C: LoginChannel>(
    dialogue: &mut Server<C>,
    input: &[u8],
    out: &mut Vec<u8>,
    cut: &mut dyn FnMut() -> usize,
) -> String {
    let mut owner = Owner::default();
    let mut rest = input;
    loop {
        match owner.run(dialogue, out) {
            End::NeedInput if rest.is_empty() => return String::new(),
            End::NeedInput => {
                let (piece, tail) = rest.split_at(cut().clamp(1, rest.len()));
                dialogue.input(piece);
                rest = tail;
            }
            End::Closed => return "closed".to_owned(),
            End::Violation(violation) => return violation.to_string(),
        }
    }
}

fn in_the_clear(
    kind: Kind,
    input: &[u8],
    out: &mut Vec<u8>,
    cut: &mut dyn FnMut() -> usize,
) -> (String, Option<Server<Sealed>>) {
    let starttls = match kind {
        Kind::NoCertificate => StartTls::NoCertificate,
        _ => StartTls::Offered,
    };
    let mut server = Server::<Clear>::start(
        &clear(),
        ClearSettings {
            limits: limits(),
            starttls,
            logins: match kind {
                Kind::Legacy => LoginsInClear::Listed,
                _ => LoginsInClear::NotListed,
            },
        },
    );
    let mut rest = input;
    loop {
        match server.poll() {
            Step::Output(bytes) => out.extend_from_slice(&bytes),
            Step::Event(ClearEvent::StartTls) => {
                assert_eq!(rest, b"", "STARTTLS comes last in a phase");
                let sealed = seal(server, limits()).expect("nothing followed");
                return (String::new(), Some(sealed));
            }
            Step::Event(ClearEvent::NeedPermit) if kind == Kind::Legacy => {
                let mut dialogue = permitted(server);
                let end = converse(&mut dialogue, rest, out, cut);
                return (end, None);
            }
            Step::Event(ClearEvent::NeedPermit) => server.refuse_login(),
            Step::NeedInput if rest.is_empty() => return (String::new(), None),
            Step::NeedInput => {
                let (piece, tail) = rest.split_at(cut().clamp(1, rest.len()));
                server.input(piece);
                rest = tail;
            }
            Step::NeedReply => panic!("the owner owes nothing"),
            Step::Close => return ("closed".to_owned(), None),
            Step::Err(violation) => return (violation.to_string(), None),
        }
    }
}
