//! Child processes that can't outlive us.
//!
//! A child runs in a process group of its own, so that its children (functions, compilers) are stopped with it. The
//! group's first member is the *leash*: a shell that waits for the end of a pipe only we can write to. If we are
//! killed, with no chance to run a destructor, the system closes the pipe and the leash ends the group.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// `kill 0` means the sender's own group. The grace period is [`GRACE`].
const LEASH: &str = "trap '' TERM INT HUP; read -r _; kill -TERM 0; sleep 5; kill -KILL 0";

/// How long a process may take to stop by itself.
const GRACE: Duration = Duration::from_secs(5);

/// How many lines of a log an error shows.
const TAIL: usize = 30;

/// Where a child's output goes.
pub(crate) enum Output {
    /// Ours.
    Inherited,
    /// A file, whose end is shown if the child fails.
    File(PathBuf),
}

/// A running child, stopped with its whole process group on drop.
pub(crate) struct Process {
    name: String,
    child: Child,
    id: i32,
    leash: std::process::Child,
    group: Pid,
    log: Option<PathBuf>,
}

impl Process {
    /// Starts `command`.
    pub(crate) fn spawn(name: &str, mut command: Command, output: Output) -> Result<Self> {
        let starting = || format!("starting {name}");
        let log = match output {
            Output::Inherited => None,
            Output::File(log) => {
                let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
                command.stdout(file.try_clone().with_context(starting)?).stderr(file);
                Some(log)
            }
        };
        let mut leash = std::process::Command::new("sh");
        leash.args(["-c", LEASH]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let leash = std::os::unix::process::CommandExt::process_group(&mut leash, 0).spawn().with_context(starting)?;
        let group = Pid::from_raw(i32::try_from(leash.id()).with_context(starting)?);
        match command.stdin(Stdio::null()).process_group(group.as_raw()).spawn() {
            Ok(child) => {
                let id = child.id().and_then(|id| id.try_into().ok()).unwrap_or_default();
                Ok(Self { name: name.to_owned(), child, id, leash, group, log })
            }
            Err(error) => {
                stop_leash(leash, group);
                let program = command.as_std().get_program().to_string_lossy().into_owned();
                Err(error).with_context(|| format!("starting {name} ({program})"))
            }
        }
    }

    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    /// Runs `command` to its end, with its output in the file `log`; an error if it fails.
    pub(crate) async fn run(name: &str, command: Command, log: &Path) -> Result<()> {
        let mut process = Self::spawn(name, command, Output::File(log.to_owned()))?;
        let status = process.child.wait().await.with_context(|| format!("waiting for {name}"))?;
        if status.success() { Ok(()) } else { Err(process.failed(status)) }
    }

    /// Waits until `url` answers at all. An error if the process ends first, or the time is up.
    pub(crate) async fn until_it_answers(&mut self, http: &reqwest::Client, url: &str, limit: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().with_context(|| format!("asking for {}", self.name))? {
                return Err(self.failed(status));
            }
            if http.get(url).timeout(Duration::from_secs(2)).send().await.is_ok() {
                return Ok(());
            }
            if started.elapsed() > limit {
                let (name, seconds) = (&self.name, limit.as_secs());
                bail!("{name} does not answer at {url} after {seconds} s{}", self.end_of_log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the process ends, which it should not.
    pub(crate) async fn until_it_ends(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => self.failed(status),
            Err(error) => anyhow::Error::new(error).context(format!("waiting for {}", self.name)),
        }
    }

    fn failed(&self, status: ExitStatus) -> anyhow::Error {
        anyhow::anyhow!("{} failed ({status}){}", self.name, self.end_of_log())
    }

    /// What to add to an error: the last lines, and where the rest of them is.
    fn end_of_log(&self) -> String {
        let Some(log) = &self.log else { return String::new() };
        let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
        format!("\n--- {} ---\n{}", log.display(), last.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A signal to a group that is gone already is no error worth telling.
        let _ = killpg(self.group, Signal::SIGTERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Whoever is left in the group, the leash among them.
        let _ = killpg(self.group, Signal::SIGKILL);
        let _ = self.leash.wait();
    }
}

fn stop_leash(mut leash: std::process::Child, group: Pid) {
    let _ = killpg(group, Signal::SIGKILL);
    let _ = leash.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn group_exists(group: Pid) -> bool {
        killpg(group, None).is_ok()
    }

    #[tokio::test]
    async fn a_failure_shows_the_end_of_the_log() {
        let log = std::env::temp_dir().join(format!("local-process-{}.log", std::process::id()));
        let error = Process::run("grumbler", shell("echo the reason; exit 3"), &log).await.unwrap_err();
        std::fs::remove_file(&log).unwrap();
        let message = error.to_string();
        assert!(message.contains("grumbler failed") && message.contains("the reason"), "{message}");
    }

    #[tokio::test]
    async fn dropping_stops_children_of_children() {
        let process = Process::spawn("parent", shell("sleep 1000 & sleep 1000"), Output::Inherited).unwrap();
        let group = process.group;
        assert!(group_exists(group));
        drop(process);
        // All are killed, but an orphan is there until the system takes note of its end.
        let gone = async {
            while group_exists(group) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(GRACE, gone).await.is_ok());
    }

    #[tokio::test]
    async fn a_closed_pipe_ends_the_group_without_a_destructor() {
        let mut process = Process::spawn("orphan", shell("sleep 1000"), Output::Inherited).unwrap();
        // What the system does when we are killed.
        drop(process.leash.stdin.take());
        let status = tokio::time::timeout(GRACE, process.child.wait()).await.unwrap().unwrap();
        assert!(!status.success());
    }
}
