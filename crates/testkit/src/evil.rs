//! A scripted TCP peer: plays lines, starts TLS where the script says so, and keeps every byte it was sent.
#![expect(
    clippy::expect_used,
    reason = "dev-only: a machine without a free port fails the test"
)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::TestCertificate;

/// How long a peer waits for a line, and how long it goes on listening after its last act.
const PATIENCE: Duration = Duration::from_secs(5);

/// One thing a scripted peer does.
#[derive(Clone)]
pub enum Act {
    /// Sends this text. `{tag}` stands for the first word of the line heard last.
    Say(String),
    /// The same, each octet in a write of its own.
    Drip(String),
    /// Does nothing for a while.
    Pause(Duration),
    /// Waits for one line.
    Hear,
    /// Waits for this line, and takes all lines before it.
    HearUntil(String),
    /// Does a TLS handshake with this certificate. A client that refuses it ends the script.
    StartTls(Arc<TestCertificate>),
    /// Closes the connection, inside TLS with a close_notify.
    HangUp,
    /// Ends TCP, inside TLS without a close_notify.
    CutOff,
}

impl Act {
    /// [`Act::Say`].
    pub fn say(text: &str) -> Self {
        Self::Say(text.to_owned())
    }

    /// A dialogue: says the first text, and each of the others once it has heard a line. CRLF is added to each.
    pub fn answers<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let said = texts
            .into_iter()
            .flat_map(|text| [Self::Hear, Self::Say(format!("{text}\r\n"))]);
        said.skip(1).collect()
    }

    /// The same inside TLS from the first octet on.
    pub fn inside_tls<'a>(
        certificate: &Arc<TestCertificate>,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Vec<Self> {
        let mut acts = vec![Self::StartTls(Arc::clone(certificate))];
        acts.extend(Self::answers(texts));
        acts
    }

    /// An IMAP server by implicit TLS that answers the login with `answer`, and then says goodbye.
    pub fn imap(certificate: &Arc<TestCertificate>, answer: &str) -> Vec<Self> {
        let capabilities = "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n{tag} OK";
        let texts = ["* OK ready", capabilities, answer, "* BYE\r\n{tag} OK"];
        Self::inside_tls(certificate, texts)
    }

    /// A submission server by implicit TLS that takes any login, and then says goodbye.
    pub fn submission(certificate: &Arc<TestCertificate>) -> Vec<Self> {
        let capabilities = "250-mail\r\n250 AUTH PLAIN";
        let texts = ["220 mail", capabilities, "235 2.7.0 ok", "221 bye"];
        Self::inside_tls(certificate, texts)
    }
}

/// The answer to an IMAP login, with capabilities so that they are not asked for again.
pub const LOGGED_IN: &str = "{tag} OK [CAPABILITY IMAP4rev1] hello";

/// What a scripted peer was sent, over all its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// How many connections there were.
    pub connections: usize,
    /// Every byte that came over the wire, encrypted or not.
    pub wire: Vec<u8>,
    /// What was said to it, inside TLS or outside: without handshakes.
    pub said: Vec<u8>,
    /// How many TLS handshakes succeeded.
    pub handshakes: usize,
}

impl Received {
    /// Whether these octets stand anywhere in what was received.
    pub fn contains(&self, octets: &[u8]) -> bool {
        let within = |all: &[u8]| {
            all.windows(octets.len().max(1))
                .any(|window| window == octets)
        };
        within(&self.wire) || within(&self.said)
    }

    /// What was said, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}

/// A peer that plays scripts to those who connect. It ends when dropped.
#[derive(Debug)]
pub struct EvilServer {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
    task: JoinHandle<()>,
}

impl EvilServer {
    /// Plays one script to everyone, on a free loopback port. Needs a running tokio runtime.
    pub async fn start(script: Vec<Act>) -> Self {
        Self::start_each(vec![script]).await
    }

    /// Plays the first script to the first connection, the second to the second, and the last to all that
    /// follow.
    pub async fn start_each(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        Self::at(listener.expect("a free port"), scripts)
    }

    /// As [`Self::start_each`], on a listener that is there already.
    pub fn at(listener: TcpListener, scripts: Vec<Vec<Act>>) -> Self {
        let address = listener.local_addr().expect("an address");
        let received: Arc<Mutex<Received>> = Arc::default();
        let record = Arc::clone(&received);
        let task = tokio::spawn(async move {
            let mut scripts = scripts.into_iter();
            let mut script = scripts.next().unwrap_or_default();
            while let Ok((socket, _)) = listener.accept().await {
                update(&record, |received| received.connections += 1);
                let (now, record) = (script.clone(), Arc::clone(&record));
                tokio::spawn(async move { play(socket, &now, &record).await });
                script = scripts.next().unwrap_or(script);
            }
        });
        Self {
            address,
            received,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A line of a zone that names it, on the host `mail` and with the best priority, for a label such as `_imaps`.
    pub fn srv(&self, label: &str) -> String {
        self.srv_of(label, 0, "mail")
    }

    /// The same with a priority, on any host.
    pub fn srv_of(&self, label: &str, priority: u16, host: &str) -> String {
        format!("{label}._tcp SRV {priority} 1 {} {host}\n", self.port())
    }

    /// What it was sent until now.
    pub fn received(&self) -> Received {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for EvilServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn update(record: &Mutex<Received>, change: impl FnOnce(&mut Received)) {
    change(&mut record.lock().unwrap_or_else(PoisonError::into_inner));
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn play(socket: TcpStream, script: &[Act], record: &Arc<Mutex<Received>>) {
    // what is written by itself travels by itself
    let _ = socket.set_nodelay(true);
    let mut stream: Box<dyn Stream> = Box::new(Tap {
        socket,
        record: Arc::clone(record),
    });
    let mut tag = String::new();
    for act in script {
        match act {
            Act::Say(text) => {
                let text = text.replace("{tag}", &tag);
                if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err()
                {
                    return;
                }
            }
            Act::Drip(text) => {
                for octet in text.replace("{tag}", &tag).as_bytes() {
                    if stream.write_all(&[*octet]).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            }
            Act::Pause(time) => sleep(*time).await,
            Act::Hear => match timeout(PATIENCE, line(&mut stream, record)).await {
                Ok(Some(line)) => {
                    tag = line.split(' ').next().unwrap_or_default().trim().to_owned()
                }
                _ => return,
            },
            Act::HearUntil(last) => loop {
                match timeout(PATIENCE, line(&mut stream, record)).await {
                    Ok(Some(line)) if line.trim_end() == last => break,
                    Ok(Some(_)) => {}
                    _ => return,
                }
            },
            Act::StartTls(certificate) => {
                let Some(acceptor) = acceptor(certificate) else {
                    return;
                };
                let Ok(Ok(tls)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
                    return;
                };
                update(record, |received| received.handshakes += 1);
                stream = Box::new(tls);
            }
            Act::HangUp => {
                let _ = stream.shutdown().await;
                return;
            }
            Act::CutOff => return,
        }
    }
    // whatever a client says now has to be on record too
    while let Ok(Some(_)) = timeout(PATIENCE, line(&mut stream, record)).await {}
}

/// Reads up to a line feed, octet by octet, so that nothing of a handshake is taken along.
async fn line(stream: &mut Box<dyn Stream>, record: &Mutex<Received>) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let octet = stream.read_u8().await.ok()?;
        update(record, |received| received.said.push(octet));
        line.push(octet);
        if octet == b'\n' {
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
    }
}

fn acceptor(certificate: &TestCertificate) -> Option<TlsAcceptor> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_single_cert(certificate.chain(), certificate.key())
        .ok()?;
    Some(TlsAcceptor::from(Arc::new(config)))
}

/// Writes down what is read off the wire.
struct Tap {
    socket: TcpStream,
    record: Arc<Mutex<Received>>,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        update(&self.record, |received| {
            received.wire.extend_from_slice(read)
        });
        poll
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_said_is_on_record() {
        let script = Act::answers(["* OK hi", "{tag} NO"]);
        let server = EvilServer::start(script).await;
        let mut peer = TcpStream::connect(server.address()).await.unwrap();
        peer.write_all(b"x1 STARTTLS\r\nmore\r\n").await.unwrap();
        peer.shutdown().await.unwrap();
        let mut heard = String::new();
        peer.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "* OK hi\r\nx1 NO\r\n");
        let received = server.received();
        assert_eq!((received.connections, received.handshakes), (1, 0));
        assert_eq!(received.text(), "x1 STARTTLS\r\nmore\r\n");
        assert!(received.contains(b"STARTTLS") && !received.contains(b"LOGIN"));
    }
}
