//! A client that does with a password whatever clients do, well or badly.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use pillarbox_testkit::programs::{HOST, PATIENCE};

/// Between two parts of what could be one segment.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Imap,
    Pop3,
    Submission,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Imap, Self::Pop3, Self::Submission];

    /// The listener with TLS from the first octet.
    pub(crate) fn implicit(self) -> &'static str {
        match self {
            Self::Imap => "imaps",
            Self::Pop3 => "pop3s",
            Self::Submission => "submissions",
        }
    }

    /// The listener with STARTTLS.
    pub(crate) fn clear(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Submission => "submission",
        }
    }
}

enum Wire {
    Clear(TcpStream),
    Sealed(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// One connection.
pub(crate) struct Session {
    pub(crate) protocol: Protocol,
    wire: Wire,
}

impl Session {
    /// Connects in the clear.
    pub(crate) fn clear(protocol: Protocol, address: SocketAddr) -> Self {
        let mut session = Self {
            protocol,
            wire: Wire::Clear(tcp(address)),
        };
        session.hello();
        session
    }

    /// Connects with TLS from the first octet.
    pub(crate) fn implicit(
        protocol: Protocol,
        address: SocketAddr,
        tls: &Arc<ClientConfig>,
    ) -> Self {
        let mut session = Self {
            protocol,
            wire: seal(tcp(address), tls),
        };
        session.hello();
        session
    }

    /// Connects in the clear and changes to TLS.
    pub(crate) fn start_tls(
        protocol: Protocol,
        address: SocketAddr,
        tls: &Arc<ClientConfig>,
    ) -> Self {
        let mut session = Self::clear(protocol, address);
        let reply = session.command(match protocol {
            Protocol::Pop3 => "STLS",
            Protocol::Imap | Protocol::Submission => "STARTTLS",
        });
        assert!(session.is_success(&reply), "{reply}");
        let Wire::Clear(tcp) = session.wire else {
            unreachable!("it was in the clear")
        };
        session.wire = seal(tcp, tls);
        if protocol == Protocol::Submission {
            session.command("EHLO client.example");
        }
        session
    }

    fn hello(&mut self) {
        self.line();
        if self.protocol == Protocol::Submission {
            self.command("EHLO client.example");
        }
    }

    /// Sends these octets in one segment, and in one record.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        let (tcp, tls): (_, &mut dyn Write) = match &mut self.wire {
            Wire::Clear(tcp) => (tcp.try_clone().unwrap(), tcp),
            Wire::Sealed(tls) => (tls.sock.try_clone().unwrap(), tls),
        };
        tcp.set_nodelay(true).unwrap();
        // A server that has hung up is one of the answers.
        let _gone = tls.write_all(octets).and_then(|()| tls.flush());
    }

    /// Sends pieces one by one.
    pub(crate) fn send_pieces<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) {
        for piece in pieces {
            self.send(piece);
            sleep(PAUSE);
        }
    }

    /// The next line; empty where the server has hung up.
    pub(crate) fn line(&mut self) -> String {
        let reader: &mut dyn Read = match &mut self.wire {
            Wire::Clear(tcp) => tcp,
            Wire::Sealed(tls) => tls,
        };
        let mut line = Vec::new();
        let mut octet = [0];
        while let Ok(1) = reader.read(&mut octet) {
            line.extend_from_slice(&octet);
            if octet == *b"\n" {
                break;
            }
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// The line that ends a reply, or asks for more.
    pub(crate) fn reply(&mut self) -> String {
        loop {
            let line = self.line();
            let more = match self.protocol {
                Protocol::Imap => {
                    line.starts_with("* ")
                        && !line.starts_with("* BYE")
                        && !line.starts_with("* BAD")
                }
                Protocol::Pop3 => false,
                Protocol::Submission => line.as_bytes().get(3) == Some(&b'-'),
            };
            if !more {
                return line;
            }
        }
    }

    /// A command as this protocol writes it, with its line end.
    pub(crate) fn written(&self, command: &str) -> String {
        match self.protocol {
            Protocol::Imap => format!("t {command}\r\n"),
            Protocol::Pop3 | Protocol::Submission => format!("{command}\r\n"),
        }
    }

    /// PLAIN with its message in the command, as this protocol writes it.
    pub(crate) fn plain_command(&self, login: &str, password: &str) -> String {
        let message = plain(login, password);
        self.written(&format!("{} PLAIN {message}", self.authenticate()))
    }

    /// Says a command and hears the answer.
    pub(crate) fn command(&mut self, command: &str) -> String {
        let command = self.written(command);
        self.send(command.as_bytes());
        self.reply()
    }

    /// Says a line that is no command and hears the answer.
    pub(crate) fn answer(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    pub(crate) fn is_success(&self, reply: &str) -> bool {
        match self.protocol {
            Protocol::Imap => reply.starts_with("t OK"),
            Protocol::Pop3 => reply.starts_with("+OK"),
            Protocol::Submission => reply.starts_with('2'),
        }
    }

    /// The command that begins SASL, up to the mechanism.
    pub(crate) fn authenticate(&self) -> &'static str {
        match self.protocol {
            Protocol::Imap => "AUTHENTICATE",
            Protocol::Pop3 | Protocol::Submission => "AUTH",
        }
    }

    /// Logs in by the protocol's own command, or by PLAIN where there is none. Answers whether it worked.
    pub(crate) fn own_login(&mut self, login: &str, password: &str) -> bool {
        let reply = match self.protocol {
            Protocol::Imap => self.command(&format!("LOGIN {login} {}", quoted(password))),
            Protocol::Pop3 => {
                self.command(&format!("USER {login}"));
                self.command(&format!("PASS {password}"))
            }
            Protocol::Submission => return self.plain(login, password),
        };
        self.is_success(&reply)
    }

    /// PLAIN with its message in the command.
    pub(crate) fn plain(&mut self, login: &str, password: &str) -> bool {
        self.send(self.plain_command(login, password).as_bytes());
        let reply = self.reply();
        self.is_success(&reply)
    }

    /// PLAIN with its message when asked for it.
    pub(crate) fn plain_when_asked(&mut self, login: &str, password: &str) -> bool {
        let authenticate = self.authenticate();
        self.command(&format!("{authenticate} PLAIN"));
        let reply = self.answer(&plain(login, password));
        self.is_success(&reply)
    }

    /// LOGIN, the mechanism.
    pub(crate) fn login_mechanism(&mut self, login: &str, password: &str) -> bool {
        let authenticate = self.authenticate();
        self.command(&format!("{authenticate} LOGIN"));
        self.answer(&STANDARD.encode(login));
        let reply = self.answer(&STANDARD.encode(password));
        self.is_success(&reply)
    }

    /// SCRAM-SHA-256 (RFC 5802, RFC 7677), bound to the channel or not. Answers whether it worked and the keys that
    /// were made of the password.
    pub(crate) fn scram(&mut self, login: &str, password: &str, bound: bool) -> (bool, ScramKeys) {
        let (mechanism, mut binding) = if bound {
            ("SCRAM-SHA-256-PLUS", b"p=tls-exporter,,".to_vec())
        } else {
            ("SCRAM-SHA-256", b"n,,".to_vec())
        };
        let bare = format!("n={login},r={}", random(24));
        let first = [&binding, bare.as_bytes()].concat();
        if let (true, Wire::Sealed(tls)) = (bound, &self.wire) {
            let exported =
                tls.conn
                    .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
            binding.extend_from_slice(&exported.unwrap());
        }
        let authenticate = self.authenticate();
        let reply = self.command(&format!(
            "{authenticate} {mechanism} {}",
            STANDARD.encode(first)
        ));
        let server_first = challenge(&reply);
        let attribute = |name: &str| {
            server_first
                .split(',')
                .find_map(|attribute| attribute.strip_prefix(name))
                .unwrap_or_else(|| panic!("{server_first}"))
        };
        let keys = ScramKeys::new(
            password,
            &STANDARD.decode(attribute("s=")).unwrap(),
            attribute("i=").parse().unwrap(),
        );
        let last = format!("c={},r={}", STANDARD.encode(binding), attribute("r="));
        let proof = keys.proof(&format!("{bare},{server_first},{last}"));
        let last = format!("{last},p={}", STANDARD.encode(proof));
        let reply = self.answer(&STANDARD.encode(last));
        if !reply.starts_with('+') && !reply.starts_with("334") {
            return (false, keys);
        }
        let reply = self.answer("");
        (self.is_success(&reply), keys)
    }

    /// Says goodbye and waits for the server to hang up.
    pub(crate) fn quit(mut self) {
        self.command(match self.protocol {
            Protocol::Imap => "LOGOUT",
            Protocol::Pop3 | Protocol::Submission => "QUIT",
        });
        if let Wire::Sealed(tls) = &mut self.wire {
            tls.conn.send_close_notify();
            let _gone = tls.flush();
        }
        while !self.line().is_empty() {}
    }
}

/// What is made of a password for SCRAM.
pub(crate) struct ScramKeys {
    pub(crate) salted: [u8; 32],
    pub(crate) client: Vec<u8>,
}

impl ScramKeys {
    fn new(password: &str, salt: &[u8], iterations: u32) -> Self {
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations.try_into().unwrap(),
            salt,
            password.as_bytes(),
            &mut salted,
        );
        Self {
            client: mac(&salted, b"Client Key"),
            salted,
        }
    }

    fn proof(&self, message: &str) -> Vec<u8> {
        let stored = digest::digest(&digest::SHA256, &self.client);
        mac(stored.as_ref(), message.as_bytes())
            .iter()
            .zip(&self.client)
            .map(|(signature, key)| signature ^ key)
            .collect()
    }
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

/// The text in a server's challenge.
fn challenge(reply: &str) -> String {
    let text = reply.split_once(' ').map_or("", |(_, text)| text);
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// PLAIN's message on the wire.
pub(crate) fn plain(login: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{login}\0{password}"))
}

/// An IMAP quoted string.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Letters and digits that nobody has used before.
pub(crate) fn random(length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut octets = vec![0; length];
    rand::fill(&mut octets).unwrap();
    octets
        .iter()
        .map(|octet| char::from(LETTERS[usize::from(*octet) % LETTERS.len()]))
        .collect()
}

fn tcp(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

fn seal(mut tcp: TcpStream, tls: &Arc<ClientConfig>) -> Wire {
    let mut connection = ClientConnection::new(Arc::clone(tls), HOST.try_into().unwrap()).unwrap();
    connection.complete_io(&mut tcp).unwrap();
    Wire::Sealed(Box::new(StreamOwned::new(connection, tcp)))
}
