//! What the rows of a list are to the API: batches, or order lines. Pure: a row comes in, a request comes out.
//!
//! A row is read as the API reads a body, by the same types, so what is refused here would be refused there.

use std::hash::{BuildHasher as _, RandomState};

use adapters::json::read_object;
use csv::ByteRecord;
use domain::{NewBatch, OrderLine};
use serde_json::{Map, Value};

use super::list::{Header, ListError, Row};

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Each row is a batch, as of `POST /batches`.
    Batches,
    /// Each row is a line of an order, as of `POST /allocate`.
    Lines,
}

/// Whether a list must have a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Must,
    May,
}

impl Kind {
    /// The API's path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Batches => "/batches",
            Self::Lines => "/allocate",
        }
    }

    /// The columns, for a person.
    #[must_use]
    pub fn columns(self) -> &'static str {
        match self {
            Self::Batches => "ref, sku, qty, eta",
            Self::Lines => "orderid, sku, qty, line",
        }
    }

    fn fields(self) -> [(&'static str, Need); 4] {
        match self {
            Self::Batches => [("ref", Need::Must), ("sku", Need::Must), ("qty", Need::Must), ("eta", Need::May)],
            Self::Lines => [("orderid", Need::Must), ("sku", Need::Must), ("qty", Need::Must), ("line", Need::May)],
        }
    }
}

/// Why a row is not in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The column at fault, if one is.
    pub field: Option<String>,
    /// What is wrong, for a person.
    pub reason: String,
}

impl Failure {
    pub(super) fn of(reason: impl Into<String>) -> Self {
        Self { field: None, reason: reason.into() }
    }
}

/// What a row asks of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The request's body.
    pub body: Vec<u8>,
    /// A hash of what names the batch or the line.
    pub name: u64,
    /// A hash of all that is asked for.
    pub whole: u64,
}

/// Reads rows of one list.
pub struct Reading {
    kind: Kind,
    columns: usize,
    positions: Vec<(&'static str, usize)>,
    hasher: RandomState,
}

impl Reading {
    /// Finds the columns.
    ///
    /// # Errors
    /// When one is missing, or there twice.
    pub fn of(kind: Kind, header: &Header, separator: u8) -> Result<Self, ListError> {
        let mut positions = Vec::new();
        for (name, need) in kind.fields() {
            match (header.position(name)?, need) {
                (Some(position), _) => positions.push((name, position)),
                (None, Need::Must) => return Err(header.without(name, kind.columns(), separator)),
                (None, Need::May) => {}
            }
        }
        Ok(Self { kind, columns: header.columns.len(), positions, hasher: RandomState::new() })
    }

    /// What a row asks for.
    ///
    /// # Errors
    /// When the API would refuse it whatever it knows.
    pub fn wish(&self, row: &Row) -> Result<Wish, Failure> {
        if row.is_ragged {
            let (has, columns) = (row.fields.len(), self.columns);
            return Err(Failure::of(format!("the row has {has} fields, and the list's first line {columns}")));
        }
        let body = self.body(&row.fields)?;
        let (name, whole) = match self.kind {
            Kind::Batches => {
                let batch: NewBatch = read(&body)?;
                (self.hasher.hash_one((&batch.reference, &batch.sku)), self.hasher.hash_one((batch.qty, batch.eta)))
            }
            Kind::Lines => {
                let line: OrderLine = read(&body)?;
                (self.hasher.hash_one(line.id()), self.hasher.hash_one(line.qty))
            }
        };
        Ok(Wish { body, name, whole })
    }

    fn body(&self, fields: &ByteRecord) -> Result<Vec<u8>, Failure> {
        let mut object = Map::new();
        for (name, position) in &self.positions {
            let field = fields.get(*position).unwrap_or_default();
            let text = std::str::from_utf8(field).map_err(|_| Failure {
                field: Some((*name).to_owned()),
                reason: "must be UTF-8: save the list as CSV in UTF-8".to_owned(),
            })?;
            // An empty field is one that is not there, where it need not be.
            if !(text.is_empty() && matches!(*name, "eta" | "line")) {
                object.insert((*name).to_owned(), Value::from(text));
            }
        }
        serde_json::to_vec(&object).map_err(|error| Failure::of(error.to_string()))
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    read_object(body).map_err(|error| {
        let (field, text) = (error.field().map(std::borrow::Cow::into_owned), error.to_string());
        let within = field.as_deref().and_then(|field| text.strip_prefix(field)?.strip_prefix(": "));
        let reason = within.unwrap_or(&text).to_owned();
        Failure { field, reason }
    })
}

#[cfg(test)]
mod tests {
    use super::super::list::List;
    use super::*;

    /// What each row of a list asks for, or its field and reason.
    fn wishes(kind: Kind, text: &str) -> Vec<Result<String, (String, String)>> {
        let mut list = List::open(text.as_bytes(), b',', kind.columns()).unwrap();
        let reading = Reading::of(kind, list.header(), b',').unwrap();
        let mut wishes = Vec::new();
        while let Some(row) = list.next_row().unwrap() {
            let wish = reading.wish(&row).map(|wish| String::from_utf8(wish.body).unwrap());
            wishes.push(wish.map_err(|failure| (failure.field.unwrap_or_default(), failure.reason)));
        }
        wishes
    }

    #[test]
    fn a_row_is_a_body_of_the_api() {
        let found = wishes(Kind::Batches, "note,eta,QTY,sku,ref\nx,2031-02-01,10,S,b1\nx,,5,\"S, \"\"x\"\"\",b2\n");
        let first = r#"{"eta":"2031-02-01","qty":"10","ref":"b1","sku":"S"}"#;
        assert_eq!(found, [Ok(first.to_owned()), Ok(r#"{"qty":"5","ref":"b2","sku":"S, \"x\""}"#.to_owned())]);
        let found = wishes(Kind::Lines, "orderid,sku,qty,line\no1,S,3,a\no1,S,3,\n");
        let (named, unnamed) =
            (r#"{"line":"a","orderid":"o1","qty":"3","sku":"S"}"#, r#"{"orderid":"o1","qty":"3","sku":"S"}"#);
        assert_eq!(found, [Ok(named.to_owned()), Ok(unnamed.to_owned())]);
    }

    #[test]
    fn what_the_api_would_refuse_is_told_with_its_field() {
        let reason = |row: &str| {
            let text = format!("ref,sku,qty,eta\n{row}\n");
            wishes(Kind::Batches, &text).pop().unwrap().unwrap_err()
        };
        let is = |row: &str, field: &str, expected: &str| {
            let (told, why) = reason(row);
            assert!(told == field && why.contains(expected), "{row}: {told}: {why}");
        };
        is("b1,S,1e1,", "qty", "invalid value: string \"1e1\", expected a whole number");
        is("b1,S,,", "qty", "expected a whole number");
        is("b1,S,-1,", "qty", "expected a whole number");
        is(",S,1,", "ref", "must not be empty");
        is("b1, S,1,", "sku", "must not begin or end with a blank");
        is("b1,S,1,31.1.2031", "eta", "must be a date such as 2011-01-31");
        is("b1,\"S\nT\",1,", "sku", "control characters");
        is("b1,S,1", "", "the row has 3 fields, and the list's first line 4");
        is("b1,S,1,,x", "", "the row has 5 fields");
        is(&format!("{},S,1,", "x".repeat(256)), "ref", "at most 255 characters");
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_field() {
        let mut list = List::open(&b"ref,sku,qty\nb1,M\xf6bel,1\n"[..], b',', "").unwrap();
        let reading = Reading::of(Kind::Batches, list.header(), b',').unwrap();
        let failure = reading.wish(&list.next_row().unwrap().unwrap()).unwrap_err();
        assert_eq!((failure.field.as_deref(), failure.reason.starts_with("must be UTF-8")), (Some("sku"), true));
    }

    #[test]
    fn a_line_without_a_name_is_named_by_its_quantity() {
        let mut list = List::open(&b"orderid,sku,qty,line\no1,S,3,\no1,S,3,3\no1,S,4,\n"[..], b',', "").unwrap();
        let reading = Reading::of(Kind::Lines, list.header(), b',').unwrap();
        let mut next = || reading.wish(&list.next_row().unwrap().unwrap()).unwrap().name;
        let (unnamed, named, other) = (next(), next(), next());
        assert_eq!(unnamed, named);
        assert_ne!(unnamed, other);
    }

    #[test]
    fn a_list_must_have_its_columns() {
        let refused = |kind: Kind, text: &str| {
            let list = List::open(text.as_bytes(), b',', kind.columns()).unwrap();
            Reading::of(kind, list.header(), b',').err().map(|error| error.to_string())
        };
        assert_eq!(refused(Kind::Batches, "qty,sku,ref\n"), None);
        let missing = "the list has no column \"orderid\". Its first line must name orderid, sku, qty, line, and names \"ref\", \
                       \"sku\", \"qty\"";
        assert_eq!(refused(Kind::Lines, "ref,sku,qty\n").as_deref(), Some(missing));
        assert!(refused(Kind::Batches, "ref,sku,qty,eta,ETA\n").unwrap().contains("more than one column \"eta\""));
        assert_eq!(refused(Kind::Batches, "ref,sku,qty,x,x\n"), None, "what is not asked for may be there twice");
    }
}
