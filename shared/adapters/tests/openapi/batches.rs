//! How batches are changed.

use adapters::http::Route;
use serde_json::{Value, json};

use crate::document::{DIGITS, response};
use crate::service::{Answer, Sent, Shop};

pub(crate) fn change(shop: &Shop) -> Value {
    let add = |reference: &str, sku: &str| {
        let batch = json!({"ref": reference, "sku": sku, "qty": 5});
        shop.answer(Route::CreateBatch, &Sent::body(&batch));
    };
    add("batch-003", "RETRO-CLOCK");
    let patch = |reference: &str, body: Value| -> Answer {
        shop.answer(Route::ChangeBatch, &Sent { name: Some(reference.to_owned()), ..Sent::body(&body) })
    };
    let counted = || patch("batch-003", json!({"on_hand": 4, "version": 2}));
    json!({
        "operationId": "changeBatch",
        "summary": "Give a batch its real quantity, or another ETA",
        "description": "A quantity that is less than what is promised takes the youngest promises off the batch, as few as \
            needed; a later ETA moves lines to batches that come earlier, the oldest promises first. Quantity and ETA \
            are each ordered by `version`, or else by `as_of` or the time of the request: an older change is not applied.",
        "parameters": [
            {
                "name": "ref", "in": "path", "required": true,
                "description": "Percent-encoded, slashes too.",
                "schema": {"$ref": "#/components/schemas/Name"}
            },
            {"$ref": "#/components/parameters/Correlation"}
        ],
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BatchChange"}}}
        },
        "responses": {
            "200": response("Whether the batch is so now, or was before; false, if a newer change is known.", "Applied", &[
                ("applied", counted()), ("again", counted()),
                ("outdated", patch("batch-003", json!({"qty": 9, "version": 1}))),
            ]),
            "400": response("The body or the reference is not valid.", "Error",
                &[("invalid", patch("batch-003", json!({"version": 3})))]),
            "404": response("No batch has this reference, or none of this SKU.", "Error",
                &[("unknown", patch("batch-009", json!({"qty": 3})))]),
            "409": response("Several SKUs share the reference, and a quantity must say which of them it is of; or the SKU \
                holds as many batches with free stock as it can.", "Error",
                &[("ambiguous", patch("batch-004", json!({"qty": 3})))]),
            "413": {"$ref": "#/components/responses/TooLarge"}
        }
    })
}

pub(crate) fn change_schema() -> Value {
    let digits = DIGITS.replacen("[1-9][0-9]{0,8}", "[0-9]{1,9}", 1);
    let count = || {
        json!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": u32::MAX}, {"type": "string", "pattern": digits},
            {"type": "null"}
        ]})
    };
    let is_number = json!({"anyOf": [{"type": "integer"}, {"type": "string"}]});
    let is_there = |name: &str| json!({"required": [name], "properties": {name: is_number.clone()}});
    json!({
        "type": "object",
        "properties": {
            "sku": {
                "description": "Which of several SKUs that share the reference. Without it, an ETA is that of all of them.",
                "anyOf": [{"$ref": "#/components/schemas/Name"}, {"type": "null"}]
            },
            "qty": count(),
            "on_hand": count(),
            "eta": {"$ref": "#/components/schemas/Eta"},
            "version": {"description": "A whole number from 0 to 18446744073709551615, or its digits. It outranks any time."},
            "as_of": {
                "description": "Milliseconds since 1970, or a time with a zone; not before 2001, and not more than a day ahead."
            }
        },
        "anyOf": [is_there("qty"), is_there("on_hand"), {"required": ["eta"]}],
        "not": {"required": ["qty", "on_hand"], "properties": {"qty": is_number.clone(), "on_hand": is_number}},
        "examples": [{"qty": 25}, {"on_hand": 20, "version": 7}, {"eta": "2030-01-02", "sku": "RETRO-CLOCK"}, {"eta": null}]
    })
}
