//! Runs the program as a person does, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// A folder in which an import runs.
pub(crate) struct Folder(PathBuf);

/// What a person sees of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("import-{name}"));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of all files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_desk"));
        command
            .arg("import")
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("API_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs `import` to its end.
    pub(crate) async fn import(&self, arguments: &[&str]) -> Run {
        Run::of(self.start(arguments)).await
    }

    /// The same, with a list on standard input.
    pub(crate) async fn import_from_stdin(&self, list: &str, arguments: &[&str]) -> Run {
        let mut child = self.start(arguments);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(list.as_bytes()).await.unwrap();
        drop(stdin);
        Run::of(child).await
    }
}

impl Run {
    pub(crate) async fn of(child: Child) -> Self {
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: ExitStatus::code(&output.status), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The first line without what differs from run to run.
    pub(crate) fn summary(&self) -> String {
        without_times(self.stdout.lines().next().unwrap_or_default())
    }
}

/// `3 rows: 1 added ..` of `3 rows in 0.1 s, 30 a second: 1 added ..`.
pub(crate) fn without_times(line: &str) -> String {
    match (line.split_once(" in "), line.split_once(" a second: ")) {
        (Some((rows, _)), Some((_, counts))) => format!("{rows}: {counts}"),
        _ => line.to_owned(),
    }
}
