//! The attacks on servers of docs/attacks.md against the real server over sockets, on IMAP, POP3 and submission
//! alike: in one segment, split at every place, and split in time. After each the server still serves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use crate::support::{IMPLICIT, PLAIN, STARTTLS, WRONG_PLAIN, clear, line, new_server, openssl};
use pillarbox_testkit::programs::{ALICE, HOST, PASSWORD, PATIENCE, ServerProgram, wait_for};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const EVE: &str = "eve@example.org";
const EVIL: &str = "evil evil evil";
/// PLAIN of Eve and of nobody in base64, as that of Alice.
const EVE_PLAIN: &str = "AGV2ZUBleGFtcGxlLm9yZwBldmlsIGV2aWwgZXZpbA==";
const NOBODY_PLAIN: &str = "AG5vYm9keUBleGFtcGxlLm9yZwB3cm9uZw==";
/// A fatal alert, unexpected_message: all that cleartext in place of a handshake gets.
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 10];

/// STARTTLS on a listener, and what is answered to it.
struct Words {
    ask: &'static str,
    go_ahead: &'static str,
    /// To STARTTLS with something behind it.
    injected: &'static str,
    /// A login and mail of the attacker's.
    attack: String,
}

fn words(listener: &str) -> Words {
    match listener {
        "imap" => Words {
            ask: "a STARTTLS\r\n",
            go_ahead: "a OK Begin TLS now\r\n",
            injected: "a BAD Nothing may follow STARTTLS\r\n",
            attack: format!("b LOGIN {EVE} \"{EVIL}\"\r\nc APPEND INBOX {{8+}}\r\nstolen\r\n\r\n"),
        },
        "pop3" => Words {
            ask: "STLS\r\n",
            go_ahead: "+OK begin TLS\r\n",
            injected: "-ERR nothing may follow STLS before the reply\r\n",
            attack: format!("USER {EVE}\r\nPASS {EVIL}\r\nSTAT\r\n"),
        },
        _ => Words {
            ask: "STARTTLS\r\n",
            go_ahead: "220 2.0.0 Ready to start TLS\r\n",
            injected: "554 5.7.0 Data stood behind STARTTLS; this connection is not safe\r\n",
            attack: format!(
                "EHLO evil.example\r\nAUTH PLAIN {EVE_PLAIN}\r\nMAIL FROM:<{EVE}>\r\nRCPT TO:<{EVE}>\r\nDATA\r\n"
            ),
        },
    }
}

fn is_a_greeting(line: &str) {
    let is_one = ["* OK ", "+OK ", "220 "]
        .iter()
        .any(|start| line.starts_with(start));
    assert!(is_one, "{line}");
}

/// A cleartext connection whose greeting was read.
fn greeted(server: &ServerProgram, listener: &str) -> BufReader<TcpStream> {
    let mut talk = clear(server, listener);
    talk.get_ref().set_nodelay(true).unwrap();
    is_a_greeting(&line(&mut talk));
    talk
}

/// Says a line in the clear, and hears one.
fn say(talk: &mut BufReader<TcpStream>, said: &str) -> String {
    let said = format!("{}\r\n", said.trim_end());
    talk.get_mut().write_all(said.as_bytes()).unwrap();
    line(talk)
}

/// A request in one segment, and octet by octet.
fn whole_and_octets(octets: &[u8]) -> [Vec<&[u8]>; 2] {
    [vec![octets], octets.chunks(1).collect()]
}

/// STARTTLS is granted, and the handshake done.
fn upgrade(server: &ServerProgram, listener: &str, mut talk: BufReader<TcpStream>) -> Inside {
    let words = words(listener);
    assert_eq!(say(&mut talk, words.ask), words.go_ahead.trim_end());
    Inside::after(server, talk.into_inner())
}

/// Writes the pieces, each in a segment of its own, ends its side, and answers all that comes back. A server that
/// has closed already takes no more; a reset is an end too.
fn attack(server: &ServerProgram, listener: &str, pieces: &[&[u8]]) -> Vec<u8> {
    let mut talk = greeted(server, listener);
    for piece in pieces {
        if talk.get_mut().write_all(piece).is_err() {
            break;
        }
    }
    rest(talk)
}

fn rest(mut talk: BufReader<TcpStream>) -> Vec<u8> {
    let _gone = talk.get_ref().shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _reset = talk.read_to_end(&mut answer);
    answer
}

/// Text as the server says it, in the clear.
fn heard(server: &ServerProgram, listener: &str, pieces: &[&[u8]]) -> String {
    String::from_utf8(attack(server, listener, pieces)).unwrap()
}

/// A conversation inside TLS.
struct Inside(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Inside {
    /// Does the handshake on a connection that has come so far.
    fn after(server: &ServerProgram, stream: TcpStream) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(server.ca().root_der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = HOST.try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Self(BufReader::new(StreamOwned::new(connection, stream)))
    }

    /// Implicit TLS, with the greeting read.
    fn open(server: &ServerProgram, listener: &str) -> Self {
        let stream = TcpStream::connect(server.address(listener)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut inside = Self::after(server, stream);
        is_a_greeting(&inside.hear());
        inside
    }

    fn write(&mut self, octets: &[u8]) {
        // the server may have closed already
        let _gone = self.0.get_mut().write_all(octets);
        let _gone = self.0.get_mut().flush();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn say(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes());
        self.hear()
    }

    /// A command whose answer has more lines; the last is answered.
    fn say_until(&mut self, line: &str, last: &str) -> String {
        let mut answer = self.say(line);
        while !answer.starts_with(last) {
            assert!(!answer.is_empty(), "{line}: closed");
            answer = self.hear();
        }
        answer
    }

    /// All that comes until the server closes.
    fn until_closed(mut self) -> String {
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

/// Logs in on an implicit listener.
fn logged_in(
    server: &ServerProgram,
    listener: &str,
    login: &str,
    password: &str,
    plain: &str,
) -> Inside {
    let mut inside = Inside::open(server, listener);
    match listener {
        "imaps" => {
            inside.say_until(&format!("a LOGIN {login} \"{password}\""), "a OK");
        }
        "pop3s" => {
            assert!(inside.say(&format!("USER {login}")).starts_with("+OK"));
            let said = inside.say(&format!("PASS {password}"));
            assert!(said.starts_with("+OK"), "{said}");
        }
        _ => {
            inside.say_until("EHLO client.example", "250 ");
            let said = inside.say(&format!("AUTH PLAIN {plain}"));
            assert!(said.starts_with("235 2.7.0"), "{said}");
        }
    }
    inside
}

/// No attack has made the server worse: everybody can log in.
fn still_serves(server: &ServerProgram) {
    for listener in IMPLICIT {
        logged_in(server, listener, ALICE, PASSWORD, PLAIN);
    }
}

/// No login was tried, let alone made, and the attacker's mailbox is as empty as it was.
fn nothing_was_carried_out(server: &ServerProgram) {
    assert_eq!(server.logins(), Vec::<serde_json::Value>::new());
    assert!(server.logged("login").is_empty() && server.logged("login refused").is_empty());
    let mut imap = logged_in(server, "imaps", EVE, EVIL, EVE_PLAIN);
    let status = imap.say("b STATUS INBOX (MESSAGES)");
    assert!(status.contains("(MESSAGES 0)"), "{status}");
}

/// How many log lines have this code.
fn coded(server: &ServerProgram, code: &str) -> usize {
    server
        .log()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["code"] == code)
        .count()
}

fn server_with_eve() -> ServerProgram {
    let mut server = new_server();
    server.add_account(ALICE, PASSWORD);
    server.add_account(EVE, EVIL);
    server.serve();
    server
}

/// S1: in the segment of STARTTLS, split at every place in the command and behind it, and octet by octet. The
/// server says what is wrong, closes, carries nothing out, and has it in the log with its code.
#[test]
fn s1_commands_behind_starttls_are_refused_wherever_they_are_split() {
    let server = server_with_eve();
    let mut attacks = 0;
    for listener in STARTTLS {
        let words = words(listener);
        let whole = [words.ask, &words.attack].concat().into_bytes();
        assert_eq!(heard(&server, listener, &[&whole]), words.injected);
        attacks += 1;
        for at in 1..whole.len() {
            if at == words.ask.len() {
                continue;
            }
            let (first, second) = whole.split_at(at);
            let answer = heard(&server, listener, &[first, second]);
            assert_eq!(answer, words.injected, "{listener}: split at {at}");
            attacks += 1;
        }
        // Right behind the line end it depends on who is faster: found as above, or taken for a broken handshake.
        let (first, second) = whole.split_at(words.ask.len());
        let octets: Vec<&[u8]> = whole.chunks(1).collect();
        for pieces in [&[first, second][..], &octets] {
            let answer = attack(&server, listener, pieces);
            let broken_handshake = [words.go_ahead.as_bytes(), ALERT].concat();
            assert!(
                answer == words.injected.as_bytes() || answer == broken_handshake,
                "{listener}: {:?}",
                String::from_utf8_lossy(&answer)
            );
            attacks += 1;
        }
    }
    wait_for("the log", || coded(&server, "COMMAND_INJECTION") == attacks);
    nothing_was_carried_out(&server);
    still_serves(&server);
}

/// S1, S3: split in time, behind the go-ahead and before any ClientHello: an alert, and the end. A second STARTTLS
/// is no better, nor is a command dressed up as a record.
#[test]
fn s1_commands_in_place_of_the_handshake_fail_it() {
    let server = server_with_eve();
    let mut attacks = 0;
    for listener in STARTTLS {
        let words = words(listener);
        let dressed_up = [&[22, 3, 1, 0, 90][..], words.attack.as_bytes()].concat();
        for (injected, step) in [
            (words.attack.as_bytes(), usize::MAX),
            (words.attack.as_bytes(), 1),
            (words.ask.as_bytes(), usize::MAX),
            (&dressed_up, usize::MAX),
        ] {
            let mut talk = greeted(&server, listener);
            talk.get_mut().write_all(words.ask.as_bytes()).unwrap();
            let mut go_ahead = String::new();
            talk.read_line(&mut go_ahead).unwrap();
            assert_eq!(go_ahead, words.go_ahead);
            for piece in injected.chunks(step.min(injected.len())) {
                if talk.get_mut().write_all(piece).is_err() {
                    break;
                }
            }
            assert_eq!(rest(talk), ALERT, "{listener}");
            attacks += 1;
        }
    }
    wait_for("the log", || coded(&server, "COMMAND_INJECTION") == attacks);
    nothing_was_carried_out(&server);
    still_serves(&server);
}

/// S2: nothing said in the clear is known inside TLS, neither a name nor half a login.
#[test]
fn s2_nothing_said_in_the_clear_is_left_inside_tls() {
    let server = server_with_eve();
    for (listener, prelude, inside) in [
        (
            "imap",
            vec![
                (
                    format!("x LOGIN {EVE} \"{EVIL}\""),
                    "x NO [PRIVACYREQUIRED]",
                ),
                ("y SELECT INBOX".to_owned(), "y BAD"),
            ],
            vec![
                ("z STATUS INBOX (MESSAGES)", "z BAD not now\r\n"),
                ("z SELECT INBOX", "z BAD not now\r\n"),
            ],
        ),
        (
            "pop3",
            vec![(format!("USER {EVE}"), "-ERR [AUTH]")],
            vec![
                ("PASS evil evil evil", "-ERR say USER first\r\n"),
                ("STAT", "-ERR log in first\r\n"),
            ],
        ),
        (
            "submission",
            vec![
                ("HELO evil.example".to_owned(), "250 "),
                (format!("AUTH PLAIN {EVE_PLAIN}"), "530 5.7.0"),
                (format!("MAIL FROM:<{EVE}>"), "530 5.7.0"),
            ],
            vec![
                (
                    "MAIL FROM:<eve@example.org>",
                    "503 5.5.1 Send EHLO first\r\n",
                ),
                ("RCPT TO:<eve@example.org>", "503 5.5.1 Send EHLO first\r\n"),
            ],
        ),
    ] {
        let mut talk = greeted(&server, listener);
        for (said, answer) in prelude {
            let heard = say(&mut talk, &said);
            assert!(heard.starts_with(answer), "{said}: {heard}");
        }
        let mut sealed = upgrade(&server, listener, talk);
        for (said, answer) in inside {
            assert_eq!(sealed.say(said), answer, "{listener}: {said}");
        }
    }
    nothing_was_carried_out(&server);
    still_serves(&server);
}

/// S2, S3: STARTTLS with arguments does not begin, and the one without still does; inside TLS after a login, and
/// in a transaction, it is refused and the session goes on.
#[test]
fn s3_starttls_in_wrong_places_is_refused() {
    let server = server_with_eve();
    for (listener, wrong, refusal) in [
        (
            "imap",
            "a STARTTLS now",
            "a BAD expected the end of the line",
        ),
        ("pop3", "STLS now", "-ERR wrong arguments"),
        (
            "submission",
            "STARTTLS now",
            "501 5.5.4 Syntax error in arguments",
        ),
    ] {
        let mut talk = greeted(&server, listener);
        assert_eq!(say(&mut talk, wrong), refusal);
        let mut sealed = upgrade(&server, listener, talk);
        let _some_answer = sealed.say("NOOP");
    }
    let mut imap = logged_in(&server, "imaps", EVE, EVIL, EVE_PLAIN);
    assert!(imap.say("b STARTTLS").starts_with("b BAD"));
    assert!(imap.say("c NOOP").starts_with("c OK"));
    let mut pop3 = logged_in(&server, "pop3s", EVE, EVIL, EVE_PLAIN);
    assert_eq!(pop3.say("STLS"), "-ERR not after login\r\n");
    assert_eq!(pop3.say("STAT"), "+OK 0 0\r\n");
    drop(pop3);
    let mut smtp = logged_in(&server, "submissions", EVE, EVIL, EVE_PLAIN);
    for _in_a_transaction_too in 0..2 {
        assert_eq!(smtp.say("STARTTLS"), "503 5.5.1 TLS is already active\r\n");
        smtp.say("RSET");
        assert!(smtp.say(&format!("MAIL FROM:<{EVE}>")).starts_with("250 "));
    }
    still_serves(&server);
}

/// S4: on each cleartext port, whole and octet by octet: the same bytes for the right password, a wrong one and a
/// name nobody has, whatever the mechanism; nothing that would take a password is listed.
#[test]
fn s4_cleartext_credentials_all_get_the_same_bytes() {
    let server = server_with_eve();
    for (listener, attempts, refusal) in [
        (
            "imap",
            vec![
                format!("a LOGIN {ALICE} \"{PASSWORD}\"\r\n"),
                format!("a LOGIN {ALICE} wrong\r\n"),
                "a LOGIN nobody@example.org wrong\r\n".to_owned(),
                format!("a AUTHENTICATE PLAIN {PLAIN}\r\n"),
                format!("a AUTHENTICATE PLAIN {WRONG_PLAIN}\r\n"),
                "a AUTHENTICATE SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiY2Q=\r\n".to_owned(),
            ],
            "a NO [PRIVACYREQUIRED] ",
        ),
        (
            "pop3",
            vec![
                format!("USER {ALICE}\r\n"),
                "USER nobody@example.org\r\n".to_owned(),
                format!("PASS {PASSWORD}\r\n"),
                "PASS wrong\r\n".to_owned(),
                format!("AUTH PLAIN {PLAIN}\r\n"),
                format!("AUTH PLAIN {NOBODY_PLAIN}\r\n"),
                "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiY2Q=\r\n".to_owned(),
            ],
            "-ERR [AUTH] encryption is required before logging in\r\n",
        ),
        (
            "submission",
            vec![
                format!("AUTH PLAIN {PLAIN}\r\n"),
                format!("AUTH PLAIN {WRONG_PLAIN}\r\n"),
                format!("AUTH PLAIN {NOBODY_PLAIN}\r\n"),
                "AUTH LOGIN YWxpY2VAZXhhbXBsZS5vcmc=\r\n".to_owned(),
                "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiY2Q=\r\n".to_owned(),
            ],
            "530 5.7.0 Must issue a STARTTLS command first\r\n",
        ),
    ] {
        let first = heard(&server, listener, &[attempts[0].as_bytes()]);
        assert!(first.starts_with(refusal), "{first}");
        assert_eq!(first.lines().count(), 1, "{first}");
        for attempt in &attempts {
            for pieces in whole_and_octets(attempt.as_bytes()) {
                assert_eq!(heard(&server, listener, &pieces), first, "{attempt}");
            }
        }
    }
    for (listener, ask) in [
        ("imap", "a CAPABILITY\r\n"),
        ("pop3", "CAPA\r\n"),
        ("submission", "EHLO client.example\r\n"),
    ] {
        let listed = heard(&server, listener, &[ask.as_bytes()]);
        assert!(
            listed.contains("STARTTLS") || listed.contains("STLS"),
            "{listed}"
        );
        assert_eq!(listed.contains(" LOGINDISABLED"), listener == "imap");
        // a response code of POP3, and no way to log in
        let listed = listed.replace("AUTH-RESP-CODE", "");
        for forbidden in ["AUTH", "SASL", "USER", "PLAIN", "SCRAM"] {
            assert!(!listed.contains(forbidden), "{listener}: {listed}");
        }
    }
    assert!(!server.log().contains("nobody"));
    nothing_was_carried_out(&server);
    still_serves(&server);
}

/// S5: no PREAUTH in the clear, nor inside TLS for a client that has a certificate at hand.
#[test]
fn s5_nobody_is_logged_in_by_the_greeting() {
    let server = server_with_eve();
    let greeting = line(&mut clear(&server, "imap"));
    assert!(greeting.starts_with("* OK "), "{greeting}");
    let _files = server
        .ca()
        .server(&["client.example"])
        .write_to(server.folder(), "client");
    let (chain, key) = (server.file("client.pem"), server.file("client.key"));
    let certificate = [
        "-cert",
        chain.to_str().unwrap(),
        "-key",
        key.to_str().unwrap(),
    ];
    let mut imap = openssl(&server, "imaps", &certificate);
    assert!(imap.hear_until("* ").starts_with("* OK "));
    imap.ask("a STATUS INBOX (MESSAGES)", "a BAD not now");
    let mut pop3 = openssl(&server, "pop3s", &certificate);
    pop3.ask("STAT", "-ERR log in first");
    let mut smtp = openssl(&server, "submissions", &certificate);
    smtp.ask("EHLO client.example", "250 ");
    smtp.ask(
        &format!("MAIL FROM:<{EVE}>"),
        "530 5.7.0 Authentication required",
    );
    nothing_was_carried_out(&server);
}

/// S6: a browser's request ends the session, in the clear and inside TLS, and not a word of it comes back.
#[test]
fn s6_a_request_of_a_browser_ends_the_session_without_an_echo() {
    let server = server_with_eve();
    for request in [
        "GET / HTTP/1.1",
        "POST /evil HTTP/1.1",
        "CONNECT evil:443 HTTP/1.1",
    ] {
        let request = format!("{request}\r\nHost: <script>evil</script>\r\n")
            + &"X-Evil: <script>evil</script>\r\n".repeat(30);
        for (clear, implicit) in STARTTLS.into_iter().zip(IMPLICIT) {
            let mut answers = Vec::new();
            for pieces in whole_and_octets(request.as_bytes()) {
                answers.push(heard(&server, clear, &pieces));
            }
            let mut inside = Inside::open(&server, implicit);
            inside.write(request.as_bytes());
            answers.push(inside.until_closed());
            for answer in answers {
                let expected = match clear {
                    "imap" => answer.is_empty(),
                    "pop3" => {
                        answer.len() < 400 && answer.lines().all(|line| line.starts_with("-ERR "))
                    }
                    _ => answer == "500 5.5.1 This is a mail server\r\n",
                };
                assert!(expected, "{clear}: {request:.20} {answer:?}");
                assert!(
                    !answer.contains("vil") && !answer.contains("script"),
                    "{answer}"
                );
            }
        }
    }
    // 3 requests, 3 protocols, 3 ways
    wait_for("the log", || coded(&server, "PROTOCOL_VIOLATION") == 27);
    nothing_was_carried_out(&server);
    still_serves(&server);
}

/// S6: ALPN is as strict behind STARTTLS as on the TLS ports.
#[test]
fn s6_no_alpn_of_the_web_behind_starttls() {
    let server = server_with_eve();
    for listener in STARTTLS {
        let mut talk = openssl(&server, listener, &["-alpn", "http/1.1"]);
        while let Some(line) = talk.hear() {
            assert!(
                !line.starts_with("* ") && !line.starts_with("+OK"),
                "{line}"
            );
        }
        let complaint = talk.complaints();
        assert!(
            complaint.contains("alert number 120"),
            "{listener}: {complaint}"
        );
    }
    still_serves(&server);
}

/// S8: one line grammar before and after TLS: a CR or LF on its own and a NUL end the session with the protocol's
/// error, and no half of such a line is a command; a line without end is refused in bounded memory.
#[test]
fn s8_broken_lines_end_the_session_before_and_inside_tls() {
    let server = server_with_eve();
    for (clear, implicit, ask) in [
        ("imap", "imaps", "a STARTTLS"),
        ("pop3", "pop3s", "STLS"),
        ("submission", "submissions", "STARTTLS"),
    ] {
        for (broken, error) in [
            (format!("{ask}\n"), "bare LF"),
            (format!("NOOP\n{ask}\r\n"), "bare LF"),
            (format!("NOOP\r{ask}\r\n"), "bare CR"),
            (format!("{ask}\0\r\n"), "NUL"),
        ] {
            let mut answers = whole_and_octets(broken.as_bytes())
                .map(|pieces| heard(&server, clear, &pieces))
                .to_vec();
            let mut inside = Inside::open(&server, implicit);
            inside.write(broken.as_bytes());
            answers.push(inside.until_closed());
            for answer in answers {
                let expected = match clear {
                    "imap" => answer == "* BYE That is no line\r\n",
                    "pop3" => {
                        answer.starts_with("-ERR ") && answer.ends_with("; lines end in CRLF\r\n")
                    }
                    _ => {
                        answer
                            == "500 5.5.2 Lines end with CRLF, and hold no other CR, LF or NUL\r\n"
                    }
                };
                assert!(expected, "{clear} {error}: {answer:?}");
            }
        }
        let endless = vec![b'x'; 1 << 20];
        let answer = heard(&server, clear, &[&endless]);
        assert!(answer.len() < 400, "{clear}: {answer}");
        let mut inside = Inside::open(&server, implicit);
        inside.write(&endless);
        inside.write(b"\r\n");
        let mut answer = Vec::new();
        // reset while it was still writing
        let _reset = inside.0.get_mut().sock.shutdown(Shutdown::Write);
        let _reset = inside.0.read_to_end(&mut answer);
        assert!(answer.len() < 400, "{implicit}: {answer:?}");
    }
    // 4 lines, 3 protocols, 3 ways, and what has no end
    wait_for("the log", || coded(&server, "PROTOCOL_VIOLATION") >= 36);
    nothing_was_carried_out(&server);
    still_serves(&server);
}

/// What must hold 5: the codes in the log of a hello that is too old, of cleartext on a TLS port and of a
/// connection that is cut off.
#[test]
fn every_refusal_is_logged_with_its_code() {
    let server = server_with_eve();
    for (before, listener) in IMPLICIT.into_iter().enumerate() {
        let mut old = openssl(
            &server,
            listener,
            &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
        );
        assert_eq!(old.hear(), None);
        wait_for("the hello's code", || {
            coded(&server, "LEVEL_TLS_VERSION") == before + 1
        });

        let mut clear = TcpStream::connect(server.address(listener)).unwrap();
        clear.write_all(b"NOOP\r\n").unwrap();
        assert_eq!(rest(BufReader::new(clear)), ALERT);
        wait_for("the cleartext's code", || {
            coded(&server, "PROTOCOL_VIOLATION") == before + 1
        });

        let mut inside = logged_in(&server, listener, EVE, EVIL, EVE_PLAIN);
        inside.write(b"half a li");
        // FIN without close_notify
        inside.0.get_ref().sock.shutdown(Shutdown::Both).unwrap();
        wait_for("the truncation's code", || {
            coded(&server, "TRUNCATED") == before + 1
        });
    }
    still_serves(&server);
}
