//! The commands that need no server, and the same ones while it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{new_server, serving};
use pillarbox_testkit::programs::{ALICE, PASSWORD, ServerProgram};

#[test]
fn check_config_says_everything_at_once() {
    let server = new_server();
    assert_eq!(
        server.succeed(&["check-config"], ""),
        format!("{} can be used\n", server.file("pillarboxd.toml").display())
    );

    server.configure(|text| {
        *text = text
            .replace("hostname", "hostnam")
            .replace("pop3s = [\"127.0.0.1:0\"]", "pop3s = [\"995\"]")
    });
    let output = server.run(&["check-config"], "");
    assert_eq!(output.status.code(), Some(1));
    let file = server.file("pillarboxd.toml");
    let file = file.display();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!(
            r#"{file}: hostname is missing
  hint: write the name clients connect to: hostname = "mail.example.org"
{file}:1:1: there is no key "hostnam"
  hint: did you mean "hostname"?
{file}:9:10: "995" is not an address and port
  hint: write it like "192.0.2.1:995" or "[::]:995"
"#
        )
    );
    let json = server.run(&["check-config", "--json"], "").stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["usable"], false);
    assert_eq!(json["problems"][2]["line"], 9);
}

#[test]
fn check_config_looks_at_the_certificates() {
    let server = new_server();
    let other = server.ca().server(&["other.example.org"]);
    fs::write(server.file("server.key"), other.key_pem()).unwrap();
    fs::set_permissions(server.file("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let output = server.run(&["check-config"], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!(
            "certificate: the key in {} is not the key of the certificate in {}\n  \
             hint: mend the files, or the paths under [[certificates]]; the server must be able to read them\n",
            server.file("server.key").display(),
            server.file("server.pem").display()
        )
    );
}

#[test]
fn check_config_warns_of_a_hostname_that_no_certificate_names() {
    let server = new_server();
    server.configure(|text| *text = text.replace("mail.example.org", "imap.example.org"));
    let said = server.succeed(&["check-config"], "");
    assert!(
        said.starts_with("warning: no certificate names the hostname \"imap.example.org\": "),
        "{said}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&server.succeed(&["check-config", "--json"], "")).unwrap();
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn lists_without_an_entry_say_so() {
    let server = new_server();
    assert_eq!(
        server.succeed(&["account", "list"], ""),
        "no account yet; \"pillarboxd account add\" makes one\n"
    );
    assert_eq!(server.succeed(&["logins"], ""), "no login on record yet\n");
    assert_eq!(server.succeed(&["account", "list", "--json"], ""), "[]\n");
}

/// S1.1-1, S4-1.
#[test]
fn serve_refuses_to_start_without_a_usable_certificate() {
    let server = new_server();
    fs::remove_file(server.file("server.pem")).unwrap();
    let complaint = server.fail(&["serve"], "");
    assert!(
        complaint.contains("pillarboxd: no certificate can be used, so no listener is opened: imap and all others need TLS."),
        "{complaint}"
    );
    assert!(
        complaint.contains("server.pem"),
        "the log names the file: {complaint}"
    );
}

#[test]
fn serve_says_which_address_is_taken() {
    let server = new_server();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    server.configure(|text| {
        *text = text.replace(
            "imaps = [\"127.0.0.1:0\"]",
            &format!("imaps = [\"{address}\"]"),
        );
    });
    let complaint = server.fail(&["serve"], "");
    assert!(
        complaint.ends_with(&format!(
            "pillarboxd: cannot listen on {address} (listeners.imaps): Address already in use (os error 98); another program, or another pillarboxd, listens there\n"
        )),
        "{complaint}"
    );
}

/// Replays commands: behind `$ ` a command, and behind ` < ` the line that it reads; then all that it answers, or behind
/// `! ` why it fails.
fn replay(server: &ServerProgram, transcript: &str) {
    let mut lines = transcript.lines();
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("$ ").unwrap();
        let (command, input) = command.split_once(" < ").unwrap_or((command, ""));
        let arguments: Vec<_> = command.split(' ').collect();
        let expected = lines.next().unwrap();
        let (said, expected) = match expected.strip_prefix("! ") {
            Some(why) => (
                server.fail(&arguments, input),
                format!("pillarboxd: {why}\n"),
            ),
            None => (server.succeed(&arguments, input), format!("{expected}\n")),
        };
        assert_eq!(said, expected, "{line}");
    }
}

const ACCOUNTS: &str = r#"$ account add Bob@Example.org < battery staple
Bob@example.org: account made
$ account add bob@example.org < battery staple
! there is an account bob@example.org already; "pillarboxd account passwd bob@example.org" sets its password
$ account add carol@example.com < battery staple
! "example.com" is not one of this server's domains (example.org); use one of them, or add it to "domains" in the configuration and reload
$ account add carol@example.org < short
! the password is too short; take at least 8 characters
$ account add carol@example.org
! cannot read the password from standard input: the first line is empty
$ account passwd nobody@example.org < battery staple
! there is no account nobody@example.org; "pillarboxd account list" shows those there are"#;

const REMOVED: &str = r#"$ account remove bob@example.org
! nothing was removed: add --yes to remove bob@example.org and all its mail without being asked
$ account remove bob@example.org --yes
Bob@example.org: account removed, with all its mail
$ logins --account bob@example.org
! there is no account bob@example.org; "pillarboxd account list" shows those there are"#;

fn account_commands(server: &ServerProgram) {
    replay(server, ACCOUNTS);
    let file = server.file("new.txt");
    fs::write(&file, "another password\r\n").unwrap();
    let passwd = "$ account passwd bob@example.org --password-file";
    let done = "Bob@example.org: password set";
    replay(server, &format!("{passwd} {}\n{done}", file.display()));

    let json: serde_json::Value =
        serde_json::from_str(&server.succeed(&["account", "list", "--json"], "")).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!(
        [&json[0]["address"], &json[1]["address"]],
        [ALICE, "Bob@example.org"]
    );
    // S4.1-11, R8997-2: no way to make an account yields one that may use cleartext.
    assert_eq!(json[1]["least"], "starttls");
    assert_eq!(json[1]["least_tls"], "TLSv1.2");
    let table = server.succeed(&["account", "list"], "");
    assert!(
        table.starts_with("ACCOUNT            WEAKEST WAY IN  LEAST TLS  MADE"),
        "{table}"
    );

    replay(server, REMOVED);
    let logins = server.succeed(&["logins"], "");
    assert_eq!(logins.lines().count(), 1, "only the head");
}

#[test]
fn accounts_are_kept_while_the_server_is_stopped() {
    let server = new_server();
    server.add_account(ALICE, PASSWORD);
    account_commands(&server);
}

#[test]
fn accounts_are_kept_while_the_server_runs() {
    let mut server = serving();
    account_commands(&server);
    let socket = server.file("data/admin.sock");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(socket.clone()), 0o600);
    assert_eq!(mode(server.file("data")), 0o700);
    server.stop();
    assert!(!socket.exists(), "the socket goes with the server");
}

#[test]
fn the_store_is_verified_and_its_index_rebuilt_while_the_server_is_stopped() {
    let mut server = serving();
    server.fail(&["store", "verify"], "");
    server.stop();
    for command in ["verify", "rebuild-index"] {
        let report = server.succeed(&["store", command], "");
        assert!(report.ends_with("nothing is damaged\n"), "{report}");
    }
    assert!(server.succeed(&["account", "list"], "").contains(ALICE));
}

#[test]
fn completions_and_help_are_there() {
    let server = new_server();
    assert!(
        server
            .succeed(&["completions", "bash"], "")
            .contains("_pillarboxd()")
    );
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["check-config", "--help"],
        &["account", "add", "--help"],
        &["logins", "--help"],
    ] {
        let help = server.succeed(command, "");
        assert!(help.contains("Example"), "{command:?}: {help}");
    }
}
