//! Status indicators and response codes (RFC 1939 §3, RFC 2449 §8, RFC 3206), as a client reads them.

use std::fmt;

use crate::ServerText;

/// `+OK` or `-ERR` with what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Response {
    Ok,
    Err(Refused),
}

/// The server said `-ERR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The response code, where there is one.
    pub code: Option<ResponseCode>,
    /// What the server wrote, as its own words.
    pub text: ServerText,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused: \u{201c}{}\u{201d}", self.text)
    }
}

impl std::error::Error for Refused {}

/// A response code that we know, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseCode {
    /// `IN-USE`: another session has the maildrop (RFC 2449 §8.1.2).
    InUse,
    /// `LOGIN-DELAY`: too soon after the last login (RFC 2449 §8.1.1).
    LoginDelay,
    /// `AUTH`: the credentials are the problem (RFC 3206 §5).
    Auth,
    /// `SYS/TEMP`: the server has a problem that passes (RFC 3206 §4).
    SysTemp,
    /// `SYS/PERM`: the server has a problem that somebody has to mend (RFC 3206 §4).
    SysPerm,
    /// Any other.
    Other(String),
}

impl Response {
    /// Reads a line that has to be a response. `None` where it is none: the indicators are upper case and
    /// followed by a space or nothing (RFC 1939 §3).
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        if rest(line, b"+OK").is_some() {
            return Some(Self::Ok);
        }
        let rest = rest(line, b"-ERR")?;
        let (code, text) = split_code(rest);
        Some(Self::Err(Refused {
            code: code.map(ResponseCode::named),
            text: ServerText::new(text),
        }))
    }
}

impl ResponseCode {
    fn named(name: &[u8]) -> Self {
        match name.to_ascii_uppercase().as_slice() {
            b"IN-USE" => Self::InUse,
            b"LOGIN-DELAY" => Self::LoginDelay,
            b"AUTH" => Self::Auth,
            b"SYS/TEMP" => Self::SysTemp,
            b"SYS/PERM" => Self::SysPerm,
            _ => Self::Other(ServerText::new(name).to_string()),
        }
    }
}

/// What follows an indicator, without the space; `None` where the line does not begin with it.
pub(super) fn rest<'a>(line: &'a [u8], indicator: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(indicator)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix(b" ")
}

/// `[code] text`.
fn split_code(rest: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let inside = rest.strip_prefix(b"[");
    let parted = inside.and_then(|inside| {
        let end = memchr::memchr(b']', inside)?;
        let text = inside.get(end + 1..)?;
        Some((inside.get(..end)?, text.strip_prefix(b" ").unwrap_or(text)))
    });
    match parted {
        Some((code, text)) => (Some(code), text),
        None => (None, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indicators_are_exact() {
        assert_eq!(Response::parse(b"+OK"), Some(Response::Ok));
        assert_eq!(Response::parse(b"+OK ready"), Some(Response::Ok));
        for line in [
            "", "+", "+ok", "+OKAY", " +OK", "OK", "-err no", "-ERROR", "* OK",
        ] {
            assert_eq!(Response::parse(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn codes_are_parted_from_text() {
        let refused = |line: &str| match Response::parse(line.as_bytes()) {
            Some(Response::Err(refused)) => (refused.code, refused.text.to_string()),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused("-ERR"), (None, String::new()));
        assert_eq!(
            refused("-ERR [IN-USE] busy"),
            (Some(ResponseCode::InUse), "busy".to_owned())
        );
        assert_eq!(
            refused("-ERR [auth]no"),
            (Some(ResponseCode::Auth), "no".to_owned())
        );
        assert_eq!(
            refused("-ERR [X/Y] z"),
            (Some(ResponseCode::Other("X/Y".to_owned())), "z".to_owned())
        );
        assert_eq!(refused("-ERR [oops"), (None, "[oops".to_owned()));
    }

    #[test]
    fn c10_server_text_cannot_move_the_cursor_or_turn_around() {
        let line = "-ERR [\x07X] a\x1b[2Jb\u{202e}c\u{200b}d".as_bytes();
        let Some(Response::Err(refused)) = Response::parse(line) else {
            panic!("not a refusal");
        };
        assert_eq!(refused.code, Some(ResponseCode::Other("X".to_owned())));
        assert_eq!(refused.text.as_str(), "a[2Jbcd");
    }
}
