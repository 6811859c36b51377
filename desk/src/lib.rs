//! The desk: look at stock, read the past, bring in a list. For people who have the service's HTTP API, and nothing else
//! of it: all that happens here, happens through that API.
//!
//! Invariants:
//! - [`api`] alone speaks to the service, and knows how a request is let in;
//! - a token or a secret key is never printed, logged or put into a page.

pub mod api;
pub mod import;
pub mod page;
