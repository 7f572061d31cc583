//! The programs themselves, as child processes: a `pillarboxd` with its folder and ports, a `pillarbox` with its
//! person's folder. A test has the path of its own program from cargo, of the other one from [`crate::needs::built`].
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "dev-only: a program that does not do as it should fails the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Site;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The host of the server program, in its certificate too.
pub const HOST: &str = "mail.example.org";
/// The account that [`ServerProgram::serving`] makes.
pub const ALICE: &str = "alice@example.org";
/// The password of every account, where nothing else is said.
pub const PASSWORD: &str = "correct-horse-battery";
/// The listeners, those of implicit TLS first.
pub const LISTENERS: [&str; 6] = [
    "imaps",
    "pop3s",
    "submissions",
    "imap",
    "pop3",
    "submission",
];

/// A `pillarboxd` with its configuration; the process is there once it was told to serve, and killed at the end.
#[derive(Debug)]
pub struct ServerProgram {
    program: PathBuf,
    site: Site,
    child: Option<Child>,
    ports: BTreeMap<String, Vec<SocketAddr>>,
}

impl Deref for ServerProgram {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl DerefMut for ServerProgram {
    fn deref_mut(&mut self) -> &mut Site {
        &mut self.site
    }
}

impl ServerProgram {
    /// A configuration with every listener on a free loopback port. No server runs yet.
    pub fn new(program: &Path) -> Self {
        let server = Self {
            program: program.to_owned(),
            site: Site::new(),
            child: None,
            ports: BTreeMap::new(),
        };
        let _root = server.root_file();
        server.certify(&[HOST, "localhost"]);
        server.configure(|_| ());
        server
    }

    /// A server that runs, with Alice's account.
    pub fn serving(program: &Path) -> Self {
        let mut server = Self::new(program);
        server.add_account(ALICE, PASSWORD);
        server.serve();
        server
    }

    /// Puts a new certificate for these names where the configuration looks for it.
    pub fn certify(&self, names: &[&str]) {
        let _files = self.ca().server(names).write_to(self.folder(), "server");
    }

    /// Writes the configuration, changed by `change`.
    pub fn configure(&self, change: impl FnOnce(&mut String)) {
        let listeners = LISTENERS.map(|name| format!("{name} = [\"127.0.0.1:0\"]\n"));
        let mut text = format!(
            "hostname = {HOST:?}\ndomains = [\"example.org\"]\ndata = \"data\"\n\
             [[certificates]]\nchain = \"server.pem\"\nkey = \"server.key\"\n\
             [listeners]\n{}[log]\nformat = \"json\"\nlevel = \"debug\"\n",
            listeners.concat()
        );
        change(&mut text);
        fs::write(self.file("pillarboxd.toml"), text).expect("a configuration");
    }

    /// A command with this configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(self.file("pillarboxd.toml"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end with this on its standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        with_input(&mut self.command(arguments), input)
    }

    /// Runs a command that has to succeed; answers its standard output.
    pub fn succeed(&self, arguments: &[&str], input: &str) -> String {
        exited(self.run(arguments, input), 0).stdout
    }

    /// Runs a command that has to fail; answers its standard error.
    pub fn fail(&self, arguments: &[&str], input: &str) -> String {
        exited(self.run(arguments, input), 1).stderr
    }

    /// Makes an account.
    pub fn add_account(&self, address: &str, password: &str) {
        self.succeed(&["account", "add", address], password);
    }

    /// Starts the server and waits until it is ready.
    pub fn serve(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let ports = self.file("ports.json");
        let _none = fs::remove_file(&ports);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.file("log"));
        let mut child = self
            .command(&["serve", "--ports-file"])
            .arg(&ports)
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the server program");
        wait_for("the server to be ready", || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            ports.exists()
        });
        let ports = fs::read(&ports).expect("the file of ports");
        self.ports = serde_json::from_slice(&ports).expect("the file of ports");
        self.child = Some(child);
    }

    /// The addresses of each listener.
    pub fn ports(&self) -> &BTreeMap<String, Vec<SocketAddr>> {
        &self.ports
    }

    /// The first address of a listener.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let addresses = self.ports.get(listener);
        *addresses
            .and_then(|addresses| addresses.first())
            .expect("a listener")
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Log lines whose message is this.
    pub fn logged(&self, message: &str) -> Vec<Value> {
        self.log()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line.get("message").is_some_and(|said| said == message))
            .collect()
    }

    /// Login records as JSON, newest first.
    pub fn logins(&self) -> Vec<Value> {
        let records = self.succeed(&["logins", "--json"], "");
        let records = records.lines().map(serde_json::from_str);
        records.collect::<Result<_, _>>().expect("records")
    }

    fn child(&self) -> &Child {
        self.child.as_ref().expect("the server runs")
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child()), signal).expect("the server runs");
    }

    /// Waits for the server to end; answers whether it ended well.
    pub fn wait_for_end(&mut self) -> bool {
        let mut child = self.child.take().expect("the server runs");
        wait_for("the server to end", || {
            matches!(child.try_wait(), Ok(Some(_)))
        });
        child.wait().is_ok_and(|status| status.success())
    }

    /// Stops the server in order.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert!(self.wait_for_end(), "{}", self.log());
    }
}

impl Drop for ServerProgram {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _gone = child.wait();
            if thread::panicking() {
                eprintln!("the server's log:\n{}", self.log());
            }
        }
    }
}

/// A `pillarbox` with a person's folder.
#[derive(Debug)]
pub struct ClientProgram {
    program: PathBuf,
    folder: PathBuf,
    /// What the computer's network is like, in arguments of `account add`.
    network: Vec<String>,
}

impl ClientProgram {
    /// One whose folder of this name is in the site's.
    pub fn new(program: &Path, site: &Site, name: &str) -> Self {
        Self {
            program: program.to_owned(),
            folder: site.file(name),
            network: Vec::new(),
        }
    }

    /// Gives it the site's resolver, and this file of certificates to trust.
    pub fn in_network(mut self, site: &Site, root: &Path) -> Self {
        let anchor = site.file("anchor");
        fs::write(&anchor, site.trust_anchor()).expect("a file");
        let (anchor, root) = (anchor.display(), root.display());
        let resolver = site.resolver();
        self.network = ["--resolver", "--trust-anchor", "--ca-file"]
            .into_iter()
            .zip([resolver.to_string(), anchor.to_string(), root.to_string()])
            .flat_map(|(option, value)| [option.to_owned(), value])
            .collect();
        self
    }

    /// A file in the person's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command of this person, on a computer without a keyring: passwords are in a file.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("PILLARBOX_CONFIG_DIR", &self.folder)
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        command
    }

    /// Runs a command to its end with this on its standard input, and compares its exit code.
    #[track_caller]
    pub fn run_with_input(&self, arguments: &[&str], input: &str, code: i32) -> Printed {
        exited(with_input(&mut self.command(arguments), input), code)
    }

    /// The same without any input.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], code: i32) -> Printed {
        self.run_with_input(arguments, "", code)
    }

    /// The same with a command that has to succeed, and whose answer is JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(arguments, 0).stdout;
        serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"))
    }

    /// Adds an account with [`PASSWORD`].
    #[track_caller]
    pub fn add(&self, address: &str, more: &[&str], code: i32) -> Printed {
        self.add_with(address, PASSWORD, more, code)
    }

    /// Adds an account with a password of its own.
    #[track_caller]
    pub fn add_with(&self, address: &str, password: &str, more: &[&str], code: i32) -> Printed {
        self.run_with_input(&self.adding(address, more), password, code)
    }

    /// The command that adds an account, and reads its password from standard input.
    pub fn adding<'a>(&'a self, address: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["account", "add", address, "--password-stdin"];
        arguments.extend(self.network.iter().map(String::as_str));
        arguments.extend(more);
        arguments
    }
}

/// What a program said.
#[derive(Debug)]
pub struct Printed {
    /// On standard output.
    pub stdout: String,
    /// On standard error.
    pub stderr: String,
}

impl Printed {
    /// The code of the refusal that is said as JSON on standard error, behind what is said for people.
    pub fn refusal(&self) -> String {
        let lines = self.stderr.split_inclusive('\n');
        let object: String = lines.skip_while(|line| !line.starts_with('{')).collect();
        let object: Value = serde_json::from_str(&object).expect("an object");
        let code = object.pointer("/error/code").and_then(Value::as_str);
        code.expect("a code").to_owned()
    }
}

/// Compares the exit code.
#[track_caller]
fn exited(output: Output, code: i32) -> Printed {
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
    let said = Printed {
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert_eq!(output.status.code(), Some(code), "{said:?}");
    said
}

fn with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    // A program that reads nothing may be gone already.
    let stdin = child.stdin.take();
    let _gone = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
    child.wait_with_output().expect("its output")
}

/// Waits until `is_so`.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
