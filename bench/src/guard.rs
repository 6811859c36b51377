//! Fails if a function has grown: measured against its floor in the same run, so that no machine is too slow for it.

use anyhow::{Result, ensure};

use crate::aws::Aws;
use crate::functions::{Effort, Figure, Programs, Row, instruction_rows, time_rows};
use crate::programs::{Executables, Function};

/// The most that a function may take of what its floor takes in its cold start: the goal. A change that needs more
/// raises it here and in docs/performance.md, and says why.
const COLD: f64 = 1.15;
/// The same of each warm invocation.
const WARM: f64 = 1.25;

/// CPU time differs by so much from run to run. Instructions hardly do.
const NOISE: f64 = 1.15;

/// Enough for medians, where time must do.
const EFFORT: Effort = Effort { starts: 21, warm: 200 };

/// How often a function is measured before it counts as grown. On a busy machine a call may run out of time under
/// valgrind and be made again, which adds to a count; nothing takes from it.
const TRIES: u32 = 3;

/// Prints what each function takes.
///
/// # Errors
/// Names the functions that take more than they may.
pub(crate) async fn guard(functions: &[Function], executables: &Executables, aws: &Aws) -> Result<()> {
    let mut grown = Vec::new();
    for function in functions {
        let programs = executables.of(function)?;
        let mut complaints = Vec::new();
        for _ in 0..TRIES {
            complaints = check(function.name, programs, aws).await?;
            if complaints.is_empty() {
                break;
            }
        }
        grown.extend(complaints);
    }
    ensure!(grown.is_empty(), "grown, or a limit in bench/src/guard.rs is too low:\n{}", grown.join("\n"));
    Ok(())
}

/// What takes more than it may.
async fn check(name: &str, programs: Programs<'_>, aws: &Aws) -> Result<Vec<String>> {
    let mut rows = instruction_rows(programs, aws).await?;
    let slack = if rows.is_empty() { NOISE } else { 1.0 };
    if rows.is_empty() {
        rows = time_rows(programs, aws, EFFORT).await?.0;
    }
    let mut complaints = Vec::new();
    for Row { figure, function, floor, ratio } in rows {
        let (what, limit) = match figure {
            Figure::ColdInstructions => ("cold start, million instructions", COLD),
            Figure::WarmInstructions => ("warm invocation, million instructions", WARM),
            Figure::ColdCpu => ("cold start, ms CPU", COLD * slack),
            Figure::WarmCpu => ("warm invocation, ms CPU", WARM * slack),
            _ => continue,
        };
        let line = format!("{name}, {what}: {function:.2}, which is {ratio:.3} times the floor's {floor:.2}");
        println!("{line}; {limit:.2} times are allowed");
        if ratio > limit {
            complaints.push(format!("{line}, but {limit:.2} times are allowed"));
        }
    }
    Ok(complaints)
}
