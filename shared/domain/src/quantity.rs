//! Quantities: whole numbers of pieces, read from JSON as clients of the book's own service send them.

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

/// How many pieces a line asks for or a new batch brings: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Quantity(u32);

/// A quantity of zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to {}", u32::MAX)]
pub struct InvalidQuantity;

impl Quantity {
    /// The number of pieces.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl TryFrom<u32> for Quantity {
    type Error = InvalidQuantity;

    fn try_from(pieces: u32) -> Result<Self, InvalidQuantity> {
        if pieces == 0 { Err(InvalidQuantity) } else { Ok(Self(pieces)) }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeNumber { least: 1 }).map(Self)
    }
}

/// Reads the quantity of a batch after a change, which may be zero: a whole number or a string of its digits.
///
/// # Errors
/// The deserializer's, saying what was found and which numbers are taken.
pub fn read_stock_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    deserializer.deserialize_any(WholeNumber { least: 0 })
}

/// Takes an integer or a string of digits, since clients of the book's own service (it calls `int()`) send both.
struct WholeNumber {
    least: u32,
}

impl WholeNumber {
    fn checked<N: TryInto<u32>, E: Error>(&self, number: N, found: Unexpected<'_>) -> Result<u32, E> {
        match number.try_into() {
            Ok(number) if number >= self.least => Ok(number),
            _ => Err(E::invalid_value(found, self)),
        }
    }
}

impl Visitor<'_> for WholeNumber {
    type Value = u32;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a whole number from {} to {}", self.least, u32::MAX)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        self.checked(number, Unexpected::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        self.checked(number, Unexpected::Signed(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u32, E> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(E::invalid_value(Unexpected::Str(text), &self));
        }
        // Digits alone fail to parse only when there are too many of them.
        self.checked(text.parse().unwrap_or(u64::MAX), Unexpected::Str(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_an_integer_or_a_string_of_digits() {
        let read = |json: &str| serde_json::from_str::<Quantity>(json).map_err(|error| error.to_string());
        assert_eq!(read("10"), Ok(Quantity(10)));
        assert_eq!(read("\"10\""), Ok(Quantity(10)));
        assert_eq!(read("\"0010\""), Ok(Quantity(10)));
        for refused in [
            "0",
            "-1",
            "1.5",
            "1e3",
            "\"\"",
            "\"-1\"",
            "\" 1\"",
            "\"+1\"",
            "\"٣\"",
            "4294967296",
            "null",
            "[1]",
            "true",
        ] {
            let error = read(refused).unwrap_err();
            assert!(error.contains("expected a whole number from 1 to 4294967295"), "{refused}: {error}");
        }
        assert!(read(&format!("\"{}\"", "9".repeat(1_000))).is_err());
    }
}
