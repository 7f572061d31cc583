//! The real server from start to stop: logins with their records, reload, shutdown.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::support::{PLAIN, WRONG_PLAIN, clear, line, openssl, serving};
use pillarbox_testkit::programs::{ALICE, HOST, LISTENERS, PASSWORD, wait_for};
use rustix::process::Signal;

/// S4-17, S4-1, S1-1: every protocol by both ways in, each login on record with its TLS facts.
#[test]
fn a_login_over_each_listener_goes_on_record_with_its_tls_facts() {
    let mut server = serving();
    let imap = format!("a LOGIN {ALICE} \"{PASSWORD}\"");
    let (user, pass) = (format!("USER {ALICE}"), format!("PASS {PASSWORD}"));
    let auth = format!("AUTH PLAIN {PLAIN}");
    for listener in LISTENERS {
        let lines: &[_] = match listener {
            "imaps" | "imap" => &[(imap.as_str(), "a OK"), ("b LOGOUT", "b OK")],
            "pop3s" | "pop3" => &[(user.as_str(), "+OK"), (&pass, "+OK"), ("QUIT", "+OK")],
            _ => &[
                ("EHLO client.example", "250 "),
                (auth.as_str(), "235 2.7.0"),
                ("QUIT", "221"),
            ],
        };
        let mut talk = openssl(&server, listener, &[]);
        // What behind STARTTLS no greeting is.
        match listener {
            "imaps" => _ = talk.hear_until("* OK"),
            "pop3s" => _ = talk.hear_until("+OK"),
            _ => {}
        }
        talk.dialogue(lines);
    }
    let mut logins = server.logins();
    logins.reverse();
    assert_eq!(logins.len(), LISTENERS.len(), "{logins:?}");
    for (login, listener) in logins.iter().zip(LISTENERS) {
        let how = if listener.ends_with('s') {
            "implicit"
        } else {
            "starttls"
        };
        for (field, value) in [
            ("listener", listener),
            ("outcome", "ok"),
            ("login", ALICE),
            ("how", how),
            ("tls", "TLSv1.3"),
            ("cipher_suite", "TLS_AES_256_GCM_SHA384"),
            ("group", "x25519"),
            ("sni", HOST),
        ] {
            assert_eq!(login[field], value, "{listener}: {field}");
        }
        assert_eq!(login["resumed"], false);
    }
    // The log says the same, once for each login.
    let logged = server.logged("login");
    assert_eq!(logged.len(), LISTENERS.len());
    assert_eq!(logged[0]["tls"], "TLSv1.3");
    assert_eq!(logged[0]["suite"], "TLS_AES_256_GCM_SHA384");
    assert!(!server.log().contains(PASSWORD));
    assert!(!server.log().contains(PLAIN));

    // The records outlive the server.
    server.stop();
    assert_eq!(server.logins().len(), LISTENERS.len());
}

#[test]
fn a_refused_login_goes_on_record_with_its_reason() {
    let server = serving();
    let mut smtp = openssl(&server, "submissions", &["-tls1_2"]);
    smtp.ask("EHLO client.example", "250 ");
    smtp.ask(&format!("AUTH PLAIN {WRONG_PLAIN}"), "535 5.7.8");
    let logins = server.logins();
    assert_eq!(logins[0]["outcome"], "bad-credentials");
    assert_eq!(logins[0]["tls"], "TLSv1.2");
    assert_eq!(logins[0]["mechanism"], "PLAIN");
    assert_eq!(logins[0]["client"], "client.example");
    assert_eq!(server.logged("login refused").len(), 1);
    assert!(!server.log().contains(WRONG_PLAIN));
}

/// S4.1-9, S4-15, S4-17: a client that is too old is refused, and the log says what it offered.
#[test]
fn an_old_client_hello_is_refused_and_logged_with_its_version() {
    let server = serving();
    let mut old = openssl(
        &server,
        "imaps",
        &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
    );
    assert_eq!(old.hear(), None);
    let complaint = old.complaints();
    assert!(complaint.contains("alert protocol version"), "{complaint}");
    wait_for("the log", || {
        !server.logged("TLS handshake failed").is_empty()
    });
    let logged = &server.logged("TLS handshake failed")[0];
    assert_eq!(logged["offered"], "0x0302");
    assert_eq!(logged["listener"], "imaps");
    assert!(logged["remote"].as_str().unwrap().starts_with("127.0.0.1:"));
}

/// S4-6, S3.4-1: new certificates are served after SIGHUP; nobody who is connected notices.
#[test]
fn sighup_takes_up_new_certificates_and_drops_nobody() {
    let server = serving();
    let mut before = openssl(&server, "imaps", &[]);
    before.hear_until("* OK");

    server.certify(&[HOST, "localhost", "new.example.org"]);
    server.configure(|text| {
        *text = text.replace("[\"example.org\"]", "[\"example.org\", \"example.net\"]");
    });
    server.signal(Signal::HUP);
    wait_for("the reload", || {
        !server.logged("configuration reloaded").is_empty()
    });

    let mut after = openssl(&server, "imaps", &["-verify_hostname", "new.example.org"]);
    after.hear_until("* OK");
    before.ask("a NOOP", "a OK");
    server.add_account("carol@example.net", PASSWORD);

    // A broken file takes nothing away: what works stays in force, and the log says why.
    std::fs::write(server.file("server.pem"), "not a certificate").unwrap();
    server.signal(Signal::HUP);
    wait_for("the second reload", || {
        server.logged("configuration reloaded").len() == 2
    });
    let mut still = openssl(&server, "imaps", &["-verify_hostname", "new.example.org"]);
    still.hear_until("* OK");
    assert_eq!(
        server
            .logged(
                "the certificates in force stay in force, since not all of the new ones can be used"
            )
            .len(),
        1
    );
    before.ask("b NOOP", "b OK");
}

#[test]
fn a_wrong_configuration_changes_nothing_on_reload() {
    let server = serving();
    server.configure(|text| *text = text.replace("hostname = ", "hostname = 7 # "));
    server.signal(Signal::HUP);
    wait_for("the complaint", || {
        server.log().contains("the configuration stays as it is")
    });
    assert!(server.log().contains("hostname should be a text in quotes"));
    let mut imap = openssl(&server, "imaps", &[]);
    imap.hear_until("* OK");

    server.configure(|text| *text = text.replace("imap = [\"127.0.0.1:0\"]", "imap = []"));
    server.signal(Signal::HUP);
    wait_for("the advice", || {
        !server
            .logged("this key was changed; restart the server to put it in force")
            .is_empty()
    });
    let _still_open = clear(&server, "imap");
}

#[test]
fn sigterm_says_goodbye_and_ends_in_order() {
    let mut server = serving();
    let mut imap = openssl(&server, "imaps", &[]);
    imap.hear_until("* OK");
    let mut pop3 = clear(&server, "pop3");
    assert!(line(&mut pop3).starts_with("+OK"));
    let mut smtp = clear(&server, "submission");
    assert!(line(&mut smtp).starts_with("220 "));

    let begun = Instant::now();
    server.signal(Signal::TERM);
    imap.hear_until("* BYE");
    assert_eq!(imap.hear(), None);
    assert!(line(&mut pop3).starts_with("-ERR"));
    assert_eq!(line(&mut pop3), "");
    assert!(line(&mut smtp).starts_with("421 "));
    assert_eq!(line(&mut smtp), "");
    assert!(server.wait_for_end(), "{}", server.log());
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "sessions ended by themselves"
    );
    assert_eq!(server.logged("stopped").len(), 1);
    // And can be started again at once on what it left.
    server.serve();
    assert!(server.succeed(&["account", "list"], "").contains(ALICE));
}

#[test]
fn killed_and_started_again_it_serves() {
    let mut server = serving();
    server.signal(Signal::KILL);
    assert!(!server.wait_for_end());
    assert!(server.file("data/admin.sock").exists(), "left behind");
    server.serve();
    let mut imap = openssl(&server, "imaps", &[]);
    imap.hear_until("* OK");
    imap.ask(&format!("a LOGIN {ALICE} \"{PASSWORD}\""), "a OK");
}

/// S4.1-4, S4.1-5, S4-3, R9051-1, R5034-1, R4954-1: before TLS the answer to right, wrong and unknown
/// credentials is the same, byte for byte, and nothing goes on record.
#[test]
fn before_tls_every_login_is_refused_with_the_same_bytes() {
    let server = serving();
    let ask = |listener: &str, lines: &[String]| {
        let mut talk = clear(&server, listener);
        line(&mut talk);
        let mut heard = Vec::new();
        for said in lines {
            talk.get_mut()
                .write_all(format!("{said}\r\n").as_bytes())
                .unwrap();
            heard.push(line(&mut talk));
        }
        heard
    };
    let credentials = [(ALICE, PASSWORD), (ALICE, "wrong"), ("nobody", "wrong")];
    let mut answers = Vec::new();
    for (login, password) in credentials {
        answers.push([
            ask("imap", &[format!("a LOGIN {login} \"{password}\"")]),
            ask(
                "pop3",
                &[format!("USER {login}"), format!("PASS {password}")],
            ),
        ]);
    }
    for initial in [PLAIN, WRONG_PLAIN] {
        answers.push([
            ask("imap", &[format!("a AUTHENTICATE PLAIN {initial}")]),
            ask(
                "pop3",
                &[format!("AUTH PLAIN {initial}"), "NOOP".to_owned()],
            ),
        ]);
    }
    assert!(
        answers[0][0][0].starts_with("a NO [PRIVACYREQUIRED]"),
        "{answers:?}"
    );
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[3], answers[4]);
    let smtp = |initial: &str| ask("submission", &[format!("AUTH PLAIN {initial}")]);
    let refusal = smtp(PLAIN);
    assert!(
        refusal[0].starts_with("530 ")
            || refusal[0].starts_with("538 ")
            || refusal[0].starts_with("503 "),
        "{refusal:?}"
    );
    assert_eq!(refusal, smtp(WRONG_PLAIN));
    assert_eq!(server.logins().len(), 0);
    assert!(!server.log().contains("wrong"));
}
