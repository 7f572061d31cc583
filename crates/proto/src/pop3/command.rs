//! The grammar of commands (RFC 1939 §3, RFC 2449 §4): a keyword in any case, arguments parted by one space.

use std::num::NonZeroU32;

/// A command, its arguments taken apart. Borrowed from the line, so that passwords are not copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Capa,
    Stls,
    Quit,
    User(&'a [u8]),
    Pass(&'a [u8]),
    Auth {
        mechanism: &'a [u8],
        initial: Option<&'a [u8]>,
    },
    Apop,
    Stat,
    Noop,
    Rset,
    List(Option<NonZeroU32>),
    Uidl(Option<NonZeroU32>),
    Retr(NonZeroU32),
    Dele(NonZeroU32),
    Top(NonZeroU32, u32),
}

/// How a line can fail to be a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The keyword is none that we know.
    Unknown,
    /// The keyword's arguments are missing, too many or wrong.
    Arguments,
}

/// The first word of a line, which is all that is looked at where credentials may not be taken.
pub(super) fn keyword(line: &[u8]) -> &[u8] {
    line.split(|octet| *octet == b' ')
        .next()
        .unwrap_or_default()
}

/// Whether a keyword carries credentials (RFC 1939 §7, RFC 5034).
pub(super) fn takes_credentials(keyword: &[u8]) -> bool {
    [&b"USER"[..], b"PASS", b"AUTH", b"APOP"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(keyword))
}

impl<'a> Command<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Fault> {
        let keyword = keyword(line);
        let rest = line.get(keyword.len()..).unwrap_or_default();
        let rest = rest.strip_prefix(b" ");
        match keyword.to_ascii_uppercase().as_slice() {
            b"CAPA" => none(rest, Self::Capa),
            b"STLS" => none(rest, Self::Stls),
            b"QUIT" => none(rest, Self::Quit),
            b"STAT" => none(rest, Self::Stat),
            b"NOOP" => none(rest, Self::Noop),
            b"RSET" => none(rest, Self::Rset),
            b"APOP" => Ok(Self::Apop),
            b"USER" => some(rest).map(Self::User),
            // A password may hold spaces, anywhere (RFC 1939 §7).
            b"PASS" => some(rest).map(Self::Pass),
            b"AUTH" => auth(some(rest)?),
            b"LIST" => rest.map(number).transpose().map(Self::List),
            b"UIDL" => rest.map(number).transpose().map(Self::Uidl),
            b"RETR" => number(some(rest)?).map(Self::Retr),
            b"DELE" => number(some(rest)?).map(Self::Dele),
            b"TOP" => top(some(rest)?),
            _ => Err(Fault::Unknown),
        }
    }
}

fn none<'a>(rest: Option<&[u8]>, command: Command<'a>) -> Result<Command<'a>, Fault> {
    match rest {
        None => Ok(command),
        Some(_) => Err(Fault::Arguments),
    }
}

fn some(rest: Option<&[u8]>) -> Result<&[u8], Fault> {
    rest.filter(|rest| !rest.is_empty()).ok_or(Fault::Arguments)
}

fn auth(rest: &[u8]) -> Result<Command<'_>, Fault> {
    let mut words = rest.split(|octet| *octet == b' ');
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) if !mechanism.is_empty() => {
            Ok(Command::Auth { mechanism, initial })
        }
        _ => Err(Fault::Arguments),
    }
}

fn top(rest: &[u8]) -> Result<Command<'_>, Fault> {
    let mut words = rest.split(|octet| *octet == b' ');
    match (words.next(), words.next(), words.next()) {
        (Some(message), Some(lines), None) => Ok(Command::Top(number(message)?, digits(lines)?)),
        _ => Err(Fault::Arguments),
    }
}

fn number(word: &[u8]) -> Result<NonZeroU32, Fault> {
    NonZeroU32::new(digits(word)?).ok_or(Fault::Arguments)
}

/// Digits, and no more of them than the largest number has.
fn digits(word: &[u8]) -> Result<u32, Fault> {
    std::str::from_utf8(word)
        .ok()
        .filter(|word| word.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|word| word.parse().ok())
        .ok_or(Fault::Arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn commands() {
        for (line, command) in [
            (&b"CAPA"[..], Command::Capa),
            (b"capa", Command::Capa),
            (b"USER ann@example.org", Command::User(b"ann@example.org")),
            (b"PASS  two  spaces ", Command::Pass(b" two  spaces ")),
            (
                b"AUTH PLAIN",
                Command::Auth {
                    mechanism: b"PLAIN",
                    initial: None,
                },
            ),
            (
                b"AUTH PLAIN =",
                Command::Auth {
                    mechanism: b"PLAIN",
                    initial: Some(b"="),
                },
            ),
            (
                b"AUTH PLAIN ",
                Command::Auth {
                    mechanism: b"PLAIN",
                    initial: Some(b""),
                },
            ),
            (b"APOP whatever", Command::Apop),
            (b"LIST", Command::List(None)),
            (b"LIST 007", Command::List(Some(message(7)))),
            (b"UIDL 1", Command::Uidl(Some(message(1)))),
            (b"RETR 4294967295", Command::Retr(message(u32::MAX))),
            (b"DELE 2", Command::Dele(message(2))),
            (b"TOP 3 0", Command::Top(message(3), 0)),
        ] {
            assert!(
                Command::parse(line) == Ok(command),
                "{:?}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn faults() {
        for line in ["", " CAPA", "CAPA\t", "XYZZY", "US ER", "\u{212a}"] {
            assert!(
                Command::parse(line.as_bytes()) == Err(Fault::Unknown),
                "{line:?}"
            );
        }
        for line in [
            "CAPA ",
            "STLS now",
            "QUIT 1",
            "USER",
            "USER ",
            "PASS",
            "AUTH",
            "AUTH ",
            "AUTH  =",
            "AUTH A B C",
            "LIST ",
            "LIST x",
            "LIST 0",
            "LIST -1",
            "LIST +1",
            "LIST 1 2",
            "RETR",
            "RETR 4294967296",
            "TOP 1",
            "TOP 1 ",
            "TOP 1 2 3",
            "TOP 0 1",
            "DELE",
            "DELE 1 ",
            "STAT 1",
            "NOOP x",
            "RSET x",
        ] {
            assert!(
                Command::parse(line.as_bytes()) == Err(Fault::Arguments),
                "{line:?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_a_command_or_a_fault(line in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = Command::parse(&line);
        }
    }
}
