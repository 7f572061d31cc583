//! The one place in this crate that reads the clock.

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
