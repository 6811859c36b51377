//! `PUT /orders/{orderid}`: an order as a whole.

use std::time::Duration;

use domain::{
    IfShort, LineId, LineName, OrderId, OrderLine, OrderVersion, Quantity, Refusal, Sku, Terms, WantedOrder, WrongOrder,
};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::{Deserialize, Serialize};
use service_layer::ports::{Environment, Timestamp};
use service_layer::store::Products;
use service_layer::{Error, MessageBus, PlacedOrder, PutOrder, PutOrderAnswer, ShortLine};

use super::orders::ShownLine;
use crate::http::answers::{Code, Details, Short, json, problem, replayed_unless_new};
use crate::http::{Failure, Route, answered, body, invalid, named};
use crate::json::{Count, Object};

/// How far ahead lines can be held.
const LONGEST_HOLD: Duration = Duration::from_hours(30 * 24);

/// What is wanted of an order.
#[derive(Deserialize)]
struct OrderBody {
    lines: Vec<Object<LineBody>>,
    version: Option<Count>,
    if_short: Option<IfShort>,
    hold_until: Option<jiff::Timestamp>,
    dry_run: Option<bool>,
    split: Option<bool>,
}

#[derive(Deserialize)]
struct LineBody {
    sku: Sku,
    qty: Quantity,
    line: Option<LineName>,
}

impl LineBody {
    fn of_order(self, orderid: &OrderId) -> Result<OrderLine, String> {
        let Self { sku, qty, line } = self;
        let LineId { orderid, sku, name } = LineId::named(orderid.clone(), sku, line, Some(qty))?;
        Ok(OrderLine { orderid, sku, qty, name })
    }
}

/// An order as it was wanted.
#[derive(Serialize)]
struct ShownOrder<'a> {
    orderid: &'a OrderId,
    lines: Vec<ShownLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<OrderVersion>,
}

/// Answers a request to bring the order that the path names to what its body wants, or to tell what that would come to.
pub(super) async fn put_order<S: Products, E: Environment>(bus: &MessageBus<S, E>, request: Request) -> Response<Body> {
    let route = Route::PutOrder;
    answered(route, bus.environment(), &request, async |call| {
        let OrderBody { lines, version, if_short, hold_until, dry_run, split } = body(&request)?;
        let orderid: OrderId = named(route, &request)?;
        let may_split = split == Some(true);
        let (wanted, version) = (wanted(&orderid, lines)?, version.map(|Count(version)| OrderVersion(version)));
        if may_split {
            check_names(&wanted)?;
        }
        let now = bus.environment().now();
        let until = hold_until.map(|until| Timestamp::try_from(until).unwrap_or_default());
        let terms = Terms { if_short: if_short.unwrap_or_default(), hold_until: until, may_split };
        let command = PutOrder { wanted, terms, version };
        if let Some(reason) = until.and_then(|until| wrong_hold(until, now)) {
            // It may have been right when it was sent first.
            let is_repeated =
                version.is_some() && matches!(bus.dry_run(&command, call).await, Ok(answer) if answer.is_repeated());
            if !is_repeated {
                return Err(invalid(&reason));
            }
        }
        let answer =
            if dry_run == Some(true) { bus.dry_run(&command, call).await? } else { bus.handle(&command, call).await? };
        match answer {
            PutOrderAnswer::Placed(PlacedOrder { done, lines }) => {
                let lines = lines.iter().map(|line| ShownLine::at(now, line)).collect();
                let shown = ShownOrder { orderid: &orderid, lines, version };
                Ok(replayed_unless_new(done, json(StatusCode::OK, &shown)))
            }
            PutOrderAnswer::Short(lines) => Ok(short(&orderid, &lines, &command.terms)),
            PutOrderAnswer::OrderCancelled(orderid) => Err(Error::from(Refusal::OrderCancelled(orderid)).into()),
        }
    })
    .await
}

/// Why lines can't be held until then.
fn wrong_hold(until: Timestamp, now: Timestamp) -> Option<String> {
    let (latest, told) = (now.plus(LONGEST_HOLD), String::from(until));
    if until <= now {
        Some(format!("hold_until: must be in the future, not {told}"))
    } else if until > latest {
        Some(format!("hold_until: must be within 30 days, so by {}, not {told}", String::from(latest)))
    } else {
        None
    }
}

/// The lines that an order is to have.
fn wanted(orderid: &OrderId, lines: Vec<Object<LineBody>>) -> Result<WantedOrder, Failure> {
    let of_order = |(index, Object(line)): (usize, Object<LineBody>)| {
        line.of_order(orderid).map_err(|reason| invalid(&format!("lines[{index}].{reason}")))
    };
    let lines = lines.into_iter().enumerate().map(of_order).collect::<Result<_, _>>()?;
    WantedOrder::of(orderid.clone(), lines).map_err(|error| match error {
        WrongOrder::TooManyLines { .. } => Failure::TooManyLines(error),
        WrongOrder::RepeatedLine { index } | WrongOrder::ForeignLine { index } => {
            invalid(&format!("lines[{index}]: {error}"))
        }
    })
}

/// Whether there is room for the names of parts.
fn check_names(wanted: &WantedOrder) -> Result<(), Failure> {
    let wrong = |(index, line): (usize, &OrderLine)| {
        line.id().check_for_parts().map_err(|reason| invalid(&format!("lines[{index}].{reason}")))
    };
    wanted.lines().iter().enumerate().try_for_each(wrong)
}

fn short(orderid: &OrderId, lines: &[ShortLine], terms: &Terms) -> Response<Body> {
    let others = match lines.len() {
        ..2 => String::new(),
        2 => ", nor enough for another of its lines".to_owned(),
        count => format!(", nor enough for {} others of its lines", count.saturating_sub(1)),
    };
    let holder = if terms.may_split { "all batches together do not have" } else { "no batch has" };
    let first = lines.first().map(|short| &short.line);
    let (qty, sku) = first.map_or((0, ""), |line| (line.qty.get(), line.sku.as_str()));
    let reason =
        format!("{holder} {qty} left of sku {sku:?} for order {:?}{others}; nothing was changed", orderid.as_str());
    let details = Details::Lines(lines.iter().map(Short::of).collect());
    problem(StatusCode::CONFLICT, Code::OutOfStock, &reason, Some(details))
}
