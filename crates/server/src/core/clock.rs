//! The one place in this crate that reads the clock.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use pillarbox_policy::Timestamp;

/// This moment. A clock set before 1970 reads as 1970.
#[must_use]
pub fn now() -> Timestamp {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// A point in time as RFC 3339 writes it, in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339(pub Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0.0) {
            Ok(time) => time.fmt(f),
            // Beyond the year 9999.
            Err(_) => write!(f, "@{}", self.0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(
            Rfc3339(Timestamp(1_795_000_000)).to_string(),
            "2026-11-18T11:06:40Z"
        );
        assert_eq!(
            Rfc3339(Timestamp(i64::MAX)).to_string(),
            format!("@{}", i64::MAX)
        );
    }
}
