//! JSON from outside, read straight into valid values, with errors that name the field.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Why a JSON text is not what it should be: a fragment such as `qty: invalid value: integer 0, expected a whole
/// number from 1 to 4294967295`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidJson(String);

impl InvalidJson {
    /// Of a text that is what it should be by itself, but not beside others: a reason that begins with the field's path.
    pub(crate) fn because(reason: &str) -> Self {
        Self(reason.to_owned())
    }

    /// The path of the field that is wrong or missing, such as `lines[2].qty`, if it is one.
    #[must_use]
    pub fn field(&self) -> Option<Cow<'_, str>> {
        let text = self.0.as_str();
        let is_path = |field: &str| field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_[].".contains(&byte));
        let within = text.split_once(": ").map(|(path, _)| path).filter(|path| is_path(path));
        let named = ["missing field `", "duplicate field `"].into_iter().find_map(|start| text.split_once(start));
        let named = named.and_then(|(_, rest)| rest.split_once('`')).map(|(name, _)| name).filter(|name| is_path(name));
        match (within, named) {
            (Some(path), Some(name)) => Some(Cow::Owned(format!("{path}.{name}"))),
            (within, named) => named.or(within).map(Cow::Borrowed),
        }
    }

    /// The same for a log, where nothing that was sent belongs: without the value.
    #[must_use]
    pub fn without_value(&self) -> String {
        let text = self.0.as_str();
        for wrong in ["invalid value", "invalid type", "unknown variant"] {
            if let Some((field, sent)) = text.split_once(wrong)
                && let Some((_, expected)) = sent.rsplit_once(", expected ")
            {
                return format!("{field}{wrong}, expected {expected}");
            }
        }
        // A date that is none is quoted at the end.
        text.split_once(", not \"").map_or(text, |(reason, _)| reason).to_owned()
    }
}

/// Reads a JSON object. (An array with the same values in the right order is none, though serde would take it.)
///
/// # Errors
/// Says which field is wrong, and why.
pub fn read_object<T: DeserializeOwned>(text: &[u8]) -> Result<T, InvalidJson> {
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(InvalidJson("expected a JSON object".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        let text = shortened(error.to_string());
        if !error.is_data() {
            return InvalidJson(format!("invalid JSON: {text}"));
        }
        // In a valid text, the field says where; the position is noise.
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        InvalidJson(if path == "." { reason.to_owned() } else { format!("{}: {reason}", shortened(path)) })
    })?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(InvalidJson(format!("invalid JSON: {error}"))),
    }
}

/// An object within another one. (An array with its values in the right order is none, though serde would take it.)
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_any(Fields(PhantomData))
    }
}

/// A number that counts something, also in digits.
#[derive(Deserialize)]
pub(crate) struct Count(#[serde(deserialize_with = "domain::read_count")] pub(crate) u64);

/// Errors quote their input, which may be megabytes.
pub(crate) fn shortened(text: String) -> String {
    const CHARACTERS: usize = 300;
    const END: usize = 120;
    let count = text.chars().count();
    if count <= CHARACTERS {
        return text;
    }
    let start: String = text.chars().take(CHARACTERS.saturating_sub(END)).collect();
    let end: String = text.chars().skip(count.saturating_sub(END)).collect();
    format!("{start}...{end}")
}

#[cfg(test)]
mod tests {
    use domain::OrderLine;

    use super::*;

    #[test]
    fn a_program_is_told_the_field_too() {
        let field = |text: &str| {
            let error = read_object::<OrderLine>(text.as_bytes()).unwrap_err();
            error.field().map(Cow::into_owned)
        };
        assert_eq!(field(r#"{"orderid":"o1","sku":"s","qty":0}"#).as_deref(), Some("qty"));
        assert_eq!(field(r#"{"orderid":"o1","sku":"s"}"#).as_deref(), Some("qty"));
        let long = format!(r#"{{"orderid":"o1","sku":"{}","qty":1,"line":"{}"}}"#, "🪑".repeat(250), "x".repeat(20));
        assert_eq!(field(&long).as_deref(), Some("line"), "by a rule over several");
        for none in ["", "[]", r#"{"orderid":"o1""#, r#"{"orderid":"o1","sku":"s","qty":1} x"#] {
            assert_eq!(field(none), None, "{none}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        let error = |text: &str| read_object::<OrderLine>(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(""), "expected a JSON object");
        assert_eq!(error(r#"["o1","sku",1]"#), "expected a JSON object");
        assert_eq!(error(r#"{"orderid":"o1""#), "invalid JSON: EOF while parsing an object at line 1 column 15");
        assert_eq!(error(r#"{"orderid":"o1","sku":"s"}"#), "missing field `qty`");
        assert_eq!(error(r#"{"orderid":"o1","sku":5,"qty":1}"#), "sku: invalid type: integer `5`, expected a string");
        assert_eq!(error(r#"{"orderid":"","sku":"s","qty":1}"#), "orderid: must not be empty");
        assert_eq!(
            error(r#"{"orderid":"o1","sku":"s","qty":0}"#),
            "qty: invalid value: integer `0`, expected a whole number from 1 to 4294967295"
        );
        let told = |text: &str| read_object::<OrderLine>(text.as_bytes()).unwrap_err().without_value();
        assert_eq!(
            told(r#"{"orderid":"o1","sku":"s","qty":"a@b.c, expected 5"}"#),
            "qty: invalid value, expected a whole number from 1 to 4294967295"
        );
        assert_eq!(told(r#"{"orderid":"o1","sku":5,"qty":1}"#), "sku: invalid type, expected a string");
        let twice = read_object::<OrderLine>(br#"{"orderid":"o1","sku":"s","qty":1,"qty":2}"#).unwrap_err();
        assert_eq!((twice.to_string().as_str(), twice.field().as_deref()), ("duplicate field `qty`", Some("qty")));
        assert_eq!(told(r#"{"orderid":"","sku":"s","qty":1}"#), "orderid: must not be empty");
        let day = read_object::<domain::NewBatch>(br#"{"ref":"b","sku":"s","qty":1,"eta":"a@b.c, not \"5\""}"#);
        assert_eq!(day.unwrap_err().without_value(), "eta: must be a date such as 2011-01-31, or null");
        let huge = error(&format!(r#"{{"orderid":"o1","sku":"s","qty":"{}"}}"#, "x".repeat(1_000_000)));
        assert!(huge.starts_with("qty: invalid value: string \"xxx") && huge.len() < 400, "{huge}");
        assert!(huge.contains("expected a whole number from 1 to"), "{huge}");
        assert_eq!(
            error(r#"{"orderid":"o1","sku":"s","qty":1} x"#),
            "invalid JSON: trailing characters at line 1 column 36"
        );
    }
}
