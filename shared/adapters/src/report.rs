//! Reports of failures, for the log, where a failure stops travelling.

use std::error::Error;
use std::fmt::Write;

use crate::json::InvalidJson;

/// An error with its causes, in one line. What was sent has no place there, so of an input that can't be read it tells
/// field and rule.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let invalid = error.downcast_ref().map(InvalidJson::without_value);
    let mut text = invalid.unwrap_or_else(|| error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String can't fail. Many errors repeat their cause; once is enough.
        let next = error.to_string();
        if !text.ends_with(&next) {
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use domain::OrderLine;

    use super::*;
    use crate::json::read_object;

    #[test]
    fn what_was_sent_is_not_told() {
        let invalid = read_object::<OrderLine>(br#"{"orderid":"o1","sku":"s","qty":"a@b.c"}"#).unwrap_err();
        assert!(invalid.to_string().contains("a@b.c"));
        assert_eq!(chain(&invalid), "qty: invalid value, expected a whole number from 1 to 4294967295");
    }
}
