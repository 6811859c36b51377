//! `cargo local import`: arguments, the end of it in words, and its exit code.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

use super::files::{Draft, Ending, Purpose};
use super::kind::{Kind, Reading};
use super::list::List;
use super::pace::Settings;
use super::progress::Progress;
use super::report::{Report, Reported, counted};
use super::send::{Halt, Stop};
use super::work::{WorkError, bring_in};
use super::{Checked, check};
use crate::api::{Api, Entry};

/// Some rows are not in, or would not be.
const SOME_FAILED: u8 = 1;
/// It did not come to the end of the list.
const BROKEN_OFF: u8 = 2;
/// Every row has its answer, but not every line a place.
const OUT_OF_STOCK: u8 = 3;
/// As shells say it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// How long a row is tried for. DynamoDB, Lambda and API Gateway mostly recover, or scale, sooner.
const PATIENCE: Duration = Duration::from_mins(3);

/// Brings in a list: a CSV of batches (columns ref, sku, qty, eta), or with `--lines` of order lines (orderid, sku, qty,
/// line).
///
/// Each row is one request. A row that is in already is not added again, so a list that was stopped, or had rows that
/// failed, is simply brought in again. Rows that fail are written to a list of their own, with the reason: mend it and bring
/// that in.
///
/// Ends with 0 if every row is in; 1 if some failed; 2 if it could not come to the end of the list; 3 if all lines were
/// answered, but some are out of stock; 130 if it was stopped. See docs/import.md.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The list; - for standard input
    list: PathBuf,

    /// The API's address: the stack's output `ApiUrl`, or what `cargo local` prints
    #[arg(long, value_name = "URL", required_unless_present = "check")]
    api: Option<String>,

    #[command(flatten)]
    entry: Entry,

    /// The rows are order lines, and not batches
    #[arg(long)]
    lines: bool,

    /// Read all of the list and tell what is wrong with it; send nothing and write nothing
    #[arg(long)]
    check: bool,

    /// What stands between fields: one character, or `tab`
    #[arg(long, default_value = ",", value_name = "CHARACTER", value_parser = separator)]
    separator: u8,

    /// Where to write the rows that failed [default: LIST.failed.csv]
    #[arg(long, value_name = "FILE")]
    failed: Option<PathBuf>,

    /// Where to write all lines, each with its answer [default: LIST.answers.csv]
    #[arg(long, value_name = "FILE", requires = "lines")]
    output: Option<PathBuf>,

    /// Requests under way at a time, at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    at_once: u16,

    /// Requests a second, at most [default: as many as the API takes]
    #[arg(long, value_name = "REQUESTS", value_parser = rate)]
    rate: Option<f64>,
}

fn separator(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if matches!(text, "tab" | "\\t") => Ok(b'\t'),
        [byte] if byte.is_ascii_punctuation() && *byte != b'"' || *byte == b'\t' => Ok(*byte),
        _ => Err("expected one character such as ; or |, or the word tab".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0.01 to 100000".to_owned()),
    }
}

/// Brings the list in, and tells how that went.
pub async fn run(arguments: Arguments) -> ExitCode {
    match carry_out(&arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(BROKEN_OFF)
        }
    }
}

impl Arguments {
    fn kind(&self) -> Kind {
        if self.lines { Kind::Lines } else { Kind::Batches }
    }

    /// The list's path, if it has one.
    fn path(&self) -> Option<&Path> {
        (self.list.as_os_str() != "-").then_some(self.list.as_path())
    }

    fn name(&self) -> String {
        self.path().map_or("standard input".to_owned(), |path| path.display().to_string())
    }

    fn settings(&self) -> Settings {
        Settings {
            at_once: self.at_once.into(),
            rate: self.rate,
            patience: PATIENCE,
            backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(20),
            chance,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "spreads tries of one process, which nobody repeats")]
fn chance() -> f64 {
    fastrand::f64()
}

async fn carry_out(arguments: &Arguments) -> Result<ExitCode> {
    let (file, source): (Option<File>, Box<dyn Read + Send>) = match arguments.path() {
        Some(path) => {
            let opening = || format!("opening {}", path.display());
            let file = File::open(path).with_context(opening)?;
            let source = file.try_clone().with_context(opening)?;
            (Some(file), Box::new(source))
        }
        None => (None, Box::new(std::io::stdin())),
    };
    let (kind, separator) = (arguments.kind(), arguments.separator);
    let reading = || format!("reading {}", arguments.name());
    let list = List::open(source, separator, kind.columns()).with_context(reading)?;
    let rows = Reading::of(kind, list.header(), separator).with_context(reading)?;
    if arguments.check {
        return check_only(list, &rows, arguments);
    }
    let report = begin_report(arguments, &list, file.as_ref())?;
    send(arguments, list, rows, report).await
}

fn check_only(mut list: List<impl Read>, rows: &Reading, arguments: &Arguments) -> Result<ExitCode> {
    let checked = check(&mut list, rows, arguments.kind(), |line| eprintln!("{line}"));
    let Checked { rows, wrong, repeated } = checked.with_context(|| format!("reading {}", arguments.name()))?;
    println!(
        "{}: {} can be sent, {wrong} would fail, {repeated} repeat an earlier row",
        counted(rows),
        rows.saturating_sub(wrong)
    );
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_FAILED) })
}

fn begin_report(arguments: &Arguments, list: &List<impl Read>, file: Option<&File>) -> Result<Report> {
    let place =
        |purpose: Purpose, named: Option<&PathBuf>| named.cloned().unwrap_or_else(|| purpose.beside(arguments.path()));
    let of_failed = place(Purpose::Failed, arguments.failed.as_ref());
    let of_answers = place(Purpose::Answers, arguments.output.as_ref());
    ensure!(of_failed != of_answers, "--failed and --output both name {}: name two files", of_failed.display());
    let begin = |purpose, place: &Path| Draft::begin(purpose, place, file, arguments.separator, list.header());
    let failed = begin(Purpose::Failed, &of_failed).context("use --failed FILE")?;
    let is_shared = arguments.failed.is_some() || arguments.path().is_none();
    let failed = if is_shared { failed.in_a_shared_place() } else { failed };
    let answers = match arguments.kind() {
        Kind::Batches => None,
        Kind::Lines => Some(begin(Purpose::Answers, &of_answers).context("use --output FILE")?),
    };
    let metadata = file.and_then(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file);
    Ok(Report::new(Some(failed), answers, Progress::on_stderr(metadata.map(|metadata| metadata.len()))))
}

async fn send<R: Read + Send + 'static>(
    arguments: &Arguments,
    list: List<R>,
    rows: Reading,
    mut report: Report,
) -> Result<ExitCode> {
    let halt = Arc::new(Halt::default());
    let worked = match Api::connect(arguments.api.as_deref().unwrap_or_default(), &arguments.entry).await {
        Ok(api) => {
            stop_on_signal(&halt)?;
            let how = (arguments.kind(), api, arguments.settings());
            bring_in(list, rows, how, &halt, &mut report).await.map_err(anyhow::Error::new)
        }
        Err(error) => Err(error.into()),
    };
    let is_whole = worked.is_ok() && halt.reason().is_none();
    let reported = report.finish(if is_whole { Ending::Whole } else { Ending::BrokenOff })?;
    tell(&reported, arguments.kind());
    if let Err(error) = worked {
        let reads = error.downcast_ref::<WorkError>().is_some_and(|error| matches!(error, WorkError::List(_)));
        return Err(if reads { error.context(format!("reading {}", arguments.name())) } else { error });
    }
    end(&reported, halt.reason())
}

/// The first signal lets what is under way come to its end, a second one does not.
fn stop_on_signal(halt: &Arc<Halt>) -> Result<()> {
    let listening = "listening for signals";
    let mut interrupt = signal(SignalKind::interrupt()).context(listening)?;
    let mut terminate = signal(SignalKind::terminate()).context(listening)?;
    let halt = Arc::clone(halt);
    tokio::spawn(async move {
        let mut any = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        any().await;
        halt.because(Stop::Interrupted);
        eprintln!("stopping when the requests under way are answered; Ctrl-C again: at once");
        any().await;
        std::process::exit(INTERRUPTED.into());
    });
    Ok(())
}

fn tell(reported: &Reported, kind: Kind) {
    let Reported { tally, failed, answers, took } = reported;
    if tally.rows > 0 {
        println!("{}", tally.told(kind, *took));
    }
    if let Some(answers) = answers {
        println!("each line with its answer: {}", answers.display());
    }
    if let Some(failed) = failed {
        println!("rows that failed: {}. Mend them there, and bring that list in", failed.display());
    }
}

fn end(reported: &Reported, stopped: Option<Stop>) -> Result<ExitCode> {
    let tally = &reported.tally;
    Ok(match stopped {
        Some(Stop::Interrupted) => {
            println!("{}", stopped_after(tally.rows));
            ExitCode::from(INTERRUPTED)
        }
        Some(Stop::Hopeless(reason)) if tally.rows == 0 => bail!(reason),
        Some(Stop::Hopeless(reason)) => bail!("{reason}\n{}", stopped_after(tally.rows)),
        None if tally.failed > 0 => ExitCode::from(SOME_FAILED),
        None if tally.out_of_stock > 0 => ExitCode::from(OUT_OF_STOCK),
        None => {
            if tally.rows == 0 {
                println!("the list has no rows");
            }
            ExitCode::SUCCESS
        }
    })
}

fn stopped_after(rows: u64) -> String {
    format!("stopped after {}. Bring the same list in again: what is in stays as it is", counted(rows))
}
