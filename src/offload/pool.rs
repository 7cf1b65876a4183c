//! A pool of OS threads for calls that block: grows on demand, is bounded, goes away when idle.
//!
//! The way of a job, kept short: the task takes the thread that went idle last, puts the job onto its seat and wakes it
//! by one futex call; the thread works, marks the job done, and wakes the task by the request NUDGE, which rings its home's
//! bell if that sleeps. Only when every thread works does a job go through the queue. The threads block all signals:
//! handlers run where the program expects them.
//!
//! Invariants:
//! J4  Seats and the links of jobs are reached under the pool's lock, except that the owner of a seat that is not in the
//!     list may read it after it saw its word set.
//! J5  A seat in the list belongs to a thread that sleeps on it and does not leave before it was taken off.
//! J6  While a seat is in the list the queue is empty.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::ptr;

use super::job::{self, Header, Job};
use super::uses;
use crate::config::{self, Offload};
use crate::error::{Error, Result};
use crate::home;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::clock::{self, NEVER};
use crate::sys::futex;
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;
use crate::sys::thread;

/// Where an idle thread is found. Lives on its stack.
struct Seat {
    word: AtomicU32,
    job: Cell<*const Header>,
    below: Cell<*const Seat>,
}

/// Everything behind one lock, which a fork holds: no thread is inside then.
struct Pool {
    limits: Option<Offload>,
    first: *const Header,
    last: *const Header,
    waiting: u32,
    threads: u32,
    idle: *const Seat,
}

// SAFETY: J4.
unsafe impl Send for Pool {}

static POOL: Mutex<Pool> =
    Mutex::new(Pool { limits: None, first: ptr::null(), last: ptr::null(), waiting: 0, threads: 0, idle: ptr::null() });

/// Figures of the pool: threads that there are, jobs that wait for one.
pub fn figures() -> (u64, u64) {
    let pool = lock();
    (pool.threads.into(), pool.waiting.into())
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
    if let Err(e) = submit(job.header()) {
        // SAFETY: the pool did not take it.
        unsafe { job::abandon(job.header()) };
        return Err(e);
    }
    s.waits_on(Kind::Offload, 0);
    s.park_listening(deadline, || job.is_done(), || take_back(job.header()))?;
    // It may have been done before we could park.
    s.charge();
    job.result().ok_or(Error::new(libc::ENOTRECOVERABLE))
}

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(|e| e.into_inner())
}

impl Pool {
    fn limits(&mut self) -> Offload {
        *self.limits.get_or_insert_with(|| config::freeze().offload)
    }

    /// The thread that went idle last: its stack and its caches are the warmest.
    fn pop_idle(&mut self) -> Option<*const Seat> {
        let seat = self.idle;
        // SAFETY: J5.
        self.idle = unsafe { seat.as_ref() }?.below.get();
        Some(seat)
    }

    fn remove_idle(&mut self, seat: &Seat) {
        if ptr::eq(self.idle, seat) {
            self.idle = seat.below.get();
            return;
        }
        let mut at = self.idle;
        // SAFETY: J5.
        while let Some(above) = unsafe { at.as_ref() } {
            if ptr::eq(above.below.get(), seat) {
                above.below.set(seat.below.get());
                return;
            }
            at = above.below.get();
        }
    }

    fn push(&mut self, job: *const Header) {
        // SAFETY: J1, J3: queued jobs are there.
        unsafe {
            (*job).queued.set(true);
            (*job).prev.set(self.last);
            match self.last.is_null() {
                true => self.first = job,
                false => (*self.last).next.set(job),
            }
        }
        self.last = job;
        self.waiting += 1;
    }

    /// Takes a job out of the queue if it stands there.
    fn remove(&mut self, job: *const Header) -> bool {
        // SAFETY: J1, J3: queued jobs are there, and so is the one asked for.
        unsafe {
            if !(*job).queued.replace(false) {
                return false;
            }
            let (prev, next) = ((*job).prev.get(), (*job).next.get());
            match prev.is_null() {
                true => self.first = next,
                false => (*prev).next.set(next),
            }
            match next.is_null() {
                true => self.last = prev,
                false => (*next).prev.set(prev),
            }
        }
        self.waiting -= 1;
        true
    }
}

/// Finds a thread for a job, or a place in the queue. An error leaves the job the caller's.
fn submit(job: *const Header) -> Result<()> {
    let mut pool = lock();
    let limits = pool.limits();
    if let Some(seat) = pool.pop_idle() {
        // SAFETY: J4, J5: the seat's thread sleeps until it sees the word set.
        let word = unsafe {
            (*seat).job.set(job);
            (*seat).word.store(1, Ordering::Release);
            &raw const (*seat).word
        };
        drop(pool);
        futex::wake_address(word);
        return Ok(());
    }
    let mut refused = Error::new(libc::EAGAIN);
    if pool.threads < limits.threads {
        pool.threads += 1;
        drop(pool);
        match start_thread(job) {
            Ok(()) => return Ok(()),
            Err(e) => refused = e,
        }
        pool = lock();
        pool.threads -= 1;
    }
    // With no thread at all it would wait for ever.
    if pool.threads == 0 || pool.waiting >= limits.queue {
        return Err(refused);
    }
    pool.push(job);
    Ok(())
}

/// Takes a job back that no thread has begun; one that runs stays.
fn take_back(job: *const Header) {
    if lock().remove(job) {
        // SAFETY: it was in the queue, so nobody has begun it.
        unsafe { job::abandon(job) };
    }
}

/// Starts a thread that no signal is delivered to, with its first job.
fn start_thread(job: *const Header) -> Result<()> {
    // SAFETY: the job is the thread's from now on (J1, J2).
    unsafe { thread::start(serve, job.cast_mut().cast(), 0, thread::End::Detached, thread::Signals::Blocked) }.map(drop)
}

/// A thread's life: its first job, then what the queue has, then a seat.
extern "C" fn serve(first: *mut c_void) -> *mut c_void {
    thread::name(c"gt-offload");
    let forks = home::forks();
    let seat = Seat { word: AtomicU32::new(0), job: Cell::new(ptr::null()), below: Cell::new(ptr::null()) };
    let mut job = first.cast_const().cast::<Header>();
    loop {
        // SAFETY: handed over by `submit`, or taken out of the queue below.
        unsafe { job::run(job) };
        if home::forks() != forks {
            // The job forked and came back: this is the only thread of the child, and nothing is left for it to do.
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) };
        }
        job = match next(&seat) {
            Some(job) => job,
            None => return ptr::null_mut(),
        };
    }
}

/// The next job of a thread: from the queue, or handed over at its seat; none when it has lingered long enough.
fn next(seat: &Seat) -> Option<*const Header> {
    let mut pool = lock();
    let queued = pool.first;
    if !queued.is_null() {
        pool.remove(queued);
        return Some(queued);
    }
    let linger = pool.limits().linger;
    seat.word.store(0, Ordering::Relaxed);
    seat.below.set(pool.idle);
    pool.idle = seat;
    drop(pool);
    let until = clock::now().saturating_add(linger);
    while seat.word.load(Ordering::Acquire) == 0 {
        let left = if until == NEVER { NEVER } else { until - clock::now() };
        if left > 0 {
            futex::wait_for(&seat.word, 0, left);
            continue;
        }
        let mut pool = lock();
        // Under the lock: either a job has come, or none will.
        if seat.word.load(Ordering::Acquire) == 0 {
            pool.remove_idle(seat);
            pool.threads -= 1;
            return None;
        }
    }
    Some(seat.job.get()) // J4
}

struct Held(UnsafeCell<Option<MutexGuard<'static, Pool>>>);
// SAFETY: written with the pool's lock held, by the forking thread.
unsafe impl Sync for Held {}
static HELD: Held = Held(UnsafeCell::new(None));

/// Once per process, when the library is loaded: no fork finds a thread of the pool inside.
pub(crate) fn at_load() {
    // SAFETY: the handlers stay (the library is linked `nodelete`). Out of memory at load: a child's pool may be stuck.
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child)) };
}

extern "C" fn before_fork() {
    let guard = lock();
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
    if let Some(mut pool) = held {
        (pool.first, pool.last, pool.waiting) = (ptr::null(), ptr::null(), 0);
        (pool.threads, pool.idle) = (0, ptr::null());
    }
    uses::after_fork_in_child();
}
