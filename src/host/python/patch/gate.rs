//! Gates: what one task is in the middle of, and the next must not begin before it is through.
//!
//! A gate is known by a number, the address of the object it belongs to. It is closed only for as long as somebody is inside who
//! parks there; closing and opening cost nothing while nobody does. Who finds it closed waits in line (`waiters.rs`), and the
//! one who leaves hands it over, so that nobody overtakes.

use super::waiters::{self, Outcome, Recheck};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The gates that are closed. Few: one per task that parks inside.
static CLOSED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn closed() -> MutexGuard<'static, Vec<usize>> {
    CLOSED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn count(closed: &[usize]) {
    COUNT.store(closed.len(), Ordering::Release);
}

/// A closed gate whose opening is ours.
pub struct Inside(usize);

impl Inside {
    /// Closes an open gate.
    pub fn new(key: usize) -> Inside {
        let mut closed = closed();
        closed.push(key);
        count(&closed);
        Inside(key)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        open(self.0);
    }
}

/// Hands the gate to the next in line, or opens it.
fn open(key: usize) {
    if waiters::hand_to_task(key) {
        return;
    }
    let mut closed = closed();
    if let Some(at) = closed.iter().position(|one| *one == key) {
        closed.swap_remove(at);
    }
    count(&closed);
}

/// What became of coming to a gate.
pub enum Came {
    /// It is open.
    Open,
    /// It was handed to us.
    In(Inside),
    /// The deadline came first.
    TimedOut,
    /// A Python exception is set.
    Raised,
}

/// Passes an open gate; waits at a closed one.
///
/// # Safety
/// GIL held, on a task. May switch.
#[inline(always)]
pub unsafe fn come(key: usize, deadline: i64) -> Came {
    if COUNT.load(Ordering::Acquire) == 0 {
        return Came::Open;
    }
    // SAFETY: the caller's promise.
    unsafe { come_to_closed(key, deadline) }
}

#[cold]
unsafe fn come_to_closed(key: usize, deadline: i64) -> Came {
    if !closed().contains(&key) {
        return Came::Open;
    }
    // SAFETY: the caller's promise.
    match unsafe { waiters::wait(key, deadline, Recheck::Never, &|| false, &|| open(key)) } {
        Outcome::Granted => Came::In(Inside(key)),
        Outcome::TimedOut => Came::TimedOut,
        Outcome::Raised => Came::Raised,
    }
}

/// In the child of a fork: who was inside does not exist here.
pub fn forget_all() {
    let mut closed = match CLOSED.try_lock() {
        Ok(closed) => closed,
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(std::sync::TryLockError::WouldBlock) => return,
    };
    closed.clear();
    count(&closed);
}
