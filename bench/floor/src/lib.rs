//! The floor: the least programs that make the same AWS calls as the functions, with fixed bodies and the same SDK
//! features. Nothing is parsed, decided, logged or retried here beyond what SDK and runtime do by themselves.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, Put};

/// The table, which the benchmark's endpoint knows by this name.
pub const TABLE: &str = "allocation";

/// An item as the SDK takes it.
pub type Item = HashMap<String, AttributeValue>;

/// A string attribute.
#[must_use]
pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A number attribute.
#[must_use]
pub fn number(value: &str) -> AttributeValue {
    AttributeValue::N(value.to_owned())
}

/// A map of named attributes, which is what an item is.
#[must_use]
pub fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A primary key.
#[must_use]
pub fn key(partition: &str, sort: &str) -> Item {
    item([("PK", text(partition)), ("SK", text(sort))])
}

/// A head as large as the one that the functions write, under the condition that its version is unchanged.
///
/// # Errors
/// None, as all that is required is there.
pub fn head() -> Result<Put, BuildError> {
    let batch = |reference| {
        let entry = item([("ref", text(reference)), ("purchased", number("100")), ("allocated", number("3"))]);
        AttributeValue::M(entry)
    };
    let event = item([
        ("type", text("Allocated")),
        ("orderid", text("order-001")),
        ("sku", text("RETRO-CLOCK")),
        ("qty", number("3")),
        ("batchref", text("batch-001")),
        ("eta", AttributeValue::Null(true)),
    ]);
    let mut head = key("SKU#RETRO-CLOCK", "PRODUCT");
    head.extend(item([
        ("version", number("8")),
        ("commit", text("00000000000000ff")),
        ("batches", AttributeValue::L(vec![batch("batch-001"), batch("batch-002"), batch("batch-003")])),
        ("waiting", AttributeValue::M(item([("lines", number("0")), ("since", number("0")), ("qty", number("0"))]))),
        ("backlog", AttributeValue::Bool(false)),
        ("events", AttributeValue::L(vec![AttributeValue::M(event)])),
        ("at", text("2031-01-01T12:00:00.000Z")),
        ("correlation", text("order-001")),
    ]));
    Put::builder()
        .table_name(TABLE)
        .set_item(Some(head))
        .condition_expression("#version = :version")
        .expression_attribute_names("#version", "version")
        .expression_attribute_values(":version", number("7"))
        .build()
}
