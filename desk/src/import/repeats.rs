//! Rows that name the same thing as an earlier row: the same again, or something else. By hashes, of so many rows at
//! most.

use std::collections::{HashMap, VecDeque};

use super::kind::{Kind, Wish};

/// What a row is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// None of them names the same.
    New,
    /// The row in this line asks for the same.
    Same {
        /// The earlier row's.
        line: u64,
    },
    /// The row in this line names the same, and asks for something else.
    Differs {
        /// The earlier row's.
        line: u64,
    },
}

impl Repeat {
    /// Why the row can't be in beside the earlier one.
    pub(super) fn contradiction(self, kind: Kind) -> Option<String> {
        let Self::Differs { line } = self else { return None };
        Some(match kind {
            Kind::Batches => format!("the row in line {line} has the same ref and sku, and another qty or eta"),
            Kind::Lines => format!("the row in line {line} has the same orderid, sku and line, and another qty"),
        })
    }
}

/// The rows that were met last.
#[derive(Debug)]
pub(super) struct Repeats {
    /// By name: what was asked for, and in which line.
    met: HashMap<u64, (u64, u64)>,
    names: VecDeque<u64>,
    most: usize,
}

impl Repeats {
    /// Looks back over so many rows with different names.
    pub(super) fn among(most: usize) -> Self {
        Self { met: HashMap::new(), names: VecDeque::new(), most }
    }

    /// Notes a row, and tells whether it was met.
    pub(super) fn meet(&mut self, wish: &Wish, line: u64) -> Repeat {
        match self.met.get(&wish.name) {
            Some((whole, line)) if *whole == wish.whole => return Repeat::Same { line: *line },
            Some((_, line)) => return Repeat::Differs { line: *line },
            None => {}
        }
        if self.names.len() >= self.most
            && let Some(oldest) = self.names.pop_front()
        {
            self.met.remove(&oldest);
        }
        self.met.insert(wish.name, (wish.whole, line));
        self.names.push_back(wish.name);
        Repeat::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(name: u64, whole: u64) -> Wish {
        Wish { body: Vec::new(), name, whole }
    }

    #[test]
    fn an_earlier_row_of_the_same_name_is_known_for_so_many_rows() {
        let mut repeats = Repeats::among(2);
        assert_eq!(repeats.meet(&wish(1, 7), 2), Repeat::New);
        assert_eq!(repeats.meet(&wish(1, 7), 3), Repeat::Same { line: 2 });
        assert_eq!(repeats.meet(&wish(1, 8), 4), Repeat::Differs { line: 2 });
        assert_eq!(repeats.meet(&wish(2, 7), 5), Repeat::New);
        assert_eq!(repeats.meet(&wish(3, 7), 6), Repeat::New, "the first is forgotten");
        assert_eq!(repeats.meet(&wish(1, 8), 7), Repeat::New);
        assert_eq!(repeats.met.len(), 2);
    }
}
