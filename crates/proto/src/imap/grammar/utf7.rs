//! Modified UTF-7, in which mailbox names travel (RFC 3501 §5.1.3). One way to write each name, and no other
//! is read, so that two spellings never mean one mailbox.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// The octets are not modified UTF-7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mailbox name in modified UTF-7 (RFC 3501 section 5.1.3)")]
pub struct NotUtf7;

/// Writes a name.
#[must_use]
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for character in name.chars() {
        if matches!(character, ' '..='~') {
            end_shift(&mut out, &mut shifted);
            out.push(character);
            if character == '&' {
                out.push('-');
            }
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                shifted.extend_from_slice(&unit.to_be_bytes());
            }
        }
    }
    end_shift(&mut out, &mut shifted);
    out
}

fn end_shift(out: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        out.push('&');
        BASE64.encode_string(&*shifted, out);
        out.push('-');
        shifted.clear();
    }
}

/// Reads a name.
///
/// # Errors
/// The octets are not what [`encode`] writes for any name.
pub fn decode(name: &[u8]) -> Result<String, NotUtf7> {
    let text = std::str::from_utf8(name).map_err(|_| NotUtf7)?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, shifted)) = rest.split_once('&') {
        out.push_str(plain);
        let (shifted, after) = shifted.split_once('-').ok_or(NotUtf7)?;
        if shifted.is_empty() {
            out.push('&');
        } else {
            let octets = BASE64.decode(shifted).map_err(|_| NotUtf7)?;
            if octets.len() % 2 != 0 {
                return Err(NotUtf7);
            }
            let units = octets.chunks_exact(2).map(|pair| {
                pair.iter()
                    .fold(0u16, |unit, octet| (unit << 8) | u16::from(*octet))
            });
            for character in char::decode_utf16(units) {
                out.push(character.map_err(|_| NotUtf7)?);
            }
        }
        rest = after;
    }
    out.push_str(rest);
    if encode(&out).as_bytes() == name {
        Ok(out)
    } else {
        Err(NotUtf7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names() {
        // The example of RFC 3501 §5.1.3.
        assert_eq!(
            encode("~peter/mail/台北/日本語"),
            "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
        );
        assert_eq!(encode("Entwürfe & mehr"), "Entw&APw-rfe &- mehr");
        assert_eq!(decode(b"Entw&APw-rfe &- mehr").unwrap(), "Entwürfe & mehr");
        assert_eq!(decode(b"&2D3cjA-").unwrap(), "\u{1F48C}");
    }

    #[test]
    fn other_spellings_are_refused() {
        // From RFC 3501 §5.1.3: superfluous shifts; then an unshifted octet above 127, ASCII inside a
        // shift, no end, an odd octet, half a surrogate pair.
        for bad in [
            "&U,BTFw-&ZeVnLIqe-",
            "Entwürfe",
            "&AGE-",
            "&U,BTFw",
            "a&b",
            "&AA-",
            "&2Dw-",
        ] {
            assert_eq!(decode(bad.as_bytes()), Err(NotUtf7), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_name_is_read_back(name in "\\PC{0,20}") {
            let written = encode(&name);
            proptest::prop_assert!(written.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            proptest::prop_assert_eq!(decode(written.as_bytes()).unwrap(), name);
        }

        #[test]
        fn what_is_read_is_written_the_same(octets in proptest::collection::vec(0u8.., 0..30)) {
            if let Ok(name) = decode(&octets) {
                proptest::prop_assert_eq!(encode(&name).into_bytes(), octets);
            }
        }
    }
}
