//! Who works next: the seats of the pool's idle threads, and the jobs that wait for one.
//!
//! Invariants:
//! J4  Seats and the links of jobs are reached under the pool's lock, except that the owner of a seat that is not in the
//!     list may read it after it saw its word set.
//! J5  A seat in the list belongs to a thread that sleeps on it and does not leave before it was taken off.
//! J6  While a seat is in the list the queue is empty.
//! J7  The word of a seat in the list is ASLEEP or AWAKE; only its thread changes the one into the other, only `submit` makes it
//!     GIVEN, after it took the seat off. Who finds ASLEEP there wakes the thread.

use std::cell::Cell;
use std::ptr;

use super::job::{self, Header};
use crate::config::Offload;
use crate::error::{Error, Result};
use crate::sys::atomic::{making, AtomicU32, Ordering};
use crate::sys::clock::{self, NEVER};
use crate::sys::futex;
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;
use crate::sys::vigil::{Vigil, LONGEST};

/// The seat's thread sleeps on the word, or is about to.
const ASLEEP: u32 = 0;
/// A job lies on the seat.
const GIVEN: u32 = 1;
/// The seat's thread watches the word.
const AWAKE: u32 = 2;

/// Where an idle thread is found. Lives on its stack.
pub struct Seat {
    vigil: Vigil,
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

/// The seats and the queue of one pool.
pub struct Seats(Mutex<Pool>);

/// Keeps every thread out of the pool: for a fork.
pub struct Held<'a>(MutexGuard<'a, Pool>);

impl Seat {
    /// A seat that is in no list.
    pub fn new() -> Seat {
        Seat {
            vigil: Vigil::new(),
            word: AtomicU32::new(ASLEEP),
            job: Cell::new(ptr::null()),
            below: Cell::new(ptr::null()),
        }
    }

    /// Watches for a job before the thread sleeps, if that may pay; false: nobody will believe it awake any more (J7).
    fn keep_vigil(&self) -> bool {
        let given = || self.word.load(Ordering::Acquire) == GIVEN;
        self.vigil.is_due()
            && (self.vigil.keep(LONGEST, given)
                || self.word.compare_exchange(AWAKE, ASLEEP, Ordering::Acquire, Ordering::Acquire).is_err())
    }
}

impl Held<'_> {
    /// Forked child: the threads do not exist here, and the jobs are the parent's.
    pub fn abandon(mut self) {
        let pool = &mut self.0;
        (pool.first, pool.last, pool.waiting) = (ptr::null(), ptr::null(), 0);
        (pool.threads, pool.idle) = (0, ptr::null());
    }
}

impl Pool {
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

impl Seats {
    making! {
        /// Nobody works, nothing waits.
        pub fn new() -> Seats {
            let (none, nobody) = (ptr::null(), ptr::null());
            Seats(Mutex::new(Pool { limits: None, first: none, last: none, waiting: 0, threads: 0, idle: nobody }))
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// No thread is inside until the answer is dropped.
    pub fn hold(&self) -> Held<'_> {
        Held(self.lock())
    }

    /// Threads that there are, jobs that wait for one.
    pub fn figures(&self) -> (u64, u64) {
        let pool = self.lock();
        (pool.threads.into(), pool.waiting.into())
    }

    /// Finds a thread for a job, or starts one, or puts it into the queue. An error leaves the job the caller's.
    pub fn submit(
        &self,
        job: *const Header,
        limits: impl FnOnce() -> Offload,
        start: impl FnOnce(*const Header) -> Result<()>,
    ) -> Result<()> {
        let mut pool = self.lock();
        let limits = *pool.limits.get_or_insert_with(limits);
        if let Some(seat) = pool.pop_idle() {
            // SAFETY: J4, J5: the seat's thread stays until it sees the word set.
            let (before, word) = unsafe {
                (*seat).job.set(job);
                ((*seat).word.swap(GIVEN, Ordering::Release), &raw const (*seat).word)
            };
            drop(pool);
            if before == ASLEEP {
                futex::wake_address(word); // J7
            }
            return Ok(());
        }
        let mut refused = Error::new(libc::EAGAIN);
        if pool.threads < limits.threads {
            pool.threads += 1;
            drop(pool);
            match start(job) {
                Ok(()) => return Ok(()),
                Err(e) => refused = e,
            }
            pool = self.lock();
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
    pub fn take_back(&self, job: *const Header) {
        if self.lock().remove(job) {
            // SAFETY: it was in the queue, so nobody has begun it.
            unsafe { job::abandon(job) };
        }
    }

    /// The next job of a thread: from the queue, or handed over at its seat; none when it has lingered long enough.
    pub fn next(&self, seat: &Seat) -> Option<*const Header> {
        let mut pool = self.lock();
        let queued = pool.first;
        if !queued.is_null() {
            pool.remove(queued);
            return Some(queued);
        }
        let linger = pool.limits.map_or(0, |l| l.linger);
        seat.word.store(if seat.vigil.is_due() { AWAKE } else { ASLEEP }, Ordering::Relaxed);
        seat.below.set(pool.idle);
        pool.idle = seat;
        drop(pool);
        if seat.keep_vigil() {
            return Some(seat.job.get()); // J4
        }
        let until = clock::real().saturating_add(linger);
        while seat.word.load(Ordering::Acquire) == ASLEEP {
            let left = if until == NEVER { NEVER } else { until - clock::real() };
            if left > 0 {
                futex::wait_for(&seat.word, ASLEEP, left);
                continue;
            }
            let mut pool = self.lock();
            // Under the lock: either a job has come, or none will.
            if seat.word.load(Ordering::Acquire) == ASLEEP {
                pool.remove_idle(seat);
                pool.threads -= 1;
                return None;
            }
        }
        seat.vigil.woken();
        Some(seat.job.get()) // J4
    }
}
