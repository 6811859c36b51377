//! Each function and its floor, turn by turn, so that whatever else the machine does disturbs both alike.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::aws::Aws;
use crate::process::{Life, instructions, live};
use crate::programs::Program;

/// Invocations after the first whose instructions are counted.
const COUNTED: u32 = 20;

/// How much is measured.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Effort {
    /// Processes of each program
    #[arg(long, default_value_t = 41, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) starts: u32,
    /// Invocations of each process after its first
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) warm: u32,
}

/// What is measured of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    InitCpu,
    FirstCpu,
    ColdCpu,
    ColdWall,
    WarmCpu,
    WarmMedian,
    Warm99th,
    InitInstructions,
    FirstInstructions,
    ColdInstructions,
    WarmInstructions,
    Memory,
    Binary,
    Zip,
}

impl Figure {
    /// Its name and unit.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::InitCpu => "INIT, ms CPU",
            Self::FirstCpu => "first invocation, ms CPU",
            Self::ColdCpu => "both, ms CPU",
            Self::ColdWall => "both, ms wall",
            Self::WarmCpu => "CPU, ms",
            Self::WarmMedian => "p50, ms",
            Self::Warm99th => "p99, ms",
            Self::InitInstructions => "INIT",
            Self::FirstInstructions => "first invocation",
            Self::ColdInstructions => "both",
            Self::WarmInstructions => "warm invocation",
            Self::Memory => "memory",
            Self::Binary => "binary",
            Self::Zip => "zip",
        }
    }
}

/// One figure of a function, beside that of its floor.
pub(crate) struct Row {
    pub(crate) figure: Figure,
    pub(crate) function: f64,
    pub(crate) floor: f64,
    pub(crate) ratio: f64,
}

impl Row {
    fn of(figure: Figure, function: f64, floor: f64) -> Self {
        Self { figure, function, floor, ratio: function / floor }
    }

    /// Medians over all starts; also of the ratio, start by start.
    fn of_all(figure: Figure, lives: &[(Life, Life)], measure: impl Fn(&Life) -> f64) -> Self {
        let median_of = |value: &dyn Fn(&(Life, Life)) -> f64| quantile(lives.iter().map(value).collect(), 50);
        Self {
            figure,
            function: median_of(&|(function, _)| measure(function)),
            floor: median_of(&|(_, floor)| measure(floor)),
            ratio: median_of(&|(function, floor)| measure(function) / measure(floor)),
        }
    }
}

/// What was measured of a function and its floor.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<Row>,
    /// CPU of each cold start in milliseconds, function and floor.
    pub(crate) cold: Vec<(f64, f64)>,
}

impl Measured {
    pub(crate) fn row(&self, figure: Figure) -> Option<&Row> {
        self.rows.iter().find(|row| row.figure == figure)
    }
}

/// A function and its floor.
pub(crate) type Programs<'a> = [Program<'a>; 2];

pub(crate) async fn measure(name: &'static str, programs: Programs<'_>, aws: &Aws, effort: Effort) -> Result<Measured> {
    let mut rows = sizes(programs).await?;
    rows.extend(instruction_rows(programs, aws).await?);
    let (times, cold) = time_rows(programs, aws, effort).await?;
    rows.extend(times);
    Ok(Measured { name, rows, cold })
}

/// Times and memory, and the CPU of each cold start.
pub(crate) async fn time_rows(
    [program, floor]: Programs<'_>,
    aws: &Aws,
    effort: Effort,
) -> Result<(Vec<Row>, Vec<(f64, f64)>)> {
    let mut lives = Vec::new();
    for _ in 0..effort.starts {
        lives.push((live(program, aws, effort.warm).await?, live(floor, aws, effort.warm).await?));
    }
    let rows = vec![
        Row::of_all(Figure::InitCpu, &lives, |life| milliseconds(life.init.cpu)),
        Row::of_all(Figure::FirstCpu, &lives, |life| milliseconds(life.first.cpu)),
        Row::of_all(Figure::ColdCpu, &lives, cold_cpu),
        Row::of_all(Figure::ColdWall, &lives, |life| milliseconds(life.init.wall) + milliseconds(life.first.wall)),
        Row::of_all(Figure::WarmCpu, &lives, |life| milliseconds(life.warm_cpu)),
        Row::of_all(Figure::WarmMedian, &lives, |life| quantile(warm(life), 50)),
        Row::of_all(Figure::Warm99th, &lives, |life| quantile(warm(life), 99)),
        Row::of_all(Figure::Memory, &lives, |life| life.memory / 1024.0),
    ];
    let cold = lives.iter().map(|(function, floor)| (cold_cpu(function), cold_cpu(floor))).collect();
    Ok((rows, cold))
}

/// Of binary and zip, in MiB.
async fn sizes([program, floor]: Programs<'_>) -> Result<Vec<Row>> {
    let [binary, zip] = size(program.path).await?;
    let [floor_binary, floor_zip] = size(floor.path).await?;
    Ok(vec![Row::of(Figure::Binary, binary, floor_binary), Row::of(Figure::Zip, zip, floor_zip)])
}

/// In millions; nothing without valgrind.
pub(crate) async fn instruction_rows([program, floor]: Programs<'_>, aws: &Aws) -> Result<Vec<Row>> {
    let Some(program) = counted(program, aws).await? else { return Ok(Vec::new()) };
    let Some(floor) = counted(floor, aws).await? else { return Ok(Vec::new()) };
    let figures =
        [Figure::InitInstructions, Figure::FirstInstructions, Figure::ColdInstructions, Figure::WarmInstructions];
    let counts = program.into_iter().zip(floor);
    Ok(figures.into_iter().zip(counts).map(|(figure, (program, floor))| Row::of(figure, program, floor)).collect())
}

/// What valgrind counts in processes that end before, after one, and after many invocations: init, first, both, and
/// each of the others.
async fn counted(program: Program<'_>, aws: &Aws) -> Result<Option<[f64; 4]>> {
    let mut totals = [0.0; 3];
    for (total, invocations) in totals.iter_mut().zip([0, 1, 1 + COUNTED]) {
        let Some(count) = instructions(program, aws, invocations).await? else { return Ok(None) };
        *total = count / 1e6;
    }
    let [init, cold, all] = totals;
    Ok(Some([init, cold - init, cold, (all - cold) / f64::from(COUNTED)]))
}

/// Deflated as `sam deploy` does it, which is written in Python, too.
const SIZES: &str =
    "import sys, zlib; data = open(sys.argv[1], 'rb').read(); print(len(data), len(zlib.compress(data)))";

async fn size(program: &Path) -> Result<[f64; 2]> {
    let mut python = Command::new("python3");
    python.args(["-c", SIZES]).arg(program).stdin(Stdio::null()).stdout(Stdio::piped());
    let python = python.spawn().context("running python3, which deflates as `sam deploy` does")?;
    let output = python.wait_with_output().await?;
    let output = String::from_utf8_lossy(&output.stdout);
    let sizes = output.split_whitespace().map(|bytes| Ok(bytes.parse::<f64>()? / 1024.0 / 1024.0));
    sizes.collect::<Result<Vec<_>>>()?.try_into().ok().with_context(|| format!("measuring {}", program.display()))
}

fn cold_cpu(life: &Life) -> f64 {
    milliseconds(life.init.cpu) + milliseconds(life.first.cpu)
}

fn warm(life: &Life) -> Vec<f64> {
    life.warm_wall.iter().copied().map(milliseconds).collect()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The least value that this share of all values, in percent, does not exceed.
fn quantile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = values.len().saturating_mul(percent).div_ceil(100);
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let quantiles = [1, 50, 99, 100].map(|percent| quantile(values.clone(), percent).to_string());
        assert_eq!(quantiles, ["2", "100", "198", "200"]);
    }
}
