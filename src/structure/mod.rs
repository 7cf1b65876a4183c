//! Structure: tasks that belong to something. A scope waits for all of its tasks; a generator is a task that runs only while
//! somebody asks it for a value.
//!
//! Both are bound to the OS thread that made them, and both are told of the end of their tasks by the task itself
//! (`sched::extra::Ended`), however it ends.

pub mod generator;
pub mod scope;

use std::cell::Cell;
use std::ffi::c_void;

use crate::error::{Error, Result};
use crate::home;
use crate::sched::extra::Structure;
use crate::sched::task::Task;
use crate::sched::Scheduler;

/// Whose a structure is: the scheduler that has its tasks.
pub struct Owner {
    root: Cell<i64>,
    forks: Cell<u32>,
}

/// What has become of the tasks of a structure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// They are here.
    Here,
    /// They are no more: this is a forked child, or their OS thread has ended. The structure is the caller's now.
    Gone,
}

impl Owner {
    /// The caller's.
    pub fn new(s: &Scheduler) -> Owner {
        Owner { root: Cell::new(s.root().id.get()), forks: Cell::new(home::forks()) }
    }

    /// Whether the structure is the caller's. -EXDEV: it is another OS thread's.
    pub fn ask(&self, s: &Scheduler) -> Result<Tasks> {
        let (root, forks) = (s.root().id.get(), home::forks());
        if self.root.get() == root && self.forks.get() == forks {
            return Ok(Tasks::Here);
        }
        if self.forks.get() == forks && home::is_alive(self.root.get()) {
            return Err(Error::new(libc::EXDEV));
        }
        self.root.set(root);
        self.forks.set(forks);
        Ok(Tasks::Gone)
    }
}

/// What a task belongs to, if it belongs to a structure of that kind.
fn belongs_to(task: &Task, structure: Structure) -> Option<*mut c_void> {
    // SAFETY: D2: the reference ends with the statement.
    let ended = unsafe { task.extra() }?.ended?;
    (ended.structure == structure).then_some(ended.arg)
}
