//! Points in time as plain numbers, so that policy never reads a clock.

/// Seconds since 1970-01-01T00:00:00Z. Time is an input of this crate, never something it looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Seconds in a day.
    pub const DAY: i64 = 86_400;

    /// The point in time `days` after this one, saturating.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        Self(
            self.0
                .saturating_add(i64::from(days).saturating_mul(Self::DAY)),
        )
    }
}
