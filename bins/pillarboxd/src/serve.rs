//! `pillarboxd serve`: the server and its signals.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pillarbox_server::{RunningServer, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli;
use crate::log;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn serve(config: &Path, settings: Settings, options: &cli::Serve) -> anyhow::Result<()> {
    let set_log_level = log::start(settings.log);
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        // Before anything is opened, so that no signal is lost.
        let mut signals = Signals::new()?;
        let server = RunningServer::start(config, settings, set_log_level).await?;
        if let Some(file) = &options.ports_file {
            write_ports(file, server.addresses())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        while signals.next().await == Asked::Reload {
            server.reload();
        }
        tokio::select! {
            () = server.stop() => (),
            () = signals.end() => tracing::warn!("ended at once by a second signal"),
        }
        Ok(())
    })
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Reload,
    End,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(Self {
            hangup: catch(SignalKind::hangup())?,
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
        }
    }

    /// Waits for a signal that ends the server; there is nothing to reload any more.
    async fn end(&mut self) {
        while self.next().await == Asked::Reload {}
    }
}

/// Each connection takes a file; the usual soft limit of 1,024 is for programs that `select`.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Writes the file whole or not at all, so that whoever waits for it never reads half of it.
fn write_ports(
    file: &Path,
    addresses: &BTreeMap<&'static str, Vec<SocketAddr>>,
) -> anyhow::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    std::fs::write(&new, serde_json::to_vec(addresses)?)?;
    std::fs::rename(&new, file)?;
    Ok(())
}
