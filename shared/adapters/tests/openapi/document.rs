//! The description. Its limits are the code's own where the code has them as constants, and its examples are what the
//! service answered while this was generated.

use adapters::http::{BODY_BYTES, Code, Route};
use serde_json::{Value, json};
use service_layer::CorrelationId;

use crate::batches;
use crate::events;
use crate::lines::{self, Lines};
use crate::orders;
use crate::service::{Answer, Sent, Shop, broken, silent};

/// What the document says of a route. Its path is greedy, which `OpenAPI` has no word for.
pub(crate) fn operation(document: &Value, route: Route) -> &Value {
    let path = route.path().replace("+}", "}");
    &document["paths"][path][route.method().to_lowercase()]
}

/// The whole numbers from 1 to 4294967295, in digits.
pub(crate) const DIGITS: &str = "^0*([1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|\
    42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])$";

/// Blanks, as a part of a regular expression's class.
const BLANK: &str = "\\u0020\\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000";
/// What no name has: control and format characters of Unicode's first plane, what SQS does not take, and U+FFFD.
const UNSEEN: &str = "\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890-\\u0891\\u08e2\\u180e\
    \\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ufeff\\ufff9-\\ufffb\\ufffd-\\uffff";

#[expect(clippy::too_many_lines, reason = "a document is read as one")]
pub(crate) fn document() -> Value {
    let shop = Shop::new();
    let allocate = |qty: &str, headers: &[(&'static str, &str)]| {
        let line = json!({"orderid": "order-002", "sku": "RETRO-CLOCK", "qty": qty});
        let sent = headers.iter().fold(Sent::body(&line), |sent, (name, value)| sent.with(name, value));
        shop.answer(Route::Allocate, &sent)
    };
    let told = &[("prefer", "return=representation"), ("x-correlation-id", "order-002")];
    let can_wait = &[("prefer", "respond-async")];
    let unknown = json!({"orderid": "order-002", "sku": "NO-SUCH-THING", "qty": 3});
    let zero = json!({"orderid": "order-002", "sku": "RETRO-CLOCK", "qty": 0});
    let again = json!({"ref": "batch-001", "sku": "RETRO-CLOCK", "qty": 5});
    let created = json!({"ref": "batch-002", "sku": "RETRO-CLOCK", "qty": 20, "eta": "2030-01-02"});
    let no_batch = json!({"ref": "", "sku": "RETRO-CLOCK", "qty": 20});
    let too_large = Sent { body: Some(" ".repeat(BODY_BYTES + 1)), ..Sent::default() };
    let post = |route: Route, body: &Value| shop.answer(route, &Sent::body(body));
    let view = |orderid: &str| {
        shop.answer(Route::ViewAllocations, &Sent { name: Some(orderid.to_owned()), ..Sent::default() })
    };
    let lines = Lines::of(&shop);
    let line = Sent::body(&json!({"orderid": "order-002", "sku": "RETRO-CLOCK", "qty": 3}));
    let failed = json!({
        "401": {"$ref": "#/components/responses/Unauthorized"},
        "403": {"$ref": "#/components/responses/Forbidden"},
        "429": {"$ref": "#/components/responses/TooManyRequests"},
        "500": {"$ref": "#/components/responses/Failed"},
        "503": {"$ref": "#/components/responses/Unavailable"}
    });
    let with_failed = |responses: Value| {
        let mut all = failed.clone();
        all.as_object_mut().unwrap().extend(responses.as_object().unwrap().clone());
        all
    };
    let with_errors = |mut operation: Value| {
        operation["responses"] = with_failed(operation["responses"].take());
        operation
    };

    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Allocation",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Binds order lines to batches of stock: the warehouse first, then the shipment that is \
                expected earliest. Unknown fields of a body are ignored; a known field may come once. Asking again is \
                always safe.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
        },
        "servers": [{
            "url": "https://{api}.execute-api.{region}.amazonaws.com",
            "description": "The stack's output ApiUrl.",
            "variables": {"api": {"default": "example"}, "region": {"default": "eu-west-1"}}
        }],
        // One of them, as the stack's parameter Authorization says.
        "security": [{"iam": []}, {"token": []}, {}],
        "paths": {
            "/allocate": {"post": {
                "operationId": "allocate",
                "summary": "Bind an order line to a batch",
                "description": "A line is named by its order id, its SKU and `line`, or else its quantity. Asked again, it \
                    keeps its batch and nothing changes, also once it is shipped.",
                "parameters": [
                    {"$ref": "#/components/parameters/Prefer"}, {"$ref": "#/components/parameters/Correlation"}
                ],
                "requestBody": {
                    "required": true,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/OrderLine"}}}
                },
                "responses": with_failed(json!({
                    "201": response("With `Prefer: return=representation`: the line has a place on this batch.",
                        "Allocated", &[("allocated", allocate("3", told)), ("again", allocate("3", told))]),
                    "202": response("The request was taken, also if the SKU is out of stock: the mail goes out then, once for a stock. With \
                        `Prefer: respond-async` (answered with `Preference-Applied: respond-async`) the line is on a queue and \
                        is allocated soon; an unknown SKU is not refused.",
                        "Ok", &[("taken", allocate("2", &[])), ("again", allocate("2", &[])), ("queued", allocate("3", can_wait))]),
                    "400": response("The body is not valid, no batch of the SKU was ever added, or (with `Prefer: \
                        return=representation`) it is out of stock. Nothing was changed.", "Error", &[
                        ("invalid", post(Route::Allocate, &zero)), ("unknownSku", post(Route::Allocate, &unknown)),
                        ("outOfStock", allocate("1000", told)),
                    ]),
                    "409": lines.not_allocated(),
                    "413": {"$ref": "#/components/responses/TooLarge"}
                }))
            }},
            "/deallocate": {"post": with_errors(lines.deallocate())},
            "/ship": {"post": with_errors(lines.ship())},
            "/batches": {"post": {
                "operationId": "createBatch",
                "summary": "Add a batch",
                "parameters": [{"$ref": "#/components/parameters/Correlation"}],
                "requestBody": {
                    "required": true,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewBatch"}}}
                },
                "responses": with_failed(json!({
                    "201": response("The batch is there; also if the same was added before.", "Ok",
                        &[("created", post(Route::CreateBatch, &created)), ("again", post(Route::CreateBatch, &created))]),
                    "400": response("The body is not valid. Nothing was changed.", "Error",
                        &[("invalid", post(Route::CreateBatch, &no_batch))]),
                    "409": response("Another batch has this reference, or the SKU holds as many batches with free stock \
                        as it can.", "Error", &[("exists", post(Route::CreateBatch, &again))]),
                    "413": {"$ref": "#/components/responses/TooLarge"}
                }))
            }},
            "/batches/{ref}": {"patch": with_errors(batches::change(&shop))},
            "/orders/{orderid}": {"delete": with_errors(orders::cancellation(&shop))},
            "/allocations/{orderid}": {"get": {
                "operationId": "allocations",
                "summary": "The lines of an order that have a batch",
                "parameters": [
                    {
                        "name": "orderid", "in": "path", "required": true,
                        "description": "Percent-encoded, slashes too.",
                        "schema": {"$ref": "#/components/schemas/Name"}
                    },
                    {"$ref": "#/components/parameters/Correlation"}
                ],
                "responses": with_failed(json!({
                    "200": response("Its lines, in the order of SKU and quantity.", "Allocations",
                        &[("order", view("order-001"))]),
                    "404": response("There is nothing to show, or the id is no valid name.", "NotFound",
                        &[("nothing", view("order-009"))])
                }))
            }}
        },
        "webhooks": events::webhooks(),
        "components": {
            "schemas": {
                "Name": {
                    "description": "At most 1,000 bytes of UTF-8, all of it seen: no control or format characters, no \
                        U+FFFD, and no blank at either end.",
                    "type": "string", "minLength": 1, "maxLength": 255,
                    "pattern": format!("^[^{BLANK}{UNSEEN}]([^{UNSEEN}]*[^{BLANK}{UNSEEN}])?$")
                },
                "Quantity": {
                    "description": "A whole number, or a string of its digits.",
                    "anyOf": [
                        {"type": "integer", "minimum": 1, "maximum": u32::MAX},
                        {"type": "string", "pattern": DIGITS}
                    ]
                },
                "OrderLine": {
                    "type": "object", "required": ["orderid", "sku", "qty"],
                    "properties": {
                        "orderid": {"$ref": "#/components/schemas/Name"},
                        "sku": {"$ref": "#/components/schemas/Name"},
                        "qty": {"$ref": "#/components/schemas/Quantity"},
                        "line": {"$ref": "#/components/schemas/LineOwnName"}
                    },
                    "examples": [
                        {"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 10},
                        {"orderid": "order-003", "sku": "RETRO-CLOCK", "qty": "11", "line": "gift"}
                    ]
                },
                "LineOwnName": lines::own_name(),
                "LineName": lines::name(),
                "NewBatch": {
                    "type": "object", "required": ["ref", "sku", "qty"],
                    "properties": {
                        "ref": {"$ref": "#/components/schemas/Name"},
                        "sku": {"$ref": "#/components/schemas/Name"},
                        "qty": {"$ref": "#/components/schemas/Quantity"},
                        "eta": {"$ref": "#/components/schemas/Eta"}
                    },
                    "examples": [
                        {"ref": "batch-001", "sku": "RETRO-CLOCK", "qty": 100, "eta": null},
                        {"ref": "batch-002", "sku": "RETRO-CLOCK", "qty": 20, "eta": "2030-01-02"}
                    ]
                },
                "Eta": {
                    "description": "The day it is expected; null, or in a new batch absent, for stock in the warehouse.",
                    "anyOf": [
                        {
                            "type": "string", "format": "date",
                            "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
                        },
                        {"type": "null"}
                    ]
                },
                "BatchChange": batches::change_schema(),
                "Applied": {
                    "type": "object", "required": ["applied"], "additionalProperties": false,
                    "properties": {"applied": {"type": "boolean"}}
                },
                "Order": orders::order(),
                "ShownLine": orders::line(),
                "Ok": {"const": "OK"},
                "NotFound": {"const": "not found"},
                "Allocated": {
                    "type": "object", "required": ["batchref"], "additionalProperties": false,
                    "properties": {"batchref": {"$ref": "#/components/schemas/Name"}}
                },
                "Allocations": {
                    "type": "array", "minItems": 1,
                    "items": {
                        "type": "object", "required": ["sku", "batchref"], "additionalProperties": false,
                        "properties": {
                            "sku": {"$ref": "#/components/schemas/Name"},
                            "batchref": {"$ref": "#/components/schemas/Name"}
                        }
                    }
                },
                "Done": {
                    "type": "object", "required": ["message"], "additionalProperties": false,
                    "properties": {"message": {"const": "OK"}}
                },
                "Message": {
                    "type": "object", "required": ["message"], "additionalProperties": false,
                    "properties": {"message": {"type": "string", "minLength": 1}}
                },
                "Error": error(),
                "CorrelationId": {
                    "type": "string", "minLength": 1, "maxLength": CorrelationId::LONGEST, "pattern": "^[!-~]+$"
                }
            },
            "parameters": {
                "Prefer": {
                    "name": "Prefer", "in": "header",
                    "description": "RFC 7240. `return=representation` asks what became of the line; `respond-async` asks \
                        only that it is taken, and wins. Anything else is ignored.",
                    "schema": {"type": "string"}, "example": "return=representation"
                },
                "Correlation": {
                    "name": "X-Correlation-Id", "in": "header",
                    "description": "Names what the request belongs to, in logs, events and mails: 1 to 128 visible ASCII \
                        characters. Anything else is ignored.",
                    "schema": {"type": "string"}
                }
            },
            "headers": {
                "X-Correlation-Id": {
                    "description": "The request's own, or else one made from its trace.", "required": true,
                    "schema": {"$ref": "#/components/schemas/CorrelationId"}
                },
                "Idempotent-Replayed": {
                    "description": "Sent where the same was done before, and this request changed nothing.",
                    "schema": {"const": "true"}
                },
                "Preference-Applied": {
                    "description": "Sent where the preference made a difference.",
                    "schema": {"type": "string"}
                },
                "Retry-After": {
                    "description": "Seconds.", "required": true, "schema": {"type": "integer", "minimum": 1}
                }
            },
            "responses": {
                "TooLarge": response(&format!("The body has more than {BODY_BYTES} bytes."), "Error",
                    &[("tooLarge", shop.answer(Route::Allocate, &too_large))]),
                "Failed": response("Asking again will not help; the log says why.", "Error",
                    &[("failed", broken().answer(Route::Allocate, &line))]),
                "Unavailable": response("Too many others are changing the same product, or the database or the queue does \
                    not answer. Asking again is safe.", "Error",
                    &[("unavailable", silent().answer(Route::Allocate, &line))]),
                "Unauthorized": by_the_gateway("No valid token."),
                "Forbidden": by_the_gateway("Not signed, or by somebody who may not."),
                "TooManyRequests": by_the_gateway("More requests a second than the stack allows.")
            },
            "securitySchemes": {
                "iam": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "Authorization=AWS_IAM, the default: AWS Signature Version 4 for execute-api.",
                    "x-amazon-apigateway-authtype": "awsSigv4"
                },
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "Authorization=JWT: a token of the stack's JwtIssuer for its JwtAudience."
                }
            }
        }
    });
    document["components"]["schemas"].as_object_mut().unwrap().extend(events::schemas());
    document
}

/// An error of the service's own.
fn error() -> Value {
    json!({
        "type": "object", "required": ["message", "code"], "additionalProperties": false,
        "properties": {
            "message": {"type": "string", "minLength": 1, "description": "For a person."},
            "code": {"enum": Code::ALL, "description": "For a program."},
            "field": {"type": "string", "description": "invalid_input: where the wrong value stands."},
            "qty": {"type": "integer", "description": "line_differs: what the line asked for."},
            "waiting": {
                "const": true,
                "description": "out_of_stock: the line was promised, lost its batch, and waits for stock."
            },
            "stored": {
                "type": "object", "required": ["sku", "qty", "eta"], "additionalProperties": false,
                "description": "batch_differs: the batch that has the reference, as it was added.",
                "properties": {
                    "sku": {"$ref": "#/components/schemas/Name"}, "qty": {"type": "integer"},
                    "eta": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}
                }
            }
        }
    })
}

/// A response with what was answered as its examples, all of one status.
pub(crate) fn response(description: &str, schema: &str, answers: &[(&str, Answer)]) -> Value {
    let (_, Answer { status, headers, .. }) = &answers[0];
    let content_type = headers.iter().find(|(name, _)| name == "content-type").unwrap().1.split(';').next().unwrap();
    let mut examples = json!({});
    let mut described = json!({});
    for (name, answer) in answers {
        assert_eq!(answer.status, *status, "{name}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| answer.body.as_str().into());
        examples[*name] = json!({"value": body});
        for sent in ["X-Correlation-Id", "Idempotent-Replayed", "Preference-Applied", "Retry-After"] {
            if answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(sent)) {
                described[sent] = json!({"$ref": format!("#/components/headers/{sent}")});
            }
        }
    }
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    json!({
        "description": description, "headers": described,
        "content": {content_type: {"schema": schema, "examples": examples}}
    })
}

/// What API Gateway answers, so that no function is called.
fn by_the_gateway(description: &str) -> Value {
    json!({
        "description": format!("{description} Answered by API Gateway."),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Message"}}}
    })
}
