//! Time: it has passed, or it has not.

use std::cell::Cell;

use loom::sync::atomic::{AtomicBool, Ordering};

/// A deadline that never comes.
pub const NEVER: i64 = i64::MAX;

loom::lazy_static! {
    static ref PASSED: AtomicBool = AtomicBool::new(false);
}

loom::thread_local! {
    /// How often the thread has slept as long as it wanted.
    static SLEPT: Cell<i64> = Cell::new(0);
}

/// Whether time has passed.
pub fn has_passed() -> bool {
    PASSED.load(Ordering::Relaxed)
}

/// 0, or late; later with each sleep that ended by itself.
pub fn now() -> i64 {
    match has_passed() {
        true => NEVER / 2 + SLEPT.with(|n| n.get()) * 1_000_000,
        false => 0,
    }
}

/// A sleep with a limit has ended by itself.
pub fn slept() {
    SLEPT.with(|n| n.set(n.get() + 1));
}

/// As [`now`].
pub fn coarse() -> i64 {
    0
}

/// Ends every sleep that has a limit.
pub fn pass() {
    PASSED.store(true, Ordering::Relaxed);
    super::futex::end_timed();
}

/// The clock that is never virtual.
pub fn real() -> i64 {
    now()
}
