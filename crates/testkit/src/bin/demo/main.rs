//! `make demo`: a letter from end to end, on loopback, in front of the reader.
//!
//! Starts a real `pillarboxd` with a fresh data folder, a certificate authority and a signed zone of its own, and
//! runs the real `pillarbox` against it. Any step that goes wrong ends the demo with a status other than 0.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "showing is what this program is for"
)]

mod cleartext;
mod show;
mod stage;

use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::time::Duration;

use pillarbox_testkit::ledger::root;
use show::{Program, bold, command_line, line, say, step};
use stage::{DOMAIN, HOST, Ports, Stage};

const JULIET: (&str, &str) = ("juliet@verona.example", "wherefore-art-thou");
const ROMEO: (&str, &str) = ("romeo@verona.example", "call-me-but-love");

/// The server; ended when the demo ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--once"] => true,
        _ => {
            println!("A letter from end to end, on loopback. Best started with `make demo`.\n");
            println!("Usage: demo [--once]\n");
            println!("  --once  exit when done, rather than leaving the server running");
            return ExitCode::from(2);
        }
    };
    match run(once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\nThe demo failed: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(once: bool) -> Result<(), String> {
    let root = root();
    let stage = Stage::set(&root.join("demo-data")).await?;
    let shown = |path: &Path| {
        path.strip_prefix(&root)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let daemon = Program::new("pillarboxd")?.with("PILLARBOXD_CONFIG", &stage.configuration);
    let client =
        Program::new("pillarbox")?.with("PILLARBOX_CONFIG_DIR", &stage.folder.join("client"));
    let number = &mut 0;

    println!("{}", bold("Pillarbox: a letter from end to end"));
    say(&format!(
        "A mail server for {DOMAIN} will run on loopback, with a certificate authority and a DNSSEC-signed zone of \
         its own. Everything is kept in demo-data/ and made anew each time."
    ));

    step(number, "Two accounts on the server");
    for (address, password) in [JULIET, ROMEO] {
        daemon.run(&["account", "add", address], password)?;
    }

    step(number, "The server starts");
    let _server = start(&daemon, &stage)?;
    say(
        "TLS from the first byte on three ports, STARTTLS on three more. No port takes a password without TLS.",
    );

    step(number, "An account set up from its address alone");
    say(&format!(
        "The client asks DNS for the SRV records of {DOMAIN}, checks their signatures, connects with TLS, verifies \
         the certificate, and only then uses the password."
    ));
    let (ca, anchor, resolver) = (
        shown(&stage.ca),
        shown(&stage.trust_anchor),
        stage.names.address().to_string(),
    );
    let place = [
        "--ca-file",
        &ca,
        "--resolver",
        &resolver,
        "--trust-anchor",
        &anchor,
        "--password-store",
        "file",
    ];
    let add = |address| [&["account", "add", address, "--password-stdin"], &place[..]].concat();
    client.run(&add(JULIET.0), JULIET.1)?;
    client.capture(&add(ROMEO.0), ROMEO.1)?;
    say("And the same for Romeo.");

    step(number, "Juliet writes to Romeo, over submissions");
    let letter =
        "What's in a name? That which we call a rose\nBy any other name would smell as sweet.\n";
    client.run(
        &[
            "send",
            "--account",
            JULIET.0,
            "--to",
            ROMEO.0,
            "--subject",
            "A rose",
        ],
        letter,
    )?;

    step(number, "Romeo reads it, over imaps");
    client.run(&["list", "--account", ROMEO.0], "")?;
    let read = client.run(&["read", "--account", ROMEO.0, "1"], "")?;
    expect(&read, "smell as sweet", "the letter did not arrive")?;

    step(number, "And again, over pop3s");
    let by_pop3 =
        Program::new("pillarbox")?.with("PILLARBOX_CONFIG_DIR", &stage.folder.join("client-pop3"));
    let pop3s = format!("{HOST}:{}", stage.ports.pop3s);
    let submissions = format!("{HOST}:{}", stage.ports.submissions);
    let mut command = vec![
        "account",
        "add",
        ROMEO.0,
        "--password-stdin",
        "--pop3",
        &pop3s,
        "--submission",
        &submissions,
    ];
    command.extend(place);
    by_pop3.run(&command, ROMEO.1)?;
    let read = by_pop3.run(&["read", "1"], "")?;
    expect(
        &read,
        "smell as sweet",
        "the letter did not arrive over POP3",
    )?;

    step(number, "What the letter says about its way");
    say(
        "Into the letter the server wrote how it came: its Received field names the cipher suite and the key-exchange group (RFC 8314 section 4.3).",
    );
    let raw = client.capture(&["read", "--account", ROMEO.0, "1", "--raw"], "")?;
    let received: Vec<&str> = raw
        .lines()
        .skip_while(|text| !text.starts_with("Received:"))
        .enumerate()
        .take_while(|(at, text)| *at == 0 || text.starts_with([' ', '\t']))
        .map(|(_, text)| text)
        .collect();
    for text in &received {
        line(text);
    }
    let received = received.join(" ");
    expect(&received, "tls TLS_", "Received has no tls clause")?;
    expect(&received, "group ", "Received has no group clause")?;

    step(number, "What the server remembers about every login");
    let records = daemon.run(&["logins", "--limit", "5"], "")?;
    expect(&records, "TLSv1.3", "the login records show no TLS version")?;

    step(number, "A password on a cleartext port");
    say(
        "On the ports without TLS from the first byte, a password is refused before the server looks at it: the answer is the same for a right and a wrong one, a known and an unknown account.",
    );
    cleartext::offer_password(&stage.ports, JULIET.0)?;

    println!("{}", bold("Every step went as it should."));
    if !once {
        linger(&stage).await?;
    }
    Ok(())
}

fn expect(text: &str, part: &str, otherwise: &str) -> Result<(), String> {
    if text.contains(part) {
        Ok(())
    } else {
        Err(format!("{otherwise}:\n{text}"))
    }
}

/// Starts the server and waits until it listens.
fn start(daemon: &Program, stage: &Stage) -> Result<Running, String> {
    let arguments = ["serve"];
    command_line(&format!("pillarboxd {}", arguments.join(" ")));
    let log = stage.folder.join("pillarboxd.log");
    let file = std::fs::File::create(&log).map_err(|why| format!("{}: {why}", log.display()))?;
    let child = daemon
        .command(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .map_err(|why| format!("cannot start pillarboxd: {why}"))?;
    let mut running = Running(child);
    for _ in 0..200 {
        let said = std::fs::read_to_string(&log).map_err(|why| why.to_string())?;
        if said.contains(" ready ") {
            for text in said.lines() {
                // Without the time, which says nothing here.
                line(
                    text.split_once("Z ")
                        .map_or(text, |(_, rest)| rest.trim_start()),
                );
            }
            return Ok(running);
        }
        if running.0.try_wait().is_ok_and(|ended| ended.is_some()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    Err(format!("pillarboxd did not start:\n{said}"))
}

/// Says what to try next, and waits for Ctrl-C.
async fn linger(stage: &Stage) -> Result<(), String> {
    let Ports {
        imaps,
        pop3s,
        submissions,
        imap,
        ..
    } = stage.ports;
    let ca = stage.ca.display();
    let client = stage.folder.join("client").display().to_string();
    println!("\nThe server goes on running. In another terminal, try:\n");
    for command in [
        format!("export PILLARBOX_CONFIG_DIR={client}; target/debug/pillarbox account list"),
        format!(
            "curl --cacert {ca} --user {}:{} imaps://localhost:{imaps}/INBOX",
            ROMEO.0, ROMEO.1
        ),
        format!(
            "curl --cacert {ca} --user {}:{} pop3s://localhost:{pop3s}/1",
            ROMEO.0, ROMEO.1
        ),
        format!(
            "printf 'Subject: hello\\n\\nA rose.\\n' | curl --cacert {ca} --user {}:{} --mail-from {} --mail-rcpt {} --crlf -T - smtps://localhost:{submissions}",
            JULIET.0, JULIET.1, JULIET.0, ROMEO.0
        ),
        format!("openssl s_client -CAfile {ca} -crlf -starttls imap -connect localhost:{imap}"),
        format!(
            "mutt -e 'set ssl_ca_certificates_file={ca}' -f imaps://{}@localhost:{imaps}",
            ROMEO.0.replace('@', "%40")
        ),
    ] {
        println!("  {command}");
    }
    println!(
        "\nThe passwords are {:?} for Juliet and {:?} for Romeo. Ctrl-C ends it.",
        JULIET.1, ROMEO.1
    );
    until_told().await.map_err(|why| why.to_string())?;
    println!();
    Ok(())
}

/// Waits for Ctrl-C, a closed terminal, or `kill`: whichever it is, the server must not be left behind.
async fn until_told() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = hang_up.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
