//! The functions, built for this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::process::Process;
use crate::progress;
use crate::template::{Alarm, Template};
use crate::tools::Tools;
use crate::workspace::{self, Access, Lock};

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
        for binary in template.binaries() {
            build.args(["--bin", &binary]);
        }
        progress::step("building the functions", async {
            let _lock = Lock::acquire(&lock(&folder), Access::Exclusive).await?;
            Process::run("cargo lambda build", build, &folder.with_file_name("build.log")).await
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

    /// Copies the executables into a folder of their own, where no later build replaces them.
    pub(crate) async fn copy_to(&self, folder: &Path) -> Result<()> {
        let _lock = Lock::acquire(&lock(&self.folder), Access::Shared).await.context("waiting for a build to end")?;
        workspace::create_folder(folder)?;
        for binary in self.template.binaries() {
            let (from, to) = (self.executable(&binary), folder.join(&binary));
            std::fs::copy(&from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
        }
        Ok(())
    }
}

fn lock(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}
