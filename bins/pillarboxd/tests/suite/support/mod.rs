//! Ways to talk to a running `pillarboxd`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use pillarbox_testkit::needs;
use pillarbox_testkit::programs::{HOST, PATIENCE, ServerProgram};

/// PLAIN of Alice in base64: `\0login\0password`.
pub(crate) const PLAIN: &str = "AGFsaWNlQGV4YW1wbGUub3JnAGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==";
/// The same with another password.
pub(crate) const WRONG_PLAIN: &str = "AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n";

/// The listeners that start with TLS, and those that come to it by STARTTLS.
pub(crate) const IMPLICIT: [&str; 3] = ["imaps", "pop3s", "submissions"];
pub(crate) const STARTTLS: [&str; 3] = ["imap", "pop3", "submission"];

/// A configuration; no server runs yet.
pub(crate) fn new_server() -> ServerProgram {
    ServerProgram::new(Path::new(env!("CARGO_BIN_EXE_pillarboxd")))
}

/// A server that runs, with Alice's account.
pub(crate) fn serving() -> ServerProgram {
    ServerProgram::serving(Path::new(env!("CARGO_BIN_EXE_pillarboxd")))
}

/// `openssl s_client` to a listener, as a conversation.
pub(crate) fn openssl(server: &ServerProgram, listener: &str, arguments: &[&str]) -> Conversation {
    let mut command = needs::OPENSSL.required();
    command
        .args([
            "s_client",
            "-connect",
            &server.address(listener).to_string(),
        ])
        .args(["-servername", HOST, "-quiet", "-verify_return_error"])
        .arg("-CAfile")
        .arg(server.file("root.pem"))
        .args(match listener {
            "imap" => &["-starttls", "imap"][..],
            "pop3" => &["-starttls", "pop3"],
            "submission" => &["-starttls", "smtp"],
            _ => &[],
        })
        .args(arguments);
    Conversation::with(command)
}

/// A cleartext connection to a listener.
pub(crate) fn clear(server: &ServerProgram, listener: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(server.address(listener)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

/// A talk with a server by way of another program.
pub(crate) struct Conversation {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Conversation {
    fn with(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl is installed");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// The next line; `None` at the end.
    pub(crate) fn hear(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("heard nothing"),
        }
    }

    /// Lines up to the first that starts so, which is answered.
    pub(crate) fn hear_until(&mut self, start: &str) -> String {
        let mut heard = Vec::new();
        loop {
            match self.hear() {
                Some(line) if line.starts_with(start) => return line,
                Some(line) => heard.push(line),
                None => panic!(
                    "no line starts with {start:?}: {heard:?} {}",
                    self.complaints()
                ),
            }
        }
    }

    /// Says a line, and hears up to the first that starts so, which is answered.
    pub(crate) fn ask(&mut self, line: &str, start: &str) -> String {
        self.say(line);
        self.hear_until(start)
    }

    /// Says one line after the other, each once the answer to the one before has come.
    pub(crate) fn dialogue(&mut self, lines: &[(&str, &str)]) {
        for (line, start) in lines {
            self.ask(line, start);
        }
    }

    /// What the program said on standard error, once it has ended.
    pub(crate) fn complaints(&mut self) -> String {
        drop(self.input.take());
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            let _gone = errors.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// One line of a cleartext conversation, without its end.
pub(crate) fn line(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
