//! The message of PLAIN (RFC 4616 §2): `[authzid] NUL authcid NUL passwd`.

use pillarbox_policy::{Secret, SecretBytes};

use super::failure::ServerFailure as Failure;
use super::prepare::{prepare_login, prepare_password};

/// Reads a client's message into login and password, both prepared.
///
/// An authorization identity has to be empty or the login itself: nobody may act for somebody else here. `known`
/// is the login as soon as it can be read, for the record of an attempt that fails.
pub(super) fn parse(
    message: &[u8],
    known: &mut Option<String>,
) -> Result<(String, Secret), Failure> {
    let mut fields = message.split(|octet| *octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Failure::Malformed);
    };
    let login = login(authcid)?;
    *known = Some(login.clone());
    if !authzid.is_empty() && self::login(authzid)? != login {
        return Err(Failure::OtherIdentity);
    }
    Ok((login, self::password(password)?))
}

/// A login as it came off the wire.
pub(super) fn login(octets: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(octets).map_err(|_| Failure::Malformed)?;
    prepare_login(text).map_err(|_| Failure::Malformed)
}

/// A password as it came off the wire.
pub(super) fn password(octets: &[u8]) -> Result<Secret, Failure> {
    let text = std::str::from_utf8(octets).map_err(|_| Failure::Malformed)?;
    prepare_password(&Secret::from(text)).map_err(|_| Failure::Malformed)
}

/// A client's message. Login and password are prepared, so neither holds a NUL.
pub(super) fn compose(login: &str, password: &Secret) -> SecretBytes {
    let password = password.expose();
    let mut message = SecretBytes::with_capacity(login.len() + password.len() + 2);
    message.push(0);
    message.extend_from_slice(login.as_bytes());
    message.push(0);
    message.extend_from_slice(password.as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Result<(String, Secret), Failure> {
        parse(message, &mut None)
    }

    #[test]
    fn rfc4616_examples() {
        assert_eq!(
            read(b"\0tim\0tanstaaftanstaaf"),
            Ok(("tim".to_owned(), "tanstaaftanstaaf".into()))
        );
        assert_eq!(read(b"Ursel\0Kurt\0xipj3plmq"), Err(Failure::OtherIdentity));
        assert_eq!(
            read(b"Kurt\0Kurt\0xipj3plmq"),
            Ok(("Kurt".to_owned(), "xipj3plmq".into()))
        );
    }

    #[test]
    fn malformed() {
        for bad in [
            &b""[..],
            b"tim",
            b"tim\0pw",
            b"\0tim\0pw\0",
            b"\0\0pw",
            b"\0tim\0",
            b"\0t\x07m\0pw",
            b"\0tim\0\xff",
            b"\xff\0tim\0pw",
        ] {
            assert_eq!(read(bad), Err(Failure::Malformed), "{bad:?}");
        }
    }
}
