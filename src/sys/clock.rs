//! Time: nanoseconds on CLOCK_MONOTONIC, or what a test has put in its place, and absolute deadlines.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::error::{Error, Result};

/// A deadline that never comes.
pub const NEVER: i64 = i64::MAX;

/// What a virtual clock shows; [`REAL`] while there is none.
static SHOWN: AtomicI64 = AtomicI64::new(REAL);
/// No virtual clock shows that.
pub const REAL: i64 = 0;

fn read(clock: libc::clockid_t) -> i64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `ts` is a valid place to write to; both clocks exist since Linux 2.6.32.
    unsafe { libc::clock_gettime(clock, &mut ts) };
    ts.tv_sec * 1_000_000_000 + ts.tv_nsec
}

/// The program's time: nanoseconds on CLOCK_MONOTONIC (clock_gettime(2)), the clock of Python's `time.monotonic_ns()`, unless
/// a test has made the clock virtual.
#[inline]
pub fn now() -> i64 {
    match SHOWN.load(Ordering::Relaxed) {
        REAL => real(),
        shown => shown,
    }
}

/// As [`now`], behind by up to some milliseconds, and read in a quarter of the time: CLOCK_MONOTONIC_COARSE.
#[inline]
pub fn coarse() -> i64 {
    match SHOWN.load(Ordering::Relaxed) {
        REAL => read(libc::CLOCK_MONOTONIC_COARSE),
        shown => shown,
    }
}

/// The kernel's time, whatever the program's is.
#[inline]
pub fn real() -> i64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Whether the program's time is virtual.
#[inline]
pub fn is_virtual() -> bool {
    SHOWN.load(Ordering::Relaxed) != REAL
}

/// From now on the program's time is `at`, until the next call; [`REAL`]: the kernel's.
pub fn show(at: i64) {
    SHOWN.store(at, Ordering::Relaxed);
}

/// Whether a deadline has passed. Deadlines of 0 and below always have, and cost no clock read.
#[inline]
pub fn passed(deadline: i64) -> bool {
    deadline != NEVER && (deadline <= 0 || deadline <= now())
}

/// The deadline `ns` nanoseconds from now; negative is -EINVAL, beyond the end of time is never.
#[inline]
pub fn after(ns: i64) -> Result<i64> {
    later(now(), ns)
}

/// As [`after`], where `now` was read just now.
#[inline]
pub fn later(now: i64, ns: i64) -> Result<i64> {
    if ns < 0 {
        return Err(Error::new(libc::EINVAL));
    }
    Ok(now.checked_add(ns).unwrap_or(NEVER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_future_is_never_and_a_negative_span_is_refused() {
        assert_eq!(after(i64::MAX), Ok(NEVER));
        assert_eq!(after(-1), Err(Error::new(libc::EINVAL)));
        assert!(passed(0) && passed(-5) && passed(now()) && !passed(NEVER) && !passed(now() + 1_000_000_000_000));
    }
}
