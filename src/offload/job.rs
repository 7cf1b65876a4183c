//! The record of one job: what is to be done, for whom, and what came of it.
//!
//! It is shared by the task that waits and the thread that works, and lives until both have let go of it: a task that is
//! cancelled leaves the job running, and the result is dropped by whoever comes last. The count of references is kept by
//! hand, since `Arc::new` aborts when there is no memory.
//!
//! Invariants:
//! J1  A record has two references from its making: the waiting task's and the pool's. Who drops the last one frees it.
//! J2  `work` belongs to whoever took the job out of the pool's hands: the thread that runs it, or, while it is still in
//!     the queue, the task that takes it back. `result` is the thread's before `done` is set, the waiting task's after.
//! J3  The links belong to the pool and are reached under its lock.

use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

use crate::error::{Error, Result};
use crate::home;
use crate::sched::Scheduler;
use crate::slots;
use crate::sys::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sys::clock::NEVER;

/// The part of a record that the pool knows.
#[repr(C)]
pub struct Header {
    /// The job behind this one in the queue (J3).
    pub next: Cell<*const Header>,
    /// The job before this one (J3).
    pub prev: Cell<*const Header>,
    /// Whether it stands in the queue (J3).
    pub queued: Cell<bool>,
    done: AtomicBool,
    references: AtomicU32,
    epoch: u32,
    id: i64,
    home: &'static home::Home,
    work: unsafe fn(*const Header),
    free: unsafe fn(*const Header),
}

/// A job with its work and its result.
#[repr(C)]
struct Record<F, R> {
    header: Header,
    /// Whether the work was begun: then it is moved out. Its words stay as they are up to the record's end, as the thread that
    /// works may be none that a collector scans (M1 of `sched::roots`).
    begun: Cell<bool>,
    work: UnsafeCell<ManuallyDrop<F>>,
    result: UnsafeCell<Option<R>>,
}

/// The waiting task's reference.
pub struct Job<F, R>(*const Record<F, R>);

impl<R: Send, F: FnOnce() -> R + Send> Job<F, R> {
    /// A job for the running task, counted among those of its home. -ENOMEM.
    pub fn new(s: &'static Scheduler, work: F) -> Result<Job<F, R>> {
        let mut one: Vec<Record<F, R>> = Vec::new();
        one.try_reserve_exact(1).map_err(|_| Error::new(libc::ENOMEM))?;
        one.push(Record {
            header: Header {
                next: Cell::new(ptr::null()),
                prev: Cell::new(ptr::null()),
                queued: Cell::new(false),
                done: AtomicBool::new(false),
                references: AtomicU32::new(2),
                epoch: s.home().jobs.enter(),
                id: s.my_id(),
                home: s.home(),
                work: Record::<F, R>::work as unsafe fn(*const Header),
                free: Record::<F, R>::free,
            },
            begun: Cell::new(false),
            work: UnsafeCell::new(ManuallyDrop::new(work)),
            result: UnsafeCell::new(None),
        });
        Ok(Job(Box::into_raw(one.into_boxed_slice()).cast()))
    }

    /// For the pool, which holds a reference of its own.
    pub fn header(&self) -> *const Header {
        self.0.cast()
    }

    /// Whether the result is there, or is known never to come.
    pub fn is_done(&self) -> bool {
        // SAFETY: J1: this reference keeps the record.
        unsafe { (*self.0).header.done.load(Ordering::SeqCst) }
    }

    /// The result of a job that is done; none if it panicked.
    pub fn result(&self) -> Option<R> {
        // SAFETY: J1; J2: done.
        unsafe { (*(*self.0).result.get()).take() }
    }
}

impl<F, R> Drop for Job<F, R> {
    fn drop(&mut self) {
        // SAFETY: J1.
        unsafe { let_go(self.0.cast()) };
    }
}

impl<F: FnOnce() -> R, R> Record<F, R> {
    /// The pool's thread: does the work.
    unsafe fn work(header: *const Header) {
        let record = header.cast::<Self>();
        // SAFETY: J1, J2.
        let (work, result) = unsafe {
            (*record).begun.set(true);
            (ManuallyDrop::take(&mut *(*record).work.get()), (*record).result.get())
        };
        // A panic is the job's own failure: no result.
        let came = catch_unwind(AssertUnwindSafe(work)).ok();
        // SAFETY: J2.
        unsafe { *result = came };
    }

    unsafe fn free(header: *const Header) {
        // SAFETY: J1: nobody else has it; a boxed slice of one element has the layout of a boxed element.
        let mut record = unsafe { Box::from_raw(header.cast::<Self>().cast_mut()) };
        if !record.begun.get() {
            // SAFETY: it was not moved out.
            unsafe { ManuallyDrop::drop(record.work.get_mut()) };
        }
    }
}

/// # Safety
/// The reference given up is the caller's (J1).
unsafe fn let_go(header: *const Header) {
    // SAFETY: J1.
    unsafe {
        if (*header).references.fetch_sub(1, Ordering::AcqRel) == 1 {
            ((*header).free)(header);
        }
    }
}

/// Runs a job on this thread, wakes its task, and gives the pool's reference up.
///
/// # Safety
/// The job is out of the queue, for the first time; the reference is the caller's.
pub unsafe fn run(header: *const Header) {
    // SAFETY: J1, J2.
    unsafe { ((*header).work)(header) };
    // A job that used tasks had a scheduler; it ends with the job, as by gt_shutdown.
    if let Some(s) = Scheduler::existing() {
        let _ = s.shutdown(NEVER);
    }
    // SAFETY: J1.
    let (id, home, epoch) = unsafe { ((*header).id, (*header).home, (*header).epoch) };
    // SAFETY: J1.
    unsafe { (*header).done.store(true, Ordering::SeqCst) };
    // The task may have gone on without us. Counted out only then: in between, its home must not call silence a
    // deadlock. And behind the end of a result that nobody takes: when no job is counted, nothing of one is left.
    let _ = home::request(id, slots::NUDGE);
    // SAFETY: J1.
    unsafe { let_go(header) };
    home.job_is_over(epoch);
}

/// Gives up the pool's reference to a job that no thread has begun.
///
/// # Safety
/// As for [`run`].
pub unsafe fn abandon(header: *const Header) {
    // SAFETY: J1.
    let (home, epoch) = unsafe { ((*header).home, (*header).epoch) };
    // SAFETY: J1.
    unsafe { let_go(header) };
    home.job_is_over(epoch);
}
