//! The span of a connection carries its TLS facts, and no log at any level carries payload (S4-17).

use crate::support::{Begin, GREETING, Talker, ask, dial, dialer, good, host, serve};
use pillarbox_names::Service;
use pillarbox_testkit::{Log, TestCa};

#[tokio::test]
async fn facts_in_the_span_and_payload_nowhere() {
    let (log, _guard) = Log::of_this_thread();
    let ca = TestCa::new();
    for begin in [Begin::Implicit, Begin::StartTls] {
        let mut server = serve(begin, Service::Imap, &[&good(&ca)]);
        let dialer = dialer(Service::Imap, &ca);
        let name = host("mail.example.org");
        let mut client = dial(begin, &dialer, server.address, &name).await.unwrap();
        let mut talker = Talker::new();
        if begin == Begin::Implicit {
            assert_eq!(ask(&mut client, &mut talker, "").await, GREETING);
        }
        let echo = ask(&mut client, &mut talker, "hunter2-in-the-payload\r\n").await;
        assert_eq!(echo, "echo hunter2-in-the-payload");
        client.close().await;
        assert_eq!(server.ended.recv().await.unwrap(), "PeerClosed");
        server.stop().await;
    }

    let text = log.text();
    let ends = |how: &str| {
        let found = text.lines().find(|line| {
            line.contains("listener=\"toy\"")
                && line.contains(&format!("how=\"{how}\""))
                && line.ends_with("exit")
        });
        found.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    for how in ["implicit", "starttls"] {
        let line = ends(how);
        for field in [
            "version=\"TLSv1.3\"",
            "suite=TLS_AES_128_GCM_SHA256",
            "group=X25519MLKEM768",
            "sni=\"mail.example.org\"",
            "alpn=\"imap\"",
            "resumed=false",
            "peer=127.0.0.1:",
        ] {
            assert!(line.contains(field), "{field} in {line}");
        }
    }
    assert!(!text.contains("hunter2"), "payload in the log");
}
