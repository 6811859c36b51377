//! What is newer: versions of a product, and revisions of a batch's quantity and of its ETA.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Counts a product's commits; the optimistic lock, and a clock-free sequence for whatever a commit touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version that the next commit makes.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which of two changes of a batch's quantity, or of its ETA, is the newer one. Each has its own.
///
/// Senders either number their changes or are known by the time of sending. A number outranks every time, so a
/// sender that starts to number its changes can't be undone by an old message that had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revision {
    /// Milliseconds since the Unix epoch.
    AsOf(u64),
    /// The sender's own count.
    Version(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_change_outranks_one_that_is_only_dated() {
        assert!(Revision::Version(1) > Revision::AsOf(u64::MAX));
        assert!(Revision::Version(2) > Revision::Version(1));
        assert!(Revision::AsOf(2) > Revision::AsOf(1));
    }

    #[test]
    fn a_version_is_told_as_its_number() {
        assert_eq!(Version(7).to_string(), "7");
    }
}
