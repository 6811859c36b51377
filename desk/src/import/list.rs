//! A list as a file: its header, and its rows one by one. Nothing here knows what a row asks for.
//!
//! Of a file of any size, one row is in memory, and that is bounded.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

/// Most bytes of one row. Far more than any that the API would take: what is longer is a quote that nobody closed.
const ROW_BYTES: u64 = 1024 * 1024;

/// The byte order mark of UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Columns that an import writes behind those of a list, which a list that comes back has already.
pub(super) const WRITTEN: [&[&str]; 2] = [&["field", "reason"], &["result", "batchref", "message"]];

/// Why a list can't be read, or not any further.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each says itself what it means")]
pub enum ListError {
    #[error("the list can't be read")]
    Read(#[source] io::Error),
    #[error("the list is empty: its first line must name the columns ({0})")]
    Empty(String),
    #[error("the list is UTF-16: save it as CSV in UTF-8")]
    Utf16,
    #[error("the list is no text: it must be CSV, not a spreadsheet's own format")]
    Binary,
    #[error("the list has no column {missing:?}. Its first line must name {expected}, and names {found}{hint}")]
    Missing { missing: &'static str, expected: &'static str, found: String, hint: String },
    #[error("the list has more than one column {doubled:?}; its first line names {found}")]
    Doubled { doubled: &'static str, found: String },
    #[error("the row that begins in line {line} has more than {ROW_BYTES} bytes: is there a quote that is not closed?")]
    LongRow { line: u64 },
}

/// A row, as it stands in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line of the file in which it begins, counted from 1.
    pub line: u64,
    /// How many bytes of the file are read with it.
    pub read: u64,
    /// Its fields, without those that an import wrote behind them.
    pub fields: ByteRecord,
    /// Whether they are more than the header names, or fewer.
    pub is_ragged: bool,
}

/// The first line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The columns, without those that an import wrote behind them.
    pub columns: ByteRecord,
    /// How many columns of an import's own follow them.
    written: usize,
    /// Whether a byte order mark stands before them, by which spreadsheets know UTF-8.
    pub has_mark: bool,
}

impl Header {
    /// Where the column of this name is: blanks around it and the case of its letters don't count.
    ///
    /// # Errors
    /// When there are two.
    pub(super) fn position(&self, name: &'static str) -> Result<Option<usize>, ListError> {
        let is_it = |(_, column): &(usize, &[u8])| is_column(column, name);
        let mut found = self.columns.iter().enumerate().filter(is_it).map(|(position, _)| position);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(ListError::Doubled { doubled: name, found: self.shown() }),
            (position, None) => Ok(position),
        }
    }

    /// The error that a column is not there.
    pub(super) fn without(&self, missing: &'static str, expected: &'static str, separator: u8) -> ListError {
        let hint = self.likely_separator(separator);
        let hint =
            hint.map_or(String::new(), |other| format!(". Is its separator another one? Try --separator '{other}'"));
        let is_one_line = self.columns.as_slice().contains(&b'\r');
        let hint =
            if is_one_line { ". Its lines have no line feeds: save it with other line ends".to_owned() } else { hint };
        ListError::Missing { missing, expected, found: self.shown(), hint }
    }

    fn likely_separator(&self, separator: u8) -> Option<&'static str> {
        let only = self.columns.get(0).filter(|_| self.columns.len() == 1)?;
        let others = [(b';', ";"), (b'\t', "tab"), (b',', ","), (b'|', "|")];
        others.into_iter().find(|(byte, _)| *byte != separator && only.contains(byte)).map(|(_, shown)| shown)
    }

    fn shown(&self) -> String {
        const SHOWN: usize = 20;
        let shown = self.columns.iter().take(SHOWN).map(|column| {
            let column: String = String::from_utf8_lossy(column).chars().take(60).collect();
            format!("{column:?}")
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        if self.columns.len() > SHOWN { format!("{shown}, ..") } else { shown }
    }
}

fn is_column(column: &[u8], name: &str) -> bool {
    std::str::from_utf8(column).is_ok_and(|column| column.trim().eq_ignore_ascii_case(name))
}

/// A list that is being read.
pub struct List<R> {
    reader: Reader<Bounded<R>>,
    seen: Arc<Seen>,
    header: Header,
    record: ByteRecord,
}

impl<R: Read> List<R> {
    /// Reads the header. `expected` are the columns to name where there is none.
    ///
    /// # Errors
    /// When it is not the text of a list.
    pub fn open(source: R, separator: u8, expected: &str) -> Result<Self, ListError> {
        let seen = Arc::new(Seen::default());
        let source = Bounded { source, seen: Arc::clone(&seen) };
        // The library counts lines by their feeds, and would take a return for an end of its own.
        let reader = ReaderBuilder::new()
            .delimiter(separator)
            .terminator(Terminator::Any(b'\n'))
            .has_headers(false)
            .flexible(true)
            .from_reader(source);
        let header = Header { columns: ByteRecord::new(), written: 0, has_mark: false };
        let mut list = Self { reader, seen, header, record: ByteRecord::new() };
        let first = list.next_row()?.ok_or_else(|| ListError::Empty(expected.to_owned()))?.fields;
        if first.as_slice().starts_with(b"\xff\xfe") || first.as_slice().starts_with(b"\xfe\xff") {
            return Err(ListError::Utf16);
        }
        if first.as_slice().contains(&0) {
            return Err(ListError::Binary);
        }
        let written = written_behind(&first);
        let kept = first.len().saturating_sub(written);
        let has_mark = list.seen.has_mark.load(Ordering::Relaxed);
        list.header = Header { columns: first.iter().take(kept).collect(), written, has_mark };
        Ok(list)
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next row that has any text; lines without are passed over.
    ///
    /// # Errors
    /// When there is no telling where it ends, or what follows.
    pub fn next_row(&mut self) -> Result<Option<Row>, ListError> {
        loop {
            let begins = self.reader.position().line();
            self.seen.begin_row();
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => return Err(failure(error, begins)),
            }
            if !self.record.iter().all(|field| field.trim_ascii().is_empty()) {
                return Ok(Some(self.row()));
            }
        }
    }

    fn row(&self) -> Row {
        let (after, record) = (self.reader.position(), &self.record);
        let inside = record.as_slice().split(|byte| *byte == b'\n').count().saturating_sub(1);
        let ended = u64::from(self.seen.ended_with_its_line(after.byte()));
        let line = after.line().saturating_sub(ended).saturating_sub(inside.try_into().unwrap_or(u64::MAX));
        let last = record.len().saturating_sub(1);
        let fields = record.iter().enumerate().map(|(position, field)| {
            // The return that stands before a line feed.
            if position == last { field.strip_suffix(b"\r").unwrap_or(field) } else { field }
        });
        let (columns, written) = (self.header.columns.len(), self.header.written);
        // What an import wrote behind a row is left out, and may have been taken off by whoever mended it.
        let kept = match record.len() {
            all if all > columns.saturating_add(written) => all.saturating_sub(written),
            all => all.min(columns),
        };
        Row { line, read: after.byte(), fields: fields.take(kept).collect(), is_ragged: kept != columns }
    }
}

fn failure(error: csv::Error, begins: u64) -> ListError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => ListError::LongRow { line: begins },
        csv::ErrorKind::Io(error) => ListError::Read(error),
        other => ListError::Read(io::Error::other(format!("{other:?}"))),
    }
}

/// How many columns at the end are an import's own.
fn written_behind(columns: &ByteRecord) -> usize {
    let ends_with = |names: &&&[&str]| {
        let before = columns.len().checked_sub(names.len());
        before.is_some_and(|before| {
            columns.iter().skip(before).zip(names.iter()).all(|(have, name)| have == name.as_bytes())
        })
    };
    WRITTEN.iter().find(ends_with).map_or(0, |names| names.len())
}

/// What is known of a source beside what the library tells.
#[derive(Debug, Default)]
struct Seen {
    bytes: AtomicU64,
    of_row: AtomicU64,
    last: AtomicU64,
    is_over: AtomicBool,
    has_mark: AtomicBool,
}

impl Seen {
    fn begin_row(&self) {
        self.of_row.store(0, Ordering::Relaxed);
    }

    /// Whether what was read up to here ends with a line feed; only the end of a file may lack it.
    fn ended_with_its_line(&self, position: u64) -> bool {
        let is_end = self.is_over.load(Ordering::Relaxed) && self.bytes.load(Ordering::Relaxed) == position;
        !is_end || self.last.load(Ordering::Relaxed) == u64::from(b'\n')
    }
}

/// A source that ends a row which has no end.
struct Bounded<R> {
    source: R,
    seen: Arc<Seen>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let seen = &self.seen;
        if seen.of_row.load(Ordering::Relaxed) > ROW_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.source.read(buffer)?;
        match buffer.get(..read).and_then(<[u8]>::last) {
            Some(last) => seen.last.store(u64::from(*last), Ordering::Relaxed),
            None => seen.is_over.store(true, Ordering::Relaxed),
        }
        if seen.bytes.load(Ordering::Relaxed) == 0 && buffer.starts_with(MARK) {
            seen.has_mark.store(true, Ordering::Relaxed);
        }
        let read_now = u64::try_from(read).unwrap_or(u64::MAX);
        seen.bytes.fetch_add(read_now, Ordering::Relaxed);
        seen.of_row.fetch_add(read_now, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<List<&[u8]>, ListError> {
        List::open(text.as_bytes(), b',', "ref, sku")
    }

    /// Line, fields and whether it is ragged, of each row.
    fn rows(text: &str) -> Vec<(u64, Vec<String>, bool)> {
        let (mut list, mut rows) = (open(text).unwrap(), Vec::new());
        while let Some(row) = list.next_row().unwrap() {
            let fields = row.fields.iter().map(|field| String::from_utf8_lossy(field).into_owned());
            rows.push((row.line, fields.collect(), row.is_ragged));
        }
        rows
    }

    fn row(line: u64, fields: &[&str]) -> (u64, Vec<String>, bool) {
        (line, fields.iter().map(|&field| field.to_owned()).collect(), false)
    }

    #[test]
    fn a_row_is_told_by_the_line_in_which_it_begins() {
        let text = "ref,sku\n\n\nb1,\"two\nlines\"\nb2,S\n,\n  \nb3,\"x, \"\"y\"\"\"\n";
        let expected = [row(4, &["b1", "two\nlines"]), row(6, &["b2", "S"]), row(9, &["b3", "x, \"y\""])];
        assert_eq!(rows(text), expected);
        let crlf = text.replace('\n', "\r\n");
        let expected = [row(4, &["b1", "two\r\nlines"]), row(6, &["b2", "S"]), row(9, &["b3", "x, \"y\""])];
        assert_eq!(rows(&crlf), expected);
        assert_eq!(rows("ref,sku\nb1,\"a\nb\""), [row(2, &["b1", "a\nb"])], "without a feed at the end");
        assert_eq!(rows("ref,sku\r\nb1,S"), [row(2, &["b1", "S"])]);
    }

    #[test]
    fn columns_are_found_by_name_whatever_their_case_and_a_byte_order_mark_is_none_of_it() {
        let list = open("\u{feff} Ref ,SKU,note\nb1,S,x\n").unwrap();
        let at = |name| list.header().position(name).unwrap();
        assert_eq!((at("ref"), at("sku"), at("eta")), (Some(0), Some(1), None));
        let doubled = open("sku,Sku\n").unwrap().header().position("sku").unwrap_err().to_string();
        assert_eq!(doubled, "the list has more than one column \"sku\"; its first line names \"sku\", \"Sku\"");
        let missing = open("ref;sku;qty\n").unwrap().header().without("ref", "ref, sku", b',').to_string();
        let expected = "the list has no column \"ref\". Its first line must name ref, sku, and names \"ref;sku;qty\". Is its \
                        separator another one? Try --separator ';'";
        let old = open("ref,sku\rb1,S\r").unwrap().header().without("qty", "qty", b',').to_string();
        assert!(old.ends_with("Its lines have no line feeds: save it with other line ends"), "{old}");
        assert_eq!(missing, expected);
    }

    #[test]
    fn what_an_import_wrote_behind_a_row_is_no_part_of_it() {
        let text = "ref,sku,field,reason\nb1,S,sku,wrong\nb2,S\nb3,S,,\nb4\nb5,S,more,sku,wrong\n";
        let expected = [
            row(2, &["b1", "S"]),
            row(3, &["b2", "S"]),
            row(4, &["b3", "S"]),
            (5, vec!["b4".to_owned()], true),
            (6, vec!["b5".to_owned(), "S".to_owned(), "more".to_owned()], true),
        ];
        assert_eq!(rows(text), expected);
        assert_eq!(open(text).unwrap().header().columns, ByteRecord::from(vec!["ref", "sku"]));
        assert_eq!(rows("ref,reason,sku\nb1,why,S\n"), [row(2, &["b1", "why", "S"])], "a column of the list's own");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let refused = |bytes: &[u8]| match List::open(bytes, b',', "ref, sku") {
            Ok(_) => panic!("{bytes:?}"),
            Err(error) => error.to_string(),
        };
        assert!(refused(b"").contains("is empty: its first line must name the columns (ref, sku)"));
        assert!(refused(b"\n\r\n").contains("is empty"));
        assert!(refused(b"\xff\xfer\0e\0f\0").contains("UTF-16"));
        assert!(refused(b"PK\x03\x04\0\0").contains("is no text"));
        let endless = format!("ref,sku\nb1,S\nb2,\"{}", "x,y\n".repeat(1_000_000));
        let mut list = open(&endless).unwrap();
        assert!(list.next_row().unwrap().is_some());
        let error = list.next_row().unwrap_err().to_string();
        assert!(error.starts_with("the row that begins in line 3 has more than"), "{error}");
    }
}
