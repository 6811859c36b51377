//! Events: a closed set, so that every `match` over them is checked by the compiler.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BatchRef, Eta, LineName, OrderId, OrderLine, Quantity, Sku, Timestamp, read_stock_level};

/// What happened to a product. Serialized, it is the flat JSON that subscribers read, less id and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", try_from = "EventFields")]
pub enum Event {
    /// A line got a place on a batch.
    Allocated {
        /// The line.
        #[serde(flatten)]
        line: OrderLine,
        /// Its batch.
        batchref: BatchRef,
        /// When that is expected; none for stock in the warehouse.
        eta: Option<Eta>,
        /// Until when it is promised, if that is for a while only.
        #[serde(skip_serializing_if = "Option::is_none")]
        held_until: Option<Timestamp>,
        /// How many pieces the line has, if it may be split: these are all, or a part.
        #[serde(skip_serializing_if = "Option::is_none")]
        line_qty: Option<Quantity>,
    },
    /// A line that was promised for a while is promised for good, where it stands.
    Confirmed {
        /// The line.
        #[serde(flatten)]
        line: OrderLine,
        /// Its batch; none, if it waits.
        batchref: Option<BatchRef>,
        /// When that is expected; none for stock in the warehouse.
        eta: Option<Eta>,
    },
    /// A line is promised until another time than before, where it stands.
    HoldChanged {
        /// The line.
        #[serde(flatten)]
        line: OrderLine,
        /// Its batch; none, if it waits.
        batchref: Option<BatchRef>,
        /// Until when.
        held_until: Timestamp,
    },
    /// A line lost its place on a batch.
    Deallocated {
        /// The line.
        #[serde(flatten)]
        line: OrderLine,
        /// The batch it was on.
        batchref: BatchRef,
        /// Why.
        reason: DeallocationReason,
    },
    /// A line fits on no batch.
    OutOfStock {
        /// The line that asked, or had a place.
        #[serde(flatten)]
        line: OrderLine,
        /// Whether it is promised and waits for stock now; otherwise it is refused, and not kept.
        waiting: bool,
        /// How many pieces the line has, if it may be split: these are all, or a part.
        #[serde(skip_serializing_if = "Option::is_none")]
        line_qty: Option<Quantity>,
    },
    /// A line went to its customer.
    Shipped {
        /// The line.
        #[serde(flatten)]
        line: OrderLine,
        /// The batch it was on.
        batchref: BatchRef,
    },
    /// A line was given back.
    Cancelled {
        /// The line.
        #[serde(flatten)]
        line: OrderLine,
        /// The batch it was on; none, if it waited.
        batchref: Option<BatchRef>,
        /// Why.
        reason: CancellationReason,
    },
    /// A batch was added.
    BatchCreated {
        /// The new batch.
        batchref: BatchRef,
        /// Its SKU.
        sku: Sku,
        /// Its pieces.
        qty: Quantity,
        /// When it is expected; none for stock in the warehouse.
        eta: Option<Eta>,
    },
    /// A batch holds this many pieces now. A large shrink tells each of its steps.
    BatchQuantityChanged {
        /// The batch.
        batchref: BatchRef,
        /// Its SKU.
        sku: Sku,
        /// All its pieces, allocated or not, and those that were shipped.
        qty: u32,
    },
    /// A batch comes at another time.
    BatchEtaChanged {
        /// The batch.
        batchref: BatchRef,
        /// Its SKU.
        sku: Sku,
        /// When it is expected now; none, once it is in the warehouse.
        eta: Option<Eta>,
        /// When it was expected before.
        was: Option<Eta>,
    },
}

/// Why a line lost its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeallocationReason {
    /// Its batch turned out smaller than promised.
    Shrunk,
    /// Its batch comes later than promised, and another one does not.
    Delayed,
}

/// Why a line was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancellationReason {
    /// Somebody asked for it.
    Asked,
    /// Its order wants it no more, or with another quantity.
    Edited,
    /// It was promised for a while, and that is over.
    Expired,
}

/// Any of these reasons.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "expected shrunk, delayed, asked, edited or expired")]
enum Reason {
    Deallocation(DeallocationReason),
    Cancellation(CancellationReason),
}

/// An event as it is read. (Serde would read a tagged enum too, but could not say which field is wrong.)
#[derive(Deserialize)]
struct EventFields {
    r#type: EventType,
    orderid: Option<OrderId>,
    sku: Sku,
    qty: Option<Pieces>,
    line: Option<LineName>,
    batchref: Option<BatchRef>,
    eta: Option<Eta>,
    was: Option<Eta>,
    reason: Option<Reason>,
    waiting: Option<bool>,
    held_until: Option<Timestamp>,
    line_qty: Option<Quantity>,
}

#[derive(Clone, Copy, Deserialize)]
struct Pieces(#[serde(deserialize_with = "read_stock_level")] u32);

macro_rules! event_types {
    ($($event_type:ident on $channel:literal,)+) => {
        /// What kind of event it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        pub enum EventType {
            $(#[doc = concat!("See [`Event::", stringify!($event_type), "`].")] $event_type,)+
        }

        impl EventType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$event_type,)+];

            /// Its name, as in the events' JSON.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$event_type => stringify!($event_type),)+
                }
            }

            /// The channel on which subscribers hear of it: those of the book's own service, and more in their manner.
            #[must_use]
            pub fn channel(self) -> &'static str {
                match self {
                    $(Self::$event_type => $channel,)+
                }
            }
        }
    };
}

event_types! {
    Allocated on "line_allocated",
    Confirmed on "line_confirmed",
    HoldChanged on "line_hold_changed",
    Deallocated on "line_deallocated",
    OutOfStock on "out_of_stock",
    Shipped on "line_shipped",
    Cancelled on "line_cancelled",
    BatchCreated on "batch_created",
    BatchQuantityChanged on "batch_quantity_changed",
    BatchEtaChanged on "batch_eta_changed",
}

impl TryFrom<EventFields> for Event {
    type Error = String;

    fn try_from(fields: EventFields) -> Result<Self, String> {
        let EventFields {
            r#type,
            orderid,
            sku,
            qty,
            line: name,
            batchref,
            eta,
            was,
            reason,
            waiting,
            held_until,
            line_qty,
        } = fields;
        let pieces = || qty.map(|Pieces(pieces)| pieces).ok_or("missing field `qty`");
        let quantity = || Quantity::try_from(pieces()?).map_err(|error| format!("qty: {error}"));
        let some_batchref = || batchref.clone().ok_or("missing field `batchref`");
        let line = |sku| {
            let orderid = orderid.ok_or("missing field `orderid`")?;
            Ok::<_, String>(OrderLine { orderid, sku, qty: quantity()?, name: name.ok_or("missing field `line`")? })
        };
        Ok(match r#type {
            EventType::Allocated => {
                Self::Allocated { line: line(sku)?, batchref: some_batchref()?, eta, held_until, line_qty }
            }
            EventType::Confirmed => Self::Confirmed { line: line(sku)?, batchref, eta },
            EventType::HoldChanged => {
                let held_until = held_until.ok_or("missing field `held_until`")?;
                Self::HoldChanged { line: line(sku)?, batchref, held_until }
            }
            EventType::Deallocated => {
                let Some(Reason::Deallocation(reason)) = reason else {
                    return Err("reason: must be shrunk or delayed".to_owned());
                };
                Self::Deallocated { line: line(sku)?, batchref: some_batchref()?, reason }
            }
            EventType::OutOfStock => {
                Self::OutOfStock { line: line(sku)?, waiting: waiting.ok_or("missing field `waiting`")?, line_qty }
            }
            EventType::Shipped => Self::Shipped { line: line(sku)?, batchref: some_batchref()? },
            EventType::Cancelled => {
                let Some(Reason::Cancellation(reason)) = reason else {
                    return Err("reason: must be asked, edited or expired".to_owned());
                };
                Self::Cancelled { line: line(sku)?, batchref, reason }
            }
            EventType::BatchCreated => Self::BatchCreated { batchref: some_batchref()?, sku, qty: quantity()?, eta },
            EventType::BatchQuantityChanged => {
                Self::BatchQuantityChanged { batchref: some_batchref()?, sku, qty: pieces()? }
            }
            EventType::BatchEtaChanged => Self::BatchEtaChanged { batchref: some_batchref()?, sku, eta, was },
        })
    }
}

impl Event {
    /// What kind of event it is.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Allocated { .. } => EventType::Allocated,
            Self::Confirmed { .. } => EventType::Confirmed,
            Self::HoldChanged { .. } => EventType::HoldChanged,
            Self::Deallocated { .. } => EventType::Deallocated,
            Self::OutOfStock { .. } => EventType::OutOfStock,
            Self::Shipped { .. } => EventType::Shipped,
            Self::Cancelled { .. } => EventType::Cancelled,
            Self::BatchCreated { .. } => EventType::BatchCreated,
            Self::BatchQuantityChanged { .. } => EventType::BatchQuantityChanged,
            Self::BatchEtaChanged { .. } => EventType::BatchEtaChanged,
        }
    }

    /// The product that it happened to.
    #[must_use]
    pub fn sku(&self) -> &Sku {
        match self {
            Self::Allocated { line, .. }
            | Self::Confirmed { line, .. }
            | Self::HoldChanged { line, .. }
            | Self::Deallocated { line, .. }
            | Self::OutOfStock { line, .. }
            | Self::Shipped { line, .. }
            | Self::Cancelled { line, .. } => &line.sku,
            Self::BatchCreated { sku, .. }
            | Self::BatchQuantityChanged { sku, .. }
            | Self::BatchEtaChanged { sku, .. } => sku,
        }
    }

    /// The line that it happened to, if it is about one.
    #[must_use]
    pub fn line(&self) -> Option<&OrderLine> {
        match self {
            Self::Allocated { line, .. }
            | Self::Confirmed { line, .. }
            | Self::HoldChanged { line, .. }
            | Self::Deallocated { line, .. }
            | Self::OutOfStock { line, .. }
            | Self::Shipped { line, .. }
            | Self::Cancelled { line, .. } => Some(line),
            Self::BatchCreated { .. } | Self::BatchQuantityChanged { .. } | Self::BatchEtaChanged { .. } => None,
        }
    }

    /// The batch that it happened to, or that its line got or lost.
    #[must_use]
    pub fn batchref(&self) -> Option<&BatchRef> {
        match self {
            Self::Allocated { batchref, .. }
            | Self::Deallocated { batchref, .. }
            | Self::Shipped { batchref, .. }
            | Self::BatchCreated { batchref, .. }
            | Self::BatchQuantityChanged { batchref, .. }
            | Self::BatchEtaChanged { batchref, .. } => Some(batchref),
            Self::Cancelled { batchref, .. }
            | Self::Confirmed { batchref, .. }
            | Self::HoldChanged { batchref, .. } => batchref.as_ref(),
            Self::OutOfStock { .. } => None,
        }
    }

    /// An upper bound of the bytes that the event's own values take where events are stored.
    #[must_use]
    pub fn size(&self) -> usize {
        /// Field names, numbers, and what a store adds to each.
        const OVERHEAD: usize = 150;
        /// A time with its field name.
        const HELD_UNTIL: usize = 45;
        /// A quantity with its field name.
        const LINE_QTY: usize = 25;
        let (orderid, name) = self.line().map_or(("", ""), |line| (line.orderid.as_str(), line.name.as_str()));
        let batchref = self.batchref().map_or("", BatchRef::as_str);
        let is_held = matches!(self, Self::Allocated { held_until: Some(_), .. } | Self::HoldChanged { .. });
        let may_be_split =
            matches!(self, Self::Allocated { line_qty: Some(_), .. } | Self::OutOfStock { line_qty: Some(_), .. });
        let own = OVERHEAD.saturating_add(if is_held { HELD_UNTIL } else { 0 });
        let own = own.saturating_add(if may_be_split { LINE_QTY } else { 0 });
        [orderid, name, self.sku().as_str(), batchref].iter().fold(own, |sum, name| sum.saturating_add(name.len()))
    }
}

/// What happened, in a few words: to a person who knows the SKU.
impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocated { line, batchref, .. } => {
                write!(formatter, "{} of {} on {batchref}", line.qty, line.orderid)
            }
            Self::Confirmed { line, .. } => write!(formatter, "{} of {} confirmed", line.qty, line.orderid),
            Self::HoldChanged { line, held_until, .. } => {
                write!(formatter, "{} of {} is held until {}", line.qty, line.orderid, String::from(*held_until))
            }
            Self::Deallocated { line, batchref, .. } => {
                write!(formatter, "{} of {} off {batchref}", line.qty, line.orderid)
            }
            Self::OutOfStock { line, .. } => write!(formatter, "{} of {} out of stock", line.qty, line.orderid),
            Self::Shipped { line, batchref } => {
                write!(formatter, "{} of {} shipped from {batchref}", line.qty, line.orderid)
            }
            Self::Cancelled { line, batchref, .. } => {
                write!(formatter, "{} of {} cancelled", line.qty, line.orderid)?;
                match batchref {
                    Some(batchref) => write!(formatter, ", off {batchref}"),
                    None => Ok(()),
                }
            }
            Self::BatchCreated { batchref, qty, .. } => write!(formatter, "new {batchref} of {qty}"),
            Self::BatchQuantityChanged { batchref, qty, .. } => write!(formatter, "{batchref} holds {qty}"),
            Self::BatchEtaChanged { batchref, eta: Some(eta), .. } => write!(formatter, "{batchref} comes {eta}"),
            Self::BatchEtaChanged { batchref, eta: None, .. } => write!(formatter, "{batchref} is here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_flat_json() {
        let event = Event::Allocated {
            line: crate::examples::line("o1", 3),
            batchref: "b1".try_into().unwrap(),
            eta: Some("2011-01-31".to_owned().try_into().unwrap()),
            held_until: None,
            line_qty: None,
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"type":"Allocated","orderid":"o1","sku":"RETRO-CLOCK","qty":3,"line":"3","batchref":"b1","eta":"2011-01-31"}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn what_happened_to_a_line_is_told_with_its_name_and_why() {
        let batchref: BatchRef = "b1".try_into().unwrap();
        let line = OrderLine { name: "left".try_into().unwrap(), ..crate::examples::line("o1", 3) };
        let reason = CancellationReason::Asked;
        let told = [
            Event::Shipped { line: line.clone(), batchref: batchref.clone() },
            Event::Cancelled { line: line.clone(), batchref: Some(batchref), reason },
            Event::Cancelled { line, batchref: None, reason },
        ];
        let json: Vec<String> = told.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        let line = r#""orderid":"o1","sku":"RETRO-CLOCK","qty":3,"line":"left""#;
        let expected = [
            format!(r#"{{"type":"Shipped",{line},"batchref":"b1"}}"#),
            format!(r#"{{"type":"Cancelled",{line},"batchref":"b1","reason":"asked"}}"#),
            format!(r#"{{"type":"Cancelled",{line},"batchref":null,"reason":"asked"}}"#),
        ];
        assert_eq!(json, expected);
        let read: Vec<Event> = json.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
        assert_eq!(read, told);
        let wrong = json[1].replace("asked", "shrunk");
        assert!(
            serde_json::from_str::<Event>(&wrong)
                .unwrap_err()
                .to_string()
                .contains("reason: must be asked, edited or expired")
        );
    }

    #[test]
    fn an_event_takes_no_more_bytes_than_it_is_reckoned_with() {
        let longest = "x".repeat(255);
        let name = longest.as_str();
        let (batchref, sku): (BatchRef, Sku) = (name.try_into().unwrap(), name.try_into().unwrap());
        let qty = Quantity::try_from(u32::MAX).unwrap();
        let (orderid, name) = (name.try_into().unwrap(), name.try_into().unwrap());
        let line = OrderLine { orderid, sku: sku.clone(), qty, name };
        let eta: Option<Eta> = Some("2011-01-31".to_owned().try_into().unwrap());
        for event in [
            Event::Allocated {
                line: line.clone(),
                batchref: batchref.clone(),
                eta,
                held_until: Some(Timestamp(u64::MAX)),
                line_qty: Some(qty),
            },
            Event::Confirmed { line: line.clone(), batchref: Some(batchref.clone()), eta },
            Event::HoldChanged {
                line: line.clone(),
                batchref: Some(batchref.clone()),
                held_until: Timestamp(u64::MAX),
            },
            Event::Deallocated { line: line.clone(), batchref: batchref.clone(), reason: DeallocationReason::Shrunk },
            Event::OutOfStock { line: line.clone(), waiting: false, line_qty: Some(qty) },
            Event::Shipped { line: line.clone(), batchref: batchref.clone() },
            Event::Cancelled { line, batchref: Some(batchref.clone()), reason: CancellationReason::Asked },
            Event::BatchCreated { batchref: batchref.clone(), sku: sku.clone(), qty, eta },
            Event::BatchQuantityChanged { batchref: batchref.clone(), sku: sku.clone(), qty: u32::MAX },
            Event::BatchEtaChanged { batchref, sku, eta, was: eta },
        ] {
            let json = serde_json::to_string(&event).unwrap();
            assert!(event.size() >= json.len(), "{} bytes: {json}", json.len());
        }
    }
}
