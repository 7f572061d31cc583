//! Clients that do not log in: they lose their place in time, whatever they do meanwhile.

use std::time::{Duration, Instant};

use crate::house::House;
use pillarbox_names::{Service, TlsStart};
use pillarbox_proto::{Machine, Step};
use pillarbox_transport::{ConnectionError, Driven, HandDriven};

const LOGIN_WITHIN: Duration = Duration::from_secs(2);

/// Writes octets, and tells of what came once it ends in `until`.
struct Wire {
    out: Vec<u8>,
    got: Vec<u8>,
    until: &'static str,
}

impl Machine for Wire {
    type Event = ();
    type Error = ();

    fn input(&mut self, bytes: &[u8]) {
        self.got.extend_from_slice(bytes);
    }

    fn poll(&mut self) -> Step<(), ()> {
        if !self.out.is_empty() {
            return Step::Output(std::mem::take(&mut self.out).into());
        }
        let got = String::from_utf8_lossy(&self.got);
        if got.contains(self.until) && got.ends_with("\r\n") {
            return Step::Event(());
        }
        Step::NeedInput
    }
}

/// Says `line` again and again until the server ends it; answers what came, and how it ended.
async fn chatter(connection: &mut HandDriven, line: &str) -> (String, ConnectionError) {
    let mut wire = Wire {
        out: Vec::new(),
        got: Vec::new(),
        until: "\0 never",
    };
    loop {
        let pause = Duration::from_millis(100);
        if let Ok(driven) = tokio::time::timeout(pause, connection.drive(&mut wire)).await {
            let got = String::from_utf8_lossy(&wire.got).into_owned();
            return (got, driven.unwrap_err());
        }
        wire.out.extend_from_slice(line.as_bytes());
    }
}

/// What a client says that has nothing to do, and what it hears in the end.
const SERVICES: [(Service, &str, &str); 3] = [
    (
        Service::Imap,
        "a NOOP\r\n",
        "* BYE Autologout; no login in time\r\n",
    ),
    (Service::Pop3, "CAPA\r\n", "\r\n"),
    (Service::Submission, "NOOP\r\n", "\r\n"),
];

#[tokio::test]
async fn a_lively_client_without_login_is_ended_in_time() {
    let mut house = House::where_login_is_within(LOGIN_WITHIN).await;
    for (service, line, last) in SERVICES {
        for tls_start in [TlsStart::Implicit, TlsStart::StartTls] {
            let door = house.open(service, tls_start);
            let begun = Instant::now();
            let mut connection = match tls_start {
                TlsStart::Implicit => door.connect_implicit().await.by_hand(),
                TlsStart::StartTls => door.connect_clear().await.by_hand(),
            };
            let (got, end) = chatter(&mut connection, line).await;
            assert!(got.ends_with(last), "{service:?} {tls_start:?}: {got}");
            assert!(
                matches!(end, ConnectionError::PeerClosed),
                "{service:?} {tls_start:?}: {end}"
            );
            if service == Service::Submission {
                assert!(got.contains("\r\n421 4.4.2 "), "{got}");
            }
            let lasted = begun.elapsed();
            assert!(
                lasted >= LOGIN_WITHIN - Duration::from_millis(500),
                "{lasted:?}"
            );
            assert!(lasted < LOGIN_WITHIN * 3, "{lasted:?}");
        }
    }
    assert!(house.logins().await.is_empty());
}

#[tokio::test]
async fn who_has_logged_in_may_stay() {
    let mut house = House::where_login_is_within(LOGIN_WITHIN).await;
    for (service, login, answer, noop) in [
        (
            Service::Imap,
            "a LOGIN ann@example.org \"correct horse\"\r\n",
            "a OK [CAPABILITY ",
            "b NOOP\r\n",
        ),
        (
            Service::Pop3,
            "USER ann@example.org\r\nPASS correct horse\r\n",
            " messages (",
            "NOOP\r\n",
        ),
        (
            Service::Submission,
            "EHLO client.example\r\nAUTH PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n",
            "235 2.7.0 ",
            "NOOP\r\n",
        ),
    ] {
        let door = house.open(service, TlsStart::Implicit);
        let mut connection = door.connect_implicit().await.by_hand();
        let mut wire = Wire {
            out: login.as_bytes().to_vec(),
            got: Vec::new(),
            until: answer,
        };
        assert_eq!(
            connection.drive(&mut wire).await.unwrap(),
            Driven::Event(())
        );
        tokio::time::sleep(LOGIN_WITHIN + Duration::from_millis(500)).await;
        let mut wire = Wire {
            out: noop.as_bytes().to_vec(),
            got: Vec::new(),
            until: "OK",
        };
        assert_eq!(
            connection.drive(&mut wire).await.unwrap(),
            Driven::Event(())
        );
    }
}
