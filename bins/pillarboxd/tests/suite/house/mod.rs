//! A running `pillarboxd` of its own for a test: fresh folder, test CA, free ports, always with TLS.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use pillarbox_testkit::{TestCa, needs};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const ALICE: &str = "alice@example.org";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const HOST: &str = "mail.example.org";

/// A folder with a configuration, and perhaps a server that runs with it.
pub(crate) struct House {
    pub(crate) ca: TestCa,
    folder: TempDir,
    server: Option<Child>,
    pub(crate) ports: BTreeMap<String, Vec<SocketAddr>>,
}

impl House {
    /// A configuration with every listener on a free loopback port. No server runs yet.
    pub(crate) fn new() -> Self {
        let house = Self {
            ca: TestCa::new(),
            folder: tempfile::tempdir().unwrap(),
            server: None,
            ports: BTreeMap::new(),
        };
        let _root = house.ca.write_root(house.path());
        house.certify(&[HOST, "localhost"]);
        house.configure(|_| ());
        house
    }

    /// A house whose server runs, with Alice's account.
    pub(crate) fn serving() -> Self {
        let mut house = Self::new();
        house.add_account(ALICE, PASSWORD);
        house.serve();
        house
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Puts a new certificate for these names where the configuration looks for it.
    pub(crate) fn certify(&self, names: &[&str]) {
        let _files = self.ca.server(names).write_to(self.path(), "server");
    }

    /// Writes the configuration, changed by `change`.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut String)) {
        let mut text = format!("hostname = \"{HOST}\"\n")
            + r#"domains = ["example.org"]
data = "data"
[[certificates]]
chain = "server.pem"
key = "server.key"
[listeners]
imaps = ["127.0.0.1:0"]
pop3s = ["127.0.0.1:0"]
submissions = ["127.0.0.1:0"]
imap = ["127.0.0.1:0"]
pop3 = ["127.0.0.1:0"]
submission = ["127.0.0.1:0"]
[log]
format = "json"
level = "debug"
"#;
        change(&mut text);
        fs::write(self.file("pillarboxd.toml"), text).unwrap();
    }

    /// Runs a command with this house's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillarboxd"));
        command
            .arg("--config")
            .arg(self.file("pillarboxd.toml"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end with this on its standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may be gone already.
        let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a command that has to succeed; answers its standard output.
    pub(crate) fn succeed(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that has to fail; answers its standard error.
    pub(crate) fn fail(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    pub(crate) fn add_account(&self, address: &str, password: &str) {
        self.succeed(&["account", "add", address], password);
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn serve(&mut self) {
        assert!(self.server.is_none());
        let ports = self.file("ports.json");
        let _none = fs::remove_file(&ports);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.file("log"))
            .unwrap();
        let mut child = self
            .command(&["serve", "--ports-file", ports.to_str().unwrap()])
            .stderr(log)
            .spawn()
            .unwrap();
        wait_for("the server to be ready", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            ports.exists()
        });
        self.ports = serde_json::from_slice(&fs::read(&ports).unwrap()).unwrap();
        self.server = Some(child);
    }

    /// The first address of a listener.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.ports[listener][0]
    }

    /// What the server has written to its log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Log lines whose message is this.
    pub(crate) fn logged(&self, message: &str) -> Vec<serde_json::Value> {
        self.log()
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|line| line["message"] == message)
            .collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.server.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the server to end; answers whether it ended well.
    pub(crate) fn wait_for_end(&mut self) -> bool {
        let mut server = self.server.take().unwrap();
        let mut status = None;
        wait_for("the server to end", || {
            status = server.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().success()
    }

    /// Stops the server in order.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert!(self.wait_for_end(), "{}", self.log());
    }

    /// `openssl s_client` to a listener, as a conversation.
    pub(crate) fn openssl(&self, listener: &str, arguments: &[&str]) -> Conversation {
        let mut command = needs::OPENSSL.required();
        command
            .args(["s_client", "-connect", &self.address(listener).to_string()])
            .args(["-servername", HOST, "-quiet", "-verify_return_error"])
            .arg("-CAfile")
            .arg(self.file("root.pem"))
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
    pub(crate) fn clear(&self, listener: &str) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.address(listener)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        BufReader::new(stream)
    }

    /// Login records as JSON, newest first.
    pub(crate) fn logins(&self) -> Vec<serde_json::Value> {
        self.succeed(&["logins", "--json"], "")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _gone = server.kill();
            let _gone = server.wait();
            if thread::panicking() {
                eprintln!("the server's log:\n{}", self.log());
            }
        }
    }
}

/// Waits until `is_so`.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
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
