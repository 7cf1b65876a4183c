//! A pool of OS threads for calls that block: grows on demand, is bounded, goes away when idle.
//!
//! The way of a job, kept short: the task takes the thread that went idle last, puts the job onto its seat and wakes it
//! by one futex call; the thread works, marks the job done, and wakes the task by the request NUDGE, which rings its home's
//! bell if that sleeps. Only when every thread works does a job go through the queue (`seats.rs`). The threads block all
//! signals: handlers run where the program expects them.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;

use super::job::{self, Header, Job};
use super::seats::{Held, Seat, Seats};
use super::uses;
use crate::config::{self, Offload};
use crate::error::{Error, Result};
use crate::home;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sys::clock;
use crate::sys::thread;

static SEATS: Seats = Seats::new();

/// Figures of the pool: threads that there are, jobs that wait for one.
pub fn figures() -> (u64, u64) {
    SEATS.figures()
}

/// Runs `work` on a pool thread while the calling task parks, until `deadline`. A job that is cancelled before a thread
/// has begun it is dropped; otherwise it runs to its end, and its result is dropped then.
///
/// -EAGAIN: too many jobs wait, or no thread can be had. -ENOMEM. A deadline in the past: -ETIMEDOUT, nothing was begun.
pub fn run<R, F>(s: &'static Scheduler, deadline: i64, work: F) -> Result<R>
where
    R: Send + 'static,
    F: FnOnce() -> R + Send + 'static,
{
    s.check()?;
    if clock::passed(deadline) {
        return Err(Error::new(libc::ETIMEDOUT));
    }
    let job = Job::new(s, work)?;
    if let Err(e) = SEATS.submit(job.header(), limits, start_thread) {
        // SAFETY: the pool did not take it.
        unsafe { job::abandon(job.header()) };
        return Err(e);
    }
    s.waits_on(Kind::Offload, 0);
    s.park_listening(deadline, || job.is_done(), || SEATS.take_back(job.header()))?;
    // It may have been done before we could park.
    s.charge();
    job.result().ok_or(Error::new(libc::ENOTRECOVERABLE))
}

fn limits() -> Offload {
    config::freeze().offload
}

/// Starts a thread that no signal is delivered to, with its first job.
fn start_thread(job: *const Header) -> Result<()> {
    // SAFETY: the job is the thread's from now on (J1, J2).
    unsafe { thread::start(serve, job.cast_mut().cast(), 0, thread::End::Detached, thread::Signals::Blocked) }.map(drop)
}

/// A thread's life: its first job, then what the queue has, then a seat.
extern "C" fn serve(first: *mut c_void) -> *mut c_void {
    thread::name(c"gt-offload");
    home::quiet::runs_jobs();
    let forks = home::forks();
    let seat = Seat::new();
    let mut job = first.cast_const().cast::<Header>();
    loop {
        // SAFETY: handed over by `submit`, or taken out of the queue below.
        unsafe { job::run(job) };
        if home::forks() != forks {
            // The job forked and came back: this is the only thread of the child, and nothing is left for it to do.
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) };
        }
        job = match SEATS.next(&seat) {
            Some(job) => job,
            None => return ptr::null_mut(),
        };
    }
}

struct Holder(UnsafeCell<Option<Held<'static>>>);
// SAFETY: written with the pool's lock held, by the forking thread.
unsafe impl Sync for Holder {}
static HELD: Holder = Holder(UnsafeCell::new(None));

/// Once per process, when the library is loaded: no fork finds a thread of the pool inside.
pub(crate) fn at_load() {
    // SAFETY: the handlers stay (the library is linked `nodelete`). Out of memory at load: a child's pool may be stuck.
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child)) };
}

extern "C" fn before_fork() {
    let guard = SEATS.hold();
    // SAFETY: the pool's lock is held by this thread.
    unsafe { *HELD.0.get() = Some(guard) };
}

extern "C" fn after_fork_in_parent() {
    // SAFETY: set by `before_fork` on this thread.
    unsafe { *HELD.0.get() = None };
}

/// The threads do not exist in the child, and the jobs are the parent's.
extern "C" fn after_fork_in_child() {
    // SAFETY: set by `before_fork` on the thread that this one is a copy of.
    let held = unsafe { (*HELD.0.get()).take() };
    if let Some(seats) = held {
        seats.abandon();
    }
    uses::after_fork_in_child();
}
