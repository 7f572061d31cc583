//! What is left of passwords in the memory of a running server: nothing but what the TLS library holds for open
//! connections, and nothing at all once they are closed. docs/secrets-in-memory.md explains. And no core dumps.

mod session;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{scope, sleep};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pillarbox_testkit::dumps_no_core;
use pillarbox_testkit::memory::{Find, Search, Secret};
use rustix::process::Signal;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

use crate::support::new_server;
use pillarbox_testkit::programs::{PATIENCE, ServerProgram, wait_for};

use self::session::{Protocol, ScramKeys, Session, plain, quoted, random};

/// What is not done with yet.
const CONTROL: &str = "control";
/// The most open connections that one secret went over.
const CONNECTIONS: usize = 2;
/// How many octets a password has.
const LENGTH: usize = 32;
/// For the server to read what was sent, and to free what was closed.
const MOMENT: Duration = Duration::from_millis(300);

/// A running server, and all that was ever secret to it.
struct World {
    server: ServerProgram,
    tls: Arc<ClientConfig>,
    tls_1_2: Arc<ClientConfig>,
    secrets: Mutex<Vec<Secret>>,
    /// Connections that stay open until the memory was searched.
    open: Mutex<Vec<Session>>,
}

impl World {
    fn new() -> Self {
        let mut server = new_server();
        server.configure(|text| *text = text.replace("\"debug\"", "\"trace\""));
        server.serve();
        let client = |version: &'static SupportedProtocolVersion| {
            let mut roots = RootCertStore::empty();
            roots.add(server.ca().root_der().clone()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .unwrap();
            Arc::new(config.with_root_certificates(roots).with_no_client_auth())
        };
        Self {
            tls: client(&version::TLS13),
            tls_1_2: client(&version::TLS12),
            server,
            secrets: Mutex::default(),
            open: Mutex::default(),
        }
    }

    fn is_secret(&self, what: String, octets: &[u8]) {
        let octets = octets.to_vec();
        self.secrets.lock().unwrap().push(Secret { what, octets });
    }

    /// A password that is used for this.
    fn password(&self, what: String) -> String {
        let password = random(LENGTH);
        self.is_secret(what, password.as_bytes());
        password
    }

    /// An account whose password is used for this. The running server makes it.
    fn account(&self, what: String) -> (String, String) {
        let login = format!("{}@example.org", random(12));
        let password = self.password(what);
        self.server.add_account(&login, &password);
        (login, password)
    }

    fn implicit(&self, protocol: Protocol) -> Session {
        Session::implicit(
            protocol,
            self.server.address(protocol.implicit()),
            &self.tls,
        )
    }

    fn start_tls(&self, protocol: Protocol) -> Session {
        Session::start_tls(protocol, self.server.address(protocol.clear()), &self.tls)
    }

    fn clear(&self, protocol: Protocol) -> Session {
        Session::clear(protocol, self.server.address(protocol.clear()))
    }

    fn keep(&self, session: Session) {
        self.open.lock().unwrap().push(session);
    }

    /// Keeps a session, but in POP3, where it would keep the maildrop from others.
    fn keep_for_others(&self, session: Session) {
        if session.protocol == Protocol::Pop3 {
            session.quit();
            // The maildrop is given back just after the goodbye.
            sleep(MOMENT);
        } else {
            self.keep(session);
        }
    }

    /// Everything that was secret, ready to be searched for.
    fn search(&self) -> Search {
        Search::new(self.secrets.lock().unwrap().clone())
    }

    /// Searches the server's memory while it stands still.
    fn found(&self, search: &Search) -> Vec<Find> {
        self.server.signal(Signal::STOP);
        let found = search.memory_of(self.server.pid());
        self.server.signal(Signal::CONT);
        found.unwrap()
    }

    /// How many sockets the server has.
    fn sockets(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.server.pid()))
            .unwrap()
            .filter_map(|file| fs::read_link(file.unwrap().path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    }
}

/// A way to log in, its name, and whether it worked.
type Way = (
    &'static str,
    fn(&World, &str, &mut Session, &str, &str) -> bool,
);

const WAYS: [Way; 6] = [
    ("the protocol's own login", |_, _, session, login, pw| {
        session.own_login(login, pw)
    }),
    ("PLAIN", |_, _, session, login, pw| session.plain(login, pw)),
    ("PLAIN when asked", |_, _, session, login, pw| {
        session.plain_when_asked(login, pw)
    }),
    ("LOGIN", |_, _, session, login, pw| {
        session.login_mechanism(login, pw)
    }),
    ("SCRAM-SHA-256", |world, what, session, login, pw| {
        scram(world, what, session.scram(login, pw, false))
    }),
    ("SCRAM-SHA-256-PLUS", |world, what, session, login, pw| {
        scram(world, what, session.scram(login, pw, true))
    }),
];

fn scram(world: &World, what: &str, (worked, keys): (bool, ScramKeys)) -> bool {
    world.is_secret(format!("{what}, salted password"), &keys.salted);
    world.is_secret(format!("{what}, client key"), &keys.client);
    worked
}

/// Right and wrong passwords, by every way of every protocol, by both ways into TLS and in both versions.
fn logins(world: &World, protocol: Protocol, (name, way): Way) {
    let what = format!("{protocol:?}, right password by {name}");
    let (login, password) = world.account(what.clone());
    let mut session = world.implicit(protocol);
    assert!(way(world, &what, &mut session, &login, &password), "{what}");
    world.keep_for_others(session);
    // The second time the password is compared with what is remembered of the first.
    let address = world.server.address(protocol.implicit());
    let mut session = Session::implicit(protocol, address, &world.tls_1_2);
    // A server offers no channel binding in TLS 1.2 without the extended master secret, but rustls has it.
    assert!(way(world, &what, &mut session, &login, &password), "{what}");
    world.keep(session);

    let what = format!("{protocol:?}, wrong password by {name}");
    let wrong = world.password(what.clone());
    let mut session = world.start_tls(protocol);
    assert!(!way(world, &what, &mut session, &login, &wrong), "{what}");
    world.keep(session);

    let what = format!("{protocol:?}, unknown login by {name}");
    let wrong = world.password(what.clone());
    let mut session = world.start_tls(protocol);
    assert!(
        !way(world, &what, &mut session, "nobody@example.org", &wrong),
        "{what}"
    );
    session.quit();
}

/// A way to use a password that no login comes of, or one that is unlike others, and its name.
type Oddity = (&'static str, fn(&World, &mut Session, &str));

const ODDITIES: [Oddity; 11] = [
    ("in three records", |_, session, pw| {
        let login = session.plain_command("a@example.org", pw);
        session.send_pieces(login.as_bytes().chunks(login.len() / 3 + 1));
        session.reply();
    }),
    ("octet by octet", |_, session, pw| {
        let login = session.plain_command("a@example.org", pw);
        session.send_pieces(login.as_bytes().chunks(1));
        session.reply();
    }),
    (
        "at the beginning of a line that is too long",
        |_, session, pw| {
            session.command(&format!("LOGIN a {pw} {}", "x".repeat(30_000)));
        },
    ),
    ("at the end of a line that is too long", |_, session, pw| {
        session.command(&format!("LOGIN {} {pw}", "x".repeat(30_000)));
    }),
    ("as a command", |_, session, pw| {
        session.command(pw);
    }),
    ("in base64 that is none", |_, session, pw| {
        let command = session.plain_command("a@example.org", pw);
        session.send(command.replace("\r\n", "!\r\n").as_bytes());
        session.reply();
    }),
    ("in a message that is malformed", |_, session, pw| {
        session.command(&format!("{} PLAIN", session.authenticate()));
        session.answer(&STANDARD.encode(pw));
    }),
    ("behind an unknown mechanism", |_, session, pw| {
        let command = session.plain_command("a@example.org", pw);
        session.send(command.replace("PLAIN", "CRAM-MD5").as_bytes());
        session.reply();
    }),
    ("behind the asterisk that gives up", |_, session, pw| {
        session.command(&format!("{} PLAIN", session.authenticate()));
        session.answer(&format!("*{}", plain("a@example.org", pw)));
    }),
    ("with a bare line feed", |_, session, pw| {
        let command = session.written(&format!("LOGIN a {pw}"));
        session.send(command.replace("\r\n", "\n").as_bytes());
        session.line();
    }),
    ("with commands behind it", |_, session, pw| {
        let login = session.plain_command("a@example.org", pw);
        session.send((login + &session.written("NOOP")).as_bytes());
        session.reply();
        session.reply();
    }),
];

fn oddities(world: &World, protocol: Protocol, (name, oddity): Oddity) {
    for (kind, mut session) in [
        ("sealed", world.implicit(protocol)),
        ("clear", world.clear(protocol)),
    ] {
        let password = world.password(format!("{protocol:?}, {kind}, {name}"));
        oddity(world, &mut session, &password);
        world.keep(session);
    }
}

/// Connections that end while a password is on its way.
fn broken_off(world: &World, protocol: Protocol) {
    let password = world.password(format!(
        "{protocol:?}, connection lost in the middle of a line"
    ));
    let mut session = world.implicit(protocol);
    session.send(
        session
            .written(&format!("LOGIN a {password}"))
            .trim_end()
            .as_bytes(),
    );
    sleep(MOMENT);
    drop(session);

    let (login, password) = world.account(format!("{protocol:?}, connection lost during a login"));
    let mut session = world.implicit(protocol);
    session.send(session.plain_command(&login, &password).as_bytes());
    drop(session);

    let password = world.password(format!("{protocol:?}, in the clear"));
    let mut session = world.clear(protocol);
    assert!(!session.own_login(&login, &password));
    world.keep(session);

    let password = world.password(format!("{protocol:?}, in the clear behind STARTTLS"));
    let mut session = world.clear(protocol);
    let start_tls = if protocol == Protocol::Pop3 {
        "STLS"
    } else {
        "STARTTLS"
    };
    let both = session.written(start_tls) + &session.plain_command(&login, &password);
    session.send(both.as_bytes());
    session.reply();
    session.line();
    drop(session);
}

/// What only one protocol has.
fn only_here(world: &World) {
    let (login, password) = world.account("IMAP, LOGIN with literals".to_owned());
    let mut session = world.implicit(Protocol::Imap);
    session.command(&format!("LOGIN {{{}}}", login.len()));
    session.answer(&format!("{login} {{{}}}", password.len()));
    let reply = session.answer(&password);
    assert!(session.is_success(&reply), "{reply}");
    world.keep(session);

    let (login, password) = world.account("IMAP, LOGIN with literals not asked for".to_owned());
    let mut session = world.implicit(Protocol::Imap);
    let (l, p) = (login.len(), password.len());
    session.send_pieces([
        format!("t LOGIN {{{l}+}}\r\n{login} {{{p}+}}\r\n").as_bytes(),
        &password.as_bytes()[..20],
        &password.as_bytes()[20..],
        b"\r\n",
    ]);
    let reply = session.reply();
    assert!(session.is_success(&reply), "{reply}");
    world.keep(session);

    // A literal that is too long is thrown away.
    let password = world.password("IMAP, LOGIN with a literal that is too long".to_owned());
    let mut session = world.implicit(Protocol::Imap);
    session.send(format!("t LOGIN a {{60000+}}\r\n{password}").as_bytes());
    session.send(&[b'x'; 60_000 - LENGTH]);
    session.answer("");
    world.keep(session);

    // Escapes in a quoted string, and characters that change when they are prepared.
    let (begin, end) = (random(LENGTH), random(LENGTH));
    world.is_secret(
        "IMAP, LOGIN with escapes, begin".to_owned(),
        begin.as_bytes(),
    );
    world.is_secret("IMAP, LOGIN with escapes, end".to_owned(), end.as_bytes());
    let password = format!("{begin}\"\\{end}");
    let mut session = world.implicit(Protocol::Imap);
    session.command(&format!("LOGIN a {}", quoted(&password)));
    world.keep(session);

    for protocol in Protocol::ALL {
        let begin = world.password(format!("{protocol:?}, prepared, begin"));
        let end = world.password(format!("{protocol:?}, prepared, end"));
        let login = format!("{}@example.org", random(12));
        let password = format!("{begin}\u{fb01}\u{ad}u\u{308}{end}");
        world.server.add_account(&login, &password);
        let mut session = world.implicit(protocol);
        let prepared = format!("{begin}fi\u{fc}{end}");
        assert!(session.plain(&login, &prepared));
        world.keep_for_others(session);
        let mut session = world.implicit(protocol);
        assert!(session.plain(&login, &password));
        world.keep(session);
    }

    let (login, _) = world.account("POP3, the old password".to_owned());
    let password = world.password("POP3, the new password".to_owned());
    world
        .server
        .succeed(&["account", "passwd", &login], &password);
    let mut session = world.implicit(Protocol::Pop3);
    assert!(session.own_login(&login, &password));
    world.keep(session);

    // Out of turn: no USER before it.
    let password = world.password("POP3, PASS out of turn".to_owned());
    let mut session = world.implicit(Protocol::Pop3);
    session.command(&format!("PASS {password}"));
    world.keep(session);

    // In the middle of a mail transaction, and in its text.
    let password = world.password("submission, AUTH before EHLO".to_owned());
    let mut session = world.implicit(Protocol::Submission);
    session.command("RSET");
    session.command(&format!(
        "AUTH PLAIN {} x",
        plain("a@example.org", &password)
    ));
    world.keep(session);
}

#[test]
fn no_password_outlives_its_use() {
    let world = World::new();
    let sockets = world.sockets();
    scope(|threads| {
        for protocol in Protocol::ALL {
            let world = &world;
            for way in WAYS {
                threads.spawn(move || logins(world, protocol, way));
            }
            for oddity in ODDITIES {
                threads.spawn(move || oddities(world, protocol, oddity));
            }
            threads.spawn(move || broken_off(world, protocol));
        }
        threads.spawn(|| only_here(&world));
    });
    // Whose passwords are looked at last: nothing that came later has written over what they left.
    let late: Vec<_> = WAYS
        .map(|(name, way)| (world.account(format!("Imap, at last by {name}")), name, way))
        .into();
    for ((login, password), name, way) in late {
        let what = format!("Imap, at last by {name}");
        let mut session = world.implicit(Protocol::Imap);
        assert!(
            way(&world, &what, &mut session, &login, &password),
            "{what}"
        );
        world.keep(session);
    }
    // What a password looks like that is not done with: it shows that a search finds what there is.
    let password = world.password(CONTROL.to_owned());
    let mut session = world.implicit(Protocol::Imap);
    session.send(format!("t LOGIN a {password}").as_bytes());
    world.keep(session);
    sleep(MOMENT);

    let search = world.search();
    let found = world.found(&search);
    assert!(
        found
            .iter()
            .any(|find| find.what == CONTROL && !find.in_record_buffer),
        "an unfinished line is not found, so nothing would be: {}",
        listed(&found)
    );
    let found = of_the_past(found);
    let elsewhere: Vec<_> = found.iter().filter(|find| !find.in_record_buffer).collect();
    assert!(elsewhere.is_empty(), "{}", listed(elsewhere));
    let mut connections = BTreeMap::new();
    for find in &found {
        *connections.entry((&find.what, find.form)).or_insert(0) += 1;
    }
    assert!(
        connections.values().all(|count| *count <= CONNECTIONS),
        "more than one for each connection: {}",
        listed(&found)
    );

    world.open.lock().unwrap().clear();
    wait_for("all connections to be closed", || {
        world.sockets() == sockets
    });
    sleep(MOMENT);
    let found = world.found(&search);
    assert!(found.is_empty(), "{}", listed(&found));

    // Nor is any of it in a file.
    for file in files(world.server.folder()) {
        let found = search.text(&fs::read(&file).unwrap());
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
}

/// What was found of passwords that are done with.
fn of_the_past(mut found: Vec<Find>) -> Vec<Find> {
    found.retain(|find| find.what != CONTROL);
    found
}

fn listed<'a>(found: impl IntoIterator<Item = &'a Find>) -> String {
    found.into_iter().map(|find| format!("\n{find}")).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| match fs::metadata(&path).unwrap() {
            of if of.is_dir() => files(&path),
            of if of.is_file() => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

#[test]
fn no_core_is_dumped() {
    let server = new_server();
    // It waits for a password.
    let mut command = server.command(&["account", "add", "alice@example.org"]);
    let file = server.file("pillarboxd.toml");
    dumps_no_core(&mut command, &[server.folder(), &file], PATIENCE).unwrap();
}
