//! Transcripts: what is said on a connection, as text, and one way to replay it against either end of any protocol.
//!
//! ```text
//! # a comment
//! @ logins 20            a setting for the sessions that follow
//! --START clear--        a session begins; the test knows the word
//! S: 220 ready           a line, CRLF added
//! C: STARTTLS
//! S: 220 go on
//! --TLS--                the handshake
//! C| half a li           octets, nothing added
//! --END Closed--         how the session ends: a prefix of what the machine says, in Debug form
//! ```
//!
//! `\r`, `\n`, `\t`, `\0`, `\\`, `\xHH` are escapes in what is said; `\{n}` repeats the octet before it up to n times.
//! All other lines are the protocol's own and go to [`Session::line`].

use std::path::PathBuf;

/// Which end is under test: its lines are compared, the other end's are fed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `S` is under test.
    Server,
    /// `C` is under test.
    Client,
}

/// A machine with somebody who answers its events.
pub trait Session {
    /// Takes octets from the other end, and runs until it wants more.
    fn input(&mut self, octets: &[u8]);

    /// What it wrote since it was asked last.
    fn output(&mut self) -> Vec<u8>;

    /// The handshake is over; it fails where this end is not waiting for one.
    fn start_tls(&mut self);

    /// How it ended, in Debug form; `Closed` for an orderly end.
    fn end(&self) -> Option<String>;

    /// A line of the protocol's own: something to do, or to compare.
    fn line(&mut self, line: &str) {
        assert!(line.is_empty(), "{line:?} is no line of a transcript");
    }

    /// Nothing follows: what must not be left over?
    fn finish(&mut self) {}
}

/// How a session begins.
#[derive(Debug, Default)]
pub struct Start {
    /// The word of `--START word--`.
    pub channel: String,
    /// Keys and values of `@` lines.
    pub settings: Vec<(String, String)>,
}

/// The transcripts of a folder.
#[derive(Debug)]
pub struct Transcripts {
    all: Vec<(String, String)>,
    side: Side,
}

impl Transcripts {
    /// Reads the `.txt` files of a folder.
    ///
    /// # Panics
    /// There are none.
    #[must_use]
    #[expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its folder fails"
    )]
    pub fn read(folder: &str, side: Side) -> Self {
        let mut all: Vec<_> = std::fs::read_dir(PathBuf::from(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
            .map(|path| {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                (name.into_owned(), std::fs::read_to_string(&path).unwrap())
            })
            .collect();
        all.sort();
        assert!(!all.is_empty(), "{folder} holds no transcripts");
        Self { all, side }
    }

    /// Replays all of them: input whole, octet by octet, and in 24 ways of cutting that are the same in every run.
    ///
    /// # Panics
    /// A session says something else than its transcript.
    pub fn replay(&self, mut start: impl FnMut(&Start) -> Box<dyn Session>) {
        for (name, text) in &self.all {
            self.one(
                &format!("{name}, whole"),
                text,
                &mut || usize::MAX,
                &mut start,
            );
            self.one(&format!("{name}, by octets"), text, &mut || 1, &mut start);
            for seed in 0..24_u32 {
                let mut state = seed;
                let mut piece = || {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    1 + (state >> 16) as usize % 40
                };
                self.one(&format!("{name}, cut {seed}"), text, &mut piece, &mut start);
            }
        }
    }

    fn one(
        &self,
        name: &str,
        text: &str,
        piece: &mut dyn FnMut() -> usize,
        start: &mut dyn FnMut(&Start) -> Box<dyn Session>,
    ) {
        let mut settings = Start::default();
        let mut replay = Replay {
            session: None,
            input: Vec::new(),
            ended: false,
        };
        for (number, line) in text.lines().enumerate() {
            let at = format!("{name}:{}: {line}", number + 1);
            let entry = Entry::read(line, self.side);
            if !matches!(entry, Entry::Input(_)) {
                replay.feed(&at, piece);
            }
            match entry {
                Entry::Input(octets) => replay.input.extend(octets),
                Entry::Output(octets) => replay.compare(&at, &octets),
                Entry::Setting(key, value) => {
                    settings.settings.push((key.to_owned(), value.to_owned()));
                }
                Entry::Start(channel) => {
                    replay.finish(&at);
                    channel.clone_into(&mut settings.channel);
                    replay.begin(start(&settings));
                }
                Entry::StartTls => {
                    replay.quiet(&at);
                    replay.session(&at).session.start_tls();
                }
                Entry::End(end) => replay.ends(&at, end),
                Entry::Comment => {}
                Entry::Other(line) => replay.session(&at).session.line(line),
            }
        }
        replay.feed(&format!("{name}, at its end"), piece);
        replay.finish(&format!("{name}, at its end"));
    }
}

/// A session and what it wrote that no line has asked for yet.
struct Running {
    session: Box<dyn Session>,
    written: Vec<u8>,
}

struct Replay {
    session: Option<Running>,
    input: Vec<u8>,
    ended: bool,
}

impl Replay {
    fn begin(&mut self, session: Box<dyn Session>) {
        self.ended = false;
        self.session = Some(Running {
            session,
            written: Vec::new(),
        });
    }

    /// The session, with all that it wrote until now.
    #[expect(clippy::panic, reason = "fails a test")]
    fn session(&mut self, at: &str) -> &mut Running {
        let Some(running) = &mut self.session else {
            panic!("{at}: no session has begun; say --START ...--");
        };
        running.written.extend(running.session.output());
        running
    }

    fn feed(&mut self, at: &str, piece: &mut dyn FnMut() -> usize) {
        let input = std::mem::take(&mut self.input);
        if input.is_empty() {
            return;
        }
        self.quiet(at);
        let session = &mut self.session(at).session;
        let mut rest = input.as_slice();
        while !rest.is_empty() && session.end().is_none() {
            let (now, later) = rest.split_at(piece().min(rest.len()));
            session.input(now);
            rest = later;
        }
    }

    /// The session writes this next.
    fn compare(&mut self, at: &str, expected: &[u8]) {
        let written = &mut self.session(at).written;
        let next: Vec<u8> = written.drain(..expected.len().min(written.len())).collect();
        assert_eq!(shown(&next), shown(expected), "{at}");
    }

    /// The session wrote nothing that was not asked for.
    fn quiet(&mut self, at: &str) {
        let written = shown(&self.session(at).written);
        assert_eq!(written, "", "{at}: nobody expected this");
    }

    fn ends(&mut self, at: &str, expected: &str) {
        self.quiet(at);
        let end = self.session(at).session.end().unwrap_or_default();
        assert!(end.starts_with(expected), "{at}: it ended with {end:?}");
        self.ended = true;
    }

    fn finish(&mut self, at: &str) {
        if self.session.is_none() {
            return;
        }
        self.quiet(at);
        let ended = self.ended;
        let session = &mut self.session(at).session;
        if !ended {
            assert_eq!(session.end(), None, "{at}: nobody expected it to end");
        }
        session.finish();
    }
}

/// What a line says.
enum Entry<'a> {
    Input(Vec<u8>),
    Output(Vec<u8>),
    Setting(&'a str, &'a str),
    Start(&'a str),
    StartTls,
    End(&'a str),
    Comment,
    Other(&'a str),
}

impl<'a> Entry<'a> {
    fn read(line: &'a str, side: Side) -> Self {
        let (inward, outward) = match side {
            Side::Server => ('C', 'S'),
            Side::Client => ('S', 'C'),
        };
        let mut chars = line.chars();
        if let (Some(who), Some(kind @ (':' | '|'))) = (chars.next(), chars.next()) {
            let text = chars.as_str();
            let mut octets = unescape(text.strip_prefix(' ').unwrap_or(text));
            if kind == ':' {
                octets.extend_from_slice(b"\r\n");
            }
            match who {
                who if who == inward => return Self::Input(octets),
                who if who == outward => return Self::Output(octets),
                _ => {}
            }
        }
        let bracketed = |start| line.strip_prefix(start)?.strip_suffix("--");
        if let Some(setting) = line.strip_prefix("@ ") {
            let (key, value) = setting.split_once(' ').unwrap_or((setting, ""));
            Self::Setting(key, value)
        } else if let Some(channel) = bracketed("--START ") {
            Self::Start(channel)
        } else if let Some(end) = bracketed("--END ") {
            Self::End(end)
        } else if line == "--TLS--" {
            Self::StartTls
        } else if line.is_empty() || line.starts_with('#') {
            Self::Comment
        } else {
            Self::Other(line)
        }
    }
}

/// Octets in a form that a person can compare.
fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string().replace("\\r\\n", "\n")
}

/// Undoes the escapes of what is said.
///
/// # Panics
/// An escape that there is not.
#[must_use]
#[expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a transcript that cannot be read fails its test"
)]
pub fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            octets.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match rest.next() {
            Some('r') => octets.push(b'\r'),
            Some('n') => octets.push(b'\n'),
            Some('t') => octets.push(b'\t'),
            Some('0') => octets.push(0),
            Some('\\') => octets.push(b'\\'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                octets.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            Some('{') => {
                let count: String = rest.by_ref().take_while(|&next| next != '}').collect();
                let last = *octets.last().unwrap();
                let more = count.parse::<usize>().unwrap() - 1;
                octets.extend(std::iter::repeat_n(last, more));
            }
            other => panic!("\\{other:?} is no escape: {text}"),
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each line with itself; `quit` ends it.
    #[derive(Default)]
    struct Echo {
        line: Vec<u8>,
        out: Vec<u8>,
        end: Option<String>,
    }

    impl Session for Echo {
        fn input(&mut self, octets: &[u8]) {
            for octet in octets {
                self.line.push(*octet);
                if self.line.ends_with(b"\r\n") {
                    if self.line == b"quit\r\n" {
                        self.end = Some("Closed".to_owned());
                    }
                    self.out.append(&mut self.line);
                }
            }
        }

        fn output(&mut self) -> Vec<u8> {
            std::mem::take(&mut self.out)
        }

        fn start_tls(&mut self) {
            self.out.extend_from_slice(b"tls\r\n");
        }

        fn end(&self) -> Option<String> {
            self.end.clone()
        }
    }

    fn replay(text: &str) -> bool {
        let transcripts = Transcripts {
            all: vec![("test".to_owned(), text.to_owned())],
            side: Side::Server,
        };
        let replay = || transcripts.replay(|_| Box::<Echo>::default());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(replay)).is_ok()
    }

    #[test]
    fn what_is_said_as_written_passes_and_nothing_else() {
        let good = "--START x--\nC: a\\x62\nC| c\\r\\n\nS: ab\nS: c\n--TLS--\nS: tls\nC: quit\nS: quit\n--END Closed--\n";
        assert!(replay(good));
        for (from, to) in [
            ("S: ab", "S: abc"),
            ("S: c\n", ""),
            ("S: c\n", "S: c\nS: d\n"),
            ("S: tls\n", ""),
            ("--END Closed--\n", ""),
            ("--END Closed--", "--END Violated--"),
            ("C: quit", "C: stay"),
            ("--START x--\n", ""),
            ("--TLS--", "--DTLS--"),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(!replay(&good.replacen(from, to, 1)), "{from} -> {to}");
        }
    }

    #[test]
    fn octets_are_written_with_escapes() {
        assert_eq!(unescape("a\\{3}\\r\\n\\x00\\\\"), b"aaa\r\n\0\\");
    }
}
