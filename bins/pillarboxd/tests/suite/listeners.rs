//! All six listeners of the real server, one matrix each: TLS versions, what cleartext gets, STARTTLS once too
//! often, ALPN, the trace of a submission, the goodbye, and the sockets that are open.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;

use crate::support::{IMPLICIT, PLAIN, new_server, openssl, serving};
use pillarbox_testkit::needs;
use pillarbox_testkit::programs::{ALICE, LISTENERS, PASSWORD, PATIENCE, ServerProgram, wait_for};

/// What a client says to hear something, and what it hears.
fn noop(listener: &str) -> (&'static str, &'static str) {
    match listener {
        "imaps" | "imap" => ("a NOOP", "a OK"),
        "pop3s" | "pop3" => ("CAPA", "+OK what this server can do"),
        _ => ("NOOP", "250 2.0.0"),
    }
}

/// What asks for TLS.
fn starttls(listener: &str) -> &'static str {
    match listener {
        "imaps" | "imap" => "a STARTTLS",
        "pop3s" | "pop3" => "STLS",
        _ => "STARTTLS",
    }
}

/// Writes these octets, ends its side, and answers all that comes back. A reset is an end, too.
fn exchange(server: &ServerProgram, listener: &str, said: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address(listener)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    let _gone = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    answer
}

/// S1-1, S4-13, R8997-1, R9325-1, R9325-2, S2-2: TLS 1.2 and 1.3 lead to an answer on every listener, TLS 1.1
/// and 1.0 to the alert `protocol_version` and not one octet of the protocol.
#[test]
fn every_listener_takes_tls_1_2_and_1_3_and_nothing_older() {
    let server = serving();
    for listener in LISTENERS {
        let (say, heard) = noop(listener);
        for version in ["-tls1_2", "-tls1_3"] {
            let mut talk = openssl(&server, listener, &[version]);
            talk.ask(say, heard);
        }
        for version in ["-tls1_1", "-tls1"] {
            let mut old = openssl(
                &server,
                listener,
                &[version, "-cipher", "DEFAULT@SECLEVEL=0"],
            );
            assert_eq!(old.hear(), None, "{listener} {version}");
            let complaint = old.complaints();
            assert!(
                complaint.contains("alert protocol version"),
                "{listener} {version}: {complaint}"
            );
        }
    }
    // The log is written behind the alert.
    let refused = || server.logged("TLS handshake failed").len();
    wait_for("each refused handshake to be on record", || refused() >= 12);
    assert_eq!(refused(), 12);
}

/// S2-2, S3.1-1, S3.2-1, S3.3-1, S7.3-1: on a TLS port a line of the port's own protocol gets an alert and
/// nothing else.
#[test]
fn cleartext_on_an_implicit_listener_gets_an_alert_and_no_word() {
    let server = serving();
    for (listener, line) in [
        ("imaps", "a CAPABILITY\r\n"),
        ("pop3s", "CAPA\r\n"),
        ("submissions", "EHLO client.example\r\n"),
    ] {
        let answer = exchange(&server, listener, line);
        assert_eq!(answer, [21, 3, 3, 0, 2, 2, 10], "{listener}");
    }
}

/// S3.1-3, S3.2-3, S3.3-3, R9051-2, R3207-2, R2595-1: inside TLS, however it began, STARTTLS is neither listed
/// nor done, and the session goes on.
#[test]
fn inside_tls_there_is_no_starttls_any_more() {
    let server = serving();
    for listener in LISTENERS {
        let mut talk = openssl(&server, listener, &[]);
        let (ask, end, refusal) = match listener {
            "imaps" | "imap" => ("c CAPABILITY", "c OK", "a BAD"),
            "pop3s" | "pop3" => ("CAPA", ".", "-ERR"),
            _ => ("EHLO client.example", "250 ", "503 5.5.1"),
        };
        talk.say(ask);
        loop {
            let heard = talk.hear().unwrap();
            assert!(
                !heard.contains("STARTTLS") && !heard.contains("STLS"),
                "{listener}: {heard}"
            );
            if heard.starts_with(end) {
                break;
            }
        }
        talk.ask(starttls(listener), refusal);
        talk.dialogue(&[noop(listener)]);
    }
}

/// R7301-1, R9325-10, S6 of the attacks: ALPN is strict on all listeners, and no ALPN is all right.
#[test]
fn a_web_browser_is_not_let_in() {
    let server = serving();
    for listener in IMPLICIT {
        let mut talk = openssl(&server, listener, &["-alpn", "http/1.1"]);
        assert_eq!(talk.hear(), None, "{listener}");
        let complaint = talk.complaints();
        assert!(
            complaint.contains("alert number 120"),
            "{listener}: {complaint}"
        );
        let own = match listener {
            "imaps" => "imap",
            "pop3s" => "pop3",
            _ => "smtp",
        };
        for alpn in [&["-alpn", own][..], &[]] {
            let mut talk = openssl(&server, listener, alpn);
            talk.dialogue(&[noop(listener)]);
        }
    }
}

/// S4-16, S4.3-2, S4.3-3, S4.3-6, S4.3-9, S3.3-5, IANA-1: whichever suite and group a client forces, on 465 and
/// after STARTTLS, its message is stored with their registered names, right before the semicolon.
#[test]
fn the_trace_names_suite_and_group_of_the_session() {
    let server = serving();
    let cases = [
        (
            &[
                "-tls1_3",
                "-ciphersuites",
                "TLS_AES_128_GCM_SHA256",
                "-groups",
                "P-256",
            ][..],
            "tls TLS_AES_128_GCM_SHA256 group secp256r1; ",
        ),
        (
            &[
                "-tls1_3",
                "-ciphersuites",
                "TLS_CHACHA20_POLY1305_SHA256",
                "-groups",
                "P-384",
            ],
            "tls TLS_CHACHA20_POLY1305_SHA256 group secp384r1; ",
        ),
        (
            &[
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES128-GCM-SHA256",
                "-groups",
                "X25519:P-256",
            ],
            "tls TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 group x25519; ",
        ),
    ];
    let mut number = 0;
    for listener in ["submissions", "submission"] {
        for (arguments, clause) in &cases {
            let mut smtp = openssl(&server, listener, arguments);
            smtp.dialogue(&[
                ("EHLO client.example", "250 "),
                (&format!("AUTH PLAIN {PLAIN}"), "235"),
                ("MAIL FROM:<alice@example.org>", "250 "),
                ("RCPT TO:<alice@example.org>", "250 "),
                ("DATA", "354"),
                ("Subject: x\r\n\r\nx\r\n.", "250 2.0.0"),
            ]);
            number += 1;
            let mut imap = openssl(&server, "imaps", &[]);
            imap.ask(&format!("a LOGIN {ALICE} \"{PASSWORD}\""), "a OK");
            imap.ask("b EXAMINE INBOX", "b OK");
            imap.say(&format!(
                "c FETCH {number} BODY.PEEK[HEADER.FIELDS (RECEIVED)]"
            ));
            let mut field = String::new();
            loop {
                let heard = imap.hear().unwrap();
                if heard.starts_with("c ") {
                    break;
                }
                field.push(' ');
                field.push_str(heard.trim());
            }
            assert_eq!(field.matches(" tls ").count(), 1, "{field}");
            let with = " with ESMTPSA id ";
            let order = [
                " from client.example ",
                " by ",
                with,
                " for <alice@example.org> ",
                clause,
            ];
            let places: Vec<_> = order.iter().map(|part| field.find(part)).collect();
            assert!(
                places.iter().all(Option::is_some) && places.is_sorted(),
                "{listener} {clause}: {places:?} in {field}"
            );
        }
    }
}

/// S3.1-3, S3.2-3, S3.3-3, S3.4-1: after its last words the server says close_notify, and then nothing.
#[test]
fn the_last_that_is_said_is_close_notify() {
    let server = serving();
    for (listener, bye) in [
        ("imaps", "a LOGOUT"),
        ("pop3s", "QUIT"),
        ("submissions", "QUIT"),
        ("imap", "a LOGOUT"),
        ("pop3", "QUIT"),
        ("submission", "QUIT"),
    ] {
        let mut talk = openssl(&server, listener, &["-msg"]);
        talk.say(bye);
        let mut heard = Vec::new();
        while let Some(line) = talk.hear() {
            heard.push(line);
        }
        let last = heard
            .iter()
            .rposition(|line| line.starts_with("<<< "))
            .unwrap_or_else(|| panic!("{listener}: {heard:?}"));
        assert!(
            heard[last].contains("warning close_notify"),
            "{listener}: {:?}",
            &heard[last..]
        );
    }
}

/// S7.1-1, S7.2-2, S7.3-2: TCP sockets listen, six of them; there is no UDP socket at all.
#[test]
fn no_udp_socket_is_open() {
    let server = serving();
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.to_owned();
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let open = |table: &str, state: Option<&str>| {
        std::fs::read_to_string(format!("/proc/{}/net/{table}", server.pid()))
            .unwrap()
            .lines()
            .skip(1)
            .filter(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                inodes.iter().any(|inode| inode == words[9])
                    && state.is_none_or(|state| words[3] == state)
            })
            .count()
    };
    const LISTEN: &str = "0A";
    assert_eq!(open("tcp", Some(LISTEN)) + open("tcp6", Some(LISTEN)), 6);
    assert_eq!(open("udp", None) + open("udp6", None), 0);
}

/// S3-1, S1.1-1, S4-4: on a machine where nothing is configured but names and certificates, the ports are the
/// registered ones, and `check-config` warns of a STARTTLS listener left alone.
#[test]
fn check_config_warns_of_starttls_without_implicit_tls() {
    let server = new_server();
    for service in ["imap", "pop3", "submission"] {
        server.configure(|text| {
            *text = text.replace(
                &format!("{service}s = [\"127.0.0.1:0\"]"),
                &format!("{service}s = []"),
            );
        });
        let said = server.succeed(&["check-config"], "");
        assert!(
            said.contains(&format!(
                "warning: listeners.{service}s is off while listeners.{service} is on"
            )),
            "{said}"
        );
    }
}

/// R9051-6, R9325-13: with an RSA key the suite that RFC 9051 names is taken on IMAP, by both ways in.
#[test]
fn the_suite_of_rfc_9051_works_with_an_rsa_key() {
    let mut server = new_server();
    server.add_account(ALICE, PASSWORD);
    let rsa = server.ca().issue(
        &pillarbox_testkit::Leaf::new(&[pillarbox_testkit::programs::HOST, "localhost"]).rsa(),
    );
    let _files = rsa.write_to(server.folder(), "server");
    server.serve();
    for listener in ["imaps", "imap"] {
        let mut imap = openssl(
            &server,
            listener,
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"],
        );
        imap.ask(&format!("a LOGIN {ALICE} \"{PASSWORD}\""), "a OK");
        assert_eq!(
            server.logins()[0]["cipher_suite"],
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        );
    }
}

/// S4.2-2 (a), S4.2-1: no CertificateRequest on any listener, in either version.
#[test]
fn no_client_certificate_is_asked_for() {
    let server = serving();
    for listener in IMPLICIT {
        for version in ["-tls1_2", "-tls1_3"] {
            let output = needs::OPENSSL
                .required()
                .args([
                    "s_client",
                    "-connect",
                    &server.address(listener).to_string(),
                ])
                .args([
                    "-servername",
                    pillarbox_testkit::programs::HOST,
                    "-msg",
                    version,
                ])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("ServerHello"), "{text}");
            assert!(!text.contains("CertificateRequest"), "{listener} {version}");
        }
    }
}
