//! A client of a [`super::World`] that writes what a test tells it to.

use std::time::Duration;

use pillarbox_names::Service;
use pillarbox_proto::{Machine, Step};
use pillarbox_transport::{ConnectionError, Driven, HandDriven};

use super::people::{ANN, LOGIN, PASSWORD, PLAIN_OF_ANN};

/// How long a client waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes what it is told, and tells of what comes.
#[derive(Debug, Default)]
struct Wire {
    out: Vec<u8>,
    got: Vec<u8>,
    /// Waits for nothing to come.
    only_sends: bool,
}

impl Machine for Wire {
    type Event = Vec<u8>;
    type Error = ();

    fn input(&mut self, bytes: &[u8]) {
        self.got.extend_from_slice(bytes);
    }

    fn poll(&mut self) -> Step<Vec<u8>, ()> {
        if !self.out.is_empty() {
            return Step::Output(std::mem::take(&mut self.out).into());
        }
        if self.only_sends {
            return Step::NeedReply;
        }
        match std::mem::take(&mut self.got) {
            nothing if nothing.is_empty() => Step::NeedInput,
            got => Step::Event(got),
        }
    }
}

/// A client on a connection, by hand.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub connection: HandDriven,
    pub(super) service: Service,
    wire: Wire,
    /// What came and was not read.
    got: Vec<u8>,
    tags: u32,
}

impl Peer {
    pub(super) fn new(mut connection: HandDriven, service: Service) -> Self {
        // It outlasts the server.
        connection.set_idle_timeout(Duration::from_secs(24 * 60 * 60));
        Self {
            connection,
            service,
            wire: Wire::default(),
            got: Vec::new(),
            tags: 0,
        }
    }

    /// Sends octets, with the next that is read.
    pub fn put(&mut self, octets: &[u8]) {
        self.wire.out.extend_from_slice(octets);
    }

    /// Sends octets now.
    pub async fn send(&mut self, octets: &[u8]) {
        self.put(octets);
        self.wire.only_sends = true;
        let sent = self.connection.drive(&mut self.wire).await;
        assert_eq!(sent.unwrap(), Driven::NeedReply);
        self.wire.only_sends = false;
    }

    /// Sends what is to be sent, and waits so long for something to come.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn comes_within(&mut self, time: Duration) -> Result<bool, ConnectionError> {
        let driven = self.connection.drive(&mut self.wire);
        match tokio::time::timeout(time, driven).await {
            Ok(Ok(Driven::Event(octets))) => self.got.extend(octets),
            Ok(Ok(other)) => panic!("{other:?}"),
            Ok(Err(end)) => return Err(end),
            Err(_) => return Ok(false),
        }
        Ok(true)
    }

    async fn more(&mut self, wanted: &str) -> Result<(), ConnectionError> {
        let came = self.comes_within(PATIENCE).await?;
        assert!(came, "no {wanted:?} in {:?}", self.left());
        Ok(())
    }

    /// Takes off what was read, up to here.
    fn take(&mut self, end: usize) -> Vec<u8> {
        let rest = self.got.split_off(end);
        std::mem::replace(&mut self.got, rest)
    }

    /// Reads on to the end of the line in which `mark` stands, or which it ends.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn octets_until(&mut self, mark: &str) -> Result<Vec<u8>, ConnectionError> {
        let find = |octets: &[u8], from: usize, mark: &[u8]| {
            let rest = octets.get(from..)?;
            let at = rest.windows(mark.len()).position(|at| at == mark)?;
            Some(from + at)
        };
        let mut scanned = 0;
        loop {
            if let Some(at) = find(&self.got, scanned, mark.as_bytes()) {
                scanned = at;
                let end = at + mark.len().saturating_sub(2);
                if let Some(end) = find(&self.got, end, b"\r\n") {
                    return Ok(self.take(end + 2));
                }
            } else {
                scanned = self.got.len().saturating_sub(mark.len());
            }
            self.more(mark).await?;
        }
    }

    /// The same as text.
    pub async fn until(&mut self, mark: &str) -> String {
        let octets = self.octets_until(mark).await;
        text(&octets.unwrap_or_else(|error| panic!("{mark:?}: {error}")))
    }

    /// The next line.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn line(&mut self) -> Result<String, ConnectionError> {
        Ok(text(&self.octets_until("\r\n").await?))
    }

    /// Writes, and reads on to the line that begins with `mark`.
    pub async fn say(&mut self, said: &str, mark: &str) {
        self.put(said.as_bytes());
        while !self.line().await.unwrap().starts_with(mark) {}
    }

    /// Writes, and reads so many whole replies of SMTP.
    pub async fn replies(&mut self, said: impl AsRef<[u8]>, count: usize) -> String {
        self.put(said.as_ref());
        let (mut replies, mut whole) = (String::new(), 0);
        while whole < count {
            let line = self.line().await.unwrap_or_else(|end| panic!("{end}"));
            whole += usize::from(line.as_bytes().get(3) == Some(&b' '));
            replies.push_str(&line);
        }
        replies
    }

    /// Sends an IMAP command under a tag of its own, reads on to its tagged answer, and shows that with the tag `T`.
    pub async fn ask(&mut self, command: &str) -> String {
        text(&self.ask_octets(command.as_bytes()).await)
    }

    /// The same with octets.
    pub async fn ask_octets(&mut self, command: &[u8]) -> Vec<u8> {
        self.tags += 1;
        let tag = format!("unlikely{:04}", self.tags);
        self.put(&[format!("{tag} ").as_bytes(), command, b"\r\n"].concat());
        let mut octets = self.octets_until(&format!("{tag} ")).await.unwrap();
        let at = octets
            .windows(tag.len())
            .position(|at| at == tag.as_bytes())
            .unwrap();
        octets.splice(at..at + tag.len(), [b'T']);
        octets
    }

    /// A dialogue of IMAP: a line that begins with `C: ` is asked, and the lines that begin with `S: ` are the whole
    /// answer to it. `..` in such a line stands for anything.
    pub async fn dialogue(&mut self, lines: &str) {
        let lines = lines
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.is_empty());
        let mut lines = lines.peekable();
        while let Some(command) = lines.next() {
            let command = command.strip_prefix("C: ");
            let command = command.unwrap_or_else(|| panic!("a command before {:?}", lines.peek()));
            let answer = self.ask(command).await;
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("S: ")) {
                expected.push(line.trim_start_matches("S: "));
            }
            let fits = answer.lines().count() == expected.len()
                && answer
                    .lines()
                    .zip(&expected)
                    .all(|(line, expected)| is_like(line, expected));
            assert!(fits, "{command}\n{answer}instead of\n{expected:#?}");
        }
    }

    /// Appends a message to INBOX.
    pub async fn append(&mut self, message: &[u8]) -> String {
        let head = format!("APPEND INBOX {{{}+}}\r\n", message.len());
        text(&self.ask_octets(&[head.as_bytes(), message].concat()).await)
    }

    /// Nothing more comes: how the connection ends.
    pub async fn ends(&mut self) -> ConnectionError {
        self.octets_until("\0never").await.unwrap_err()
    }

    /// Reads to the end: the last line, and how it ended.
    pub async fn end(&mut self) -> (String, ConnectionError) {
        let end = self.ends().await;
        let last = self
            .left()
            .split_inclusive("\r\n")
            .last()
            .map(str::to_owned);
        (last.unwrap_or_default(), end)
    }

    /// What came and was not read.
    pub fn left(&self) -> String {
        text(&self.got)
    }

    /// Logs in as Ann.
    pub async fn log_in(&mut self) {
        match self.service {
            Service::Imap => {
                let answer = self.ask(LOGIN).await;
                assert!(answer.contains(" OK [CAPABILITY "), "{answer}");
            }
            Service::Pop3 => {
                self.say(&format!("USER {ANN}\r\n"), "+OK").await;
                self.say(&format!("PASS {PASSWORD}\r\n"), "+OK").await;
            }
            Service::Submission => {
                let both = format!("EHLO client.example\r\nAUTH PLAIN {PLAIN_OF_ANN}\r\n");
                let replies = self.replies(both, 2).await;
                let yes = "235 2.7.0 Authentication successful\r\n";
                assert!(replies.ends_with(yes), "{replies}");
            }
        }
    }

    /// Submits a message of Ann's, whose dots are stuffed; answers the last reply.
    pub async fn submit(&mut self, recipients: &[&str], message: &str) -> String {
        let to = recipients.iter().map(|to| format!("RCPT TO:<{to}>\r\n"));
        let commands = format!("MAIL FROM:<{ANN}>\r\n{}DATA\r\n", to.collect::<String>());
        let replies = self.replies(commands, recipients.len() + 2).await;
        let go_on = "354 End data with <CRLF>.<CRLF>\r\n";
        assert!(replies.ends_with(go_on), "{replies}");
        self.replies(format!("{message}.\r\n"), 1).await
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Whether a line is as expected, where `..` stands for anything.
fn is_like(line: &str, expected: &str) -> bool {
    let Some((first, others)) = expected.split_once("..") else {
        return line == expected;
    };
    line.strip_prefix(first).is_some_and(|rest| {
        let mut begins = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        begins.any(|at| is_like(rest.get(at..).unwrap_or_default(), others))
    })
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn two_dots_stand_for_anything() {
        for (line, expected, fits) in [
            ("T OK", "T OK", true),
            ("T OK done", "T OK", false),
            ("T OK done", "T OK ..", true),
            ("T OK done", "T .. done", true),
            ("T OK done", "T .. don", false),
            ("T NO", "T OK ..", false),
            ("a b c d", "a ..c d", true),
            ("a b c d", "a ..c", false),
        ] {
            assert_eq!(is_like(line, expected), fits, "{line} {expected}");
        }
    }
}
