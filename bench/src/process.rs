//! One process of a function or floor, from its start to its end, and what it took.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::aws::Aws;
use crate::programs::{self, Program};
use crate::runtime_api::RuntimeApi;

/// Time taken.
#[derive(Clone, Copy, Default)]
pub(crate) struct Time {
    /// Of all threads.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// What one process took.
pub(crate) struct Life {
    /// From its start until it asked for the first event.
    pub(crate) init: Time,
    /// From then until it had answered and asked for the second one; `wall` ends with the answer.
    pub(crate) first: Time,
    /// CPU of each invocation after the first, on average.
    pub(crate) warm_cpu: Duration,
    /// From handing over an event to getting its answer, of each invocation after the first.
    pub(crate) warm_wall: Vec<Duration>,
    /// The most that was resident at any time, in KiB.
    pub(crate) memory: f64,
}

/// Lets a program live through as many invocations.
pub(crate) async fn live(program: Program<'_>, aws: &Aws, warm: u32) -> Result<Life> {
    let mut api = RuntimeApi::start().await?;
    let start = Instant::now();
    let mut process = Process::start(Command::new(program.path), program, &api, aws)?;
    process.living(api.asked()).await?;
    let init = Time { cpu: process.idle().await?, wall: start.elapsed() };

    let wall = process.invoke(&mut api).await?;
    let after_first = process.idle().await?;
    let first = Time { cpu: after_first.saturating_sub(init.cpu), wall };

    let mut warm_wall = Vec::new();
    for _ in 0..warm {
        warm_wall.push(process.invoke(&mut api).await?);
    }
    let warm_cpu = process.idle().await?.saturating_sub(after_first).checked_div(warm).unwrap_or_default();
    let memory = process.peak_memory()?;
    process.end(Signal::SIGKILL).await?;
    Ok(Life { init, first, warm_cpu, warm_wall, memory })
}

/// Instructions that a program executes until it asks for an event again, after so many invocations. `None` without
/// valgrind.
pub(crate) async fn instructions(program: Program<'_>, aws: &Aws, invocations: u32) -> Result<Option<f64>> {
    let mut api = RuntimeApi::start().await?;
    let log = program.path.with_extension(format!("callgrind-{}", api.address().port()));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(format!("--log-file={}", log.display())).arg(program.path);
    let mut process = match Process::start(valgrind, program, &api, aws) {
        Ok(process) => process,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    process.living(api.asked()).await?;
    for _ in 0..invocations {
        process.invoke(&mut api).await?;
    }
    process.idle().await?;
    process.end(Signal::SIGTERM).await?;
    let said = std::fs::read_to_string(&log).with_context(|| format!("reading {}", log.display()))?;
    let _ = std::fs::remove_file(&log);
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.map(Some).context("valgrind did not say how many instructions it counted")
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// What fails is not fast, it is wrong.
fn check(Program { path, answer: expected, .. }: Program<'_>, answer: &Value) -> Result<()> {
    let expected = expected.and_then(Value::as_object);
    match expected.into_iter().flatten().find(|(field, value)| answer.get(field) != Some(*value)) {
        Some((field, value)) => bail!("{}: expected {field} {value}: {answer}", path.display()),
        None => Ok(()),
    }
}

/// A process that is measured; killed when it is dropped.
struct Process<'a> {
    /// Also where valgrind runs it.
    program: Program<'a>,
    child: Child,
    id: Pid,
}

impl<'a> Process<'a> {
    fn start(mut command: Command, program: Program<'a>, api: &RuntimeApi, aws: &Aws) -> Result<Self> {
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(programs::environment()).envs(aws.environment());
        command.env("AWS_LAMBDA_RUNTIME_API", api.address().to_string());
        // Its log is written as it would be on Lambda, and read by nobody.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let child = command.spawn()?;
        let id = child.id().context("the process has ended already")?;
        Ok(Self { program, child, id: Pid::from_raw(i32::try_from(id)?) })
    }

    /// Hands it an event, and waits until it asks for another one: how long its answer took.
    async fn invoke(&mut self, api: &mut RuntimeApi) -> Result<Duration> {
        let (wall, answer) = self.living(api.invoke(self.program.event)).await?;
        check(self.program, &answer)?;
        self.living(api.asked()).await?;
        Ok(wall)
    }

    /// Waits for this, and fails at once if the process ends first.
    async fn living<T>(&mut self, next: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            next = next => next,
            status = self.child.wait() => Err(self.ended(status?)),
        }
    }

    fn ended(&self, status: ExitStatus) -> Error {
        anyhow!("{} ended, {status}", self.program.path.display())
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = PathBuf::from(format!("/proc/{}/{file}", self.id));
        std::fs::read_to_string(&path).with_context(|| format!("reading {} (only Linux has it)", path.display()))
    }

    /// Waits until no thread runs, and says how much CPU they took so far.
    async fn idle(&mut self) -> Result<Duration> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.ended(status));
            }
            if self
                .threads()?
                .iter()
                .all(|thread| self.read(&format!("task/{thread}/stat")).is_ok_and(|stat| sleeps(&stat)))
            {
                return self.cpu();
            }
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    }

    fn threads(&self) -> Result<Vec<String>> {
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", self.id)).context("listing threads (only Linux does)")?;
        Ok(tasks.flatten().filter_map(|task| task.file_name().into_string().ok()).collect())
    }

    /// In nanoseconds. A thread that has ended would be missing; those that look up names stay for ten seconds.
    fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0_u64;
        for thread in self.threads()? {
            let schedstat = self.read(&format!("task/{thread}/schedstat"))?;
            let ran = schedstat.split_whitespace().next().context("schedstat is empty")?;
            nanoseconds = nanoseconds.saturating_add(ran.parse::<u64>()?);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn peak_memory(&self) -> Result<f64> {
        let status = self.read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        Ok(peak.context("no VmHWM in status")?.parse()?)
    }

    async fn end(mut self, signal: Signal) -> Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the process ended by itself");
        kill(self.id, signal)?;
        self.child.wait().await?;
        Ok(())
    }
}

/// Whether this `stat` is of a thread that waits. (Its state follows the name in brackets, which may hold anything.)
fn sleeps(stat: &str) -> bool {
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
}
