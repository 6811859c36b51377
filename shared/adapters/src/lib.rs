//! Adapters: the ports of the service layer on DynamoDB, SNS and SES, and in memory; and what the entry points
//! share, which is reading requests and messages, and answering them.
//!
//! Invariants this crate keeps:
//! - only [`bootstrap`] reads the environment and builds clients;
//! - only [`dynamodb`] knows the names of attributes and keys;
//! - input from outside becomes a valid command or an error that names the field; nothing here panics on it.

pub mod bootstrap;
mod calls;
pub mod dynamodb;
pub mod http;
pub mod in_memory;
pub mod json;
pub mod line_queue;
mod metrics;
pub mod queued;
pub mod recorder;
pub mod report;
pub mod schedule;
pub mod ses;
pub mod sns;
pub mod sqs;
pub mod stream;
pub mod system;
mod warehouse;
