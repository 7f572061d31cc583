//! The server's end of the socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{AdminRequest, Answer, SOCKET, perform::perform};
use crate::core::shutdown::Shutdown;
use crate::session::context::Context;

/// How long one request may take to arrive, and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest request, in octets.
const LONGEST_REQUEST: usize = 64 * 1024;

/// Operators served at once.
const MOST: usize = 16;

/// A bound socket. Its file goes when it is dropped.
#[derive(Debug)]
pub(crate) struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds the socket in the data folder. The caller owns the store, so a socket that is there already was
    /// left behind by a server that was killed.
    pub(crate) fn bind(data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Answers until the server shuts down.
    pub(crate) async fn run(self, cx: Arc<Context>, shutdown: Shutdown) {
        let mut operators = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.requested() => break,
                Some(_ended) = operators.join_next() => continue,
                accepted = self.listener.accept(), if operators.len() < MOST => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let cx = Arc::clone(&cx);
                    operators.spawn(async move {
                        if let Err(error) = serve(stream, &cx).await {
                            tracing::debug!(%error, "an operator's command went away");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept operators' commands for now");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        while operators.join_next().await.is_some() {}
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // Best effort: one that stays behind is removed at the next start.
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// Reads a line into room for the longest one: what verifies a password stands in it, and a buffer that grows leaves
/// copies behind.
async fn request(mut reader: impl AsyncRead + Unpin) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_REQUEST + 1));
    while reader.read_buf(&mut *line).await? > 0 && !line.contains(&b'\n') {}
    Ok(line)
}

async fn serve(stream: UnixStream, cx: &Context) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let line = timeout(PATIENCE, request(reader.take(LONGEST_REQUEST as u64))).await??;
    let answer = match serde_json::from_slice::<AdminRequest>(&line) {
        Ok(request) => perform(&cx.stores, &cx.settings(), request).await,
        Err(_) => Answer::Refused {
            message: "the server does not understand this command; are both of the same version?"
                .to_owned(),
        },
    };
    let mut answer = serde_json::to_vec(&answer)?;
    answer.push(b'\n');
    timeout(PATIENCE, writer.write_all(&answer)).await??;
    writer.shutdown().await
}
