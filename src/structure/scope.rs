//! Scopes: tasks that end together. Who joins a scope waits until all of its tasks have ended, also when it is told to
//! stop: then it cancels them first. So no task outlives the block that started it.
//!
//! Invariants:
//! G1  A child record is in its scope's list from the spawn until the task's end calls `ended`, which frees it; while one
//!     is there, `live` is not 0 and the scope is not freed.
//! G2  A scope is touched by its home thread only (`Owner::ask`).

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use super::{belongs_to, Owner, Tasks};
use crate::error::{Error, Result};
use crate::sched::extra::{try_box, Ended, Structure};
use crate::sched::task::Task;
use crate::sched::waits::Kind;
use crate::sched::{Scheduler, SpawnOptions, Start, Woken};
use crate::sys::clock::NEVER;
use crate::wait::{WaitList, WaitNode};

/// What a task of a scope runs; negative is an error.
pub type Entry = unsafe extern "C" fn(arg: *mut c_void) -> libc::c_int;

/// Whether the first error ends the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It does.
    Cancel,
    /// It does not.
    KeepGoing,
}

/// A scope.
pub struct Scope {
    owner: Owner,
    on_error: OnError,
    live: Cell<usize>,
    first: Cell<*mut Child>,
    last: Cell<*mut Child>,
    cancelled: Cell<bool>,
    error: Cell<i32>,
    failed: Cell<i64>,
    joining: Cell<u32>,
    joiners: WaitList,
}

/// A task of a scope.
struct Child {
    scope: *const Scope,
    task: Cell<*const Task>,
    entry: Entry,
    arg: *mut c_void,
    next: Cell<*mut Child>,
    prev: Cell<*mut Child>,
}

/// How a wait for all tasks ended early.
enum Early {
    /// The deadline of the call.
    Deadline,
    /// Whatever ends waits.
    Error(Error),
}

impl Scope {
    /// An empty scope of the calling thread.
    pub fn new(s: &Scheduler, on_error: OnError) -> Scope {
        Scope {
            owner: Owner::new(s),
            on_error,
            live: Cell::new(0),
            first: Cell::new(ptr::null_mut()),
            last: Cell::new(ptr::null_mut()),
            cancelled: Cell::new(false),
            error: Cell::new(0),
            failed: Cell::new(0),
            joining: Cell::new(0),
            joiners: WaitList::new(),
        }
    }

    /// Every call comes through here: -EXDEV on another thread.
    fn enter(&self, s: &Scheduler) -> Result<()> {
        if self.owner.ask(s)? == Tasks::Gone {
            self.last.set(ptr::null_mut());
            let mut child = self.first.replace(ptr::null_mut());
            while !child.is_null() {
                // SAFETY: G1: its task will never run, so `ended` will not free it.
                let gone = unsafe { Box::from_raw(child) };
                child = gone.next.get();
            }
            self.joiners.abandon();
            self.live.set(0);
            self.joining.set(0);
        }
        Ok(())
    }

    /// Spawns a task into the scope. -ECANCELED: the scope was cancelled; -EXDEV; and what a spawn gives.
    pub fn spawn(&self, s: &Scheduler, entry: Entry, arg: *mut c_void, options: &SpawnOptions) -> Result<i64> {
        self.enter(s)?;
        if self.cancelled.get() {
            return Err(Error::new(libc::ECANCELED));
        }
        let task = Cell::new(ptr::null());
        let (next, prev) = (Cell::new(ptr::null_mut()), Cell::new(ptr::null_mut()));
        let child = Box::into_raw(try_box(Child { scope: self, task, entry, arg, next, prev })?);
        let ended = Ended { structure: Structure::Scope, function: ended, arg: child.cast() };
        match s.spawn_followed(run, child.cast(), options, ended, Start::Ready) {
            Ok(task) => {
                // SAFETY: G1: the task has not run yet.
                unsafe { self.link(&mut *child) };
                // SAFETY: as above.
                unsafe { (*child).task.set(task) };
                Ok(task.id.get())
            }
            Err(e) => {
                // SAFETY: made above; no task has it.
                drop(unsafe { Box::from_raw(child) });
                Err(e)
            }
        }
    }

    fn link(&self, child: &mut Child) {
        let last = self.last.replace(child);
        child.prev.set(last);
        // SAFETY: G1: null, or a child of the list.
        match unsafe { last.as_ref() } {
            Some(last) => last.next.set(child),
            None => self.first.set(child),
        }
        self.live.set(self.live.get() + 1);
    }

    fn unlink(&self, child: &Child) {
        let (prev, next) = (child.prev.get(), child.next.get());
        // SAFETY: G1: null, or a child of the list.
        match unsafe { prev.as_ref() } {
            Some(prev) => prev.next.set(next),
            None => self.first.set(next),
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None => self.last.set(prev),
        }
        self.live.set(self.live.get() - 1);
    }

    /// Waits until all tasks have ended; the first error of theirs. A deadline that passes leaves them alone; a cancel,
    /// an interrupt or a scope deadline of the caller cancels them, and the wait goes on under a shield.
    pub fn join(&self, s: &Scheduler, deadline: i64) -> Result<i32> {
        self.enter(s)?;
        if belongs_to(s.me(), Structure::Scope).is_some_and(|c| ptr::eq(Scope::of(c), self)) {
            return Err(Error::new(libc::EDEADLK));
        }
        self.joining.set(self.joining.get() + 1);
        let waited = s.check().map_err(Early::Error).and_then(|()| self.wait(s, deadline));
        let joined = match waited {
            Ok(()) => Ok(self.error.get()),
            Err(Early::Deadline) => Err(Error::new(libc::ETIMEDOUT)),
            Err(Early::Error(e)) if e.errno() == libc::EDEADLK => Err(e),
            Err(Early::Error(e)) => {
                self.cancel_all(s);
                s.shield_push();
                let rest = self.wait(s, NEVER);
                // The shield was pushed above.
                let _ = s.shield_pop();
                match rest {
                    Err(Early::Error(worse)) => Err(worse),
                    _ => Err(e),
                }
            }
        };
        self.joining.set(self.joining.get() - 1);
        joined
    }

    fn wait(&self, s: &Scheduler, deadline: i64) -> std::result::Result<(), Early> {
        while self.live.get() > 0 {
            let node = WaitNode::new(s.me().opaque(), 0);
            // SAFETY: unlinked below, before the frame ends (W2).
            unsafe { self.joiners.push_back(&node) };
            s.waits_on(Kind::Scope, ptr::from_ref(self) as usize);
            let woken = s.park(deadline);
            self.joiners.remove(&node);
            if self.live.get() == 0 {
                break;
            }
            if let Woken::Deadline = s.settle(woken).map_err(Early::Error)? {
                return Err(Early::Deadline);
            }
        }
        Ok(())
    }

    /// Cancels all tasks; none can be spawned any more.
    pub fn cancel(&self, s: &Scheduler) -> Result<()> {
        self.enter(s)?;
        self.cancel_all(s);
        Ok(())
    }

    fn cancel_all(&self, s: &Scheduler) {
        self.cancelled.set(true);
        let mut child = self.first.get();
        // SAFETY: G1; cancelling does not switch, so nobody leaves the list meanwhile.
        while let Some(c) = unsafe { child.as_ref() } {
            // SAFETY: G1: a task that has not called `ended` is there.
            let _ = s.cancel_here(unsafe { &*c.task.get() });
            child = c.next.get();
        }
    }

    /// The first error and the task that gave it; none yet.
    pub fn error(&self, s: &Scheduler) -> Result<Option<(i32, i64)>> {
        self.enter(s)?;
        Ok((self.error.get() < 0).then(|| (self.error.get(), self.failed.get())))
    }

    /// How many tasks have not ended.
    pub fn live(&self, s: &Scheduler) -> Result<usize> {
        self.enter(s)?;
        Ok(self.live.get())
    }

    /// Whether the scope may be freed: -EBUSY while tasks live or a task joins; -EXDEV.
    pub fn release(&self, s: &Scheduler) -> Result<()> {
        self.enter(s)?;
        match self.live.get() == 0 && self.joining.get() == 0 {
            true => Ok(()),
            false => Err(Error::new(libc::EBUSY)),
        }
    }

    /// The scope of a child record.
    fn of(child: *mut c_void) -> *const Scope {
        // SAFETY: G1: the caller's task has not ended.
        unsafe { (*child.cast::<Child>()).scope }
    }

    fn one_ended(&self, s: &Scheduler, id: i64, code: i32) {
        let asked_to = self.cancelled.get() && code == -libc::ECANCELED;
        if code < 0 && self.error.get() == 0 && !asked_to {
            self.error.set(code);
            self.failed.set(id);
            if self.on_error == OnError::Cancel {
                self.cancel_all(s);
            }
        }
        if self.live.get() == 0 {
            let mut wake = s.waker();
            while let Some(node) = self.joiners.pop_front() {
                wake(node);
            }
        }
    }
}

/// A child's entry.
unsafe extern "C" fn run(child: *mut c_void) -> *mut c_void {
    // SAFETY: G1: freed at this task's end.
    let (entry, arg) = unsafe { ((*child.cast::<Child>()).entry, (*child.cast::<Child>()).arg) };
    // SAFETY: the program's.
    let code = unsafe { entry(arg) };
    ptr::without_provenance_mut(code as isize as usize)
}

/// A child's end, by its return or by `gt_exit`.
unsafe fn ended(child: *mut c_void, result: *mut c_void) {
    // SAFETY: G1: made by `spawn`, and this is called once.
    let child = unsafe { Box::from_raw(child.cast::<Child>()) };
    // SAFETY: G1.
    let scope = unsafe { &*child.scope };
    scope.unlink(&child);
    if let Some(s) = Scheduler::existing() {
        scope.one_ended(s, s.my_id(), result.addr() as i32);
    }
}
