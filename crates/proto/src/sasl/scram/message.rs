//! The grammar of SCRAM's messages (RFC 5802 §7), read strictly.

use std::fmt::Write as _;

use pillarbox_policy::SecretBytes;

use super::keys::KEY;
use crate::sasl::coding;

/// The longest nonce, in octets, that is taken from a peer.
pub(super) const MAX_NONCE: usize = 512;
/// The longest salt, in octets, that is taken from a peer.
pub(super) const MAX_SALT: usize = 256;

/// The name of the one binding type there is (R9266-1).
pub(super) const TLS_EXPORTER: &str = "tls-exporter";

/// The message does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// `gs2-cbind-flag`: what the client says about channel binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag<'a> {
    /// `n`: it cannot bind.
    CannotBind,
    /// `y`: it could bind and thinks that the server cannot.
    ThinksServerCannot,
    /// `p=`: it binds with this type.
    Binds(&'a str),
}

/// `client-first-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    pub(super) flag: Flag<'a>,
    /// Unescaped; empty where there is none.
    pub(super) authzid: Option<String>,
    /// Unescaped.
    pub(super) username: String,
    pub(super) nonce: &'a str,
    /// `gs2-header`, which `c=` repeats.
    pub(super) header: &'a str,
    /// `client-first-message-bare`, which is signed.
    pub(super) bare: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let message = text(message)?;
        let (flag, rest) = message.split_once(',').ok_or(Malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or(Malformed)?;
        let flag = match flag.split_once('=') {
            None if flag == "n" => Flag::CannotBind,
            None if flag == "y" => Flag::ThinksServerCannot,
            Some(("p", name)) if is_binding_name(name) => Flag::Binds(name),
            _ => return Err(Malformed),
        };
        let authzid = match authzid {
            "" => None,
            authzid => Some(unescape(authzid.strip_prefix("a=").ok_or(Malformed)?)?),
        };
        let mut attributes = bare.split(',');
        // `m=` would stand here: an extension that has to be understood, and none exists.
        let username = unescape(attribute(attributes.next(), "n=")?)?;
        let nonce = nonce(attribute(attributes.next(), "r=")?)?;
        attributes.try_for_each(extension)?;
        let header_length = message.len() - bare.len();
        Ok(Self {
            flag,
            authzid,
            username,
            nonce,
            header: message.get(..header_length).ok_or(Malformed)?,
            bare,
        })
    }
}

/// `server-first-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut attributes = text(message)?.split(',');
        let nonce = nonce(attribute(attributes.next(), "r=")?)?;
        let salt = base64(attribute(attributes.next(), "s=")?)?;
        let iterations = count(attribute(attributes.next(), "i=")?)?;
        attributes.try_for_each(extension)?;
        if salt.is_empty() || salt.len() > MAX_SALT {
            return Err(Malformed);
        }
        Ok(Self {
            nonce,
            salt: salt.to_vec(),
            iterations,
        })
    }

    pub(super) fn compose(&self) -> String {
        let mut message = format!("r={},s={}", self.nonce, *coding::encode(&self.salt));
        // Writing to a String cannot fail.
        let _ = write!(message, ",i={}", self.iterations);
        message
    }
}

/// `client-final-message`.
#[derive(Clone)]
pub(super) struct ClientFinal<'a> {
    /// Decoded `c=`: the header and the binding's data.
    pub(super) binding: SecretBytes,
    pub(super) nonce: &'a str,
    pub(super) proof: [u8; KEY],
    /// `client-final-message-without-proof`, which is signed.
    pub(super) without_proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let (without_proof, proof) = text(message)?.rsplit_once(',').ok_or(Malformed)?;
        let proof = base64(attribute(Some(proof), "p=")?)?;
        let mut attributes = without_proof.split(',');
        let binding = base64(attribute(attributes.next(), "c=")?)?;
        let nonce = nonce(attribute(attributes.next(), "r=")?)?;
        attributes.try_for_each(extension)?;
        Ok(Self {
            binding,
            nonce,
            proof: proof.as_slice().try_into().map_err(|_| Malformed)?,
            without_proof,
        })
    }
}

/// `server-final-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerFinal {
    /// `v=`.
    Signature([u8; KEY]),
    /// `e=`: the server refuses.
    Error,
}

impl ServerFinal {
    pub(super) fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut attributes = text(message)?.split(',');
        let first = attributes.next().ok_or(Malformed)?;
        let parsed = if first
            .strip_prefix("e=")
            .is_some_and(|word| !word.is_empty())
        {
            Self::Error
        } else {
            let signature = base64(attribute(Some(first), "v=")?)?;
            Self::Signature(signature.as_slice().try_into().map_err(|_| Malformed)?)
        };
        attributes.try_for_each(extension)?;
        Ok(parsed)
    }
}

/// Writes a user name so that `,` and `=` in it are no syntax.
pub(super) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn unescape(name: &str) -> Result<String, Malformed> {
    let mut pieces = name.split('=');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = if let Some(rest) = piece.strip_prefix("2C") {
            (',', rest)
        } else {
            ('=', piece.strip_prefix("3D").ok_or(Malformed)?)
        };
        plain.push(character);
        plain.push_str(rest);
    }
    if plain.is_empty() {
        return Err(Malformed);
    }
    Ok(plain)
}

fn text(message: &[u8]) -> Result<&str, Malformed> {
    if message.contains(&0) {
        return Err(Malformed);
    }
    std::str::from_utf8(message).map_err(|_| Malformed)
}

fn attribute<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, Malformed> {
    attribute
        .and_then(|attribute| attribute.strip_prefix(name))
        .ok_or(Malformed)
}

/// An optional extension: `letter=value`. What is unknown is passed over; it is signed all the same.
fn extension(attribute: &str) -> Result<(), Malformed> {
    match attribute.split_once('=') {
        Some((name, value))
            if name.len() == 1
                && name
                    .starts_with(|letter: char| letter.is_ascii_alphabetic() && letter != 'm')
                && !value.is_empty() =>
        {
            Ok(())
        }
        _ => Err(Malformed),
    }
}

fn nonce(value: &str) -> Result<&str, Malformed> {
    let printable = value.bytes().all(|octet| octet.is_ascii_graphic());
    if value.is_empty() || value.len() > MAX_NONCE || !printable {
        return Err(Malformed);
    }
    Ok(value)
}

/// `posit-number`: no sign, no leading zero.
fn count(value: &str) -> Result<u32, Malformed> {
    let digits = value.bytes().all(|octet| octet.is_ascii_digit());
    if !digits || value.starts_with('0') {
        return Err(Malformed);
    }
    value.parse().map_err(|_| Malformed)
}

fn base64(value: &str) -> Result<SecretBytes, Malformed> {
    coding::decode(value.as_bytes()).map_err(|_| Malformed)
}

/// `cb-name`: letters, digits, `.` and `-`.
fn is_binding_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_first() {
        let parsed = ClientFirst::parse(b"p=tls-exporter,a=x=2Cy,n=u=3Ds=2C,r=abc,x=1").unwrap();
        assert_eq!(parsed.flag, Flag::Binds("tls-exporter"));
        assert_eq!(parsed.authzid.as_deref(), Some("x,y"));
        assert_eq!(parsed.username, "u=s,");
        assert_eq!(parsed.nonce, "abc");
        assert_eq!(parsed.header, "p=tls-exporter,a=x=2Cy,");
        assert_eq!(parsed.bare, "n=u=3Ds=2C,r=abc,x=1");
        assert_eq!(escape("u=s,"), "u=3Ds=2C");
    }

    #[test]
    fn malformed_client_first() {
        for bad in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=",
            "n,,n=u",
            "n,,n=u,r=",
            "n,,r=x,n=u",
            "x,,n=u,r=x",
            "p,,n=u,r=x",
            "p=,,n=u,r=x",
            "p=a b,,n=u,r=x",
            "n,b=x,n=u,r=x",
            "n,a=,n=u,r=x",
            "n,,n=u=2c,r=x",
            "n,,n=u=,r=x",
            "n,,m=ext,n=u,r=x",
            "n,,n=u,r=x,m=ext",
            "n,,n=u,r=x,",
            "n,,n=u,r=x,xx=1",
            "n,,n=u,r=\u{e4}",
            "n,,n=u\0,r=x",
            "n,,n=u,r=x y",
            "y=,,n=u,r=x",
            "n=,,n=u,r=x",
        ] {
            assert_eq!(
                ClientFirst::parse(bad.as_bytes()),
                Err(Malformed),
                "{bad:?}"
            );
        }
        let longest = format!("n,,n=u,r={}", "x".repeat(MAX_NONCE));
        assert!(ClientFirst::parse(longest.as_bytes()).is_ok());
        let longer = format!("{longest}x");
        assert_eq!(ClientFirst::parse(longer.as_bytes()), Err(Malformed));
    }

    #[test]
    fn malformed_server_first() {
        assert!(ServerFirst::parse(b"r=a,s=AAAA,i=4096,x=1").is_ok());
        for bad in [
            "",
            "r=a",
            "r=a,s=AAAA",
            "r=a,s=,i=4096",
            "r=a,s=AAA,i=4096",
            "r=a,s=AAAA,i=",
            "r=a,s=AAAA,i=04096",
            "r=a,s=AAAA,i=+4096",
            "r=a,s=AAAA,i=4294967296",
            "m=x,r=a,s=AAAA,i=4096",
            "e=other-error",
        ] {
            assert_eq!(
                ServerFirst::parse(bad.as_bytes()),
                Err(Malformed),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_salt_at_the_limit_and_one_over() {
        let with = |octets: usize| format!("r=a,s={},i=4096", *coding::encode(&vec![1; octets]));
        let longest = with(MAX_SALT);
        let parsed = ServerFirst::parse(longest.as_bytes()).unwrap();
        assert_eq!(parsed.salt, [1; MAX_SALT]);
        let over = with(MAX_SALT + 1);
        assert_eq!(ServerFirst::parse(over.as_bytes()), Err(Malformed));
    }

    #[test]
    fn malformed_finals() {
        let proof = coding::encode(&[1; KEY]).to_string();
        assert!(ClientFinal::parse(format!("c=biws,r=a,x=y,p={proof}").as_bytes()).is_ok());
        for bad in [
            format!("c=biws,r=a,p={}", *coding::encode(&[1; KEY - 1])),
            format!("c=biws,r=a,p={proof},x=1"),
            format!("r=a,c=biws,p={proof}"),
            "c=biws,r=a".to_owned(),
            String::new(),
        ] {
            assert!(ClientFinal::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(
            ServerFinal::parse(format!("v={proof}").as_bytes()),
            Ok(ServerFinal::Signature([1; KEY]))
        );
        assert_eq!(
            ServerFinal::parse(b"e=invalid-proof"),
            Ok(ServerFinal::Error)
        );
        for bad in ["", "e=", "v=", "v=AAAA", "x=1"] {
            assert_eq!(
                ServerFinal::parse(bad.as_bytes()),
                Err(Malformed),
                "{bad:?}"
            );
        }
    }
}
