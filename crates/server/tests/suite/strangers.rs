//! Clients that do not log in: they lose their place in time, whatever they do meanwhile.

use std::time::{Duration, Instant};

use pillarbox_names::{Service, TlsStart};
use pillarbox_testkit::world::World;
use pillarbox_transport::ConnectionError;

const LOGIN_WITHIN: Duration = Duration::from_secs(2);

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
    let world = World::where_login_is_within(LOGIN_WITHIN).await;
    for (service, line, last) in SERVICES {
        for tls_start in [TlsStart::Implicit, TlsStart::StartTls] {
            let begun = Instant::now();
            let mut peer = world.door(service, tls_start).greeted().await;
            let end = 'ended: loop {
                peer.put(line.as_bytes());
                loop {
                    match peer.comes_within(Duration::from_millis(100)).await {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(end) => break 'ended end,
                    }
                }
            };
            let (got, what) = (peer.left(), format!("{service:?} {tls_start:?}"));
            assert!(got.ends_with(last), "{what}: {got}");
            assert!(matches!(end, ConnectionError::PeerClosed), "{what}: {end}");
            if service == Service::Submission {
                assert!(got.contains("\r\n421 4.4.2 "), "{got}");
            }
            let lasted = begun.elapsed();
            let least = LOGIN_WITHIN - Duration::from_millis(500);
            assert!(lasted >= least && lasted < LOGIN_WITHIN * 3, "{lasted:?}");
        }
    }
    assert!(world.logins().await.is_empty());
}

#[tokio::test]
async fn who_has_logged_in_may_stay() {
    let world = World::where_login_is_within(LOGIN_WITHIN).await;
    for (service, noop, answer) in [
        (Service::Imap, "b NOOP\r\n", "b OK"),
        (Service::Pop3, "NOOP\r\n", "+OK"),
        (Service::Submission, "NOOP\r\n", "250 "),
    ] {
        let mut peer = world.log_in(service).await;
        tokio::time::sleep(LOGIN_WITHIN + Duration::from_millis(500)).await;
        peer.put(noop.as_bytes());
        let line = peer.line().await.unwrap();
        assert!(line.starts_with(answer), "{line}");
    }
}
