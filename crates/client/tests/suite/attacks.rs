//! The attacks on clients of docs/attacks.md, on IMAP, POP3 and submission alike, at set-up and at every later
//! connection: in one segment, octet by octet, and split in time. Each is refused with its code, on the first
//! connection, and the attacker has nothing secret in the end.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_client::{Broken, ClientError, ConnectError, LoginError, SetupError};
use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::RefusalCode;
use pillarbox_testkit::world::{Computer, LETTER, ScriptedPerson, told_nothing};
use pillarbox_testkit::{Act, EvilServer, LOGGED_IN, Signing, Site, TestCa, TestCertificate};
use pillarbox_transport::UpgradeError;

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
    Refused(RefusalCode),
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

/// What is said in the clear, one attack a line: the protocol, its row of docs/attacks.md, when it is said, in two
/// parts that `|` divides, and what the client must come to. It is said as the greeting, after one command (`EHLO`) or
/// as the answer to STARTTLS; `{tag}` is the command's. Escapes are as in Rust.
const ATTACKS: &str = r"
    IMAP       | C1               | STARTTLS | {tag} OK begin\r\n|* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nA0001 OK\r\n | RESPONSE_INJECTION
    IMAP       | C1               | STARTTLS | {tag} OK begin\r\n|x                             | RESPONSE_INJECTION
    IMAP       | C2 in front      | STARTTLS | * OK [ALERT] call| 0900\r\n{tag} OK begin\r\n   | RESPONSE_INJECTION
    IMAP       | C2 behind        | STARTTLS | {tag} OK begin\r\n|* OK [ALERT] call 0900\r\n    | RESPONSE_INJECTION
    IMAP       | C3               | STARTTLS | {tag} OK begin\r\n|* BYE call 0900\r\n           | RESPONSE_INJECTION
    IMAP       | C4 NO            | STARTTLS | {tag} N|O call 0900\r\n                          | STARTTLS_STRIPPED
    IMAP       | C4 BAD           | STARTTLS | {tag} BA|D call 0900\r\n                         | STARTTLS_STRIPPED
    IMAP       | C4 +             | STARTTLS | + |go on\r\n                                     | STARTTLS_STRIPPED
    IMAP       | C4 other         | STARTTLS | {tag} |YES\r\n                                   | STARTTLS_STRIPPED
    IMAP       | C9 EXPUNGE       | STARTTLS | * 1 EXPUNGE\r\n|{tag} OK begin\r\n               | RESPONSE_INJECTION
    IMAP       | C9 FETCH         | STARTTLS | * 1 FETCH (FLAGS ())\r\n|{tag} OK begin\r\n      | RESPONSE_INJECTION
    IMAP       | C9 REFERRAL      | STARTTLS | * NO [REFERRAL imap://evil.test/]| x\r\n{tag} OK begin\r\n | RESPONSE_INJECTION
    IMAP       | C13              | STARTTLS | A0001 O|K begin\r\n                              | RESPONSE_INJECTION
    POP3       | C1               | STARTTLS | +OK begin\r\n|+OK list\r\nUSER\r\nSASL PLAIN\r\n.\r\n | RESPONSE_INJECTION
    POP3       | C1               | STARTTLS | +OK begin\r\n|x                                  | RESPONSE_INJECTION
    POP3       | C4 -ERR          | STARTTLS | -E|RR call 0900\r\n                              | STARTTLS_STRIPPED
    POP3       | C4 +ok           | STARTTLS | +|ok begin\r\n                                   | STARTTLS_STRIPPED
    POP3       | C4 other         | STARTTLS | * O|K begin\r\n                                  | STARTTLS_STRIPPED
    submission | C1               | STARTTLS | 220 go\r\n|250-m\r\n250 AUTH PLAIN\r\n235 ok\r\n | RESPONSE_INJECTION
    submission | C1               | STARTTLS | 220 go\r\n|x                                     | RESPONSE_INJECTION
    submission | C4 454           | STARTTLS | 454 no|t now\r\n                                 | STARTTLS_STRIPPED
    submission | C4 502           | STARTTLS | 502-ca|ll\r\n502 0900\r\n                        | STARTTLS_STRIPPED
    submission | C4 354           | STARTTLS | 35|4 go on\r\n                                   | STARTTLS_STRIPPED
    submission | C4 250           | STARTTLS | 25|0 ok\r\n                                      | STARTTLS_STRIPPED
    submission | C12 421          | STARTTLS | 42|1 call 0900\r\n                               | PROTOCOL_VIOLATION
    submission | C4 not offered   | EHLO     | 250-m\r\n25|0 AUTH PLAIN\r\n                     | STARTTLS_STRIPPED
    submission | C5 no EHLO       | EHLO     | 502 ca|ll 0900\r\n                               | PROTOCOL_VIOLATION
    submission | C5 no EHLO       | EHLO     | 500 ca|ll 0900\r\n                               | PROTOCOL_VIOLATION
    IMAP       | C9 LIST          | early    | * OK hi\r\n|* LIST () \x22/\x22 evil\r\n         | RESPONSE_INJECTION
    IMAP       | C9 STATUS        | early    | * OK hi\r\n|* STATUS INBOX (MESSAGES 3)\r\n      | RESPONSE_INJECTION
    IMAP       | C13 early        | early    | * OK hi\r\n|2 OK begin\r\n                       | RESPONSE_INJECTION
    IMAP       | C6               | greeting | * PRE|AUTH call 0900\r\n                         | PREAUTH_CLEARTEXT
    IMAP       | C6 with STARTTLS | greeting | * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS]| x\r\n | PREAUTH_CLEARTEXT
    IMAP       | C10 BYE          | greeting | * BYE \x1b[2J|call 0900\r\n                      | PROTOCOL_VIOLATION
    IMAP       | C12 NO           | greeting | * N|O call 0900\r\n                              | PROTOCOL_VIOLATION
    IMAP       | C12 tagged       | greeting | a1 |OK x\r\n                                     | PROTOCOL_VIOLATION
    IMAP       | C12 another      | greeting | +OK| x\r\n                                       | PROTOCOL_VIOLATION
    IMAP       | C12 bare LF      | greeting | * OK hi|\n                                       | PROTOCOL_VIOLATION
    IMAP       | C12 NUL          | greeting | * OK \0|\r\n                                     | PROTOCOL_VIOLATION
    IMAP       | C12 garbage      | greeting | garb|age\r\nmore\r\n                             | PROTOCOL_VIOLATION
    POP3       | C10              | greeting | -ERR \x1b[2J|call 0900\r\n                       | PROTOCOL_VIOLATION
    POP3       | C12 +ok          | greeting | +o|k hi\r\n                                      | PROTOCOL_VIOLATION
    POP3       | C12 another      | greeting | * OK| x\r\n                                      | PROTOCOL_VIOLATION
    POP3       | C12 bare LF      | greeting | +OK hi|\n                                        | PROTOCOL_VIOLATION
    POP3       | C12 NUL          | greeting | +OK \0|\r\n                                      | PROTOCOL_VIOLATION
    POP3       | C12 garbage      | greeting | garb|age\r\nmore\r\n                             | PROTOCOL_VIOLATION
    submission | C12 221          | greeting | 22|1 call 0900\r\n                               | PROTOCOL_VIOLATION
    submission | C12 354          | greeting | 35|4 call 0900\r\n                               | PROTOCOL_VIOLATION
    submission | C12 421          | greeting | 42|1 call 0900\r\n                               | PROTOCOL_VIOLATION
    submission | C12 500          | greeting | 50|0 call 0900\r\n                               | PROTOCOL_VIOLATION
    submission | C10 554          | greeting | 554 \x1b[2J|call 0900\r\n                        | PROTOCOL_VIOLATION
    submission | C12 another      | greeting | * OK| x\r\n                                      | PROTOCOL_VIOLATION
    submission | C12 bare LF      | greeting | 220 hi|\n                                        | PROTOCOL_VIOLATION
    submission | C12 NUL          | greeting | 220 \0|\r\n                                      | PROTOCOL_VIOLATION
    submission | C12 garbage      | greeting | garb|age\r\nmore\r\n                             | PROTOCOL_VIOLATION
";
/// So many are there.
const HOW_MANY: usize = 55;

/// A line of [`ATTACKS`].
struct Row {
    service: Service,
    row: &'static str,
    when: &'static str,
    parts: [String; 2],
    code: RefusalCode,
}

fn rows(service: Service) -> Vec<Row> {
    let lines: Vec<_> = ATTACKS.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), HOW_MANY);
    let read = |line: &'static str| {
        let fields: Vec<_> = line.split('|').collect();
        let [of, row, when, first, second, code] = fields.try_into().unwrap();
        let services = SERVICES
            .into_iter()
            .find(|one| one.to_string() == of.trim());
        let codes = [
            RefusalCode::ResponseInjection,
            RefusalCode::StarttlsStripped,
            RefusalCode::PreauthCleartext,
            RefusalCode::ProtocolViolation,
        ];
        let first = first.strip_prefix(' ').unwrap();
        Row {
            service: services.unwrap(),
            row: row.trim(),
            when: when.trim(),
            parts: [unescape(first), unescape(second.trim_end())],
            code: codes
                .into_iter()
                .find(|one| one.as_str() == code.trim())
                .unwrap(),
        }
    };
    let rows = lines.into_iter().map(read);
    rows.filter(|row| row.service == service).collect()
}

fn unescape(text: &str) -> String {
    [
        ("\\r", "\r"),
        ("\\n", "\n"),
        ("\\0", "\0"),
        ("\\x1b", "\x1b"),
        ("\\x22", "\""),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What the server says before the attack.
fn before(service: Service, when: &str) -> Vec<Act> {
    let mut acts = match (when, service) {
        ("greeting" | "early", _) => return Vec::new(),
        ("EHLO", _) => Act::answers(["220 hi"]),
        (_, Service::Imap) => Act::answers(["* OK hi"]),
        (_, Service::Pop3) => Act::answers(["+OK hi"]),
        (_, Service::Submission) => Act::answers(["220 hi", "250-m\r\n250 STARTTLS"]),
    };
    acts.push(Act::Hear);
    acts
}

fn attacks(service: Service, split: Split) -> Vec<Attack> {
    let attack = |row: Row| Attack {
        row: row.row,
        script: [
            before(service, row.when),
            split.say(&row.parts[0], &row.parts[1]),
        ]
        .concat(),
        outcome: Outcome::Refused(row.code),
    };
    let mut all: Vec<_> = rows(service).into_iter().map(attack).collect();
    // Without tags, what comes late enough is an answer like any other; nobody who says it has TLS.
    let early = match service {
        Service::Imap => return all,
        Service::Pop3 => split.say("+OK hi\r\n", "+OK begin\r\n"),
        Service::Submission => {
            let said = split.say("250-m\r\n250 STARTTLS\r\n", "220 go\r\n");
            [before(service, "EHLO"), said].concat()
        }
    };
    all.push(Attack {
        row: "C13 early",
        script: [early, vec![Act::HangUp]].concat(),
        outcome: match split {
            Split::Whole => Outcome::Refused(RefusalCode::ResponseInjection),
            _ => Outcome::NoHandshake,
        },
    });
    all
}

async fn site() -> Site {
    Site::with_records(Signing::Signed, "").await
}

/// Has a stored account use a server that plays this; it fails. Answers the server and why.
async fn used(
    site: &Site,
    service: Service,
    start: TlsStart,
    script: Vec<Act>,
) -> (EvilServer, ClientError) {
    let evil = EvilServer::start(script).await;
    let computer = Computer::new(site, "stored");
    let error = computer
        .use_service(service, start, evil.port())
        .await
        .unwrap_err();
    (evil, error)
}

fn as_expected(what: &str, outcome: Outcome, code: Option<RefusalCode>, why: &ConnectError) {
    match outcome {
        Outcome::Refused(expected) => assert_eq!(code, Some(expected), "{what}: {why}"),
        Outcome::NoHandshake => assert!(
            matches!(why, ConnectError::Upgrade(UpgradeError::Handshake(_)))
                || code == Some(RefusalCode::ResponseInjection)
                || code == Some(RefusalCode::StarttlsStripped),
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
    let site = site().await;
    let computer = Computer::new(&site, "fresh");
    for (service, split) in SERVICES
        .into_iter()
        .flat_map(|of| SPLITS.map(|split| (of, split)))
    {
        for Attack {
            row,
            script,
            outcome,
        } in attacks(service, split)
        {
            let what = format!("{row} on {service}, {split:?}");
            let (evil, honest) = (EvilServer::start(script).await, site.honest().await);
            let mut entered = computer.entered();
            let evils = Computer::typed(service, TlsStart::StartTls, &evil);
            let honests = |service| Computer::typed(service, TlsStart::Implicit, &honest);
            (entered.access, entered.submission) = match service {
                Service::Submission => (honests(Service::Imap), evils),
                _ => (evils, honests(Service::Submission)),
            };
            let mut person = ScriptedPerson::who_trusts_all();
            let error = computer.set_up(&entered, &mut person).await.unwrap_err();
            let SetupError::NoServer { tried, .. } = &error else {
                panic!("{what}: {error}")
            };
            let [(_, why)] = tried.as_slice() else {
                panic!("{what}: {error}")
            };
            as_expected(&what, outcome, error.code(), why);
            no_word_of_it(&what, &error);
            assert!(
                person.shown_at_password.is_none(),
                "{what}: the password was asked for"
            );
            assert_eq!(evil.received().connections, 1, "{what}: no second try");
            told_nothing(&evil, &what);
            told_nothing(&honest, &what);
        }
    }
}

/// The same for an account that was set up before: whether it reads or sends, nothing is tried twice, and no
/// password, command or mail leaves (C16).
#[tokio::test]
async fn no_attack_in_the_clear_gets_anything_out_of_a_stored_account() {
    let site = site().await;
    for (service, split) in SERVICES
        .into_iter()
        .flat_map(|of| SPLITS.map(|split| (of, split)))
    {
        for Attack {
            row,
            script,
            outcome,
        } in attacks(service, split)
        {
            let what = format!("{row} on {service}, {split:?}");
            let (evil, error) = used(&site, service, TlsStart::StartTls, script).await;
            let ClientError::Connect { why, .. } = &error else {
                panic!("{what}: {error}")
            };
            as_expected(&what, outcome, error.code(), why);
            no_word_of_it(&what, &error);
            assert_eq!(evil.received().connections, 1, "{what}: no second try");
            told_nothing(&evil, &what);
        }
    }
}

/// C12: a greeting without end is given up in bounded memory.
#[tokio::test]
async fn an_endless_greeting_is_given_up() {
    let site = site().await;
    for (service, start) in SERVICES.into_iter().zip(["* OK ", "+OK ", "220 "]) {
        let endless = vec![Act::Say(start.to_owned() + &"x".repeat(1 << 20))];
        let (evil, error) = used(&site, service, TlsStart::StartTls, endless).await;
        assert_eq!(
            error.code(),
            Some(RefusalCode::ProtocolViolation),
            "{service}: {error}"
        );
        told_nothing(&evil, "endless");
    }
}

/// C6, C12 inside TLS, by both ways in: whoever has a certificate of the host and greets wrongly still gets no
/// password.
#[tokio::test]
async fn odd_greetings_inside_tls_get_no_password() {
    let site = site().await;
    for service in SERVICES {
        for Row {
            row,
            when,
            parts: [first, second],
            ..
        } in rows(service)
        {
            if when != "greeting" {
                continue;
            }
            for split in [Split::Whole, Split::Octets] {
                let what = format!("{row} on {service} inside TLS, {split:?}");
                let script =
                    [vec![Act::StartTls(site.good())], split.say(&first, &second)].concat();
                let (evil, error) = used(&site, service, TlsStart::Implicit, script).await;
                assert!(
                    matches!(error, ClientError::Login { .. }),
                    "{what}: {error}"
                );
                assert_eq!(
                    error.code(),
                    Some(RefusalCode::ProtocolViolation),
                    "{what}: {error}"
                );
                assert!(!error.to_string().contains('\x1b'), "{what}: {error:?}");
                told_nothing(&evil, &what);
            }
        }
    }
}

/// C1, C13 inside TLS: what came in the clear does not answer there, and what comes too early inside TLS does not
/// either; the capabilities are asked for anew.
#[tokio::test]
async fn answers_before_the_question_inside_tls_get_no_password() {
    let site = site().await;
    for (service, early) in [
        (Service::Imap, "* OK hi\r\nA0001 OK\r\nA0002 OK"),
        (
            Service::Pop3,
            "+OK hi\r\n+OK list\r\nUSER\r\n.\r\n+OK\r\n+OK",
        ),
        (
            Service::Submission,
            "220 hi\r\n250-m\r\n250 AUTH PLAIN\r\n235 ok",
        ),
    ] {
        let script = Act::inside_tls(&site.good(), [early]);
        let (evil, error) = used(&site, service, TlsStart::Implicit, script).await;
        assert_eq!(
            error.code(),
            Some(RefusalCode::ProtocolViolation),
            "{service}: {error}"
        );
        told_nothing(&evil, service.as_str());
    }
}

/// C19: a server that goes away in the middle, without close_notify and with it: what was read is not whole, and
/// what was sent is not said to have been.
#[tokio::test]
async fn what_is_cut_off_is_not_whole_and_not_sent() {
    let site = site().await;
    for (service, reached) in SERVICES.into_iter().zip(["FETCH", "RETR 1", LETTER]) {
        for (end, code) in [
            (Act::CutOff, Some(RefusalCode::Truncated)),
            (Act::HangUp, None),
        ] {
            for in_time in [Duration::ZERO, Duration::from_millis(40)] {
                let script = conversation(service, &site.good(), Act::Pause(in_time), end.clone());
                let (server, error) = used(&site, service, TlsStart::Implicit, script).await;
                let what = format!("{service} {code:?}");
                let broken = matches!(error, ClientError::Broken(Broken::Connection(_)));
                assert!(broken, "{what}: {error:?}");
                assert_eq!(error.code(), code, "{what}: {error}");
                // it did come so far
                let said = server.received().text();
                assert!(said.contains(reached), "{what}: {said}");
            }
        }
    }
}

/// C19: cut off before any of its answers, from the greeting's on, a session fails with the code of it, whether
/// that was in the login or after it; nobody connects again.
#[tokio::test]
async fn a_session_cut_off_at_any_step_says_so() {
    let site = site().await;
    for service in SERVICES {
        let pause = Act::Pause(Duration::ZERO);
        let whole = conversation(service, &site.good(), pause, Act::CutOff);
        let steps: Vec<usize> = (1..whole.len())
            .filter(|at| matches!(whole.get(*at), Some(Act::Hear)))
            .collect();
        assert!(steps.len() >= 3, "{service}");
        for at in steps {
            let mut script = whole.clone();
            script.truncate(at + 1);
            script.push(Act::CutOff);
            let (server, error) = used(&site, service, TlsStart::Implicit, script).await;
            let what = format!("{service}, step {at}");
            let broken = match &error {
                ClientError::Login { why, .. } => matches!(why, LoginError::Broken(_)),
                error => matches!(error, ClientError::Broken(_)),
            };
            assert!(broken, "{what}: {error:?}");
            assert_eq!(
                error.code(),
                Some(RefusalCode::Truncated),
                "{what}: {error}"
            );
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
    let texts: &[&str] = match service {
        Service::Imap => &[
            "* OK hi",
            "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n{tag} OK",
            LOGGED_IN,
            "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n{tag} OK [READ-ONLY] done",
            "* SEARCH 41\r\n{tag} OK",
            "* 1 FETCH (UID 41 BODY[] {500}\r\nSubject: half",
        ],
        Service::Pop3 => &[
            "+OK hi",
            "+OK\r\nUSER\r\nSASL PLAIN\r\nUIDL\r\nTOP\r\n.",
            "+OK",
            "+OK\r\nSubject: half",
        ],
        Service::Submission => &[
            "220 hi",
            "250-m\r\n250 AUTH PLAIN",
            "235 2.7.0 ok",
            "250 2.1.0 ok",
            "250 2.1.5 ok",
            "354 go",
        ],
    };
    let mut script = Act::inside_tls(certificate, texts.iter().copied());
    if service == Service::Submission {
        // the message is here, and its 250 never comes
        script.push(Act::HearUntil(".".to_owned()));
    }
    script.extend([pause, end]);
    script
}

/// C23: whoever blocks, breaks or forges implicit TLS at set-up does not get STARTTLS, on any service; no
/// password is asked for.
#[tokio::test]
async fn broken_implicit_tls_does_not_lead_to_starttls() {
    let forged = Arc::new(TestCa::new().server(&["mail.example.org"]));
    let cut_off = vec![Act::Pause(Duration::from_millis(20)), Act::CutOff];
    for (service, implicit, upgraded, other) in [
        (Service::Imap, "_imaps", "_imap", "_submissions"),
        (Service::Pop3, "_pop3s", "_pop3", "_submissions"),
        (Service::Submission, "_submissions", "_submission", "_imaps"),
    ] {
        for (fault, script, code) in [
            (
                "garbage",
                Act::answers(["* OK hi"]),
                Some(RefusalCode::ProtocolViolation),
            ),
            ("cut off", cut_off.clone(), None),
            (
                "forged",
                vec![Act::StartTls(Arc::clone(&forged))],
                Some(RefusalCode::CertChain),
            ),
        ] {
            let what = format!("{service} {fault}");
            let mut site = Site::new();
            let broken = EvilServer::start(script).await;
            let starttls = EvilServer::start(before(service, "STARTTLS")).await;
            // the other family's server has to be good for set-up to come to this one
            let honest = site.honest().await;
            let records =
                broken.srv(implicit) + &starttls.srv_of(upgraded, 10, "mail") + &honest.srv(other);
            site.publish(Signing::Signed, &records).await;
            let mut person = ScriptedPerson::who_trusts_all();
            let error = Computer::new(&site, "fresh")
                .fail_to_set_up(&mut person)
                .await;
            let SetupError::NoServer { tried, .. } = &error else {
                panic!("{what}: {error}")
            };
            assert_eq!(tried.len(), 1, "{what}: {error}");
            assert_eq!(error.code(), code, "{what}: {error}");
            assert_eq!(starttls.received().connections, 0, "{what}");
            assert!(person.shown_at_password.is_none(), "{what}");
            told_nothing(&broken, &what);
        }
    }
}
