//! When a shipment is expected.

use std::fmt;

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_eta_is_written_as_it_is_read() {
        let json = r#""2011-01-31""#;
        let eta: Eta = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&eta).unwrap(), json);
    }
}
