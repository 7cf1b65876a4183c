//! Workers: a scheduler on each of several OS threads, and tasks that are spawned on one of them from anywhere.
//!
//! A task that is spawned here is an order first ([`order`]): its id is valid at once, and it becomes a task when a worker
//! opens it. An order for a certain worker goes into that worker's inbox; one for any worker waits in a common queue,
//! from which every worker takes when its turn comes. So what has not started moves to whoever is idle, and what has
//! started stays where it is.
//!
//! Invariants:
//! F1  `FLEET` is held for short steps only, never across a park, and a fork holds it (no worker is inside).
//! F2  A worker that runs has a [`crate::home::Home`] that is in use until its thread has ended.

pub mod order;
pub mod worker;

use crate::error::{Error, Result};
use crate::home::Home;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sync::queue::{Waiter, Waiters};
use crate::sys::faults::beyond;
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;
use crate::sys::thread::Thread;
use order::Queue;

/// What a start may ask for.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Each worker stays on one processor.
    pub pin: bool,
}

/// Most workers.
pub const MOST: usize = 1024;

/// The stage of the fleet's life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Off,
    Starting,
    Running,
    /// No new orders; the workers wait for their tasks to end.
    Stopping,
    /// What still lives was cancelled.
    Cancelling,
}

struct Fleet {
    stage: Stage,
    homes: Vec<&'static Home>,
    threads: Vec<Thread>,
    /// Workers whose thread has not left its loop.
    running: usize,
    orders: Queue,
    /// The workers' root tasks, when there is no order for them.
    idle: Waiters,
    /// Who waits for the fleet's end.
    ending: Waiters,
}

static FLEET: Mutex<Fleet> = Mutex::new(Fleet {
    stage: Stage::Off,
    homes: Vec::new(),
    threads: Vec::new(),
    running: 0,
    orders: Queue::new(),
    idle: Waiters::new(),
    ending: Waiters::new(),
});

// SAFETY: the queue's and the lists' pointers are followed under the lock only.
unsafe impl Send for Fleet {}

fn fleet() -> MutexGuard<'static, Fleet> {
    FLEET.lock().unwrap_or_else(|e| e.into_inner())
}

impl Fleet {
    /// Lets the workers look at the queue and the stage: one that sleeps if there is one and one is enough, else all.
    fn rouse(&self, all: bool) {
        let mut at = if all { None } else { self.idle.first() };
        while let Some(waiter) = at {
            at = self.idle.next(waiter);
            let sleeps = self.homes.get(waiter.want.get()).is_some_and(|h| h.inbox.is_asleep());
            if sleeps && self.idle.claim(waiter) {
                return self.idle.finish(waiter, 0).send();
            }
        }
        while let Some((_, wake)) = self.idle.grant(0) {
            wake.send();
        }
    }
}

/// Starts `count` workers; 0 means one for each processor that this process may use. Returns how many.
///
/// Errors: -EINVAL (more than [`MOST`]), -EALREADY, -EAGAIN (no thread to be had), and what a scheduler needs.
pub fn start(count: usize, options: Options) -> Result<usize> {
    let count = match count {
        0 => beyond(std::thread::available_parallelism).map_or(1, |n| n.get()),
        n => n,
    };
    if count > MOST {
        return Err(Error::new(libc::EINVAL));
    }
    {
        let mut fleet = fleet();
        if fleet.stage != Stage::Off {
            return Err(Error::new(libc::EALREADY));
        }
        let no_memory = |_| Error::new(libc::ENOMEM);
        fleet.homes.try_reserve(count).map_err(no_memory)?;
        fleet.threads.try_reserve(count).map_err(no_memory)?;
        fleet.stage = Stage::Starting;
    }
    for index in 0..count {
        let started = worker::start(index, options);
        let mut fleet = fleet();
        match started {
            Ok((home, thread)) => {
                fleet.homes.push(home);
                fleet.threads.push(thread);
                fleet.running += 1;
            }
            Err(e) => {
                fleet.stage = Stage::Cancelling;
                fleet.rouse(true);
                drop(fleet);
                dismiss();
                return Err(e);
            }
        }
    }
    fleet().stage = Stage::Running;
    Ok(count)
}

/// Waits until the workers' tasks have ended, at most until `deadline`; then cancels those that live, and waits for their
/// end all the same. An error (-ETIMEDOUT, -ECANCELED, -EINTR) says that they had to be cancelled.
///
/// Errors before anything is done: -ESRCH (no workers), -EALREADY (somebody else stops them), -EDEADLK (a worker calls).
pub fn stop(s: &'static Scheduler, deadline: i64) -> Result<()> {
    s.check()?;
    if s.worker().is_some() {
        return Err(Error::new(libc::EDEADLK));
    }
    let waiter = Waiter::new(s, 0);
    {
        let mut fleet = fleet();
        match fleet.stage {
            Stage::Running => {}
            Stage::Off => return Err(Error::new(libc::ESRCH)),
            _ => return Err(Error::new(libc::EALREADY)),
        }
        fleet.stage = Stage::Stopping;
        fleet.rouse(true);
        // SAFETY: Q2: `wait` unlinks it before this frame ends.
        unsafe { fleet.ending.push(&waiter) };
    }
    let leave = || {
        fleet().ending.remove(&waiter);
    };
    s.waits_on(Kind::Workers, 0);
    let patience = waiter.wait(s, deadline, leave);
    if patience.is_err() {
        cancel_all(s);
    }
    dismiss();
    patience.map(|_| ())
}

/// Cancels what lives on the workers, and waits, shielded, until their loops have ended.
fn cancel_all(s: &'static Scheduler) {
    let waiter = Waiter::new(s, 0);
    {
        let mut fleet = fleet();
        fleet.stage = Stage::Cancelling;
        fleet.rouse(true);
        if fleet.running == 0 {
            return;
        }
        // SAFETY: as in `stop`.
        unsafe { fleet.ending.push(&waiter) };
    }
    s.shield_push();
    // Shielded and without a deadline: only the grant ends it, or a deadlock report that cannot be true.
    let leave = || {
        fleet().ending.remove(&waiter);
    };
    let linked = || {
        let _locked = fleet();
        waiter.is_linked()
    };
    while waiter.granted().is_none() && linked() {
        s.waits_on(Kind::Workers, 0);
        let _ = waiter.wait(s, crate::sys::clock::NEVER, leave);
    }
    let _ = s.shield_pop();
}

/// Joins the threads, which have left their loops or are about to, and makes a new start possible.
fn dismiss() {
    let threads = std::mem::take(&mut fleet().threads);
    for thread in threads {
        thread.join();
    }
    let mut fleet = fleet();
    fleet.homes = Vec::new();
    fleet.running = 0;
    fleet.stage = Stage::Off;
}

/// How many workers run.
pub fn count() -> usize {
    fleet().homes.len()
}

/// Once per process, when the library is loaded: a fork finds no thread inside (F1).
pub(crate) fn at_load() {
    // SAFETY: the handlers stay (the library is linked `nodelete`). Out of memory at load: a child may find the lock taken.
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child)) };
}

struct Held(std::cell::UnsafeCell<Option<MutexGuard<'static, Fleet>>>);
// SAFETY: written with the lock held, by the forking thread.
unsafe impl Sync for Held {}
static HELD: Held = Held(std::cell::UnsafeCell::new(None));

extern "C" fn before_fork() {
    let held = fleet();
    // SAFETY: the lock is held by this thread.
    unsafe { *HELD.0.get() = Some(held) };
}

extern "C" fn after_fork_in_parent() {
    // SAFETY: set by `before_fork` on this thread.
    unsafe { *HELD.0.get() = None };
}

/// The workers' threads do not exist in the child, and their orders are the parent's.
extern "C" fn after_fork_in_child() {
    // SAFETY: set by `before_fork` on the thread that this one is a copy of.
    let Some(mut fleet) = (unsafe { (*HELD.0.get()).take() }) else { return };
    fleet.threads = Vec::new();
    fleet.homes = Vec::new();
    fleet.running = 0;
    fleet.orders = Queue::new();
    fleet.idle = Waiters::new();
    fleet.ending = Waiters::new();
    fleet.stage = Stage::Off;
}
