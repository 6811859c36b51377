//! The description. Its limits are the code's own where the code has them as constants, and its examples are what the
//! service answered while this was generated.

use adapters::http::{ANSWER_BYTES, BODY_BYTES, Code, Route};
use serde_json::{Map, Value, json};
use service_layer::CorrelationId;

use crate::service::{Answer, Sent, Shop, broken, silent};
use crate::{batches, events, history, lines, orders, products};

/// What the document says of a route. Its path is greedy, which `OpenAPI` has no word for.
pub(crate) fn operation(document: &Value, route: Route) -> &Value {
    let path = route.path().replace("+}", "}");
    &document["paths"][path][route.method().to_lowercase()]
}

/// Blanks, as a part of a regular expression's class.
const BLANK: &str = "\\u0020\\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000";
/// What no name has: control and format characters of Unicode's first plane, what SQS does not take, and U+FFFD.
const UNSEEN: &str = "\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890-\\u0891\\u08e2\\u180e\
    \\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ufeff\\ufff9-\\ufffb\\ufffd-\\uffff";

pub(crate) fn document() -> Value {
    let shop = Shop::new();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Allocation",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Binds order lines to batches of stock: the warehouse first, then the shipment that is \
                expected earliest. Asking again is always safe.\n\nUnknown fields of a body are ignored; a known field may \
                come once. Answers are JSON for whoever names `application/json` in `Accept`. (Without it, an answer that \
                has nothing to tell is the text `OK`, and that to `GET /allocations/{orderid}` the text `not found`.) \
                Answers may get more fields, and `code` more values, as the service grows.",
            "contact": {"name": "Whoever runs the stack"},
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
        },
        "servers": [{
            "url": "https://{api}.execute-api.{region}.amazonaws.com",
            "description": "The stack's output ApiUrl.",
            "variables": {
                "api": {"default": "api-id", "description": "The first part of ApiUrl."},
                "region": {"default": "eu-west-1", "description": "Where the stack is."}
            }
        }],
        // One of them, as the stack's parameter Authorization says.
        "security": [{"iam": []}, {"token": []}, {}],
        "tags": [
            {"name": "lines", "description": "What an order asks of one SKU: bind it to a batch, give it back, ship it."},
            {"name": "orders", "description": "All lines of an order."},
            {"name": "batches", "description": "Stock of a SKU under a reference, in the warehouse or on its way."},
            {"name": "products", "description": "What there is of a SKU, and who waits for it."},
            {"name": "events", "description": "What subscribers of the stack's topic are told."}
        ],
        "paths": paths(&shop),
        "webhooks": events::webhooks(),
        "components": {
            "schemas": schemas(),
            "parameters": parameters(),
            "headers": headers(),
            "responses": failures(&shop),
            "securitySchemes": security_schemes()
        }
    })
}

fn paths(shop: &Shop) -> Map<String, Value> {
    let operations =
        [lines::operations, orders::operations, batches::operations, products::operations, history::operations]
            .map(|operations| operations(shop));
    let mut paths: Map<String, Value> = Map::new();
    for (route, mut operation) in operations.into_iter().flatten() {
        let responses = operation["responses"].as_object_mut().unwrap();
        responses.extend(FAILURES.iter().map(|(status, name)| ((*status).to_owned(), shared(name))));
        operation["parameters"].as_array_mut().unwrap().push(parameter("Correlation"));
        let path = route.path().replace("+}", "}");
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[route.method().to_lowercase()] = operation;
    }
    paths
}

fn security_schemes() -> Value {
    json!({
        "iam": {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "Authorization=AWS_IAM, the default: AWS Signature Version 4 for execute-api.",
            "x-amazon-apigateway-authtype": "awsSigv4"
        },
        "token": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Authorization=JWT: a token of the stack's JwtIssuer for its JwtAudience."
        }
    })
}

/// What any request may be answered.
const FAILURES: &[(&str, &str)] = &[
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("429", "TooManyRequests"),
    ("500", "Failed"),
    ("503", "Unavailable"),
];

fn failures(shop: &Shop) -> Value {
    let line = Sent::body(&json!({"orderid": "order-002", "sku": "RETRO-CLOCK", "qty": 3}));
    let too_large = Sent { body: Some(" ".repeat(BODY_BYTES + 1)), ..Sent::default() };
    json!({
        "TooLarge": response(&format!("The body has more than {BODY_BYTES} bytes."), "Error",
            &[("tooLarge", shop.answer(Route::Allocate, &too_large))]),
        "LongAnswer": {
            "description": format!("The answer would have more than {ANSWER_BYTES} bytes, which Lambda does not take."),
            "headers": {"X-Correlation-Id": {"$ref": "#/components/headers/X-Correlation-Id"}},
            "content": {"application/json": {"schema": schema("Error")}}
        },
        "Failed": response("Asking again will not help; the log says why.", "Error",
            &[("failed", broken().answer(Route::Allocate, &line))]),
        "Unavailable": response("Too many others are changing the same product, or the database or the queue does not \
            answer. Asking again is safe.", "Error", &[("unavailable", silent().answer(Route::Allocate, &line))]),
        "Unauthorized": by_the_gateway("No valid token."),
        "Forbidden": by_the_gateway("Not signed, or by somebody who may not."),
        "TooManyRequests": by_the_gateway("More requests a second than the stack allows.")
    })
}

fn schemas() -> Value {
    let mut schemas = json!({
        "Name": name(),
        "Quantity": {
            "description": "Pieces.", "type": "integer", "format": "int64", "minimum": 1, "maximum": u32::MAX
        },
        "Pieces": {
            "description": "Pieces, or none.", "type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX
        },
        "Sum": {"description": "Pieces of several.", "type": "integer", "format": "int64", "minimum": 0},
        "Version": {
            "description": "How many commits the product has seen.", "type": "integer", "format": "int64", "minimum": 1
        },
        "Eta": {
            "description": "The day on which it is expected; null for stock in the warehouse.",
            "type": ["string", "null"], "format": "date",
            "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
        },
        "Next": {
            "description": "The next page's `after`; null, if this is the last one.",
            "type": ["string", "null"], "minLength": 1
        },
        "Done": object(&[("message", json!({"type": "string", "const": "OK"}))]),
        "Message": object(&[("message", json!({"type": "string", "minLength": 1}))]),
        "Error": error(),
        "CorrelationId": {
            "type": "string", "minLength": 1, "maxLength": CorrelationId::LONGEST, "pattern": "^[!-~]+$"
        }
    });
    let all = schemas.as_object_mut().unwrap();
    for more in [lines::schemas(), orders::schemas(), batches::schemas(), products::schemas(), history::schemas()] {
        all.extend(more.as_object().unwrap().clone());
    }
    all.extend(events::schemas());
    schemas
}

fn parameters() -> Value {
    json!({
        "Prefer": {
            "name": "Prefer", "in": "header",
            "description": "RFC 7240. `return=representation` asks what became of the line; `respond-async` asks only that \
                it is taken, and wins. Anything else is ignored.",
            "schema": {"type": "string"}, "example": "return=representation"
        },
        "Correlation": {
            "name": "X-Correlation-Id", "in": "header",
            "description": "Names what the request belongs to, in logs, events and mails: 1 to 128 visible ASCII \
                characters. Anything else is ignored.",
            "schema": {"type": "string"}
        },
        "Limit": {
            "name": "limit", "in": "query", "description": "Most entries in the page.",
            "schema": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 1_000, "default": 100}
        },
        "After": {
            "name": "after", "in": "query",
            "description": "The `next` of the page before. It stays good, whatever changes between two pages.",
            "schema": {"type": "string", "minLength": 1}
        },
        "AfterVersion": {
            "name": "after", "in": "query",
            "description": "Only what came after this version: the `next` of the page before, or the `version` of a \
                product that was shown.",
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"}
        },
        "Orderid": named_in_path("orderid", " An order id that ends in `/history` can't be asked for."),
        "Sku": named_in_path("sku", " A SKU that ends in `/waiting` or `/history` can't be asked for."),
        "Ref": named_in_path("ref", " A reference that ends in `/lines` can't be asked for.")
    })
}

fn named_in_path(name: &str, but: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true,
        "description": format!("Percent-encoded, slashes too.{but}"),
        "schema": schema("Name")
    })
}

fn headers() -> Value {
    json!({
        "X-Correlation-Id": {
            "description": "The request's own, or else one made from its trace.", "required": true,
            "schema": schema("CorrelationId")
        },
        "Idempotent-Replayed": {
            "description": "Sent where the same was done before, and this request changed nothing.",
            "schema": {"type": "string", "const": "true"}
        },
        "Preference-Applied": {
            "description": "Sent where the preference made a difference.",
            "schema": {"type": "string"}
        },
        "Retry-After": {
            "description": "Seconds.", "required": true, "schema": {"type": "integer", "minimum": 1}
        }
    })
}

/// What names something.
pub(crate) fn name() -> Value {
    json!({
        "description": "At most 1,000 bytes of UTF-8, all of it seen: no control or format characters, no U+FFFD, and no \
            blank at either end.",
        "type": "string", "minLength": 1, "maxLength": 255,
        "pattern": format!("^[^{BLANK}{UNSEEN}]([^{UNSEEN}]*[^{BLANK}{UNSEEN}])?$")
    })
}

/// An error of the service's own.
fn error() -> Value {
    json!({
        "type": "object", "required": ["message", "code"],
        "properties": {
            "message": {"type": "string", "minLength": 1, "description": "For a person."},
            "code": {"type": "string", "enum": Code::ALL, "description": "For a program."},
            "field": {"type": "string", "description": "invalid_input: where the wrong value stands."},
            "qty": {
                "type": "integer", "format": "int64", "minimum": 1,
                "description": "line_differs: what the line asked for."
            },
            "waiting": {
                "type": "boolean",
                "description": "out_of_stock: true if the line was promised, lost its batch, and waits for stock."
            },
            "lines": {
                "description": "out_of_stock of an order: the lines that are short, and what the order could use instead: \
                    pieces that are nobody's, and those that it would give back.",
                "type": "array", "items": schema("ShortLine")
            },
            "stored": {
                "type": "object", "required": ["sku", "qty", "eta"],
                "description": "batch_differs: the batch that has the reference, as it was added.",
                "properties": {"sku": schema("Name"), "qty": schema("Quantity"), "eta": schema("Eta")}
            }
        }
    })
}

/// A reference to a schema.
pub(crate) fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object with these fields, always.
pub(crate) fn object(fields: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": names, "properties": properties})
}

/// An object without any of these fields. With [`has`], how a schema says what fields go together: under `not`, which
/// generators of clients pass over, while they make a union of an `anyOf` and drop its fields. Some of them take no `false`
/// for a schema.
pub(crate) fn lacks(fields: &[&str]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|name| ((*name).to_owned(), json!({"not": {}}))).collect();
    json!({"properties": properties})
}

/// An object with all of these fields. What they are is said elsewhere; a linter asks that they be named.
pub(crate) fn has(fields: &[&str]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    json!({"required": fields, "properties": properties})
}

/// A page of a list.
pub(crate) fn page(of: &str) -> Value {
    page_of("lines", of, &[])
}

/// A page of a list by this name, and what is told beside it.
pub(crate) fn page_of(name: &str, of: &str, beside: &[(&str, Value)]) -> Value {
    object(&[beside, &[(name, list(of)), ("next", schema("Next"))]].concat())
}

pub(crate) fn list(of: &str) -> Value {
    json!({"type": "array", "items": schema(of)})
}

/// A parameter that several operations have.
pub(crate) fn parameter(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// What a body must be.
pub(crate) fn body(name: &str) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema(name)}}})
}

/// A response that several operations have.
pub(crate) fn shared(name: &str) -> Value {
    json!({"$ref": format!("#/components/responses/{name}")})
}

/// A response with what was answered as its examples, all of one status.
pub(crate) fn response(description: &str, schema_name: &str, answers: &[(&str, Answer)]) -> Value {
    let (_, Answer { status, .. }) = &answers[0];
    let mut examples = json!({});
    let mut described = json!({});
    for (name, answer) in answers {
        assert_eq!(answer.status, *status, "{name}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{name}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        examples[*name] = json!({"value": body});
        for sent in ["X-Correlation-Id", "Idempotent-Replayed", "Preference-Applied", "Retry-After"] {
            if answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(sent)) {
                described[sent] = json!({"$ref": format!("#/components/headers/{sent}")});
            }
        }
    }
    json!({
        "description": description, "headers": described,
        "content": {"application/json": {"schema": schema(schema_name), "examples": examples}}
    })
}

/// What API Gateway answers, so that no function is called.
fn by_the_gateway(description: &str) -> Value {
    json!({
        "description": format!("{description} Answered by API Gateway."),
        "content": {"application/json": {"schema": schema("Message")}}
    })
}
