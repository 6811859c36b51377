//! Where things lie in this checkout, and the locks that let several processes share them.

use anyhow::{Context as _, Result};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of template.yaml and the workspace's Cargo.toml.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Where everything that runs keeps its logs and other files.
pub(crate) fn run_folder() -> PathBuf {
    target().join("local")
}

/// Creates a folder with its parents.
pub(crate) fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("creating {}", path.display()))
}

/// Removes a folder with all it holds; it need not exist.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// How a [`Lock`] is held.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    Shared,
    Exclusive,
}

/// A lock on a file, between processes. The system releases it when the process ends, however it ends.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock.
    pub(crate) async fn acquire(path: &Path, access: Access) -> Result<Self> {
        let describe = || format!("locking {}", path.display());
        let file = File::options().create(true).append(true).open(path).with_context(describe)?;
        loop {
            let tried = match access {
                Access::Shared => file.try_lock_shared(),
                Access::Exclusive => file.try_lock(),
            };
            match tried {
                Ok(()) => return Ok(Self { _file: file }),
                // Asking again, because a blocking wait could not be given up on Ctrl-C.
                Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(TryLockError::Error(error)) => return Err(error).with_context(describe),
            }
        }
    }
}
