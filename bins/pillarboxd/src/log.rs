//! The log: structured lines on standard error. Nothing that clients send is in it but names.

use std::io;

use pillarbox_server::config::{LogFormat, LogLevel, LogSettings};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

/// Starts the log. The function that is answered changes its level.
pub(crate) fn start(settings: LogSettings) -> impl Fn(LogLevel) + Send + Sync + 'static {
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let layer = match settings.format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(io::stderr)
            .boxed(),
        LogFormat::Text => fmt::layer()
            .with_target(false)
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .with_writer(io::stderr)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
    move |level| {
        if let Err(error) = handle.reload(self::filter(level)) {
            tracing::error!(%error, "the log's level could not be changed");
        }
    }
}

/// Our own crates at this level; what they are built on only where it warns.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("pillarbox", level)
}
