//! Points in time. Nothing here knows which one is now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch. Serialized, it is a text such as `2031-01-02T03:04:05.678Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "jiff::Timestamp", into = "String")]
pub struct Timestamp(pub u64);

/// A time before 1970.
#[derive(Debug, thiserror::Error)]
#[error("must not be before 1970")]
pub struct TooEarly;

impl TryFrom<jiff::Timestamp> for Timestamp {
    type Error = TooEarly;

    fn try_from(time: jiff::Timestamp) -> Result<Self, TooEarly> {
        u64::try_from(time.as_millisecond()).map(Self).map_err(|_| TooEarly)
    }
}

impl From<Timestamp> for String {
    fn from(Timestamp(milliseconds): Timestamp) -> String {
        // No clock shows what jiff does not know: it ends with the year 9999.
        let time = i64::try_from(milliseconds).ok().and_then(|time| jiff::Timestamp::from_millisecond(time).ok());
        format!("{:.3}", time.unwrap_or(jiff::Timestamp::MAX))
    }
}

impl Timestamp {
    /// This much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// How long ago `earlier` was; nothing, if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_in_milliseconds_and_end_where_their_number_does() {
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp(500).plus(second), Timestamp(1_500));
        assert_eq!(Timestamp(1_500).since(Timestamp(500)), second);
        assert_eq!(Timestamp(u64::MAX).plus(second), Timestamp(u64::MAX));
        assert_eq!(Timestamp(500).since(Timestamp(1_500)), Duration::ZERO, "it is not earlier");
    }
}
