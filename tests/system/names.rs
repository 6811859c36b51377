//! Names that no other test uses, so that all tests can share a table; and what else commands need.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use adapters::in_memory::call_until;
use adapters::system::System;
use service_layer::Call;
use service_layer::ports::Environment as _;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A name of this kind, such as `RETRO-CLOCK-17`.
pub(crate) fn unique(kind: &str) -> String {
    format!("{kind}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Order ids that need percent-encoding in a path, and how they are written there.
pub(crate) const ODD_ORDER_IDS: [(&str, &str); 9] = [
    ("a b", "a%20b"),
    ("a/b", "a%2Fb"),
    ("100%", "100%25"),
    ("100%25", "100%2525"),
    ("a+b", "a+b"),
    ("a+b", "a%2Bb"),
    ("o&x=1", "o%26x%3D1"),
    ("ö#1", "%C3%B6%231"),
    ("🪑", "%F0%9F%AA%91"),
];

/// Time enough for a command on a busy machine.
pub(crate) fn soon() -> Call {
    call_until(System::default().now().plus(Duration::from_mins(1)))
}
