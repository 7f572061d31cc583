//! The attacks on clients of docs/attacks.md, on IMAP, POP3 and submission alike, at set-up and at every later
//! connection: in one segment, octet by octet, and split in time. Each is refused with its code, on the first
//! connection, and the attacker has nothing secret in the end.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_client::{
    Account, Accounts, Broken, ClientError, ConnectError, Draft, Entered, Folder, Indicator,
    Letter, LoginError, NetworkSettings, PasswordPlace, Passwords, Person, Reader, SetupError,
    Stage, SubmissionSession, set_up,
};
use pillarbox_discover::{Candidate, Confirmation, NotConfirmed};
use pillarbox_names::{AccountAddress, Domain, Host, Label, Service, TlsStart};
use pillarbox_policy::{AccountLevel, Code, Secret};
use pillarbox_testkit::{
    Act, EvilServer, InProcessNameServer, Signing, TestCa, TestCertificate, Zone,
};

const LOGIN: &str = "alice@example.org";
const PASSWORD: &str = "correct-horse-battery";
/// Base64 of the login, of the password, and of both as PLAIN has them.
const CODED: [&str; 3] = [
    "YWxpY2VAZXhhbXBsZS5vcmc=",
    "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5",
    "AGFsaWNlQGV4YW1wbGUub3JnAGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==",
];
const LETTER: &str = "the treasure is under the oak";

const SERVICES: [Service; 3] = [Service::Imap, Service::Pop3, Service::Submission];

/// How an attack travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Whole,
    Octets,
    /// The second part well after the first.
    InTime,
}

const SPLITS: [Split; 3] = [Split::Whole, Split::Octets, Split::InTime];

impl Split {
    fn say(self, first: &str, second: &str) -> Vec<Act> {
        match self {
            Self::Whole => vec![Act::Say([first, second].concat())],
            Self::Octets => vec![Act::Drip([first, second].concat())],
            Self::InTime => vec![
                Act::say(first),
                Act::Pause(Duration::from_millis(40)),
                Act::say(second),
            ],
        }
    }
}

/// What an attack comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Refused(Code),
    /// Whoever forges the go-ahead itself without having it followed by anything is a server without TLS: the
    /// handshake gets nowhere.
    NoHandshake,
}

/// An attack in the clear.
struct Attack {
    row: &'static str,
    script: Vec<Act>,
    outcome: Outcome,
}

/// What the server says first, and what it hears before the attack.
fn before(service: Service) -> Vec<Act> {
    match service {
        Service::Imap => vec![Act::say("* OK hi\r\n"), Act::Hear],
        Service::Pop3 => vec![Act::say("+OK hi\r\n"), Act::Hear],
        Service::Submission => vec![
            Act::say("220 hi\r\n"),
            Act::Hear,
            Act::say("250-m\r\n250 STARTTLS\r\n"),
            Act::Hear,
        ],
    }
}

/// Answers to STARTTLS, each in two parts.
fn answers(service: Service) -> Vec<(&'static str, &'static str, &'static str, Code)> {
    use Code::{ProtocolViolation, ResponseInjection, StarttlsStripped};
    match service {
        Service::Imap => vec![
            (
                "C1",
                "{tag} OK begin\r\n",
                "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nA0001 OK\r\n",
                ResponseInjection,
            ),
            ("C1", "{tag} OK begin\r\n", "x", ResponseInjection),
            (
                "C2 in front",
                "* OK [ALERT] call",
                " 0900\r\n{tag} OK begin\r\n",
                ResponseInjection,
            ),
            (
                "C2 behind",
                "{tag} OK begin\r\n",
                "* OK [ALERT] call 0900\r\n",
                ResponseInjection,
            ),
            (
                "C3",
                "{tag} OK begin\r\n",
                "* BYE call 0900\r\n",
                ResponseInjection,
            ),
            ("C4 NO", "{tag} N", "O call 0900\r\n", StarttlsStripped),
            ("C4 BAD", "{tag} BA", "D call 0900\r\n", StarttlsStripped),
            ("C4 +", "+ ", "go on\r\n", StarttlsStripped),
            ("C4 other", "{tag} ", "YES\r\n", StarttlsStripped),
            (
                "C9 EXPUNGE",
                "* 1 EXPUNGE\r\n",
                "{tag} OK begin\r\n",
                ResponseInjection,
            ),
            (
                "C9 FETCH",
                "* 1 FETCH (FLAGS ())\r\n",
                "{tag} OK begin\r\n",
                ResponseInjection,
            ),
            (
                "C9 REFERRAL",
                "* NO [REFERRAL imap://evil.test/]",
                " x\r\n{tag} OK begin\r\n",
                ResponseInjection,
            ),
            ("C13", "A0001 O", "K begin\r\n", ResponseInjection),
        ],
        Service::Pop3 => vec![
            (
                "C1",
                "+OK begin\r\n",
                "+OK list\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
                ResponseInjection,
            ),
            ("C1", "+OK begin\r\n", "x", ResponseInjection),
            ("C4 -ERR", "-E", "RR call 0900\r\n", StarttlsStripped),
            ("C4 +ok", "+", "ok begin\r\n", StarttlsStripped),
            ("C4 other", "* O", "K begin\r\n", StarttlsStripped),
        ],
        Service::Submission => vec![
            (
                "C1",
                "220 go\r\n",
                "250-m\r\n250 AUTH PLAIN\r\n235 ok\r\n",
                ResponseInjection,
            ),
            ("C1", "220 go\r\n", "x", ResponseInjection),
            ("C4 454", "454 no", "t now\r\n", StarttlsStripped),
            ("C4 502", "502-ca", "ll\r\n502 0900\r\n", StarttlsStripped),
            ("C4 354", "35", "4 go on\r\n", StarttlsStripped),
            ("C4 250", "25", "0 ok\r\n", StarttlsStripped),
            ("C12 421", "42", "1 call 0900\r\n", ProtocolViolation),
        ],
    }
}

/// Greetings, each in two parts.
fn greetings(service: Service) -> Vec<(&'static str, &'static str, &'static str, Code)> {
    use Code::{PreauthCleartext, ProtocolViolation};
    let mut all = match service {
        Service::Imap => vec![
            ("C6", "* PRE", "AUTH call 0900\r\n", PreauthCleartext),
            (
                "C6 with STARTTLS",
                "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS]",
                " x\r\n",
                PreauthCleartext,
            ),
            (
                "C10 BYE",
                "* BYE \x1b[2J",
                "call 0900\r\n",
                ProtocolViolation,
            ),
            ("C12 NO", "* N", "O call 0900\r\n", ProtocolViolation),
            ("C12 tagged", "a1 ", "OK x\r\n", ProtocolViolation),
            ("C12 another", "+OK", " x\r\n", ProtocolViolation),
            ("C12 bare LF", "* OK hi", "\n", ProtocolViolation),
            ("C12 NUL", "* OK \0", "\r\n", ProtocolViolation),
        ],
        Service::Pop3 => vec![
            ("C10", "-ERR \x1b[2J", "call 0900\r\n", ProtocolViolation),
            ("C12 +ok", "+o", "k hi\r\n", ProtocolViolation),
            ("C12 another", "* OK", " x\r\n", ProtocolViolation),
            ("C12 bare LF", "+OK hi", "\n", ProtocolViolation),
            ("C12 NUL", "+OK \0", "\r\n", ProtocolViolation),
        ],
        Service::Submission => vec![
            ("C12 221", "22", "1 call 0900\r\n", ProtocolViolation),
            ("C12 354", "35", "4 call 0900\r\n", ProtocolViolation),
            ("C12 421", "42", "1 call 0900\r\n", ProtocolViolation),
            ("C12 500", "50", "0 call 0900\r\n", ProtocolViolation),
            ("C10 554", "554 \x1b[2J", "call 0900\r\n", ProtocolViolation),
            ("C12 another", "* OK", " x\r\n", ProtocolViolation),
            ("C12 bare LF", "220 hi", "\n", ProtocolViolation),
            ("C12 NUL", "220 \0", "\r\n", ProtocolViolation),
        ],
    };
    all.push(("C12 garbage", "garb", "age\r\nmore\r\n", ProtocolViolation));
    all
}

fn attacks(service: Service, split: Split) -> Vec<Attack> {
    let mut all = Vec::new();
    for (row, first, second, code) in greetings(service) {
        all.push(Attack {
            row,
            script: split.say(first, second),
            outcome: Outcome::Refused(code),
        });
    }
    for (row, first, second, code) in answers(service) {
        let mut script = before(service);
        script.extend(split.say(first, second));
        all.push(Attack {
            row,
            script,
            outcome: Outcome::Refused(code),
        });
    }
    match service {
        // C9, C13: with the greeting, before anything was asked.
        Service::Imap => {
            for (row, line) in [
                ("C9 LIST", "* LIST () \"/\" evil\r\n"),
                ("C9 STATUS", "* STATUS INBOX (MESSAGES 3)\r\n"),
                ("C13 early", "2 OK begin\r\n"),
            ] {
                all.push(Attack {
                    row,
                    script: split.say("* OK hi\r\n", line),
                    outcome: Outcome::Refused(Code::ResponseInjection),
                });
            }
        }
        // Without tags, what comes late enough is an answer like any other; nobody who says it has TLS.
        Service::Pop3 => all.push(Attack {
            row: "C13 early",
            script: [split.say("+OK hi\r\n", "+OK begin\r\n"), vec![Act::HangUp]].concat(),
            outcome: match split {
                Split::Whole => Outcome::Refused(Code::ResponseInjection),
                _ => Outcome::NoHandshake,
            },
        }),
        Service::Submission => {
            let listed = "250-m\r\n250 STARTTLS\r\n";
            all.push(Attack {
                row: "C13 early",
                script: [
                    vec![Act::say("220 hi\r\n"), Act::Hear],
                    split.say(listed, "220 go\r\n"),
                    vec![Act::HangUp],
                ]
                .concat(),
                outcome: match split {
                    Split::Whole => Outcome::Refused(Code::ResponseInjection),
                    _ => Outcome::NoHandshake,
                },
            });
            for (row, first, second, code) in [
                (
                    "C4 not offered",
                    "250-m\r\n25",
                    "0 AUTH PLAIN\r\n",
                    Code::StarttlsStripped,
                ),
                (
                    "C5 no EHLO",
                    "502 ca",
                    "ll 0900\r\n",
                    Code::ProtocolViolation,
                ),
                (
                    "C5 no EHLO",
                    "500 ca",
                    "ll 0900\r\n",
                    Code::ProtocolViolation,
                ),
            ] {
                all.push(Attack {
                    row,
                    script: [
                        vec![Act::say("220 hi\r\n"), Act::Hear],
                        split.say(first, second),
                    ]
                    .concat(),
                    outcome: Outcome::Refused(code),
                });
            }
        }
    }
    all
}

/// Gives a password to whoever asks, and remembers that it did.
#[derive(Default)]
struct Trusting {
    asked: bool,
}

impl Person for Trusting {
    fn tell(&mut self, _: &Stage<'_>) {}

    fn confirm(&mut self, question: &NotConfirmed) -> Option<Confirmation> {
        Some(Confirmation::given_for(question.host.clone()))
    }

    fn password(&mut self, _: &AccountAddress, _: &[(Candidate, Indicator)]) -> Option<Secret> {
        self.asked = true;
        Some(Secret::from(PASSWORD))
    }
}

/// A person's computer, a CA it trusts, and a DNS that knows mail.example.org.
struct World {
    dir: tempfile::TempDir,
    ca: TestCa,
    dns: InProcessNameServer,
}

impl World {
    async fn new() -> Self {
        Self::with_records("").await
    }

    async fn with_records(records: &str) -> Self {
        let text = format!("mail A 127.0.0.1\n{records}");
        let zones = [Zone::new("example.org", Signing::Signed, &text)];
        Self {
            dir: tempfile::tempdir().unwrap(),
            ca: TestCa::new(),
            dns: InProcessNameServer::start(&zones).await.unwrap(),
        }
    }

    fn good(&self) -> Arc<TestCertificate> {
        Arc::new(self.ca.server(&["mail.example.org"]))
    }

    /// A server that is who it says, and silent.
    async fn honest(&self) -> EvilServer {
        EvilServer::start(vec![Act::StartTls(self.good())])
            .await
            .unwrap()
    }

    fn entered(&self) -> Entered {
        Entered {
            address: AccountAddress::parse(LOGIN).unwrap(),
            name: None,
            login: None,
            level: AccountLevel::default(),
            access: None,
            submission: None,
            password_place: Some(PasswordPlace::File),
            network: NetworkSettings {
                name_server: Some(self.dns.address()),
                trust_anchor: Some(self.dns.trust_anchor().to_owned()),
                ca_file: Some(self.ca.write_root(self.dir.path())),
            },
        }
    }

    /// Sets up; answers why it failed and whether a password was asked for. Nothing is written.
    async fn set_up(&self, entered: &Entered) -> (SetupError, Trusting) {
        let folder = Folder::new(Some(self.dir.path().join("fresh"))).unwrap();
        let accounts = Accounts::new(folder.clone());
        let mut person = Trusting::default();
        let error = set_up(entered, &accounts, &Passwords::new(folder), &mut person)
            .await
            .unwrap_err();
        assert!(accounts.all().unwrap().is_empty(), "{error}");
        (error, person)
    }

    /// An account that was set up with these servers, with its password.
    fn stored(
        &self,
        access: (Service, TlsStart, u16),
        submission: (TlsStart, u16),
    ) -> (Account, Passwords) {
        let root = self.ca.write_root(self.dir.path());
        let text = format!(
            "address = \"{LOGIN}\"\nlogin = \"{LOGIN}\"\nlevel = \"default\"\npassword = \"file\"\n\
             [access]\nservice = \"{}\"\nhost = \"mail.example.org\"\nport = {}\ntls = \"{}\"\nfound = \"srv\"\n\
             [submission]\nservice = \"submission\"\nhost = \"mail.example.org\"\nport = {}\ntls = \"{}\"\nfound = \"srv\"\n\
             [network]\nname-server = \"{}\"\ntrust-anchor = \"\"\"{}\"\"\"\nca-file = \"{}\"\n",
            access.0.as_str(),
            access.2,
            access.1.as_str(),
            submission.1,
            submission.0.as_str(),
            self.dns.address(),
            self.dns.trust_anchor(),
            root.display()
        );
        let folder = Folder::new(Some(self.dir.path().join("stored"))).unwrap();
        let (accounts, passwords) = (Accounts::new(folder.clone()), Passwords::new(folder));
        let address = AccountAddress::parse(LOGIN).unwrap();
        for (path, text) in [
            (accounts.file(&address), text.as_str()),
            (passwords.file(&address), PASSWORD),
        ] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let (account, notice) = accounts.find(None).unwrap();
        assert_eq!(notice, None);
        (account, passwords)
    }

    /// Reads or sends with a stored account whose server on that side is this one.
    async fn connect(
        &self,
        service: Service,
        start: TlsStart,
        port: u16,
    ) -> Result<(), ClientError> {
        let access = match service {
            Service::Submission => Service::Imap,
            access => access,
        };
        let (account, passwords) = self.stored((access, start, port), (start, port));
        match service {
            Service::Submission => {
                let mut session = SubmissionSession::open(&account, &passwords).await?;
                session.send(&letter(&account)).await.map(|_| ())
            }
            _ => {
                let mut reader = Reader::open(&account, &passwords).await?;
                reader.message("INBOX", 1).await.map(|_| ())
            }
        }
    }
}

fn letter(account: &Account) -> Draft {
    let letter = Letter {
        to: vec!["bob@example.org".parse().unwrap()],
        subject: "hi".to_owned(),
        text: LETTER.to_owned(),
        ..Letter::default()
    };
    Draft::new(account, &letter).unwrap()
}

/// Not one octet of a secret or of mail, nor a command that carries any (What must hold 4).
fn nothing_secret(server: &EvilServer, what: &str) {
    let received = server.received();
    let words = [
        PASSWORD,
        "alice",
        LETTER,
        "LOGIN",
        "AUTH",
        "USER",
        "PASS",
        "MAIL FROM",
        "RCPT",
        "DATA",
        "SELECT",
        "EXAMINE",
        "HELO ",
        "ID (",
        "ENABLE",
        "COMPRESS",
        "CLIENTID",
    ];
    for secret in words.into_iter().chain(CODED) {
        assert!(
            !received.contains(secret.as_bytes()),
            "{what}: {secret} in {:?}",
            received.text()
        );
    }
}

fn as_expected(what: &str, outcome: Outcome, code: Option<Code>, why: &ConnectError) {
    match outcome {
        Outcome::Refused(expected) => assert_eq!(code, Some(expected), "{what}: {why}"),
        Outcome::NoHandshake => assert!(
            matches!(
                why,
                ConnectError::Upgrade(pillarbox_transport::UpgradeError::Handshake(_))
            ) || code == Some(Code::ResponseInjection)
                || code == Some(Code::StarttlsStripped),
            "{what}: {why}"
        ),
    }
}

/// C10: no word of a server from before TLS is shown.
fn no_word_of_it(what: &str, error: &impl Display) {
    let shown = error.to_string();
    for word in ["call", "0900", "begin", "\x1b", "evil", "hi\r"] {
        assert!(!shown.contains(word), "{what}: {shown}");
    }
}

/// C1 to C6, C9, C10, C12, C13, C22 at set-up: it stops at the first connection, before a password is asked for.
#[tokio::test]
async fn no_attack_in_the_clear_gets_anything_out_of_set_up() {
    let world = World::new().await;
    let domain = Domain::parse("example.org").unwrap();
    let host = Host::parse("mail.example.org").unwrap();
    let typed = |service, start, server: &EvilServer| {
        let port = Some(server.address().port());
        let label = Label::new(service, start);
        Some(Candidate::typed(&domain, label, host.clone(), port))
    };
    for service in SERVICES {
        for split in SPLITS {
            for Attack {
                row,
                script,
                outcome,
            } in attacks(service, split)
            {
                let what = format!("{row} on {service}, {split:?}");
                let evil = EvilServer::start(script).await.unwrap();
                let honest = world.honest().await;
                let mut entered = world.entered();
                let evils = typed(service, TlsStart::StartTls, &evil);
                (entered.access, entered.submission) = match service {
                    Service::Submission => {
                        (typed(Service::Imap, TlsStart::Implicit, &honest), evils)
                    }
                    _ => (
                        evils,
                        typed(Service::Submission, TlsStart::Implicit, &honest),
                    ),
                };
                let (error, person) = world.set_up(&entered).await;
                let SetupError::NoServer { tried, .. } = &error else {
                    panic!("{what}: {error}")
                };
                let [(_, why)] = tried.as_slice() else {
                    panic!("{what}: {error}")
                };
                as_expected(&what, outcome, error.code(), why);
                no_word_of_it(&what, &error);
                assert!(!person.asked, "{what}: the password was asked for");
                assert_eq!(evil.received().connections, 1, "{what}: no second try");
                nothing_secret(&evil, &what);
                nothing_secret(&honest, &what);
            }
        }
    }
}

/// The same for an account that was set up before: whether it reads or sends, nothing is tried twice, and no
/// password, command or mail leaves (C16).
#[tokio::test]
async fn no_attack_in_the_clear_gets_anything_out_of_a_stored_account() {
    let world = World::new().await;
    for service in SERVICES {
        for split in SPLITS {
            for Attack {
                row,
                script,
                outcome,
            } in attacks(service, split)
            {
                let what = format!("{row} on {service}, {split:?}");
                let evil = EvilServer::start(script).await.unwrap();
                let port = evil.address().port();
                let error = world
                    .connect(service, TlsStart::StartTls, port)
                    .await
                    .unwrap_err();
                let ClientError::Connect { why, .. } = &error else {
                    panic!("{what}: {error}")
                };
                as_expected(&what, outcome, error.code(), why);
                no_word_of_it(&what, &error);
                assert_eq!(evil.received().connections, 1, "{what}: no second try");
                nothing_secret(&evil, &what);
            }
        }
    }
}

/// C12: a greeting without end is given up in bounded memory.
#[tokio::test]
async fn an_endless_greeting_is_given_up() {
    let world = World::new().await;
    for service in SERVICES {
        let start = match service {
            Service::Imap => "* OK ",
            Service::Pop3 => "+OK ",
            Service::Submission => "220 ",
        };
        let endless = start.to_owned() + &"x".repeat(1 << 20);
        let evil = EvilServer::start(vec![Act::Say(endless)]).await.unwrap();
        let port = evil.address().port();
        let error = world
            .connect(service, TlsStart::StartTls, port)
            .await
            .unwrap_err();
        assert_eq!(
            error.code(),
            Some(Code::ProtocolViolation),
            "{service}: {error}"
        );
        nothing_secret(&evil, "endless");
    }
}

/// C6, C12 inside TLS, by both ways in: whoever has a certificate of the host and greets wrongly still gets no
/// password.
#[tokio::test]
async fn odd_greetings_inside_tls_get_no_password() {
    let world = World::new().await;
    for service in SERVICES {
        for (row, first, second, _) in greetings(service) {
            for split in [Split::Whole, Split::Octets] {
                let what = format!("{row} on {service} inside TLS, {split:?}");
                let script = [vec![Act::StartTls(world.good())], split.say(first, second)].concat();
                let evil = EvilServer::start(script).await.unwrap();
                let port = evil.address().port();
                let error = world
                    .connect(service, TlsStart::Implicit, port)
                    .await
                    .unwrap_err();
                assert!(
                    matches!(error, ClientError::Login { .. }),
                    "{what}: {error}"
                );
                assert_eq!(
                    error.code(),
                    Some(Code::ProtocolViolation),
                    "{what}: {error}"
                );
                assert!(!error.to_string().contains('\x1b'), "{what}: {error:?}");
                nothing_secret(&evil, &what);
            }
        }
    }
}

/// C1, C13 inside TLS: what came in the clear does not answer there, and what comes too early inside TLS does not
/// either; the capabilities are asked for anew.
#[tokio::test]
async fn answers_before_the_question_inside_tls_get_no_password() {
    let world = World::new().await;
    for service in SERVICES {
        let early = match service {
            Service::Imap => "A0001 OK\r\nA0002 OK\r\n",
            Service::Pop3 => "+OK list\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n",
            Service::Submission => "250-m\r\n250 AUTH PLAIN\r\n235 ok\r\n",
        };
        let greeting = match service {
            Service::Imap => "* OK hi\r\n",
            Service::Pop3 => "+OK hi\r\n",
            Service::Submission => "220 hi\r\n",
        };
        let script = vec![
            Act::StartTls(world.good()),
            Act::Say([greeting, early].concat()),
        ];
        let evil = EvilServer::start(script).await.unwrap();
        let port = evil.address().port();
        let error = world
            .connect(service, TlsStart::Implicit, port)
            .await
            .unwrap_err();
        assert_eq!(
            error.code(),
            Some(Code::ProtocolViolation),
            "{service}: {error}"
        );
        nothing_secret(&evil, service.as_str());
    }
}

/// C19: a server that goes away in the middle, without close_notify and with it: what was read is not whole, and
/// what was sent is not said to have been.
#[tokio::test]
async fn what_is_cut_off_is_not_whole_and_not_sent() {
    let world = World::new().await;
    for service in SERVICES {
        for (end, code) in [(Act::CutOff, Some(Code::Truncated)), (Act::HangUp, None)] {
            for in_time in [Duration::ZERO, Duration::from_millis(40)] {
                let script = conversation(service, &world.good(), Act::Pause(in_time), end.clone());
                let server = EvilServer::start(script).await.unwrap();
                let port = server.address().port();
                let what = format!("{service} {code:?}");
                let error = world
                    .connect(service, TlsStart::Implicit, port)
                    .await
                    .unwrap_err();
                assert!(
                    matches!(error, ClientError::Broken(Broken::Connection(_))),
                    "{what}: {error:?}"
                );
                assert_eq!(error.code(), code, "{what}: {error}");
                // it did come so far
                let reached = match service {
                    Service::Imap => "FETCH",
                    Service::Pop3 => "RETR 1",
                    Service::Submission => LETTER,
                };
                assert!(
                    server.received().text().contains(reached),
                    "{what}: {}",
                    server.received().text()
                );
            }
        }
    }
}

/// C19: cut off before any of its answers, from the greeting's on, a session fails with the code of it, whether
/// that was in the login or after it; nobody connects again.
#[tokio::test]
async fn a_session_cut_off_at_any_step_says_so() {
    let world = World::new().await;
    for service in SERVICES {
        let whole = conversation(
            service,
            &world.good(),
            Act::Pause(Duration::ZERO),
            Act::CutOff,
        );
        let steps: Vec<usize> = (1..whole.len())
            .filter(|at| matches!(whole.get(*at), Some(Act::Hear)))
            .collect();
        assert!(steps.len() >= 3, "{service}");
        for at in steps {
            let mut script = whole.clone();
            script.truncate(at + 1);
            script.push(Act::CutOff);
            let server = EvilServer::start(script).await.unwrap();
            let port = server.address().port();
            let error = world
                .connect(service, TlsStart::Implicit, port)
                .await
                .unwrap_err();
            let what = format!("{service}, step {at}");
            assert!(
                matches!(
                    error,
                    ClientError::Login {
                        why: LoginError::Broken(_),
                        ..
                    } | ClientError::Broken(_)
                ),
                "{what}: {error:?}"
            );
            assert_eq!(error.code(), Some(Code::Truncated), "{what}: {error}");
            assert_eq!(server.received().connections, 1, "{what}");
        }
    }
}

/// A login, and a message in the middle of which the server is gone.
fn conversation(
    service: Service,
    certificate: &Arc<TestCertificate>,
    pause: Act,
    end: Act,
) -> Vec<Act> {
    let mut script = vec![Act::StartTls(Arc::clone(certificate))];
    let (greeting, answers, last) = match service {
        Service::Imap => (
            "* OK hi\r\n",
            vec![
                "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n{tag} OK\r\n",
                "{tag} OK [CAPABILITY IMAP4rev1] hello\r\n",
                "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n{tag} OK [READ-ONLY] done\r\n",
                "* SEARCH 41\r\n{tag} OK\r\n",
            ],
            "* 1 FETCH (UID 41 BODY[] {500}\r\nSubject: half\r\n",
        ),
        Service::Pop3 => (
            "+OK hi\r\n",
            vec![
                "+OK\r\nUSER\r\nSASL PLAIN\r\nUIDL\r\nTOP\r\n.\r\n",
                "+OK\r\n",
            ],
            "+OK\r\nSubject: half\r\n",
        ),
        Service::Submission => (
            "220 hi\r\n",
            vec![
                "250-m\r\n250 AUTH PLAIN\r\n",
                "235 2.7.0 ok\r\n",
                "250 2.1.0 ok\r\n",
                "250 2.1.5 ok\r\n",
                "354 go\r\n",
            ],
            "",
        ),
    };
    script.push(Act::say(greeting));
    for answer in answers {
        script.extend([Act::Hear, Act::say(answer)]);
    }
    match service {
        // the message is here, and its 250 never comes
        Service::Submission => script.push(Act::HearUntil(".".to_owned())),
        _ => script.extend([Act::Hear, Act::say(last)]),
    }
    script.extend([pause, end]);
    script
}

/// C23: whoever blocks, breaks or forges implicit TLS at set-up does not get STARTTLS, on any service; no
/// password is asked for.
#[tokio::test]
async fn broken_implicit_tls_does_not_lead_to_starttls() {
    let ca = TestCa::new();
    let forged = Arc::new(ca.server(&["mail.example.org"]));
    for service in SERVICES {
        for (fault, script, code) in [
            (
                "garbage",
                vec![Act::say("* OK hi\r\n")],
                Some(Code::ProtocolViolation),
            ),
            (
                "cut off",
                vec![Act::Pause(Duration::from_millis(20)), Act::CutOff],
                None,
            ),
            (
                "forged",
                vec![Act::StartTls(Arc::clone(&forged))],
                Some(Code::CertChain),
            ),
        ] {
            let what = format!("{service} {fault}");
            let broken = EvilServer::start(script).await.unwrap();
            let starttls = EvilServer::start(before(service)).await.unwrap();
            let honest = EvilServer::start(vec![]).await.unwrap();
            let (implicit, upgraded, other) = match service {
                Service::Imap => ("_imaps", "_imap", "_submissions"),
                Service::Pop3 => ("_pop3s", "_pop3", "_submissions"),
                Service::Submission => ("_submissions", "_submission", "_imaps"),
            };
            let records = format!(
                "{implicit}._tcp SRV 0 1 {} mail\n{upgraded}._tcp SRV 10 1 {} mail\n{other}._tcp SRV 0 1 {} mail",
                broken.address().port(),
                starttls.address().port(),
                honest.address().port()
            );
            let world = World::with_records(&records).await;
            // the other family's server has to be good for set-up to come to this one
            let honest = match service {
                Service::Submission => Some(world.honest().await),
                _ => None,
            };
            let mut entered = world.entered();
            if let Some(honest) = &honest {
                let domain = Domain::parse("example.org").unwrap();
                let host = Host::parse("mail.example.org").unwrap();
                let label = Label::new(Service::Imap, TlsStart::Implicit);
                let port = Some(honest.address().port());
                entered.access = Some(Candidate::typed(&domain, label, host, port));
            }
            let (error, person) = world.set_up(&entered).await;
            let SetupError::NoServer { tried, .. } = &error else {
                panic!("{what}: {error}")
            };
            assert_eq!(tried.len(), 1, "{what}: {error}");
            assert_eq!(error.code(), code, "{what}: {error}");
            assert_eq!(starttls.received().connections, 0, "{what}");
            assert!(!person.asked, "{what}");
            nothing_secret(&broken, &what);
        }
    }
}
