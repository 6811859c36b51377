//! A list that is only looked at: nothing is sent, and nothing written.

use std::io::Read;

use super::kind::{Kind, Reading};
use super::list::{List, ListError};
use super::repeats::{Repeat, Repeats};

/// Rows among which repeats are looked for: some 60 MB of hashes.
const LOOK_BACK: usize = 1_000_000;
/// Findings that are told one by one.
const SHOWN: u64 = 20;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that the API would refuse whatever it knows, or that contradict an earlier one.
    pub wrong: u64,
    /// Rows that say the same as an earlier one.
    pub repeated: u64,
}

/// Reads a whole list. `say` is told of the first rows that would fail.
///
/// # Errors
/// When it can't be read to its end.
pub fn check<R: Read>(
    list: &mut List<R>,
    reading: &Reading,
    kind: Kind,
    mut say: impl FnMut(&str),
) -> Result<Checked, ListError> {
    let (mut checked, mut repeats) = (Checked::default(), Repeats::among(LOOK_BACK));
    while let Some(row) = list.next_row()? {
        checked.rows = checked.rows.saturating_add(1);
        let wrong = match reading.wish(&row) {
            Err(failure) => Some((failure.field, failure.reason)),
            Ok(wish) => {
                let repeat = repeats.meet(&wish, row.line);
                let is_same = matches!(repeat, Repeat::Same { .. });
                checked.repeated = checked.repeated.saturating_add(is_same.into());
                repeat.contradiction(kind).map(|reason| (None, reason))
            }
        };
        let Some((field, reason)) = wrong else { continue };
        checked.wrong = checked.wrong.saturating_add(1);
        if checked.wrong <= SHOWN {
            let field = field.map_or(String::new(), |field| format!(", {field}"));
            say(&format!("line {}{field}: {reason}", row.line));
        }
    }
    let more = checked.wrong.saturating_sub(SHOWN);
    if more > 0 {
        say(&format!("and {more} more"));
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_would_fail_or_contradict_others_are_told_and_repeats_counted() {
        let text = "ref,sku,qty\nb1,S,1\nb1,S,1\nb1,S,2\nb2,S,x\nb1,T,2\n";
        let mut list = List::open(text.as_bytes(), b',', "").unwrap();
        let reading = Reading::of(Kind::Batches, list.header(), b',').unwrap();
        let mut said = Vec::new();
        let checked = check(&mut list, &reading, Kind::Batches, |line| said.push(line.to_owned())).unwrap();
        assert_eq!(checked, Checked { rows: 5, wrong: 2, repeated: 1 });
        assert_eq!(said[0], "line 4: the row in line 2 has the same ref and sku, and another qty or eta");
        assert!(said[1].starts_with("line 5, qty: invalid value"), "{said:?}");
    }

    #[test]
    fn only_the_first_are_told() {
        let text = format!("ref,sku,qty\n{}", "b1,S,x\n".repeat(30));
        let mut list = List::open(text.as_bytes(), b',', "").unwrap();
        let reading = Reading::of(Kind::Batches, list.header(), b',').unwrap();
        let mut said = Vec::new();
        check(&mut list, &reading, Kind::Batches, |line| said.push(line.to_owned())).unwrap();
        assert_eq!((said.len(), said.last().map(String::as_str)), (21, Some("and 10 more")));
    }
}
