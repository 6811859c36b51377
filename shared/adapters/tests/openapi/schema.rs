//! As much of JSON Schema as the document uses.

use regex_lite::Regex;
use serde_json::Value;

/// What a reference refers to; anything else is itself.
pub(crate) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}

/// Whether each field of a value is one that a schema names. The schemas are open, so that answers may grow; what is
/// answered today is described.
pub(crate) fn describes_all(document: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolved(document, schema);
    match value {
        Value::Object(fields) => fields.iter().all(|(name, field)| {
            let described = &schema["properties"][name];
            described.is_object() && describes_all(document, described, field)
        }),
        Value::Array(elements) => elements.iter().all(|element| describes_all(document, &schema["items"], element)),
        _ => true,
    }
}

/// Whether a value is what a schema says. A keyword that is not known here is a mistake of the document.
pub(crate) fn matches(document: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolved(document, schema).as_object().unwrap();
    let length = || u64::try_from(value.as_str().map_or(0, |text| text.chars().count())).unwrap();
    let all = |keyword: (&String, &Value)| match (keyword.0.as_str(), keyword.1) {
        ("description" | "examples" | "default" | "format" | "title" | "$schema" | "$defs", _) => true,
        ("type", Value::Array(kinds)) => kinds.iter().any(|kind| is_a(kind, value)),
        ("type", kind) => is_a(kind, value),
        ("const", expected) => value == expected,
        ("enum", expected) => expected.as_array().unwrap().contains(value),
        ("not", schema) => !matches(document, schema, value),
        ("allOf", schemas) => schemas.as_array().unwrap().iter().all(|schema| matches(document, schema, value)),
        ("oneOf", schemas) => {
            schemas.as_array().unwrap().iter().filter(|schema| matches(document, schema, value)).count() == 1
        }
        ("anyOf", schemas) => schemas.as_array().unwrap().iter().any(|schema| matches(document, schema, value)),
        ("minLength", least) => !value.is_string() || length() >= least.as_u64().unwrap(),
        ("maxLength", most) => !value.is_string() || length() <= most.as_u64().unwrap(),
        ("minimum", least) => value.as_f64().is_none_or(|number| number >= least.as_f64().unwrap()),
        ("maximum", most) => value.as_f64().is_none_or(|number| number <= most.as_f64().unwrap()),
        ("pattern", pattern) => {
            value.as_str().is_none_or(|text| Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text))
        }
        ("required", names) => value.as_object().is_none_or(|fields| {
            names.as_array().unwrap().iter().all(|name| fields.contains_key(name.as_str().unwrap()))
        }),
        ("properties", schemas) => value.as_object().is_none_or(|fields| {
            let schemas = schemas.as_object().unwrap();
            fields.iter().all(|(name, field)| schemas.get(name).is_none_or(|schema| matches(document, schema, field)))
        }),
        ("additionalProperties", allowed) => {
            assert_eq!(*allowed, false);
            let known = schema["properties"].as_object().unwrap();
            value.as_object().is_none_or(|fields| fields.keys().all(|name| known.contains_key(name)))
        }
        ("items", items) => {
            value.as_array().is_none_or(|elements| elements.iter().all(|element| matches(document, items, element)))
        }
        ("maxItems", most) => value.as_array().is_none_or(|elements| elements.len() as u64 <= most.as_u64().unwrap()),
        ("minItems", least) => value.as_array().is_none_or(|elements| elements.len() as u64 >= least.as_u64().unwrap()),
        (unknown, _) => panic!("unknown keyword {unknown}"),
    };
    schema.iter().all(all)
}
