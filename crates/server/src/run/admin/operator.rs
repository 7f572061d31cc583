//! The command's end: [`Operator`].

use std::io;
use std::path::PathBuf;

use pillarbox_policy::SecretBytes;
use pillarbox_store::{StoreError, Stores};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{AdminRequest, Answer, LONGEST_ANSWER, SOCKET, perform::perform};
use crate::core::config::Settings;
use crate::core::storage;

/// Asks the running server, or does it itself where none runs.
#[derive(Debug)]
pub struct Operator {
    settings: Settings,
    holder: Holder,
}

#[derive(Debug)]
enum Holder {
    /// A server runs and listens here.
    Server(PathBuf),
    /// Nobody else has the store.
    Ourselves(Stores),
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The store could not be opened, and no server answers.
    #[error("{0}; no server answers on {1} either")]
    Store(StoreError, PathBuf),
    /// The running server did not answer.
    #[error("the running server did not answer on {path}: {why}")]
    Server {
        /// The socket.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// It was understood and refused; the message says why.
    #[error("{0}")]
    Refused(String),
}

impl Operator {
    /// Finds out who has the store.
    ///
    /// # Errors
    /// Nobody who answers, and it cannot be opened.
    pub async fn open(settings: Settings) -> Result<Self, OperatorError> {
        let path = settings.data.join(SOCKET);
        let holder = match UnixStream::connect(&path).await {
            Ok(_) => Holder::Server(path),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(OperatorError::Server { path, why: error });
            }
            Err(_) => Holder::Ourselves(
                storage::open(&settings)
                    .await
                    .map_err(|error| OperatorError::Store(error, path))?,
            ),
        };
        Ok(Self { settings, holder })
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// See [`OperatorError`]; a refusal is one.
    pub async fn ask(&self, request: AdminRequest) -> Result<Answer, OperatorError> {
        let answer = match &self.holder {
            Holder::Server(path) => {
                ask_server(path, &request)
                    .await
                    .map_err(|why| OperatorError::Server {
                        path: path.clone(),
                        why,
                    })?
            }
            Holder::Ourselves(stores) => perform(stores, &self.settings, request).await,
        };
        match answer {
            Answer::Refused { message } => Err(OperatorError::Refused(message)),
            answer => Ok(answer),
        }
    }

    /// Lets go of the store, where it was ours.
    pub async fn close(self) {
        if let Holder::Ourselves(stores) = self.holder {
            stores.close().await;
        }
    }
}

async fn ask_server(path: &PathBuf, request: &AdminRequest) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(path).await?;
    let mut line = SecretBytes::new();
    serde_json::to_writer(&mut line, request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(LONGEST_ANSWER))
        .read_until(b'\n', &mut answer)
        .await?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&answer)?)
}
