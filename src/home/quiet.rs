//! Virtual time: the homes agree when the clock may be moved.
//!
//! A home that has nothing to do before a certain time says so (`Home::quiet`) and dozes. Whoever says so last finds all others
//! quiet, and moves the clock to the nearest deadline of all. A quiet home stands still: what other quiet homes have sent
//! it lies in its inbox, what they have written lies in its reactor, and both can be seen from outside.
//!
//! Invariants:
//! K1  From `quiet` to `stir` a home's thread runs no task, and takes nothing out of its inbox and its reactor. Both ends
//!     are under the register's lock, and so is the look at all of them.
//! K2  The clock is moved under the register's lock.

use std::cell::Cell;

use super::{inhabited, lock, Home};
use crate::error::{Error, Result};
use crate::sys::atomic::{AtomicI64, Ordering};
use crate::sys::clock::{self, NEVER};

/// The value of `Watch::quiet` for a home that is not.
pub const AWAKE: i64 = i64::MIN;

/// Real nanoseconds of silence before the clock is moved.
static GRACE: AtomicI64 = AtomicI64::new(0);

thread_local! {
    /// The thread runs jobs of other homes: a scheduler that it makes belongs to one.
    static JOBS: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread runs jobs that other homes have counted.
pub fn runs_jobs() {
    JOBS.set(true);
}

/// Whether a scheduler of the calling thread belongs to a job.
pub(super) fn of_job() -> bool {
    JOBS.get()
}

/// What came of being quiet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// The clock was moved.
    Moved,
    /// Somebody else, or something outside, may still do something.
    Held,
    /// Nobody has anything to do at any time.
    NoDeadline,
}

/// The clock is virtual from now on.
pub fn begin(start: i64, grace: i64) {
    let _guard = lock();
    GRACE.store(grace, Ordering::Relaxed);
    clock::show(start);
}

/// It is the kernel's again.
pub fn end() {
    let _guard = lock();
    clock::show(clock::REAL);
}

/// Real nanoseconds of silence before the clock is moved.
pub fn grace() -> i64 {
    GRACE.load(Ordering::Relaxed)
}

/// Moves the clock by `ns`, and has every home look at it. -EINVAL: beyond the end of time.
pub fn advance(ns: i64) -> Result<()> {
    let _guard = lock();
    let to = clock::now().checked_add(ns).filter(|&to| to != NEVER).ok_or(Error::new(libc::EINVAL))?;
    clock::show(to);
    inhabited().for_each(|home| home.inbox.ring());
    Ok(())
}

impl Home {
    /// Home thread: nothing is to be done here before `next`, unless somebody else does something.
    pub fn quiet(&self, next: i64) -> Quiet {
        let _guard = lock();
        self.watch.quiet.store(next, Ordering::Relaxed);
        let (mut nearest, mut jobs) = (NEVER, 0);
        for home in inhabited() {
            let theirs = home.watch.quiet.load(Ordering::Relaxed);
            if theirs == AWAKE || home.wakers.count() > 0 || home.inbox.has_post() || home.has_events() {
                return Quiet::Held;
            }
            nearest = nearest.min(theirs);
            jobs += home.jobs.count() as isize - home.watch.of_job.load(Ordering::Relaxed) as isize;
        }
        if jobs > 0 {
            return Quiet::Held; // one that has no scheduler, or has not begun
        }
        if nearest == NEVER {
            return Quiet::NoDeadline;
        }
        clock::show(nearest.max(clock::now()));
        self.watch.quiet.store(AWAKE, Ordering::Relaxed);
        inhabited().filter(|h| h.watch.quiet.load(Ordering::Relaxed) <= nearest).for_each(|home| home.inbox.ring());
        Quiet::Moved
    }

    /// Home thread: it is not quiet any more.
    pub fn stir(&self) {
        let _guard = lock();
        self.watch.quiet.store(AWAKE, Ordering::Relaxed);
    }

    /// The reactor has events that nobody has fetched.
    fn has_events(&self) -> bool {
        crate::sys::fd::is_readable(self.watch.reactor.load(Ordering::Relaxed))
    }
}
