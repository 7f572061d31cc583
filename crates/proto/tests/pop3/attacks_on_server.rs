//! docs/attacks.md, servers: one test a row that applies to POP3.

use crate::channels::permitted;
use pillarbox_policy::{PeerProof, RefusalCode};
use pillarbox_proto::channel::End;
use pillarbox_proto::line::LineError;
use pillarbox_proto::pop3::server::{Config, LoginsInClear, Server, StartTls, Violation};
use pillarbox_proto::{Clear, Injected, Machine, Sealed, Start, Upgrade};

use crate::caller::{Caller, InWindow, Stop, facts, feed, in_the_clear};

fn clear() -> Server<Clear> {
    in_the_clear(StartTls::Offered, LoginsInClear::NotListed)
}

#[test]
fn s1_command_injection_pop3() {
    let injected = b"STLS\r\nUSER eve@example.org\r\nPASS evil\r\n";
    let mut caller = Caller::new();
    let (said, stop) = feed(&mut caller, &mut clear(), injected, &[usize::MAX]);
    assert_eq!(
        said,
        "+OK Pillarbox ready\r\n-ERR nothing may follow STLS before the reply\r\n"
    );
    let found = Injected {
        found_by: End::Server,
        bytes: injected.len() - 6,
    };
    assert_eq!(stop, Stop::Violated(Violation::Injected(found)));
    assert_eq!(found.code(), RefusalCode::CommandInjection);

    // Every length of suffix, down to one byte, in one segment.
    for end in 7..injected.len() {
        let (_, stop) = feed(&mut caller, &mut clear(), &injected[..end], &[usize::MAX]);
        let found = Injected {
            found_by: End::Server,
            bytes: end - 6,
        };
        assert_eq!(stop, Stop::Violated(Violation::Injected(found)));
    }

    // Split in time: the suffix comes while the reply is on its way, before the handshake.
    for end in 7..injected.len() {
        let mut server = clear();
        let (said, stop) = feed(&mut caller, &mut server, &injected[..6], &[]);
        assert!(said.ends_with("+OK begin TLS\r\n"));
        assert_eq!(stop, Stop::StartTls);
        server.input(&injected[6..end]);
        let found = Injected {
            found_by: End::Server,
            bytes: end - 6,
        };
        assert_eq!(server.nothing_left().err(), Some(found));
    }

    // The same where a window for logins in the clear is open.
    let mut server = permitted(clear());
    server.input(b"U");
    let found = Injected {
        found_by: End::Server,
        bytes: 1,
    };
    assert_eq!(server.nothing_left().err(), Some(found));
    assert_eq!(caller.credentials_seen, 0);
}

#[test]
fn s2_session_fixation_pop3() {
    // Logged in as the attacker in the clear: no STLS any more.
    let mut caller = Caller::new();
    let input = b"USER ann@example.org\r\nPASS open sesame\r\nSTLS\r\n";
    let (said, stop) = feed(&mut caller, &mut InWindow::new(), input, &[usize::MAX]);
    assert!(said.ends_with("-ERR not after login\r\n"), "{said}");
    assert_eq!(stop, Stop::NeedInput);

    // Half a login, then STLS: the name is forgotten, and so are half lines and half exchanges.
    let mut server = InWindow::new();
    let input = b"USER ann@example.org\r\nSTLS\r\n";
    let (_, stop) = feed(&mut caller, &mut server, input, &[usize::MAX]);
    assert_eq!(stop, Stop::StartTls);
    let mut server = server.upgrade().unwrap();
    let (said, _) = feed(
        &mut caller,
        &mut server,
        b"PASS open sesame\r\nSTAT\r\n",
        &[],
    );
    assert_eq!(said, "-ERR say USER first\r\n-ERR log in first\r\n");
}

#[test]
fn s3_stls_in_wrong_states_pop3() {
    let mut caller = Caller::new();
    let inside_tls = feed(
        &mut caller,
        &mut Server::<Sealed>::start(&Sealed::new(facts()), Config::default()),
        b"STLS\r\n",
        &[],
    );
    assert!(inside_tls.0.ends_with("-ERR STLS is not possible here\r\n"));
    let mut no_certificate = in_the_clear(StartTls::NoCertificate, LoginsInClear::NotListed);
    let refused = feed(&mut caller, &mut no_certificate, b"STLS\r\n", &[]);
    assert!(refused.0.ends_with("-ERR STLS is not possible here\r\n"));
    let with_arguments = feed(&mut caller, &mut clear(), b"STLS tls1.0\r\n", &[]);
    assert!(with_arguments.0.ends_with("-ERR wrong arguments\r\n"));
    let in_an_exchange = feed(
        &mut caller,
        &mut InWindow::new(),
        b"AUTH PLAIN\r\nSTLS\r\nCAPA\r\n",
        &[],
    );
    assert_eq!(in_an_exchange.1, Stop::NeedInput);
    assert!(
        in_an_exchange
            .0
            .contains("-ERR that is no message of this mechanism")
    );
}

#[test]
fn s4_cleartext_credentials_pop3() {
    let refusal = "-ERR [AUTH] encryption is required before logging in\r\n";
    for line in [
        "USER ann@example.org",
        "USER nobody@example.org",
        "USER",
        "PASS open sesame",
        "PASS wrong",
        "pass",
        "AUTH",
        "AUTH PLAIN",
        "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBvcGVuIHNlc2FtZQ==",
        "AUTH PLAIN !not!base64!",
        "AUTH XOAUTH2 abcd",
        "auth scram-sha-256 biwsbj11c2VyLHI9YWJj",
        "APOP ann@example.org c4c9334bac560ecc979e58001b3e22fb",
    ] {
        let mut caller = Caller::new();
        let (said, stop) = feed(
            &mut caller,
            &mut clear(),
            format!("{line}\r\n").as_bytes(),
            &[],
        );
        assert_eq!(said, format!("+OK Pillarbox ready\r\n{refusal}"), "{line}");
        assert_eq!(stop, Stop::NeedInput);
        assert_eq!(caller.credentials_seen, 0);
    }
    // With a window: right logins that policy refuses, wrong passwords and unknown names, all alike.
    for line in [
        "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB3cm9uZw==",
        "AUTH PLAIN AG5vYm9keQB3cm9uZw==",
    ] {
        let (said, _) = feed(
            &mut Caller::new(),
            &mut InWindow::new(),
            format!("{line}\r\n").as_bytes(),
            &[],
        );
        assert_eq!(said, format!("+OK Pillarbox ready\r\n{refusal}"), "{line}");
    }
}

#[test]
fn s5_a_client_certificate_does_not_log_in_pop3() {
    let certificate = pillarbox_testkit::facts_with(|parts| {
        parts.peer = PeerProof::ClientCertificate {
            fingerprint: "ab".repeat(32),
        };
    });
    let mut server = Server::<Sealed>::start(&Sealed::new(certificate), Config::default());
    let (said, _) = feed(&mut Caller::new(), &mut server, b"STAT\r\n", &[]);
    assert_eq!(said, "+OK Pillarbox ready\r\n-ERR log in first\r\n");
}

#[test]
fn s6_a_web_browser_is_sent_away_at_once_pop3() {
    let mut request = b"POST / HTTP/1.1\r\nHost: <script>alert(1)</script>\r\n".to_vec();
    request.extend(b"X-Header: <script>alert(1)</script>\r\n".repeat(20));
    for stop_and_said in [
        feed(&mut Caller::new(), &mut clear(), &request, &[usize::MAX]),
        feed(
            &mut Caller::new(),
            &mut Server::<Sealed>::start(&Sealed::new(facts()), Config::default()),
            &request,
            &[7],
        ),
    ] {
        let (said, stop) = stop_and_said;
        assert_eq!(stop, Stop::Violated(Violation::Http));
        assert_eq!(said, "+OK Pillarbox ready\r\n");
    }
}

#[test]
fn s8_bare_line_ends_and_nul_pop3() {
    for (input, error) in [
        (&b"CAPA\nSTLS\r\n"[..], LineError::BareLf),
        (b"CAPA\rSTLS\r\n", LineError::BareCr),
        (b"STLS\0\r\n", LineError::Nul),
        (b"\n", LineError::BareLf),
    ] {
        for pieces in [&[usize::MAX][..], &[]] {
            let (said, stop) = feed(&mut Caller::new(), &mut clear(), input, pieces);
            assert_eq!(stop, Stop::Violated(Violation::Line(error)));
            assert_eq!(
                said,
                format!("+OK Pillarbox ready\r\n-ERR {error}; lines end in CRLF\r\n")
            );
        }
    }
    let endless = vec![b'x'; 1 << 20];
    let (said, stop) = feed(&mut Caller::new(), &mut clear(), &endless, &[4096; 256]);
    assert_eq!(stop, Stop::Violated(Violation::Line(LineError::Endless)));
    assert!(said.len() < 200);
}
