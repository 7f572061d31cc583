//! The whole path, both programs for real: set-up from an address, submission, reading by IMAP and POP3, with
//! implicit TLS and with STARTTLS. DNS is signed and served by nsd, or in this process where there is none.

use std::path::Path;

use crate::support::PROGRAM;
use pillarbox_testkit::programs::{ALICE, ClientProgram, PASSWORD, ServerProgram};
use pillarbox_testkit::{Signing, TestCa, Zone, needs};
use serde_json::Value;

const BOB: &str = "bob@example.org";

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_from_end_to_end() {
    let program = Path::new(PROGRAM);
    let Some(pillarboxd) = needs::built("pillarboxd", program) else {
        return;
    };
    let mut server = ServerProgram::serving(&pillarboxd);
    server.add_account(BOB, PASSWORD);
    let mut records = "mail A 127.0.0.1\n".to_owned();
    let port = |server: &ServerProgram, listener: &str| server.address(listener).port();
    for (listener, priority) in [
        ("imaps", 0),
        ("pop3s", 10),
        ("imap", 20),
        ("submissions", 0),
        ("submission", 10),
    ] {
        let port = port(&server, listener);
        records += &format!("_{listener}._tcp SRV {priority} 1 {port} mail\n");
    }
    let zones = [Zone::new("example.org", Signing::Signed, &records)];
    if !server.publish_by_nsd(&zones) {
        server.publish_zones(&zones).await;
    }
    let port = |listener| port(&server, listener);
    let starttls = |listener| format!("mail.example.org:{}/starttls", port(listener));
    let file_store = ["--password-store", "file"];
    let person = |name| {
        let person = ClientProgram::new(program, &server, name);
        person.in_network(&server, &server.root_file())
    };

    // alice: an address and a password, nothing else; implicit TLS comes out of it
    let alice = person("alice");
    alice.add_with(ALICE, "wrong", &file_store, 5);
    let more = [&file_store[..], &["--name", "Alice"]].concat();
    let said = alice.add(ALICE, &more, 0).stderr;
    assert!(said.contains("[locked] TLSv1.3"), "{said}");
    let shown = alice.json(&["account", "show", "--json"]);
    assert_eq!(shown["access"]["port"], port("imaps"));
    assert_eq!(shown["submission"]["port"], port("submissions"));

    // bob: STARTTLS on every service, POP3 for access
    let bob = person("bob");
    let (pop3, submission) = (starttls("pop3"), starttls("submission"));
    bob.add(BOB, &["--pop3", &pop3, "--submission", &submission], 0);

    // alice writes to bob, with a file, and a copy to herself
    let file = server.file("data.bin");
    std::fs::write(&file, [0, 13, 10, 46, 10, 255]).unwrap();
    let to = ["send", "--to", BOB, "--bcc", ALICE, "--subject", "Grüße"];
    let file = ["--attach", file.to_str().unwrap(), "--json"];
    let send = [&to[..], &file].concat();
    let sent = alice.run_with_input(&send, "Zeile eins\n.\n..zwei ä\n", 0);
    let sent: Value = serde_json::from_str(&sent.stdout).unwrap();
    assert_eq!(sent["accepted"], 2);
    assert_eq!(sent["confidentiality"]["sign"], "locked");

    // bob reads by POP3 after STLS
    let list = bob.json(&["list", "--json"]);
    assert_eq!(list["messages"][0]["subject"], "Grüße");
    assert_eq!(list["messages"][0]["from"], "Alice <alice@example.org>");
    let message = &bob.json(&["read", "1", "--json"])["message"];
    let text = message["text"].as_str().unwrap();
    assert_eq!(text.trim_end(), "Zeile eins\n.\n..zwei ä");
    assert_eq!(message["attachments"][0][0], "data.bin");
    // S4.3-1, S4.3-3, S4.3-6: what protected the submission stands in its Received field
    let text = bob.run(&["read", "1"], 0).stdout;
    for part in ["tls TLS_AES_128_GCM_SHA256", "group X25519MLKEM768"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("Bcc"), "{text}");

    // alice reads the same by IMAP, and by UID
    let list = alice.json(&["list", "--json"]);
    let uid = list["messages"][0]["uid"].as_str().unwrap();
    let by_uid = alice.run(&["read", &format!("uid:{uid}")], 0).stdout;
    assert!(by_uid.contains("..zwei ä"), "{by_uid}");
    assert!(alice.run(&["mailboxes"], 0).stdout.contains("INBOX"));
    alice.run(&["read", "2"], 1);
    alice.run(&["read", "1", "--mailbox", "Nowhere"], 1);
    bob.run(&["list", "Sent"], 1);

    // bob answers by STARTTLS
    let answer = [
        "send",
        "--to",
        ALICE,
        "--subject",
        "Re: Grüße",
        "--body",
        "ja",
    ];
    bob.run(&answer, 0);
    let list = alice.json(&["list", "--json"]);
    assert_eq!(list["messages"].as_array().unwrap().len(), 2);
    assert_eq!(list["messages"][1]["subject"], "Re: Grüße");

    // IMAP with STARTTLS reads the same mailbox
    let again = person("again");
    let imap = starttls("imap");
    again.add(ALICE, &["--imap", &imap, "--submission", &submission], 0);
    let list = again.json(&["list", "--json"]);
    assert_eq!(list["messages"].as_array().unwrap().len(), 2);

    // somebody whose computer does not trust this authority gets nowhere
    let other = server.file("elsewhere");
    std::fs::create_dir(&other).unwrap();
    let other = TestCa::new().write_root(&other);
    let stranger = ClientProgram::new(program, &server, "stranger").in_network(&server, &other);
    assert_eq!(stranger.add(BOB, &["--json"], 4).refusal(), "CERT_CHAIN");
}
