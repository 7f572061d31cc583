//! The real server from start to stop: logins with their records, reload, shutdown.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::support::{PLAIN, WRONG_PLAIN, clear, line, openssl, serving};
use pillarbox_testkit::programs::{ALICE, HOST, LISTENERS, PASSWORD, wait_for};
use rustix::process::Signal;

/// S4-17, S4-1, S1-1: every protocol by both ways in, each login on record with its TLS facts.
#[test]
fn a_login_over_each_listener_goes_on_record_with_its_tls_facts() {
    let mut house = serving();
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
        let mut talk = openssl(&house, listener, &[]);
        // What behind STARTTLS no greeting is.
        match listener {
            "imaps" => _ = talk.hear_until("* OK"),
            "pop3s" => _ = talk.hear_until("+OK"),
            _ => {}
        }
        talk.dialogue(lines);
    }
    let mut logins = house.logins();
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
    let logged = house.logged("login");
    assert_eq!(logged.len(), LISTENERS.len());
    assert_eq!(logged[0]["tls"], "TLSv1.3");
    assert_eq!(logged[0]["suite"], "TLS_AES_256_GCM_SHA384");
    assert!(!house.log().contains(PASSWORD));
    assert!(!house.log().contains(PLAIN));

    // The records outlive the server.
    house.stop();
    assert_eq!(house.logins().len(), LISTENERS.len());
}

#[test]
fn a_refused_login_goes_on_record_with_its_reason() {
    let house = serving();
    let mut smtp = openssl(&house, "submissions", &["-tls1_2"]);
    smtp.ask("EHLO client.example", "250 ");
    smtp.ask(&format!("AUTH PLAIN {WRONG_PLAIN}"), "535 5.7.8");
    let logins = house.logins();
    assert_eq!(logins[0]["outcome"], "bad-credentials");
    assert_eq!(logins[0]["tls"], "TLSv1.2");
    assert_eq!(logins[0]["mechanism"], "PLAIN");
    assert_eq!(logins[0]["client"], "client.example");
    assert_eq!(house.logged("login refused").len(), 1);
    assert!(!house.log().contains(WRONG_PLAIN));
}

/// S4.1-9, S4-15, S4-17: a client that is too old is refused, and the log says what it offered.
#[test]
fn an_old_client_hello_is_refused_and_logged_with_its_version() {
    let house = serving();
    let mut old = openssl(
        &house,
        "imaps",
        &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
    );
    assert_eq!(old.hear(), None);
    let complaint = old.complaints();
    assert!(complaint.contains("alert protocol version"), "{complaint}");
    wait_for("the log", || {
        !house.logged("TLS handshake failed").is_empty()
    });
    let logged = &house.logged("TLS handshake failed")[0];
    assert_eq!(logged["offered"], "0x0302");
    assert_eq!(logged["listener"], "imaps");
    assert!(logged["remote"].as_str().unwrap().starts_with("127.0.0.1:"));
}

/// S4-6, S3.4-1: new certificates are served after SIGHUP; nobody who is connected notices.
#[test]
fn sighup_takes_up_new_certificates_and_drops_nobody() {
    let house = serving();
    let mut before = openssl(&house, "imaps", &[]);
    before.hear_until("* OK");

    house.certify(&[HOST, "localhost", "new.example.org"]);
    house.configure(|text| {
        *text = text.replace("[\"example.org\"]", "[\"example.org\", \"example.net\"]");
    });
    house.signal(Signal::HUP);
    wait_for("the reload", || {
        !house.logged("configuration reloaded").is_empty()
    });

    let mut after = openssl(&house, "imaps", &["-verify_hostname", "new.example.org"]);
    after.hear_until("* OK");
    before.ask("a NOOP", "a OK");
    house.add_account("carol@example.net", PASSWORD);

    // A broken file takes nothing away: what works stays in force, and the log says why.
    std::fs::write(house.file("server.pem"), "not a certificate").unwrap();
    house.signal(Signal::HUP);
    wait_for("the second reload", || {
        house.logged("configuration reloaded").len() == 2
    });
    let mut still = openssl(&house, "imaps", &["-verify_hostname", "new.example.org"]);
    still.hear_until("* OK");
    assert_eq!(
        house
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
    let house = serving();
    house.configure(|text| *text = text.replace("hostname = ", "hostname = 7 # "));
    house.signal(Signal::HUP);
    wait_for("the complaint", || {
        house.log().contains("the configuration stays as it is")
    });
    assert!(house.log().contains("hostname should be a text in quotes"));
    let mut imap = openssl(&house, "imaps", &[]);
    imap.hear_until("* OK");

    house.configure(|text| *text = text.replace("imap = [\"127.0.0.1:0\"]", "imap = []"));
    house.signal(Signal::HUP);
    wait_for("the advice", || {
        !house
            .logged("this key was changed; restart the server to put it in force")
            .is_empty()
    });
    let _still_open = clear(&house, "imap");
}

#[test]
fn sigterm_says_goodbye_and_ends_in_order() {
    let mut house = serving();
    let mut imap = openssl(&house, "imaps", &[]);
    imap.hear_until("* OK");
    let mut pop3 = clear(&house, "pop3");
    assert!(line(&mut pop3).starts_with("+OK"));
    let mut smtp = clear(&house, "submission");
    assert!(line(&mut smtp).starts_with("220 "));

    let begun = Instant::now();
    house.signal(Signal::TERM);
    imap.hear_until("* BYE");
    assert_eq!(imap.hear(), None);
    assert!(line(&mut pop3).starts_with("-ERR"));
    assert_eq!(line(&mut pop3), "");
    assert!(line(&mut smtp).starts_with("421 "));
    assert_eq!(line(&mut smtp), "");
    assert!(house.wait_for_end(), "{}", house.log());
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "sessions ended by themselves"
    );
    assert_eq!(house.logged("stopped").len(), 1);
    // And can be started again at once on what it left.
    house.serve();
    assert!(house.succeed(&["account", "list"], "").contains(ALICE));
}

#[test]
fn killed_and_started_again_it_serves() {
    let mut house = serving();
    house.signal(Signal::KILL);
    assert!(!house.wait_for_end());
    assert!(house.file("data/admin.sock").exists(), "left behind");
    house.serve();
    let mut imap = openssl(&house, "imaps", &[]);
    imap.hear_until("* OK");
    imap.ask(&format!("a LOGIN {ALICE} \"{PASSWORD}\""), "a OK");
}

/// S4.1-4, S4.1-5, S4-3, R9051-1, R5034-1, R4954-1: before TLS the answer to right, wrong and unknown
/// credentials is the same, byte for byte, and nothing goes on record.
#[test]
fn before_tls_every_login_is_refused_with_the_same_bytes() {
    let house = serving();
    let ask = |listener: &str, lines: &[String]| {
        let mut talk = clear(&house, listener);
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
    assert_eq!(house.logins().len(), 0);
    assert!(!house.log().contains("wrong"));
}
