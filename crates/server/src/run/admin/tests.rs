//! The socket, with both ends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use pillarbox_policy::Secret;
use pillarbox_testkit::FaultyEngine;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::{AdminRequest, AdminSocket, Answer, Operator, OperatorError};
use crate::auth::LoginSecret;
use crate::auth::accounts::NewPassword;
use crate::core::config::{self, Settings};
use crate::core::shutdown::{Shutdown, ShutdownTrigger};
use crate::session::context::Context;

struct Daemon {
    folder: TempDir,
    settings: Settings,
    trigger: ShutdownTrigger,
    running: JoinHandle<()>,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = config::parse(
            "hostname = \"mail.example.org\"\ndomains = [\"example.org\"]\ndata = \".\"\n[[certificates]]\nchain = \"c\"\nkey = \"k\"\n",
            &folder.path().join("p.toml"),
        )
        .unwrap();
        let cx = Context::new(
            FaultyEngine::embedded(&folder.path().join("store"))
                .unwrap()
                .0,
            LoginSecret::ephemeral().unwrap(),
            settings.clone(),
        );
        let (trigger, shutdown) = Shutdown::new();
        let socket = AdminSocket::bind(&settings.data).unwrap();
        Self {
            running: tokio::spawn(socket.run(Arc::new(cx.unwrap()), shutdown)),
            folder,
            settings,
            trigger,
        }
    }

    async fn ask(&self, request: AdminRequest) -> Result<Answer, OperatorError> {
        let operator = Operator::open(self.settings.clone()).await?;
        operator.ask(request).await
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("admin.sock")
    }
}

fn add(address: &str) -> AdminRequest {
    let password = NewPassword::new(&Secret::from("correct horse")).unwrap();
    AdminRequest::AddAccount {
        address: address.to_owned(),
        verifiers: password.verifiers().unwrap().into(),
    }
}

async fn say(socket: &Path, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(line).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_command_asks_the_server_that_has_the_store() {
    let daemon = Daemon::start();
    assert_eq!(
        daemon.ask(add("alice@EXAMPLE.org")).await.unwrap(),
        Answer::Done {
            address: "alice@example.org".to_owned()
        }
    );
    let Answer::Accounts { accounts } = daemon.ask(AdminRequest::ListAccounts).await.unwrap()
    else {
        panic!("not a list of accounts");
    };
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].least, "starttls");
    assert_eq!(accounts[0].least_tls, "TLSv1.2");

    let refused = daemon.ask(add("alice@example.org")).await.unwrap_err();
    assert!(matches!(refused, OperatorError::Refused(_)), "{refused:?}");
    let refused = daemon.ask(add("alice@example.com")).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("not one of this server's domains"),
        "the server checks for itself: {refused}"
    );
}

#[tokio::test]
async fn only_the_owner_may_use_the_socket_and_it_goes_with_the_server() {
    let daemon = Daemon::start();
    let mode = std::fs::metadata(daemon.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    daemon.trigger.request();
    daemon.running.await.unwrap();
    assert!(!daemon.folder.path().join("admin.sock").exists());
}

#[tokio::test]
async fn what_is_not_a_request_is_refused() {
    let daemon = Daemon::start();
    for line in [
        &b"\n"[..],
        b"",
        b"{}\n",
        b"{\"ask\":\"give-up\"}\n",
        b"\xff\xfe\n",
        &[b'x'; 60_000],
    ] {
        let answer: Answer = serde_json::from_str(&say(&daemon.socket(), line).await).unwrap();
        assert_eq!(
            answer,
            Answer::Refused {
                message:
                    "the server does not understand this command; are both of the same version?"
                        .to_owned()
            }
        );
    }
}

#[test]
fn a_request_shows_nothing_of_a_password() {
    assert_eq!(format!("{:?}", add("alice@example.org")), "AddAccount(..)");
}
