//! Reports that the scheduler asks for and a floor above writes: the hooks are set once, when the library is loaded.

use std::sync::atomic::AtomicUsize;
use std::sync::OnceLock;

use super::Scheduler;

/// Who writes reports of the calling thread's scheduler. Neither switches.
pub struct Reporter {
    /// Nothing can wake anybody. False if nothing could be written.
    pub deadlock: fn(&'static Scheduler) -> bool,
    /// A dump was asked for.
    pub dump: fn(&'static Scheduler),
}

/// OS threads that only watch: nothing that a task waits for comes from them.
pub static WATCHERS: AtomicUsize = AtomicUsize::new(0);

static REPORTER: OnceLock<Reporter> = OnceLock::new();

/// Once per process.
pub fn install(reporter: Reporter) {
    let _ = REPORTER.set(reporter);
}

pub(super) fn deadlock() -> bool {
    match (REPORTER.get(), Scheduler::existing()) {
        (Some(r), Some(s)) => (r.deadlock)(s),
        _ => false,
    }
}

pub(super) fn dump() {
    if let (Some(r), Some(s)) = (REPORTER.get(), Scheduler::existing()) {
        (r.dump)(s);
    }
}
