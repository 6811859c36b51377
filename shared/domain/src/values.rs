//! Values that can only be built valid, from Rust and from JSON alike.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

/// Longest name in characters.
const NAME_CHARACTERS: usize = 255;
/// Longest name in bytes of UTF-8, so that a line's key (a SKU and a quantity) fits a sort key of 1,024 bytes.
const NAME_BYTES: usize = 1_000;

/// Why a text is no name of a SKU, an order or a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The text has no characters.
    #[error("must not be empty")]
    Empty,
    /// The text has more than 255 characters.
    #[error("must have at most {NAME_CHARACTERS} characters, not {0}")]
    TooLong(usize),
    /// The text has more than 1,000 bytes: only with many characters outside the Latin alphabets.
    #[error("must have at most {NAME_BYTES} bytes in UTF-8, not {0}")]
    TooManyBytes(usize),
    /// Names end in mail headers and log lines, where a line break would forge one.
    #[error("must not contain control characters, such as {0:?}")]
    Control(char),
}

fn valid_name(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    let characters = text.chars().count();
    if characters > NAME_CHARACTERS {
        return Err(InvalidName::TooLong(characters));
    }
    if text.len() > NAME_BYTES {
        return Err(InvalidName::TooManyBytes(text.len()));
    }
    match text.chars().find(|character| character.is_control() || is_unknown_to_queues(*character)) {
        Some(character) => Err(InvalidName::Control(character)),
        None => Ok(()),
    }
}

/// SQS takes all characters that XML does. Of those that are no control characters, these two are left out.
fn is_unknown_to_queues(character: char) -> bool {
    matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// Defines a name: 1 to 255 characters, none of them a control character. Cloning one copies no text.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(text: &str) -> Result<Self, InvalidName> {
                valid_name(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::try_from(text.as_str())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().into()
            }
        }
    };
}

name! {
    /// A stock-keeping unit: what is sold, such as `RETRO-CLOCK`.
    Sku
}
name! {
    /// A customer's order; its lines share the id.
    OrderId
}
name! {
    /// A batch's reference, unique over all SKUs.
    BatchRef
}

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
pub fn stock_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
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

/// The day a shipment is expected. Stock in the warehouse has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Eta(jiff::civil::Date);

/// A text that is no calendar day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a date such as 2011-01-31, or null, not {0:?}")]
pub struct InvalidEta(String);

impl fmt::Display for Eta {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl TryFrom<String> for Eta {
    type Error = InvalidEta;

    fn try_from(text: String) -> Result<Self, InvalidEta> {
        match text.parse::<jiff::civil::Date>() {
            // The parser also takes times and other notations; one spelling keeps equal dates equal as text.
            // Years before the first, which only some notations know, would sort before every real shipment.
            Ok(date) if date.to_string() == text && date.year() > 0 => Ok(Self(date)),
            _ => Err(InvalidEta(text)),
        }
    }
}

impl From<Eta> for String {
    fn from(eta: Eta) -> String {
        eta.to_string()
    }
}

/// One line of an order. A line is identified by all three values together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderLine {
    /// The order it belongs to.
    pub orderid: OrderId,
    /// What is ordered.
    pub sku: Sku,
    /// How many pieces.
    pub qty: Quantity,
}

/// Lines of one SKU that differ from each other; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuLines {
    sku: Sku,
    lines: Vec<OrderLine>,
}

impl SkuLines {
    /// Sorts lines by their SKU, otherwise in the order they came, and drops repeated ones.
    #[must_use]
    pub fn of(lines: impl IntoIterator<Item = OrderLine>) -> Vec<Self> {
        let mut sorted: Vec<Self> = Vec::new();
        let mut seen = HashSet::new();
        for line in lines {
            if !seen.insert(line.clone()) {
                continue;
            }
            match sorted.iter_mut().find(|of_sku| of_sku.sku == line.sku) {
                Some(of_sku) => of_sku.lines.push(line),
                None => sorted.push(Self { sku: line.sku.clone(), lines: vec![line] }),
            }
        }
        sorted
    }

    /// What the lines ask for.
    #[must_use]
    pub fn sku(&self) -> &Sku {
        &self.sku
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[OrderLine] {
        &self.lines
    }

    /// The first half of the lines, and the rest.
    #[must_use]
    pub fn halved(mut self) -> (Option<Self>, Option<Self>) {
        let rest = self.lines.split_off(self.lines.len() / 2);
        let some = |lines: Vec<OrderLine>| (!lines.is_empty()).then(|| Self { sku: self.sku.clone(), lines });
        (some(std::mem::take(&mut self.lines)), some(rest))
    }

    /// The lines after the first so many. None: that was all.
    #[must_use]
    pub fn after(mut self, done: usize) -> Option<Self> {
        self.lines.drain(..done.min(self.lines.len()));
        if self.lines.is_empty() { None } else { Some(self) }
    }
}

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

/// Which of two changes of a batch's quantity is the newer one.
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
    fn a_name_has_1_to_255_characters() {
        assert_eq!(Sku::try_from(""), Err(InvalidName::Empty));
        assert_eq!(Sku::try_from("x".repeat(256)), Err(InvalidName::TooLong(256)));
        assert!(Sku::try_from("x".repeat(255)).is_ok());
        assert!(Sku::try_from("é".repeat(255)).is_ok());
        assert_eq!(Sku::try_from("🪑".repeat(251)), Err(InvalidName::TooManyBytes(1_004)));
        assert_eq!(Sku::try_from("A\nB"), Err(InvalidName::Control('\n')));
    }

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

    #[test]
    fn an_eta_is_a_calendar_day_in_one_spelling() {
        let read = |text: &str| Eta::try_from(text.to_owned());
        assert_eq!(read("2011-01-31").map(|eta| eta.to_string()), Ok("2011-01-31".to_owned()));
        for refused in [
            "",
            "2011-02-30",
            "20110131",
            "2011-01-31T10:00:00",
            "31.1.2011",
            "tomorrow",
            " 2011-01-31",
            "-000001-01-01",
            "0000-01-01",
        ] {
            assert_eq!(read(refused), Err(InvalidEta(refused.to_owned())));
        }
    }

    #[test]
    fn a_numbered_change_outranks_one_that_is_only_dated() {
        assert!(Revision::Version(1) > Revision::AsOf(u64::MAX));
        assert!(Revision::Version(2) > Revision::Version(1));
        assert!(Revision::AsOf(2) > Revision::AsOf(1));
    }
}
