//! What went wrong, for a person, for a script and for the shell.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use pillarbox_client::{
    AccountsError, ClientError, ComposeError, FolderError, LoginError, NetworkSettingsError,
    PasswordError, SetupError,
};
use pillarbox_policy::RefusalCode;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Setup(Box<SetupError>),
    #[error(transparent)]
    Client(Box<ClientError>),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Network(#[from] NetworkSettingsError),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    #[error("cannot read {}: {why}", path.display())]
    File { path: PathBuf, why: io::Error },
    /// A level was not lowered, because nobody accepted the warning.
    #[error(
        "the level stays as it is. Where nobody can be asked, --accept-no-privacy is the answer to the warning above"
    )]
    NotAccepted,
    #[error(
        "a message as it came can take over a terminal; send it to a file or program: pillarbox read 3 --raw > message.eml"
    )]
    RawOnTerminal,
    #[error("the message was not sent to everybody; see above")]
    SomeRefused,
}

impl From<SetupError> for Failure {
    fn from(why: SetupError) -> Self {
        Self::Setup(Box::new(why))
    }
}

impl From<ClientError> for Failure {
    fn from(why: ClientError) -> Self {
        Self::Client(Box::new(why))
    }
}

impl Failure {
    /// The stable machine code, where security is what it is about.
    pub(crate) fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Setup(why) => why.code(),
            Self::Client(why) => why.code(),
            _ => None,
        }
    }

    /// The exit code, as `--help` lists them.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let login = match self {
            Self::Setup(why) => match why.as_ref() {
                SetupError::NotConfirmed(_) => return ExitCode::from(3),
                SetupError::Login { why, .. } => Some(why),
                _ => None,
            },
            Self::Client(why) => match why.as_ref() {
                ClientError::Login { why, .. } => Some(why),
                _ => None,
            },
            Self::NotAccepted => return ExitCode::from(3),
            _ => None,
        };
        ExitCode::from(match (login, self.code()) {
            (Some(LoginError::Refused { .. }), _) => 5,
            (_, Some(_)) => 4,
            (_, None) => 1,
        })
    }
}
