//! The pinned tools: installed once into `target/tools`, by whichever process comes first.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::process::Process;
use crate::progress;
use crate::workspace::{self, Access, Lock};

const EMULATOR_REQUIREMENTS: &str = include_str!("../requirements/emulator.txt");
const SAM_REQUIREMENTS: &str = include_str!("../requirements/sam.txt");

/// Tried in turn. The pinned packages have no wheels for other versions.
const PYTHONS: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];

/// Prints 1 for a Python that will do, and the version.
const PYTHON_CHECK: &str =
    "import sys; print(int((3, 10) <= sys.version_info < (3, 15)), sys.version.split()[0]); import ensurepip, venv";

/// `MiniStack`, cargo-lambda and the SAM CLI, ready to start.
#[derive(Clone, Debug)]
pub struct Tools {
    emulator: PathBuf,
    sam: PathBuf,
}

impl Tools {
    /// Installs what is missing. Needs the network the first time, and takes no time after that. Two processes that
    /// call this at once take turns.
    ///
    /// # Errors
    /// Says what to install, if a prerequisite is missing; else which step failed, with the end of its log.
    pub async fn install() -> Result<Self> {
        if !cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
            bail!(
                "the local stack runs on Linux only (x86_64 or arm64): the emulator starts the functions themselves, \
                 without a container"
            );
        }
        let folder = workspace::target().join("tools");
        workspace::create_folder(&folder)?;
        let lock = folder.join("lock");
        let _lock = progress::step("waiting for another installation", Lock::acquire(&lock, Access::Exclusive)).await?;

        let (emulator, sam) = (folder.join("emulator"), folder.join("sam"));
        let wanted = [(&emulator, EMULATOR_REQUIREMENTS), (&sam, SAM_REQUIREMENTS)];
        if !wanted.iter().all(|(environment, requirements)| is_complete(environment, requirements)) {
            let python = find_python().await?;
            let [emulator, sam] = wanted.map(|(folder, requirements)| create_environment(python, folder, requirements));
            let both = async { tokio::try_join!(emulator, sam) };
            progress::step("installing the pinned tools into target/tools, once", both).await?;
        }
        Ok(Self { emulator, sam })
    }

    /// Python with `MiniStack`, boto3 and the SAM translator.
    pub(crate) fn python(&self) -> Command {
        Command::new(self.emulator.join("bin/python"))
    }

    /// The SAM CLI.
    #[must_use]
    pub fn sam(&self) -> PathBuf {
        self.sam.join("bin/sam")
    }

    /// The template linter.
    #[must_use]
    pub fn cfn_lint(&self) -> PathBuf {
        self.sam.join("bin/cfn-lint")
    }

    /// `cargo lambda`: give it the subcommand and its options.
    #[must_use]
    pub fn cargo_lambda(&self) -> PathBuf {
        self.emulator.join("bin/cargo-lambda")
    }

    /// A PATH with cargo-lambda and zig in front, for tools that look them up, as `sam build` does.
    #[must_use]
    pub fn path(&self) -> std::ffi::OsString {
        let mut path = self.emulator.join("bin").into_os_string();
        if let Some(inherited) = std::env::var_os("PATH") {
            path.push(":");
            path.push(inherited);
        }
        path
    }
}

/// A Python that can make virtual environments and for which all pinned packages exist.
async fn find_python() -> Result<&'static str> {
    let mut reasons = Vec::new();
    for python in PYTHONS {
        let Ok(output) = Command::new(python).args(["-c", PYTHON_CHECK]).output().await else {
            continue;
        };
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        match stdout.trim().split_once(' ') {
            Some(("1", _)) if output.status.success() => return Ok(python),
            Some(("1", version)) => reasons.push(format!("{python} ({version}) lacks the modules venv and ensurepip")),
            Some((_, version)) => reasons.push(format!("{python} is {version}")),
            None => reasons.push(format!("{python} does not start")),
        }
    }
    let found = if reasons.is_empty() { "there is no python3 on PATH".to_owned() } else { reasons.join("; ") };
    bail!(
        "the local stack needs Python 3.10 to 3.14 with its venv module, but {found}\n\
         Debian, Ubuntu: sudo apt install python3 python3-venv\n\
         Fedora: sudo dnf install python3"
    );
}

async fn create_environment(python: &str, folder: &Path, requirements: &str) -> Result<()> {
    if is_complete(folder, requirements) {
        return Ok(());
    }
    let log = folder.with_extension("log");
    workspace::remove_folder(folder)?;
    let mut create = Command::new(python);
    create.args(["-m", "venv"]).arg(folder);
    Process::run("python -m venv", create, &log).await?;

    let list = folder.join("requirements.txt");
    std::fs::write(&list, requirements).with_context(|| format!("writing {}", list.display()))?;
    let mut install = Command::new(folder.join("bin/pip"));
    // The list is complete, so pip need not work out what else there is to install.
    install
        .args([
            "install",
            "--no-deps",
            "--no-compile",
            "--only-binary=:all:",
            "--disable-pip-version-check",
            "--no-input",
            "-r",
        ])
        .arg(&list);
    Process::run("pip install (is PyPI within reach?)", install, &log).await?;
    let record = record(folder);
    std::fs::write(&record, complete(folder, requirements)).with_context(|| format!("writing {}", record.display()))
}

/// Written last.
fn record(environment: &Path) -> PathBuf {
    environment.join("complete")
}

/// What the record says. An environment knows its own path, so one that was moved is no good.
fn complete(environment: &Path, requirements: &str) -> String {
    format!("{}\n{requirements}", environment.display())
}

fn is_complete(environment: &Path, requirements: &str) -> bool {
    std::fs::read_to_string(record(environment)).is_ok_and(|found| found == complete(environment, requirements))
}
