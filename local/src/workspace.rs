//! Where things lie in this checkout, and how several processes share them.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

/// The folder of template.yaml and the workspace's Cargo.toml.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The workspace's Cargo.toml.
#[must_use]
pub fn manifest() -> PathBuf {
    root().join("Cargo.toml")
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Where everything local keeps its files, apart from the tools.
pub(crate) fn local_folder() -> PathBuf {
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

/// How long the files of a process that has ended are kept for whoever wants to read its log.
const KEPT: Duration = Duration::from_hours(1);

/// The folder of one running process, with its log, named after the port it listens on. It outlives the process, and is
/// removed by a later one. No two processes have the same.
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Held as long as the process runs, so that others can tell.
    _running: Lock,
}

impl RunFolder {
    pub(crate) fn create(port: u16) -> Result<Self> {
        Self::forget_ended()?;
        let path = local_folder().join("run").join(port.to_string());
        create_folder(&path)?;
        let lock = path.join("lock");
        let running = Lock::try_acquire(&lock, Access::Exclusive)?;
        let running = running.with_context(|| format!("{} belongs to a running process", path.display()))?;
        // Nothing of an earlier process on this port; and the time at which this one started.
        remove_folder(&path.join("tmp"))?;
        std::fs::write(&lock, std::process::id().to_string()).with_context(|| format!("writing {}", lock.display()))?;
        Ok(Self { path, _running: running })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn forget_ended() -> Result<()> {
        let all = local_folder().join("run");
        create_folder(&all)?;
        for entry in std::fs::read_dir(&all).with_context(|| format!("reading {}", all.display()))?.flatten() {
            // What can't be examined, locked or removed, another process is removing or creating at this moment.
            let lock = entry.path().join("lock");
            let Ok(started) = lock.metadata().and_then(|lock| lock.modified()) else { continue };
            let age = SystemTime::now().duration_since(started).unwrap_or_default();
            if let Ok(Some(_ended)) = Lock::try_acquire(&lock, Access::Exclusive) {
                // Logs are kept for a while; the functions' code, unpacked, is large and of no more use.
                let folder = if age > KEPT { entry.path() } else { entry.path().join("tmp") };
                let _ = remove_folder(&folder);
            }
        }
        Ok(())
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
        loop {
            if let Some(lock) = Self::try_acquire(path, access)? {
                return Ok(lock);
            }
            // Asking again, because a blocking wait could not be given up on Ctrl-C.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `None` if another process holds it.
    fn try_acquire(path: &Path, access: Access) -> Result<Option<Self>> {
        let describe = || format!("locking {}", path.display());
        let file = File::options().create(true).append(true).open(path).with_context(describe)?;
        let tried = match access {
            Access::Shared => file.try_lock_shared(),
            Access::Exclusive => file.try_lock(),
        };
        match tried {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(describe),
        }
    }
}
