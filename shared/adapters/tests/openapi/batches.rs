//! What is asked of batches.

use adapters::http::Route;
use serde_json::{Value, json};

use crate::document::{body, has, lacks, list, object, page, parameter, response, schema, shared};
use crate::orders::with_held_until;
use crate::service::{Answer, Sent, Shop};

/// The largest whole number that every JSON reader takes as it is (RFC 8259, section 6).
pub(crate) const SAFE: u64 = (1 << 53) - 1;

pub(crate) fn operations(shop: &Shop) -> Vec<(Route, Value)> {
    vec![
        (Route::CreateBatch, create(shop)),
        (Route::ChangeBatch, change(shop)),
        (Route::ShowBatches, show(shop)),
        (Route::ListLines, list_lines(shop)),
    ]
}

fn create(shop: &Shop) -> Value {
    let post = |body: &Value| shop.answer(Route::CreateBatch, &Sent::body(body));
    let created = json!({"ref": "batch-002", "sku": "RETRO-CLOCK", "qty": 20, "eta": "2030-01-02"});
    let no_batch = json!({"ref": "", "sku": "RETRO-CLOCK", "qty": 20});
    let differs = json!({"ref": "batch-001", "sku": "RETRO-CLOCK", "qty": 5});
    json!({
        "operationId": "createBatch",
        "tags": ["batches"],
        "summary": "Add a batch",
        "description": "One reference may cover several SKUs, a container or a lot: each is a batch of its own.",
        "parameters": [],
        "requestBody": body("NewBatch"),
        "responses": {
            "201": response("The batch is there; also if the same was added before.", "Done",
                &[("created", post(&created)), ("again", post(&created))]),
            "400": response("The body is not valid. Nothing was changed.", "Error", &[("invalid", post(&no_batch))]),
            "409": response("Another batch of this SKU has this reference, or the SKU holds as many batches with free \
                stock as it can.", "Error", &[("exists", post(&differs))]),
            "413": shared("TooLarge")
        }
    })
}

fn change(shop: &Shop) -> Value {
    let batch = json!({"ref": "batch-003", "sku": "RETRO-CLOCK", "qty": 5});
    shop.answer(Route::CreateBatch, &Sent::body(&batch));
    let patch = |reference: &str, body: Value| -> Answer {
        shop.answer(Route::ChangeBatch, &Sent { name: Some(reference.to_owned()), ..Sent::body(&body) })
    };
    let counted = || patch("batch-003", json!({"on_hand": 4, "version": 2}));
    json!({
        "operationId": "changeBatch",
        "tags": ["batches"],
        "summary": "Give a batch its real quantity, or another ETA",
        "description": "A quantity that is less than what is promised takes the youngest promises off the batch, as few as \
            needed; a later ETA moves lines to batches that come earlier, the oldest promises first. Quantity and ETA \
            are each ordered by `version`, or else by `as_of` or the time of the request: an older change is not applied.",
        "parameters": [parameter("Ref")],
        "requestBody": body("BatchChange"),
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
            "413": shared("TooLarge")
        }
    })
}

fn show(shop: &Shop) -> Value {
    let ask = |reference: &str| shop.answer(Route::ShowBatches, &Sent::name(reference));
    json!({
        "operationId": "showBatches",
        "tags": ["batches"],
        "summary": "The batches that have a reference",
        "description": "One for each SKU, full ones too, with what they ever held, what is promised, and what was shipped.",
        "parameters": [parameter("Ref")],
        "responses": {
            "200": response("They, by SKU.", "Batches", &[("batches", ask("batch-004"))]),
            "400": response("The reference is no valid name.", "Error", &[("invalid", ask("a%0A"))]),
            "404": response("No batch has this reference.", "Error", &[("unknown", ask("batch-009"))]),
            "413": shared("LongAnswer")
        }
    })
}

fn list_lines(shop: &Shop) -> Value {
    let ask = |reference: &str| shop.answer(Route::ListLines, &Sent::name(reference));
    json!({
        "operationId": "listLines",
        "tags": ["batches"],
        "summary": "The lines on a batch",
        "description": "Those that it still has to give, by SKU, then the youngest promise first: in this order they give \
            way. The list may be a moment behind the last commits.",
        "parameters": [
            parameter("Ref"),
            {"name": "sku", "in": "query", "description": "Only those of this SKU.", "schema": schema("Name")},
            parameter("Limit"), parameter("After")
        ],
        "responses": {
            "200": response("A page of them.", "BatchLines", &[("lines", ask("batch-001"))]),
            "400": response("The reference or the SKU is no valid name, or the page no valid one.", "Error",
                &[("invalid", ask("a%0A"))]),
            "404": response("No batch has this reference, or none of this SKU.", "Error", &[("unknown", ask("batch-009"))]),
            "413": shared("LongAnswer")
        }
    })
}

pub(crate) fn schemas() -> Value {
    json!({
        "NewBatch": {
            "type": "object", "required": ["ref", "sku", "qty"],
            "properties": {
                "ref": schema("Name"), "sku": schema("Name"), "qty": schema("Quantity"), "eta": schema("Eta")
            },
            "examples": [
                {"ref": "batch-001", "sku": "RETRO-CLOCK", "qty": 100, "eta": null},
                {"ref": "batch-002", "sku": "RETRO-CLOCK", "qty": 20, "eta": "2030-01-02"}
            ]
        },
        "BatchChange": change_schema(),
        "Applied": object(&[("applied", json!({"type": "boolean"}))]),
        "Batches": object(&[("ref", schema("Name")), ("batches", list("SkuBatch"))]),
        "BatchLines": page("BatchLine"),
        "BatchLine": with_held_until(object(&[
            ("orderid", schema("Name")),
            ("sku", schema("Name")),
            ("line", schema("Name")),
            ("qty", schema("Quantity")),
            ("batchqty", json!({
                "description": "Its pieces that are on this batch: fewer than `qty` if it is split. One that has several parts \
                    here is listed with each.",
                "type": "integer", "format": "int64", "minimum": 1
            })),
            ("since", json!({
                "description": "The product's version since which it is on this batch.",
                "type": "integer", "format": "int64", "minimum": 1
            })),
        ]))
    })
}

fn change_schema() -> Value {
    json!({
        "description": "At least one of `qty`, `on_hand` and `eta`, but not both of the first two.",
        "type": "object",
        "properties": {
            "sku": {
                "description": "Which of several SKUs that share the reference. Without it, an ETA is that of all of them.",
                "allOf": [schema("Name")]
            },
            "qty": {
                "description": "All pieces that the batch ever held, shipped ones too.", "allOf": [schema("Pieces")]
            },
            "on_hand": {
                "description": "The pieces that lie on the shelf, so without those that were shipped.",
                "allOf": [schema("Pieces")]
            },
            "eta": schema("Eta"),
            "version": {
                "description": "The sender's own count of this batch's changes. It outranks any time.",
                "type": "integer", "format": "int64", "minimum": 0, "maximum": SAFE
            },
            "as_of": {
                "description": "When this was true, with a zone; not before 2001, and not more than a day ahead.",
                "type": "string", "format": "date-time"
            }
        },
        "not": {"anyOf": [lacks(&["qty", "on_hand", "eta"]), has(&["qty", "on_hand"])]},
        "examples": [
            {"qty": 25}, {"on_hand": 20, "version": 7}, {"eta": "2030-01-02", "sku": "RETRO-CLOCK"}, {"eta": null}
        ]
    })
}
