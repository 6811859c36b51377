//! The functions, built for this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::process::Process;
use crate::progress;
use crate::template::{Alarm, Template};
use crate::tools::Tools;
use crate::workspace::{self, Access, Lock};

const PACKAGE: &str = include_str!("package.py");

/// Every function of the template as an executable, ready to be deployed to the emulator.
#[derive(Clone, Debug)]
pub struct Functions {
    folder: PathBuf,
    pub(crate) template: Template,
}

impl Functions {
    /// Builds all functions with cargo-lambda, in one go, unoptimised: from the same compiled dependencies as the
    /// tests. Takes no time if nothing has changed. Processes that call this at once take turns.
    ///
    /// # Errors
    /// When something does not compile, with the compiler's last words.
    pub async fn build(tools: &Tools) -> Result<Self> {
        let folder = workspace::local_folder().join("functions");
        workspace::create_folder(&folder)?;
        let template = Template::read(tools).await?;

        let mut build = Command::new(tools.cargo_lambda());
        build.current_dir(workspace::root()).env("PATH", tools.path());
        // The host's own compiler and linker: zig is for other machines' glibc.
        build.args(["lambda", "build", "--compiler", "cargo", "--profile", "dev", "--lambda-dir"]).arg(&folder);
        let mut package = tools.python();
        package.args(["-c", PACKAGE]);
        for binary in template.binaries() {
            build.args(["--bin", &binary]);
            package.arg(folder.join(binary));
        }
        let log = |name: &str| folder.with_file_name(name);
        progress::step("building the functions", async {
            let _lock = Lock::acquire(&lock(&folder), Access::Exclusive).await?;
            Process::run("cargo lambda build", build, &log("build.log")).await?;
            Process::run("packaging the functions", package, &log("package.log")).await
        })
        .await?;
        Ok(Self { folder, template })
    }

    /// The alarms of the template that they are built for.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.template.alarms()
    }

    /// A function's executable.
    #[must_use]
    pub fn executable(&self, binary: &str) -> PathBuf {
        self.folder.join(binary).join("bootstrap")
    }

    /// The same in a zip, as Lambda takes it.
    pub(crate) fn package(&self, binary: &str) -> PathBuf {
        self.folder.join(format!("{binary}.zip"))
    }

    /// While this is held, no other process replaces the executables.
    pub(crate) async fn hold(&self) -> Result<Lock> {
        Lock::acquire(&lock(&self.folder), Access::Shared).await.context("waiting for a build to end")
    }
}

fn lock(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}
