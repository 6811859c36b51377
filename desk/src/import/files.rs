//! The lists that an import writes: rows of its own list, with what became of them behind.
//!
//! A list is written beside its place, a row at a time, and put there at the end: so whatever lay there can be the list
//! that is being read, and what is there is whole. Whoever is killed leaves the other file, with all rows that were told.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder, Writer, WriterBuilder};

use super::list::{Header, MARK, Row};

/// Why a list can't be written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each says itself what it means")]
pub enum WriteError {
    #[error("{0} is the list that is being read: name another file")]
    IsInput(PathBuf),
    #[error("{place} is there already, and no import wrote it (its columns don't end in {columns}): name another file")]
    IsForeign { place: PathBuf, columns: String },
    #[error("{0} can't be written")]
    Write(PathBuf, #[source] io::Error),
}

/// What a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Rows that failed, to be mended and brought in.
    Failed,
    /// Lines, each with its answer.
    Answers,
}

impl Purpose {
    /// The columns behind those of the list.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Failed => &["field", "reason"],
            Self::Answers => &["result", "batchref", "message"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Answers => "answers",
        }
    }

    /// Where it is written unless told: `stock.failed.csv` beside `stock.csv`, and `import.failed.csv` here for what comes
    /// from standard input.
    #[must_use]
    pub fn beside(self, list: Option<&Path>) -> PathBuf {
        let list = list.unwrap_or(Path::new("import.csv"));
        let mut name = list.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{}.", self.name()));
        name.push(list.extension().unwrap_or("csv".as_ref()));
        list.with_file_name(name)
    }
}

/// How much of the list was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it.
    Whole,
    /// Its beginning.
    BrokenOff,
}

/// A list that is being written.
pub struct Draft {
    purpose: Purpose,
    place: PathBuf,
    part: PathBuf,
    writer: Writer<File>,
    columns: usize,
    rows: u64,
    earlier: Earlier,
}

/// What becomes of the list of failed rows that lies in the place, if none failed this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earlier {
    /// It is of the same list, and outdated.
    Goes,
    /// It may be of another list.
    Stays,
}

impl Draft {
    /// Begins a list for `place`, with the header of the list that is read and the columns of its purpose. `input` is the
    /// file that is read, if it is one.
    ///
    /// # Errors
    /// When something lies there that no import wrote, or nothing can be written there.
    pub fn begin(
        purpose: Purpose,
        place: &Path,
        input: Option<&File>,
        separator: u8,
        header: &Header,
    ) -> Result<Self, WriteError> {
        let mut name: OsString = place.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        for path in [place, &part] {
            if is_same(path, input).map_err(|error| WriteError::Write(path.to_owned(), error))? {
                return Err(WriteError::IsInput(path.to_owned()));
            }
        }
        let columns = purpose.columns();
        for path in [place, &part] {
            if !may_replace(path, separator, columns) {
                return Err(WriteError::IsForeign { place: path.to_owned(), columns: columns.join(", ") });
            }
        }
        let failed = |error: io::Error| WriteError::Write(part.clone(), error);
        let mut file = File::create(&part).map_err(failed)?;
        if header.has_mark {
            file.write_all(MARK).map_err(failed)?;
        }
        let writer = WriterBuilder::new().delimiter(separator).flexible(true).from_writer(file);
        let (place, own) = (place.to_owned(), header.columns.len());
        let mut begun = Self { purpose, place, part, writer, columns: own, rows: 0, earlier: Earlier::Goes };
        begun.put(header.columns.iter().chain(columns.iter().map(|column| column.as_bytes())))?;
        Ok(begun)
    }

    /// The same for a place where lists of failed rows of several lists may come to lie.
    #[must_use]
    pub fn in_a_shared_place(self) -> Self {
        Self { earlier: Earlier::Stays, ..self }
    }

    /// Adds a row with what became of it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&mut self, row: &Row, told: &[&str]) -> Result<(), WriteError> {
        self.rows = self.rows.saturating_add(1);
        let fields = row.fields.iter();
        let told = told.iter().map(|field| field.as_bytes());
        let lacks = self.columns.saturating_sub(row.fields.len());
        match self.purpose {
            // Filled up, a row that lacks fields would be another row, and maybe one that is taken.
            Purpose::Failed if lacks > 0 => self.put(fields),
            Purpose::Failed | Purpose::Answers => {
                self.put(fields.chain(std::iter::repeat_n(&b""[..], lacks)).chain(told))
            }
        }
    }

    fn put<'a>(&mut self, fields: impl Iterator<Item = &'a [u8]>) -> Result<(), WriteError> {
        let record: ByteRecord = fields.collect();
        let put = self.writer.write_byte_record(&record).map_err(io::Error::from);
        // At once, so that a list of any length ends with a whole row whenever this ends.
        put.and_then(|()| self.writer.flush()).map_err(|error| WriteError::Write(self.part.clone(), error))
    }

    /// Puts the list in its place, if it has rows; else there is none. If no row of a whole list failed, those that failed
    /// before are in, and their list goes.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn finish(self, ending: Ending) -> Result<Option<PathBuf>, WriteError> {
        let Self { purpose, place, part, writer, rows, earlier, .. } = self;
        drop(writer);
        let done = if rows > 0 {
            std::fs::rename(&part, &place)
        } else {
            let is_of_this_list = purpose == Purpose::Failed && earlier == Earlier::Goes;
            let outdated = ending == Ending::Whole && is_of_this_list && place.exists();
            let removed = if outdated { std::fs::remove_file(&place) } else { Ok(()) };
            removed.and_then(|()| std::fs::remove_file(&part))
        };
        done.map_err(|error| WriteError::Write(place.clone(), error))?;
        Ok((rows > 0).then_some(place))
    }
}

fn is_same(path: &Path, input: Option<&File>) -> io::Result<bool> {
    let (Some(input), Ok(there)) = (input, path.metadata()) else { return Ok(false) };
    let input = input.metadata()?;
    Ok((there.dev(), there.ino()) == (input.dev(), input.ino()))
}

/// Whether nothing lies there, or what an import wrote.
fn may_replace(place: &Path, separator: u8, columns: &[&str]) -> bool {
    let Ok(metadata) = place.metadata() else { return true };
    if !metadata.is_file() {
        return false;
    }
    let Ok(mut reader) = ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_path(place)
    else {
        return false;
    };
    let mut first = ByteRecord::new();
    let is_read = reader.read_byte_record(&mut first).unwrap_or(false);
    let from = first.len().checked_sub(columns.len());
    let ends = |from| first.iter().skip(from).zip(columns).all(|(have, column)| have == column.as_bytes());
    metadata.len() == 0 || is_read && from.is_some_and(ends)
}
