//! A bounded reader of ClientHello, ahead of rustls, for the two things rustls will not tell: which old
//! version a client spoke (R9325-1, R8997-1), and which name it asked for when that name is not served
//! (R9325-9). It decides nothing else; whatever it cannot read is left to rustls to judge.

use std::net::IpAddr;

/// The longest ClientHello that is looked at, in octets, record headers included.
pub(crate) const MAX_HELLO: usize = 16 * 1024;

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hello {
    /// More bytes are needed.
    Incomplete,
    /// Not the start of any TLS handshake, or one of more than [`MAX_HELLO`] octets.
    NotTls,
    /// A ClientHello of SSL 2, 3 or TLS 1.0, 1.1, with the newest version it offers.
    TooOld(u16),
    /// A ClientHello that offers TLS 1.2 or newer, or one that rustls has to judge.
    Acceptable {
        /// The host name in `server_name`, lower case, without a final dot. Absent for an IP address.
        server_name: Option<String>,
    },
}

const TLS12: u16 = 0x0303;
/// What SSL 2 calls itself.
const SSL2: u16 = 0x0002;

/// Reads the first bytes of a connection.
pub(crate) fn read(bytes: &[u8]) -> Hello {
    match *bytes {
        [] => Hello::Incomplete,
        // RFC 5246 appendix E.2: a two-octet length with the high bit set, msg_type 1, version.
        [0x80..=0xff, _, 1, major, minor, ..] => match u16::from_be_bytes([major, minor]) {
            // The format itself is older than anything it claims.
            TLS12.. => Hello::TooOld(SSL2),
            version => Hello::TooOld(version),
        },
        [0x80..=0xff] | [0x80..=0xff, _] | [0x80..=0xff, _, 1] | [0x80..=0xff, _, 1, _] => {
            Hello::Incomplete
        }
        [22] | [22, 3] => Hello::Incomplete,
        [22, 3, ..] => match handshake_message(bytes) {
            Ok(Some(body)) => client_hello(&body),
            Ok(None) if bytes.len() < MAX_HELLO => Hello::Incomplete,
            _ => Hello::NotTls,
        },
        _ => Hello::NotTls,
    }
}

/// Not a ClientHello.
struct Malformed;

/// Joins the first handshake message out of its records; `None` until it is whole.
fn handshake_message(bytes: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut message = Vec::new();
    let mut records = Cursor(bytes);
    loop {
        if let [kind, a, b, c, body @ ..] = message.as_slice() {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if *kind != 1 || length > MAX_HELLO {
                return Err(Malformed);
            }
            if let Some(body) = body.get(..length) {
                return Ok(Some(body.to_vec()));
            }
        }
        let (Some(kind), Some(major), Some(_), Some(length)) =
            (records.u8(), records.u8(), records.u8(), records.u16())
        else {
            return Ok(None);
        };
        if kind != 22 || major != 3 || length == 0 || usize::from(length) > MAX_HELLO {
            return Err(Malformed);
        }
        message.extend_from_slice(records.take_up_to(usize::from(length)));
    }
}

fn client_hello(body: &[u8]) -> Hello {
    let mut rest = Cursor(body);
    let Some(legacy) = rest.u16() else {
        return Hello::NotTls;
    };
    let extensions = (|| {
        rest.take(32)?; // random
        rest.vector8()?; // legacy_session_id
        rest.vector16()?; // cipher_suites
        rest.vector8()?; // legacy_compression_methods
        rest.vector16()
    })();
    let mut newest = legacy;
    let mut server_name = None;
    let mut extensions = Cursor(extensions.unwrap_or_default());
    while let (Some(kind), Some(content)) = (extensions.u16(), extensions.vector16()) {
        match kind {
            0 => server_name = host_name(content),
            43 => newest = newest_version(content).unwrap_or(legacy),
            _ => (),
        }
    }
    if newest < TLS12 {
        Hello::TooOld(newest)
    } else {
        Hello::Acceptable { server_name }
    }
}

/// `server_name`, RFC 6066 §3. An IP address is none (and clients must not send one).
fn host_name(content: &[u8]) -> Option<String> {
    let mut names = Cursor(Cursor(content).vector16()?);
    while let (Some(kind), Some(name)) = (names.u8(), names.vector16()) {
        if kind == 0 {
            let name = str::from_utf8(name).ok().filter(|name| name.is_ascii())?;
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            return Some(name).filter(|name| name.parse::<IpAddr>().is_err());
        }
    }
    None
}

/// `supported_versions`, RFC 8446 §4.2.1, without the values of RFC 8701 (GREASE).
fn newest_version(content: &[u8]) -> Option<u16> {
    let mut versions = Cursor(Cursor(content).vector8()?);
    std::iter::from_fn(|| versions.u16())
        .filter(|version| version & 0x0f0f != 0x0a0a)
        .max()
}

/// What is left to read. Every method leaves it as it was when it answers `None`.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn take_up_to(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn u8(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        let (&bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(bytes))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let mut after = Cursor(self.0);
        let length = after.u8()?;
        let content = after.take(length.into())?;
        self.0 = after.0;
        Some(content)
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let mut after = Cursor(self.0);
        let length = after.u16()?;
        let content = after.take(length.into())?;
        self.0 = after.0;
        Some(content)
    }
}

#[cfg(test)]
mod tests;
