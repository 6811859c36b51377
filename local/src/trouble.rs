//! Trouble made on purpose: functions that die, and an emulator that does not answer for a while.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stack::Stack;

/// A function's process, as the emulator started it for one invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The function's name, which ends with that of its package.
    pub function: String,
    process: i32,
}

impl Stack {
    /// The functions that are at work now.
    #[must_use]
    pub fn invocations(&self) -> Vec<Invocation> {
        children(self.emulator_process()).into_iter().filter_map(Invocation::of).collect()
    }

    /// Ends one of them, in the middle of whatever it does.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn kill(&self, invocation: &Invocation) -> Result<()> {
        let is_still_there = self.invocations().contains(invocation);
        anyhow::ensure!(is_still_there, "{} has ended", invocation.function);
        kill(Pid::from_raw(invocation.process), Signal::SIGKILL)
            .with_context(|| format!("killing {}", invocation.function))
    }

    /// Stops the emulator for this long: nothing is lost, but nothing is answered.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn freeze(&self, duration: Duration) -> Result<()> {
        let emulator = Pid::from_raw(self.emulator_process());
        kill(emulator, Signal::SIGSTOP).context("stopping the emulator")?;
        let _thaw = Thaw(emulator);
        tokio::time::sleep(duration).await;
        Ok(())
    }
}

/// Whoever waits for the end of a freeze may be dropped meanwhile.
struct Thaw(Pid);

impl Drop for Thaw {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

impl Invocation {
    fn of(process: i32) -> Option<Self> {
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        let environment = std::fs::read(format!("/proc/{process}/environ")).ok()?;
        let environment = String::from_utf8_lossy(&environment);
        let function = environment.split('\0').find_map(|entry| entry.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="))?;
        (name.trim() == "function").then(|| Self { function: function.to_owned(), process })
    }
}

/// Each thread of a process lists those that it started.
fn children(process: i32) -> Vec<i32> {
    let threads = PathBuf::from(format!("/proc/{process}/task"));
    let threads = std::fs::read_dir(threads).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>()).collect()
}
