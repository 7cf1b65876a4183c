//! What a watcher on another OS thread may know of a home without asking it (the watchdog).

use super::{inhabited, lock, quiet, Home};
use crate::sys::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// What other threads may know of a home without asking it.
#[derive(Default)]
pub struct Watch {
    /// The id of its root task; 0 while nobody lives here.
    pub root: AtomicU64,
    /// Its OS thread, as the kernel and as the C library call it.
    thread: AtomicI32,
    handle: AtomicUsize,
    /// What its scheduler counts; null while nobody lives here.
    progress: AtomicPtr<Progress>,
    /// Its scheduler; null while nobody lives here (M5 of `sched::roots`).
    scheduler: AtomicPtr<()>,
    /// The descriptor of its reactor.
    pub(super) reactor: AtomicI32,
    /// Until when it has nothing to do, where time is virtual.
    pub(super) quiet: AtomicI64,
    /// Its scheduler was made by a job that another home has counted.
    pub(super) of_job: AtomicBool,
}

/// A number that one thread writes and others may read.
#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Its value.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The writing thread: another value.
    #[inline(always)]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// What a scheduler counts on its way: while nothing of this changes, no task of it has passed through the scheduler.
/// Part of the scheduler; written by the home thread.
#[derive(Default)]
pub struct Progress {
    /// Switches.
    pub switches: Count,
    /// Polls of the reactor.
    pub polls: Count,
    /// Yields with nobody else ready, and looks into the inbox before a sleep.
    pub alone: Count,
    /// The thread is somewhere else for a reason: OUTSIDE_*.
    pub outside: Count,
}

/// A value of [`Progress::outside`]: the thread runs its own code.
pub const INSIDE: u64 = 0;
/// Gave its host's lock up for a sleep, and may be waiting to get it back.
pub const OUTSIDE_RELEASED: u64 = 1;
/// Another event loop drives the scheduler, and has the thread.
pub const OUTSIDE_EMBEDDED: u64 = 2;
/// Writes a dump, which may be long, to a reader who may be slow.
pub const OUTSIDE_DUMPING: u64 = 3;

impl Watch {
    /// Where a debugger finds its OS thread.
    pub const THREAD_AT: usize = std::mem::offset_of!(Watch, thread);
    /// Where a debugger finds the address of its scheduler.
    pub const SCHEDULER_AT: usize = std::mem::offset_of!(Watch, scheduler);

    /// Home thread: this is the home's OS thread.
    pub fn this_thread(&self) {
        // SAFETY: neither has preconditions.
        let (thread, handle) = unsafe { (libc::gettid(), libc::pthread_self()) };
        self.thread.store(thread, Ordering::Relaxed);
        self.handle.store(handle as usize, Ordering::Relaxed);
    }

    /// Home thread, under the register's lock: somebody lives here.
    pub fn moved_in(&self) {
        self.quiet.store(quiet::AWAKE, Ordering::Relaxed);
        self.of_job.store(quiet::of_job(), Ordering::Relaxed);
    }

    /// Forked child: the reactor is another one.
    pub fn reactor_is(&self, reactor: i32) {
        self.reactor.store(reactor, Ordering::Relaxed);
    }

    /// Home thread: from now on the home is watched. What is handed over stays until [`Home::move_out`].
    pub fn begin(&self, scheduler: *const (), progress: *const Progress, reactor: i32) {
        self.this_thread();
        self.reactor_is(reactor);
        self.scheduler.store(scheduler.cast_mut(), Ordering::Release);
        self.progress.store(progress.cast_mut(), Ordering::Release);
    }

    /// The scheduler; null while nobody lives here.
    pub fn scheduler(&self) -> *const () {
        self.scheduler.load(Ordering::Acquire)
    }

    /// Its OS thread, as the C library calls it.
    pub fn handle(&self) -> usize {
        self.handle.load(Ordering::Acquire)
    }

    /// Home thread, under the register's lock: nobody lives here any more.
    pub fn end(&self) {
        self.root.store(0, Ordering::Release);
        self.progress.store(std::ptr::null_mut(), Ordering::Release);
        self.scheduler.store(std::ptr::null_mut(), Ordering::Release);
    }
}

/// A home whose thread is there, under the register's lock.
pub struct Watched<'a> {
    /// The home.
    pub home: &'static Home,
    /// What its scheduler counts.
    pub progress: &'a Progress,
    /// Its OS thread's number, for the kernel.
    pub thread: i32,
    /// Its OS thread's handle, for the C library.
    pub handle: libc::pthread_t,
}

/// Any thread: calls `f` for each home with a scheduler. None of them ends meanwhile, so `f` is short and takes no lock of ours.
pub fn each_watched(mut f: impl FnMut(Watched)) {
    let _guard = lock();
    for home in inhabited() {
        // SAFETY: H4: the lock is held.
        if let Some(progress) = unsafe { home.watch.progress.load(Ordering::Acquire).as_ref() } {
            let thread = home.watch.thread.load(Ordering::Relaxed);
            let handle = home.watch.handle.load(Ordering::Relaxed) as libc::pthread_t;
            f(Watched { home, progress, thread, handle });
        }
    }
}
