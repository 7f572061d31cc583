//! Configuration: a TOML file, read into `Entered` as it was typed and checked into [`Settings`].
//!
//! TLS is not a key; certificates are. No key can switch off a requirement for TLS. Whatever is wrong with a
//! file is said at once, each with its line and what to do about it.
//!
//! ```
//! use std::path::Path;
//! use pillarbox_server::config;
//!
//! let error = config::parse("hostname = \"mail..example\"", Path::new("x.toml")).unwrap_err();
//! assert!(error.to_string().contains("x.toml:1:12: \"mail..example\" is not a host name"));
//! ```

mod check;
mod entered;
mod problem;
mod section;
mod settings;

#[cfg(test)]
mod tests;

use std::path::Path;

use toml::de::DeTable;

use self::entered::Entered;
use self::problem::Problems;
pub use self::problem::{ConfigError, Place, Problem};
pub use self::settings::{
    ListenerSettings, LogFormat, LogLevel, LogSettings, ResourceLimits, Settings, StoreSettings,
};

/// Reads and checks a configuration file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(file: &Path) -> Result<Settings, ConfigError> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text, file),
        Err(error) => Err(ConfigError {
            file: file.to_owned(),
            problems: vec![Problem {
                place: None,
                what: format!("cannot be read: {error}"),
                hint: "give the path of your configuration with --config FILE; docs/pillarboxd.example.toml is one to start from".to_owned(),
            }],
        }),
    }
}

/// Checks the text of a configuration. `file` is named in errors, and its folder is where relative paths start.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, file: &Path) -> Result<Settings, ConfigError> {
    let mut problems = Problems::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    // What follows the first mistake in the form is mostly its echo. The parser tells of them in no order.
    let first = errors
        .iter()
        .min_by_key(|error| error.span().map(|span| span.start));
    if let Some(error) = first {
        problems.at(
            error.span().unwrap_or(0..0),
            format!("this is not TOML: {}", error.message()),
            "text stands in quotes, lists in brackets, and every key on its own line: key = \"value\"",
        );
    }
    let mut settings = None;
    if errors.is_empty() {
        let entered = Entered::read(table.into_inner(), &mut problems);
        let folder = file.parent().unwrap_or(Path::new(""));
        settings = check::check(entered, folder, &mut problems);
    }
    let problems = problems.into_sorted();
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(ConfigError {
            file: file.to_owned(),
            problems,
        }),
    }
}

/// The full names of all keys that there are, such as `limits.message_size`.
#[must_use]
pub fn config_keys() -> Vec<String> {
    Entered::read(DeTable::new(), &mut Problems::new("")).keys
}
