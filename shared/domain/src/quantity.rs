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
        deserializer.deserialize_any(WholeNumber::<u32>::from(1)).map(Self)
    }
}

/// Reads the quantity of a batch after a change, which may be zero: a whole number or a string of its digits.
///
/// # Errors
/// The deserializer's, saying what was found and which numbers are taken.
pub fn read_stock_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    deserializer.deserialize_any(WholeNumber::<u32>::from(0))
}

/// Reads a count of somebody else's, such as the version of a change: a whole number or a string of its digits.
///
/// # Errors
/// The deserializer's, saying what was found and which numbers are taken.
pub fn read_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(WholeNumber::<u64>::from(0))
}

/// Takes an integer or a string of digits, since clients of the book's own service (it calls `int()`) send both; and a
/// number with a point or an exponent if it is whole, since to JSON, 10, 10.0 and 1e1 are one number (RFC 8259, section
/// 6, and JSON Schema's `integer`).
struct WholeNumber<N> {
    least: N,
}

impl<N> From<N> for WholeNumber<N> {
    fn from(least: N) -> Self {
        Self { least }
    }
}

trait Limited: TryFrom<i128> + PartialOrd + fmt::Display {
    const MOST: Self;
}

impl Limited for u32 {
    const MOST: Self = Self::MAX;
}

impl Limited for u64 {
    const MOST: Self = Self::MAX;
}

impl<N: Limited> WholeNumber<N> {
    fn checked<E: Error>(&self, number: Option<i128>, found: Unexpected<'_>) -> Result<N, E> {
        let number = number.and_then(|number| N::try_from(number).ok()).filter(|number| *number >= self.least);
        number.ok_or_else(|| E::invalid_value(found, self))
    }
}

impl<N: Limited> Visitor<'_> for WholeNumber<N> {
    type Value = N;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a whole number from {} to {}", self.least, N::MOST)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<N, E> {
        self.checked(Some(number.into()), Unexpected::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<N, E> {
        self.checked(Some(number.into()), Unexpected::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<N, E> {
        /// Below, a float is the number that was written, and not one beside it: `serde_json` reads larger ones only
        /// nearly, unless its feature `float_roundtrip` is on.
        const EXACT: f64 = 4_294_967_296.0;
        // A whole float is shown as its digits, whatever its exponent.
        let digits = Some(number.to_string()).filter(|_| number.abs() < EXACT);
        let whole = digits.and_then(|digits| digits.parse().ok());
        self.checked(whole, Unexpected::Float(number)).map_err(|_: E| E::invalid_type(Unexpected::Float(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<N, E> {
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        self.checked(digits.and_then(|digits| digits.parse().ok()), Unexpected::Str(text))
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
        assert_eq!(read("10.0"), Ok(Quantity(10)));
        assert_eq!(read("1e1"), Ok(Quantity(10)));
        assert_eq!(read("42949672.95E2"), Ok(Quantity(u32::MAX)));
        for refused in [
            "0",
            "-1",
            "1.5",
            "10.5",
            "1e-1",
            "0.0",
            "4294967296.0",
            "1e300",
            "\"10.0\"",
            "\"1e1\"",
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

    #[test]
    fn a_count_is_any_whole_number_that_arrives_as_it_was_written() {
        let read = |json: &str| read_count(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("-0"), Some(0));
        assert_eq!(read("7.0"), Some(7));
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        assert_eq!(read("\"18446744073709551615\""), Some(u64::MAX));
        assert_eq!(read("4294967295.0"), Some(4_294_967_295));
        for refused in ["-1", "7.5", "18446744073709551616", "\"18446744073709551616\"", "4294967296.0", "1e16"] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
