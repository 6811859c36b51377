//! Which versions of a product are all there.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use domain::Version;

use super::Recorded;

/// How much of some versions in a row is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// Nothing is missing up to this version.
    pub to: Version,
    /// Versions of which an event is missing, in their order.
    pub missing: Vec<RangeInclusive<Version>>,
}

impl Complete {
    /// Of all versions after this one, up to another, with what is recorded of them by version. Each version has at least
    /// one event, and each event says how many its version has.
    #[must_use]
    pub fn of(after: Version, last: Version, recorded: &[Recorded]) -> Self {
        let mut complete = Self { to: after, missing: Vec::new() };
        let mut known = after;
        for events in recorded.chunk_by(|one, other| one.version == other.version) {
            let Some(Recorded { version, of, .. }) = events.first() else { continue };
            complete.miss(known.next(), *version);
            let numbers: BTreeSet<u32> = events.iter().map(|event| event.number).collect();
            if numbers.len() < usize::try_from(*of).unwrap_or(usize::MAX) {
                complete.miss(*version, version.next());
            } else if complete.missing.is_empty() {
                complete.to = *version;
            }
            known = *version;
        }
        complete.miss(known.next(), last.next());
        complete
    }

    /// Notes that versions are missing, from the first until before the other.
    fn miss(&mut self, first: Version, until: Version) {
        if first >= until {
            return;
        }
        let last = Version(until.0.saturating_sub(1));
        match self.missing.last_mut() {
            Some(range) if range.end().next() == first => *range = *range.start()..=last,
            _ => self.missing.push(first..=last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(version: u64, number: u32, of: u32) -> Recorded {
        let sku = "LAMP".try_into().unwrap();
        Recorded { sku, version: Version(version), number, of, orderid: None, text: String::new() }
    }

    fn complete(after: u64, last: u64, recorded: &[Recorded]) -> (u64, Vec<(u64, u64)>) {
        let Complete { to, missing } = Complete::of(Version(after), Version(last), recorded);
        (to.0, missing.iter().map(|range| (range.start().0, range.end().0)).collect())
    }

    #[test]
    fn versions_are_complete_up_to_the_first_that_lacks_an_event() {
        let all = [recorded(1, 1, 1), recorded(2, 1, 2), recorded(2, 2, 2), recorded(3, 1, 1)];
        assert_eq!(complete(0, 3, &all), (3, vec![]));
        assert_eq!(complete(0, 5, &all), (3, vec![(4, 5)]), "the last ones are on their way");
        assert_eq!(complete(1, 3, all.get(1..).unwrap()), (3, vec![]), "after the first page");
        assert_eq!(complete(0, 3, all.get(1..).unwrap()), (0, vec![(1, 1)]));
        assert_eq!(complete(0, 0, &[]), (0, vec![]));
        assert_eq!(complete(0, 4, &[]), (0, vec![(1, 4)]));
    }

    #[test]
    fn a_version_with_a_part_of_its_events_is_missing_and_joins_its_neighbours() {
        let some = [recorded(1, 1, 1), recorded(3, 2, 2), recorded(5, 1, 1), recorded(8, 1, 1)];
        assert_eq!(complete(0, 8, &some), (1, vec![(2, 4), (6, 7)]));
        let last = [recorded(1, 1, 2)];
        assert_eq!(complete(0, 1, &last), (0, vec![(1, 1)]));
        let twice = [recorded(1, 1, 2), recorded(1, 1, 2)];
        assert_eq!(complete(0, 1, &twice), (0, vec![(1, 1)]), "one that came twice is one");
    }
}
