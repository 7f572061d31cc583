//! What is left of a password in the memory of the running program: nothing once the login is over, and at set-up
//! the one copy that is going to be stored. docs/secrets-in-memory.md explains.

use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use crate::mail::{INBOX, LOGIN, SEND, takes_a_message, world};
use crate::support::World;
use pillarbox_testkit::memory::{Find, Search, Secret};
use pillarbox_testkit::programs::{ALICE, PASSWORD, wait_for};
use pillarbox_testkit::{Act, EvilServer, TestCertificate};

/// Longer than a test looks.
const WAIT: Act = Act::Pause(Duration::from_secs(60));
/// For the program to have done all there is to do before it waits.
const MOMENT: Duration = Duration::from_millis(300);

/// Kills the program at the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Runs a command until it waits for the server's answer to this, and searches its memory.
fn found_after(
    said: &str,
    server: &EvilServer,
    world: &World,
    arguments: &[&str],
    input: &str,
) -> Vec<Find> {
    let times = || server.received().text().matches(said).count();
    let before = times();
    let mut command = world.alice.command(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut program = Killed(command.spawn().unwrap());
    let mut stdin = program.0.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    wait_for(said, || times() > before);
    sleep(MOMENT);
    let secret = Secret {
        what: said.to_owned(),
        octets: PASSWORD.into(),
    };
    Search::new(vec![secret]).memory_of(program.0.id()).unwrap()
}

fn listed(found: &[Find]) -> String {
    found.iter().map(|find| format!("\n{find}")).collect()
}

/// The server answers so far inside TLS, and then keeps the program waiting.
fn up_to(certificate: &Arc<TestCertificate>, texts: &[&str]) -> Vec<Act> {
    let mut acts = Act::inside_tls(certificate, texts.iter().copied());
    acts.extend([Act::Hear, WAIT]);
    acts
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_outlives_the_login() {
    const FETCHED: &str = "* 1 FETCH (UID 40 BODY[] {15}\r\nSubject: hi\r\n\r\n)\r\n{tag} OK";
    let access = |good: &_| {
        let read = [&LOGIN[..], &INBOX, &[FETCHED]].concat();
        vec![up_to(good, &LOGIN[..2]), up_to(good, &read)]
    };
    let sending = |good: &_| {
        let queued = [Act::say("250 2.0.0 queued\r\n"), Act::Hear, WAIT];
        takes_a_message(good, &queued)
    };
    let world = world(access, sending).await;
    // The control: a login that is not over, whose password must be found.
    let found = found_after("AUTHENTICATE", &world.access, &world, &["read", "1"], "");
    let held = found.iter().any(|find| !find.in_record_buffer);
    assert!(
        held,
        "not even a password in use is found, so nothing would be"
    );

    let found = found_after("LOGOUT", &world.access, &world, &["read", "1"], "");
    assert!(found.is_empty(), "read: {}", listed(&found));
    let found = found_after("QUIT", &world.sending, &world, &SEND, "text\n");
    assert!(found.is_empty(), "send: {}", listed(&found));
}

#[tokio::test(flavor = "multi_thread")]
async fn set_up_holds_one_copy_until_it_is_stored() {
    let world = World::with_an_account().await;
    let good = world.site.good();
    world.alice.run(&["account", "remove"], 0);
    let submission = ["220 mail", "250-mail\r\n250 AUTH PLAIN", "235 2.7.0 ok"];
    let world = world
        .with_other_sending(vec![up_to(&good, &submission)])
        .await;
    let arguments = world.alice.adding(ALICE, &[]);
    let found = found_after("QUIT", &world.sending, &world, &arguments, PASSWORD);
    let held = matches!(&found[..], [one] if one.form == "as it is" && !one.in_record_buffer);
    assert!(held, "{}", listed(&found));
}
