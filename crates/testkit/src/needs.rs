//! What tests need from the machine, found in one way: programs of Debian, ports, our own programs.
//!
//! A person who runs `cargo test` without them sees the tests that need them say so and pass. `scripts/test`, which CI
//! calls, installs everything first and then accepts no excuse: with `PILLARBOX_TEST_TOOLS=required`, or under CI
//! (`CI=true`), what is missing fails the test.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::net::TcpListener;

/// A program that tests talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    name: &'static str,
    package: &'static str,
}

/// All that tests may start. `scripts/install-test-needs` installs them; a house test compares.
pub const PROGRAMS: [Program; 8] = [
    CURL,
    NSD,
    LDNS_KEYGEN,
    LDNS_SIGNZONE,
    OPENSSL,
    PYTHON,
    SWAKS,
    UNSHARE,
];
/// A client of all three protocols.
pub const CURL: Program = Program::new("curl", "curl");
/// The name server of [`crate::NameServer`].
pub const NSD: Program = Program::new("nsd", "nsd");
/// Makes keys of zones.
pub const LDNS_KEYGEN: Program = Program::new("ldns-keygen", "ldnsutils");
/// Signs zones.
pub const LDNS_SIGNZONE: Program = Program::new("ldns-signzone", "ldnsutils");
/// The other end of TLS.
pub const OPENSSL: Program = Program::new("openssl", "openssl");
/// Its standard library has clients of all three protocols.
pub const PYTHON: Program = Program::new("python3", "python3");
/// A submission client.
pub const SWAKS: Program = Program::new("swaks", "swaks");
/// Starts a program in a network of its own.
pub const UNSHARE: Program = Program::new("unshare", "util-linux");

impl Program {
    const fn new(name: &'static str, package: &'static str) -> Self {
        Self { name, package }
    }

    /// What is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The Debian package that brings it.
    #[must_use]
    pub fn package(self) -> &'static str {
        self.package
    }

    /// A command that runs it. `None`, with a plain message, where it is not installed and need not be.
    ///
    /// # Panics
    /// It is not installed, and must be.
    #[must_use]
    pub fn command(self) -> Option<Command> {
        self.path().map(Command::new)
    }

    /// A command that runs it, for suites that are about nothing but such programs.
    ///
    /// # Panics
    /// It is not installed.
    #[must_use]
    #[expect(clippy::panic, reason = "fails a test")]
    pub fn required(self) -> Command {
        let Self { name, package } = self;
        self.command()
            .unwrap_or_else(|| panic!("there is no {name}: apt-get install {package}"))
    }

    /// Where it is; otherwise as [`Self::command`].
    ///
    /// # Panics
    /// It is not installed, and must be.
    #[must_use]
    pub fn path(self) -> Option<PathBuf> {
        // Ordinary users often lack the folders of servers in their PATH.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let servers = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
        let found = std::env::split_paths(&path)
            .chain(servers)
            .map(|folder| folder.join(self.name))
            .find(|candidate| candidate.is_file());
        found.or_else(|| {
            let Self { name, package } = self;
            missing(format!("there is no {name}: apt-get install {package}"))
        })
    }
}

/// Set in a process that runs in a network of its own.
const OWN_NETWORK: &str = "PILLARBOX_OWN_NETWORK";

/// Brings up the loopback interface, as `ip link set lo up` does where iproute2 is installed.
const LOOPBACK_UP: &str = "import fcntl, socket, struct\n\
    fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x41))";

/// Listeners at registered ports of a loopback address. Where this user may not open them, the test that asks is run
/// once more in a user and network namespace of its own, as its root; then there are none here, and the caller has
/// nothing more to do.
///
/// # Panics
/// They can be had neither way, or the test failed there.
#[expect(clippy::panic, reason = "fails a test")]
pub async fn registered_ports<const N: usize>(
    host: [u8; 4],
    ports: [u16; N],
) -> Option<[TcpListener; N]> {
    let mut listeners = Vec::new();
    for port in ports {
        match TcpListener::bind(SocketAddr::from((host, port))).await {
            Ok(listener) => listeners.push(listener),
            Err(why) if std::env::var_os(OWN_NETWORK).is_none() => {
                drop(listeners);
                run_again_in_a_network_of_its_own(&format!("port {port}: {why}"));
                return None;
            }
            Err(why) => panic!("cannot listen on port {port} in a network of its own: {why}"),
        }
    }
    listeners.try_into().ok()
}

/// Runs the test of this thread, which is named after it, alone.
#[expect(clippy::panic, reason = "fails a test")]
fn run_again_in_a_network_of_its_own(why: &str) {
    let thread = std::thread::current();
    let (Ok(program), Some(test)) = (std::env::current_exe(), thread.name()) else {
        panic!("there is no name of this test");
    };
    let output = UNSHARE
        .required()
        .args(["--map-root-user", "--net", "--", "sh", "-c"])
        .arg(r#"python3 -c "$0" && exec "$@""#)
        .arg(LOOPBACK_UP)
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(OWN_NETWORK, "1")
        .output();
    match output {
        Ok(output) if output.status.success() => {}
        output => panic!(
            "cannot listen on {why}; and in a network of its own (unshare --map-root-user --net): {output:?}\n\
             run as root, or allow user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0), \
             or low ports (sysctl net.ipv4.ip_unprivileged_port_start=110)"
        ),
    }
}

/// A program of this workspace that cargo built beside `other`. `None`, with a plain message, where it did not and need
/// not.
///
/// # Panics
/// It is not there, and must be.
#[must_use]
pub fn built(name: &str, other: &Path) -> Option<PathBuf> {
    let program = other.with_file_name(name);
    if program.is_file() {
        Some(program)
    } else {
        missing(format!("{name} is not built: cargo build -p {name}"))
    }
}

/// Says that something is not there, or fails where nothing may be missing.
#[expect(
    clippy::print_stderr,
    reason = "fails a test, or says why it shows nothing"
)]
fn missing<T>(what: impl Display) -> Option<T> {
    let required = required(
        std::env::var("PILLARBOX_TEST_TOOLS").ok().as_deref(),
        std::env::var("CI").ok().as_deref(),
    );
    assert!(
        !required,
        "{what}; scripts/install-test-needs installs what the tests need"
    );
    eprintln!("SKIPPED: {what}");
    None
}

/// Whether a test may go without what it needs.
fn required(tools: Option<&str>, ci: Option<&str>) -> bool {
    match tools {
        Some(tools) => tools == "required",
        None => ci.is_some_and(|ci| !matches!(ci, "" | "0" | "false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_may_be_missing_under_ci() {
        for (tools, ci, expected) in [
            (None, None, false),
            (None, Some("true"), true),
            (None, Some("false"), false),
            (Some("required"), None, true),
            (Some("optional"), Some("true"), false),
        ] {
            assert_eq!(required(tools, ci), expected, "{tools:?} {ci:?}");
        }
    }

    #[test]
    fn what_is_nowhere_is_missing() {
        let nowhere = Program::new("no-such-program", "no-such-package");
        let found = std::panic::catch_unwind(|| nowhere.path());
        // It fails where tools are required, and is passed over elsewhere.
        assert!(!matches!(found, Ok(Some(_))));
    }
}
