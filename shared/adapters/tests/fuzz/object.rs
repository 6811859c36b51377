//! JSON objects that are nearly what a decoder expects: their fields as raw text, so that a key may come twice and a
//! value may be anything.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// Names and raw values.
#[derive(Clone, Debug)]
pub(crate) struct Object(pub(crate) Vec<(String, String)>);

impl Object {
    pub(crate) fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(crate) fn with(mut self, name: &str, value: String) -> Self {
        match self.0.iter_mut().find(|(present, _)| present == name) {
            Some(field) => field.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
        self
    }

    pub(crate) fn text(&self) -> String {
        let fields = self.0.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}

/// Raw values of every type: valid ones, huge, deep, empty and broken ones.
pub(crate) fn value() -> impl Strategy<Value = String> {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    prop_oneof![
        4 => text().prop_map(|text| Value::from(text).to_string()),
        3 => number(),
        2 => number().prop_map(|number| format!("\"{number}\"")),
        2 => proptest::sample::select(vec![
            "null", "true", "[]", "{}", "\"\"", "\" \"", "\"2011-01-31\"", "\"2011-02-30\"", "\"-0001-01-01\"",
            r#""\u0000""#, r#""\n""#, r#""\ud83e\ude91""#, r#""\ud800""#, r#""\u00""#, "\"", "[1", "NaN", "0x1", "01", "",
            r#"{"$numberLong":"1"}"#, "[\"a\",\"b\"]", "\"2011-01-31T12:00:00Z\"",
        ]).prop_map(str::to_owned),
        1 => (1..300_usize).prop_map(deep),
        1 => (1..300_usize).prop_map(|depth| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))),
        1 => (200..70_000_usize, "[a-zé🪑]").prop_map(|(length, text)| format!("\"{}\"", text.repeat(length))),
    ]
}

/// Texts that are names, nearly names, or not at all.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[A-Z0-9-]{1,12}",
        2 => any::<String>(),
        1 => "\\PC{0,300}",
        1 => (248..258_usize).prop_map(|length| "x".repeat(length)),
        1 => (248..256_usize).prop_map(|length| "🪑".repeat(length)),
        1 => proptest::sample::select(vec!["", " ", ".", "..", "/", "#", "%", "%zz", "%ff", "%2F", "?", "\0", "\r\n",
            "\u{7f}", "\u{85}", "\u{feff}", "\u{202e}"]).prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => (1..100_u32).prop_map(|number| number.to_string()),
        2 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_filter("is JSON", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        2 => proptest::sample::select(vec!["0", "-0", "1.0", "1e0", "1e3", "1e999", "-1", "4294967295", "4294967296",
            "18446744073709551615", "18446744073709551616", "1.5"]).prop_map(str::to_owned),
        1 => (300..5_000_usize).prop_map(|digits| "9".repeat(digits)),
    ]
}

/// Up to three fields lost, doubled, renamed, added or given another value; then perhaps cut or with a character too
/// many.
pub(crate) fn mutated(object: Object) -> impl Strategy<Value = String> {
    #[derive(Clone, Debug)]
    enum Change {
        Lose,
        Double(String),
        Replace(String),
        Rename(String),
        Add(String, String),
    }
    let change = prop_oneof![
        1 => Just(Change::Lose),
        1 => value().prop_map(Change::Double),
        3 => value().prop_map(Change::Replace),
        1 => text().prop_map(Change::Rename),
        1 => (text(), value()).prop_map(|(name, value)| Change::Add(name, value)),
    ];
    let changes = proptest::collection::vec((any::<Index>(), change), 1..4);
    let scratch = proptest::option::weighted(0.2, (any::<Index>(), proptest::option::of(any::<char>())));
    (Just(object), changes, scratch).prop_map(|(Object(mut fields), changes, scratch)| {
        for (at, change) in changes {
            if fields.is_empty() {
                break;
            }
            let at = at.index(fields.len());
            match change {
                Change::Lose => drop(fields.remove(at)),
                Change::Double(value) => fields.push((fields[at].0.clone(), value)),
                Change::Replace(value) => fields[at].1 = value,
                Change::Rename(name) => fields[at].0 = name,
                Change::Add(name, value) => fields.insert(at, (name, value)),
            }
        }
        let mut text = Object(fields).text();
        if let Some((at, character)) = scratch {
            let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = boundaries[at.index(boundaries.len())];
            match character {
                Some(character) => text.insert(at, character),
                None => text.truncate(at),
            }
        }
        text
    })
}
