//! The whole system on this machine, from the real parts: what `cargo local` and the tests start. (The database of the
//! tests and of `cargo local watch` is a package of its own, `inner-loop`, since it takes minutes to compile.)
//!
//! Invariants:
//! - everything comes from this repository, crates.io or `PyPI`, in pinned versions, and stays inside `target/`;
//! - whatever is started stops when its value is dropped, and also when the process that holds it is killed;
//! - no name or port is fixed, so any number of stacks runs side by side;
//! - nothing here can reach an AWS account: see [`aws`];
//! - `template.yaml` is the only description of table, routes and functions; what the emulator and the inner loop need
//!   is read from it.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use local::{Functions, Stack, Tools};
//!
//! let tools = Tools::install().await?;
//! let functions = Functions::build(&tools).await?;
//! let stack = Stack::start(&tools, &functions, None).await?;
//! println!("POST {}/batches", stack.api_url());
//! # Ok(()) }
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "what is started here takes real time, and runs in the caller's environment"
)]

pub mod aws;
mod desk;
mod functions;
pub mod port;
mod process;
mod progress;
mod session;
mod stack;
mod template;
mod tools;
mod trouble;
mod watch;
mod workspace;

pub use desk::DeskPage;
pub use functions::Functions;
pub use session::{requests, run_until_stopped, without_ipv6};
pub use stack::{Mail, Stack};
pub use template::{Alarm, Template, TemplateTable, history_table};
pub use tools::Tools;
pub use trouble::Invocation;
pub use watch::{CargoLambdaWatch, WatchLog};
pub use workspace::manifest;
