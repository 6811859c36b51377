//! Lists in pages: which part is asked for, and how the next one is.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{LineId, LineName, OrderId, PartId, Sku, Version};
use lambda_http::{Request, RequestExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_layer::history::OrderRank;
use service_layer::ports::Rank;
use service_layer::{BatchRank, Wanted};

use super::{Failure, invalid};
use crate::json::shortened;

/// Lines in a page, if nobody says how many.
pub(super) const DEFAULT_LIMIT: usize = 100;
/// Most lines in a page.
const MOST: usize = 1_000;

/// A place in a list, as the text that a client gives back. What it says is the service's own.
pub(super) trait Token: Sized {
    /// What is written.
    type Written: Serialize + DeserializeOwned;
    /// What the list is of; the path names it.
    type Of;

    fn written(self) -> Self::Written;

    /// None: no list has such a place.
    fn read(written: Self::Written, of: &Self::Of) -> Option<Self>;
}

/// A line of an order.
impl Token for LineId {
    type Written = (Sku, LineName);
    type Of = OrderId;

    fn written(self) -> (Sku, LineName) {
        (self.sku, self.name)
    }

    fn read((sku, name): (Sku, LineName), orderid: &OrderId) -> Option<Self> {
        Self::named(orderid.clone(), sku, Some(name), None).ok()
    }
}

/// A part of a line of a SKU.
#[derive(Serialize, Deserialize)]
pub(super) struct OfSku(u64, OrderId, LineName, #[serde(default)] u32);

impl Token for Rank {
    type Written = OfSku;
    type Of = Sku;

    fn written(self) -> OfSku {
        let PartId { line, first } = self.part;
        OfSku(self.age.0, line.orderid, line.name, first)
    }

    fn read(OfSku(age, orderid, name, first): OfSku, sku: &Sku) -> Option<Self> {
        let line = LineId::named(orderid, sku.clone(), Some(name), None).ok()?;
        Some(Self { age: Version(age), part: PartId { line, first } })
    }
}

impl Token for BatchRank {
    type Written = (Sku, Option<OfSku>);
    type Of = ();

    fn written(self) -> (Sku, Option<OfSku>) {
        (self.sku, self.line.map(Token::written))
    }

    fn read((sku, line): (Sku, Option<OfSku>), (): &()) -> Option<Self> {
        let line = match line {
            Some(line) => Some(Rank::read(line, &sku)?),
            None => None,
        };
        Some(Self { sku, line })
    }
}

/// An event of an order.
impl Token for OrderRank {
    type Written = (Sku, Version);
    type Of = ();

    fn written(self) -> (Sku, Version) {
        (self.sku, self.version)
    }

    fn read((sku, version): (Sku, Version), (): &()) -> Option<Self> {
        Some(Self { sku, version })
    }
}

/// Which page a request asks for.
pub(super) fn wanted<P: Token>(request: &Request, of: &P::Of) -> Result<Wanted<P>, Failure> {
    let limit = wanted_limit(request)?;
    let after = query(request, "after").map(|token| after(&token, of)).transpose()?;
    Ok(Wanted { after, limit })
}

/// Which page of a product's events a request asks for: those after a version, which anybody may name.
pub(super) fn wanted_after_version(request: &Request) -> Result<Wanted<Version>, Failure> {
    let limit = wanted_limit(request)?;
    let after = query(request, "after").map(|text| version(&text)).transpose()?;
    Ok(Wanted { after, limit })
}

fn version(text: &str) -> Result<Version, Failure> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let version = text.parse().ok().filter(|_| is_number).map(Version);
    version.ok_or_else(|| invalid(&shortened(format!("after: must be a version, a whole number, not {text:?}"))))
}

fn wanted_limit(request: &Request) -> Result<usize, Failure> {
    Ok(query(request, "limit").map(|text| limit(&text)).transpose()?.unwrap_or(DEFAULT_LIMIT))
}

fn limit(text: &str) -> Result<usize, Failure> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| is_number && (1..=MOST).contains(limit));
    limit.ok_or_else(|| invalid(&shortened(format!("limit: must be a whole number from 1 to {MOST}, not {text:?}"))))
}

fn after<P: Token>(token: &str, of: &P::Of) -> Result<P, Failure> {
    let written = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let written = written.and_then(|written| serde_json::from_slice(&written).ok());
    let position = written.and_then(|written| P::read(written, of));
    position.ok_or_else(|| invalid("after: must be what the last page had as next"))
}

/// The text for where a page ended.
pub(super) fn next<P: Token>(position: Option<P>) -> Option<String> {
    // Names and numbers always serialize.
    let written = serde_json::to_vec(&position?.written()).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(written))
}

/// A parameter of the query, if it is there. API Gateway puts commas between equal ones, and `lambda_http` takes each comma
/// for such a one.
pub(super) fn query(request: &Request, name: &str) -> Option<String> {
    Some(request.query_string_parameters_ref()?.all(name)?.join(","))
}
