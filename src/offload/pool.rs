//! A small pool of OS threads: grows on demand, is bounded, goes away when idle.
//!
//! A job is shared by its task and its thread. A task that is cancelled leaves the job running; its result is dropped
//! by whoever comes last. The threads block all signals: handlers run where the program expects them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;

use crate::error::{Error, Result};
use crate::home;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::slots;
use crate::sys::sync::Condvar;
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;

/// Threads at most.
const THREADS: usize = 16;
/// Jobs that may wait for a thread.
const QUEUE: usize = 1024;
/// An idle thread ends after this.
const LINGER: Duration = Duration::from_secs(10);

type Job = Arc<dyn Work>;

trait Work: Send + Sync {
    fn run(&self);
}

/// Everything behind one lock, which a fork holds: no thread is inside the queue then.
struct Pool {
    jobs: Option<ArrayQueue<Job>>,
    threads: usize,
    idle: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { jobs: None, threads: 0, idle: 0 });
static WANTED: Condvar = Condvar::new();

impl Pool {
    fn waiting(&self) -> usize {
        self.jobs.as_ref().map_or(0, ArrayQueue::len)
    }

    fn pop(&self) -> Option<Job> {
        self.jobs.as_ref().and_then(ArrayQueue::pop)
    }
}

struct Task<R, F> {
    work: Mutex<Option<F>>,
    result: Mutex<Option<R>>,
    done: AtomicBool,
    id: i64,
    home: &'static home::Home,
    epoch: u32,
}

impl<R: Send, F: FnOnce() -> R + Send> Work for Task<R, F> {
    fn run(&self) {
        let work = self.work.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(work) = work {
            // A panic is the job's own failure: no result.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok();
            *self.result.lock().unwrap_or_else(|e| e.into_inner()) = result;
        }
        self.done.store(true, Ordering::SeqCst);
        // The task may have gone on without us. Counted out only then: in between, its home must not call silence a
        // deadlock.
        let _ = home::request(self.id, slots::NUDGE);
        self.home.jobs.leave(self.epoch);
    }
}

/// Runs `work` on a pool thread while the calling task parks, until `deadline`. -EAGAIN when too many jobs wait.
pub fn run<R, F>(s: &'static Scheduler, deadline: i64, work: F) -> Result<R>
where
    R: Send + 'static,
    F: FnOnce() -> R + Send + 'static,
{
    let task = Arc::new(Task {
        work: Mutex::new(Some(work)),
        result: Mutex::new(None),
        done: AtomicBool::new(false),
        id: s.my_id(),
        home: s.home(),
        epoch: s.home().jobs.enter(),
    });
    if let Err(e) = submit(task.clone()) {
        s.home().jobs.leave(task.epoch);
        return Err(e);
    }
    s.waits_on(Kind::Offload, 0);
    s.park_for_job(deadline, || task.done.load(Ordering::SeqCst))?;
    let result = task.result.lock().unwrap_or_else(|e| e.into_inner()).take();
    result.ok_or(Error::new(libc::ENOTRECOVERABLE))
}

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(|e| e.into_inner())
}

fn submit(job: Job) -> Result<()> {
    let mut pool = lock();
    let jobs = pool.jobs.get_or_insert_with(|| ArrayQueue::new(QUEUE));
    jobs.push(job).map_err(|_| Error::new(libc::EAGAIN))?;
    if pool.idle < pool.waiting() && pool.threads < THREADS {
        match spawn_quiet() {
            Ok(()) => pool.threads += 1,
            // Some thread will come to it; with none at all it would wait for ever.
            Err(e) if pool.threads == 0 => {
                pool.pop();
                return Err(e);
            }
            Err(_) => {}
        }
    }
    WANTED.notify_one();
    Ok(())
}

/// Starts a thread that no signal is delivered to.
fn spawn_quiet() -> Result<()> {
    // SAFETY: the sets are written before they are read; the thread inherits the mask, and ours is restored.
    unsafe {
        let (mut all, mut old) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        let spawned = std::thread::Builder::new().name("greenrt-offload".into()).spawn(serve);
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, std::ptr::null_mut());
        spawned.map(drop).map_err(Error::from)
    }
}

fn serve() {
    let mut pool = lock();
    loop {
        while let Some(job) = pool.pop() {
            drop(pool);
            job.run();
            drop(job);
            pool = lock();
        }
        pool.idle += 1;
        let (guard, waited) = WANTED.wait_timeout(pool, LINGER).unwrap_or_else(|e| e.into_inner());
        pool = guard;
        pool.idle -= 1;
        if waited.timed_out() && pool.waiting() == 0 {
            pool.threads -= 1;
            return;
        }
    }
}

struct Held(std::cell::UnsafeCell<Option<MutexGuard<'static, Pool>>>);
// SAFETY: written with the pool's lock held, by the forking thread.
unsafe impl Sync for Held {}
static HELD: Held = Held(std::cell::UnsafeCell::new(None));

/// Once per process, when the library is loaded: no fork finds a thread of the pool inside the queue.
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
        while let Some(job) = pool.pop() {
            std::mem::forget(job);
        }
        (pool.threads, pool.idle) = (0, 0);
    }
}
