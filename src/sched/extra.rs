//! What few tasks have: deadline scopes, interrupt codes, cleanup handlers, slots, an end that somebody follows. Allocated on first use, freed at the end.

use std::collections::VecDeque;
use std::ffi::c_void;

use super::task::Task;
use crate::error::{Error, Result};
use crate::timers::{TimerKind, TimerNode};

/// An open deadline scope.
pub struct Scope {
    /// What `gt_deadline_push` returned.
    pub token: i64,
    /// Its own deadline.
    pub deadline: i64,
    /// The nearest deadline outside it.
    pub outer: i64,
    /// Whether it has ended a blocking call.
    pub expired: bool,
}

/// A cleanup handler.
pub struct Cleanup {
    /// What to call.
    pub function: unsafe extern "C" fn(*mut c_void),
    /// With what.
    pub arg: *mut c_void,
}

/// A value that a task keeps under a key.
pub struct Local {
    /// The key.
    pub key: i32,
    /// The value; null for none.
    pub value: *mut c_void,
}

/// What a task belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// A scope.
    Scope,
    /// A generator, whose body it runs.
    Generator,
}

/// Who is told of the end of a task that belongs to a structure (a scope, a generator).
#[derive(Clone, Copy)]
pub struct Ended {
    /// What it is.
    pub structure: Structure,
    /// Called once, by the ending task, when its cleanup handlers and destructors have run. Does not switch.
    pub function: unsafe fn(arg: *mut c_void, result: *mut c_void),
    /// With what.
    pub arg: *mut c_void,
}

/// An interrupt that comes at a time, unless withdrawn. Boxed, so that its timer node stays put.
#[repr(C)]
pub struct TimedInterrupt {
    /// In the scheduler's wheel. First, so that the node's address is the box's.
    pub timer: TimerNode,
    /// Whom it interrupts.
    pub task: *const Task,
    /// With what.
    pub code: i32,
}

/// The rarely used part of a task.
#[derive(Default)]
pub struct Extra {
    /// Open scopes, innermost last.
    pub scopes: Vec<Scope>,
    /// Tokens given out.
    pub tokens: i64,
    /// Codes not delivered yet, oldest first.
    pub queued: VecDeque<i32>,
    /// Codes delivered by -EINTR and not taken yet, oldest first.
    pub delivered: VecDeque<i32>,
    /// Timed interrupts that have not come yet.
    #[allow(clippy::vec_box, reason = "the wheel points into the boxes: they must not move when the list grows")]
    pub timed: Vec<Box<TimedInterrupt>>,
    /// Cleanup handlers, innermost last.
    pub cleanups: Vec<Cleanup>,
    /// Slots in the order in which they were set first.
    pub locals: Vec<Local>,
    /// Who is told of the end.
    pub ended: Option<Ended>,
}

impl TimedInterrupt {
    /// A timed interrupt that is not armed yet.
    pub fn new(task: &Task, code: i32) -> TimedInterrupt {
        TimedInterrupt { timer: TimerNode::new(TimerKind::Interrupt), task, code }
    }
}

/// -ENOMEM from a failed reservation.
pub fn no_memory<E>(_: E) -> Error {
    Error::new(libc::ENOMEM)
}

/// A boxed value, or -ENOMEM; `Box::new` would abort.
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(no_memory)?;
    one.push(value);
    let boxed: Box<[T]> = one.into_boxed_slice();
    // SAFETY: a boxed slice of one element has the layout of a boxed element.
    Ok(unsafe { Box::from_raw(Box::into_raw(boxed).cast::<T>()) })
}

impl Task {
    /// The rare part if there is one.
    ///
    /// # Safety
    /// No other reference from this function is alive; none is held across a park.
    #[allow(clippy::mut_from_ref, reason = "the record is shared by address; the contract above keeps it exclusive")]
    pub unsafe fn extra(&self) -> Option<&mut Extra> {
        // SAFETY: null or made by `extra_or_new`.
        unsafe { self.extra.get().as_mut() }
    }

    /// The rare part, made on first use.
    ///
    /// # Safety
    /// As for [`Task::extra`].
    #[allow(clippy::mut_from_ref, reason = "the record is shared by address; the contract above keeps it exclusive")]
    pub unsafe fn extra_or_new(&self) -> Result<&mut Extra> {
        if self.extra.get().is_null() {
            self.extra.set(Box::into_raw(try_box(Extra::default())?));
        }
        // SAFETY: just made or made before; exclusive by the caller.
        Ok(unsafe { &mut *self.extra.get() })
    }

    /// Frees the rare part. Its timers must be disarmed.
    pub fn drop_extra(&self) {
        let extra = self.extra.replace(std::ptr::null_mut());
        if !extra.is_null() {
            // SAFETY: made by `extra_or_new` with Box, and nobody else points to it.
            drop(unsafe { Box::from_raw(extra) });
        }
    }
}
