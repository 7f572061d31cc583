//! How exchanges stand on the wire in IMAP, POP3 and submission: one line of strict base64 a message.
//!
//! Strict: the standard alphabet, padding where it belongs, no spare bits, no white space (RFC 4648 §4, §3.5).

use base64::{Engine, engine::general_purpose::STANDARD};
use pillarbox_policy::SecretBytes;
use zeroize::Zeroizing;

/// The longest decoded message either end takes, in octets. With base64 it makes a line of [`MAX_LINE`].
pub const MAX_MESSAGE: usize = 9 * 1024;

/// The longest base64 line of an exchange, in octets without CRLF: RFC 4954 §4 asks for 12,288, RFC 5034 §4
/// sets no limit to it but lifts the 255 octets of a command line (R5034-2).
pub const MAX_LINE: usize = 12 * 1024;

/// The line is not base64, or longer than [`MAX_LINE`]. The protocols' answer is a syntax error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not base64")]
pub struct NotBase64;

/// What a client's line in an exchange says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientLine {
    /// A message.
    Message(SecretBytes),
    /// `*`: the client gives up (RFC 5034 §4, RFC 4954 §4, RFC 9051 §6.2.2).
    Cancelled,
}

/// Encodes a message.
#[must_use]
pub fn encode(message: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(message))
}

/// Decodes a line.
///
/// # Errors
/// It is not strict base64, or too long.
pub fn decode(line: &[u8]) -> Result<SecretBytes, NotBase64> {
    if line.len() > MAX_LINE {
        return Err(NotBase64);
    }
    // The exact room, so that no growing buffer leaves copies of a secret behind.
    let mut message = Zeroizing::new(Vec::with_capacity(line.len() / 4 * 3 + 3));
    STANDARD
        .decode_vec(line, &mut message)
        .map_err(|_| NotBase64)?;
    debug_assert!(message.len() <= MAX_MESSAGE);
    Ok(message.into())
}

/// Decodes an initial response: `=` stands for an empty one (RFC 5034 §4, RFC 4954 §4, RFC 9051 §6.2.2).
///
/// # Errors
/// As [`decode`]; and the argument is empty, which is no way to write an empty response.
pub fn decode_initial(argument: &[u8]) -> Result<SecretBytes, NotBase64> {
    match argument {
        b"" => Err(NotBase64),
        b"=" => Ok(SecretBytes::new()),
        line => decode(line),
    }
}

/// Encodes an initial response: `=` stands for an empty one.
#[must_use]
pub fn encode_initial(message: &[u8]) -> Zeroizing<String> {
    if message.is_empty() {
        return Zeroizing::new("=".to_owned());
    }
    encode(message)
}

/// Reads a client's line in an exchange.
///
/// # Errors
/// As [`decode`].
pub fn client_line(line: &[u8]) -> Result<ClientLine, NotBase64> {
    match line {
        b"*" => Ok(ClientLine::Cancelled),
        line => decode(line).map(ClientLine::Message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_base64() {
        assert_eq!(decode(b"").unwrap().as_slice(), b"");
        assert_eq!(decode(b"AGEAYg==").unwrap().as_slice(), b"\0a\0b");
        for bad in [
            "AGEAYg",
            "AGEAYg=",
            "AGEAYh==",
            "AGEA Yg==",
            "AGEAYg==\r",
            "=",
            "====",
            "AGEAYg==AA==",
            "-_==",
        ] {
            assert_eq!(decode(bad.as_bytes()), Err(NotBase64), "{bad:?}");
        }
    }

    #[test]
    fn at_the_limit_and_one_over() {
        assert_eq!(decode(&[b'A'; MAX_LINE]).unwrap().len(), MAX_MESSAGE);
        assert_eq!(decode(&[b'A'; MAX_LINE + 4]), Err(NotBase64));
    }

    #[test]
    fn an_empty_initial_response_is_written_as_an_equals_sign() {
        assert_eq!(decode_initial(b"=").unwrap().as_slice(), b"");
        assert_eq!(decode_initial(b""), Err(NotBase64));
        assert_eq!(*encode_initial(b""), "=");
        assert_eq!(client_line(b"="), Err(NotBase64));
    }

    #[test]
    fn an_asterisk_cancels() {
        assert_eq!(client_line(b"*"), Ok(ClientLine::Cancelled));
        assert_eq!(client_line(b"**"), Err(NotBase64));
    }

    proptest::proptest! {
        #[test]
        fn decode_undoes_encode(message in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let line = encode(&message);
            let decoded = decode(line.as_bytes()).unwrap();
            proptest::prop_assert_eq!(decoded.as_slice(), message.as_slice());
        }
    }
}
