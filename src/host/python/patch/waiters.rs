//! Who waits for what: fair lists of parked tasks, keyed by the address of the Python object they wait for.
//!
//! CPython's own lock stays the truth about a lock; these lists only add who in which task waits for it. A lock that is released while
//! tasks wait is not opened and closed again: it is handed to the first of them ("granted"), so that nobody can
//! overtake. Real OS threads that wait in CPython's own lock at the same time are counted, and get their turn.
//!
//! Invariants:
//! PW1. A node lives on the stack of the task that waits and is unlinked before [`wait`] returns, however it returns.
//! PW2. The table is only touched with its mutex held; the mutex is never held across a gt_ call that may switch, nor
//!     across anything that may run Python code.
//! PW3. A granted node is already unlinked, and what was waited for belongs to its task: if the task cannot use it (an
//!     exception was raised in it) it gives it back at once.

use super::super::api::raise_errno;
use super::super::deliver;
use super::super::gt;
use super::super::host;
use core::cell::Cell;
use core::ffi::c_int;
use core::hash::{BuildHasherDefault, Hasher};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

/// One waiting task.
struct Node {
    task: i64,
    granted: Cell<bool>,
    next: Cell<*const Node>,
    previous: Cell<*const Node>,
}

/// Everybody who waits for one object.
struct Queue {
    first: *const Node,
    last: *const Node,
    /// OS threads that wait in CPython's own lock.
    threads: usize,
    /// The next release is for them.
    threads_turn: bool,
}

// SAFETY: nodes are plain data of parked tasks, touched under the table's mutex only (PW2).
unsafe impl Send for Queue {}

/// Addresses are well spread once multiplied; the default hasher costs more than the rest of a release.
#[derive(Default)]
struct AddressHash(u64);

impl Hasher for AddressHash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are addresses")
    }
    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Table = HashMap<usize, Queue, BuildHasherDefault<AddressHash>>;

static TABLE: Mutex<Table> = Mutex::new(HashMap::with_hasher(BuildHasherDefault::new()));
/// Queues in the table: a release looks no further when it is 0.
static QUEUES: AtomicUsize = AtomicUsize::new(0);
/// Tasks in all queues.
static TASKS: AtomicUsize = AtomicUsize::new(0);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Queue {
    const EMPTY: Queue = Queue { first: core::ptr::null(), last: core::ptr::null(), threads: 0, threads_turn: false };

    fn push(&mut self, node: &Node) {
        node.previous.set(self.last);
        node.next.set(core::ptr::null());
        // SAFETY: PW1: a linked node is alive.
        match unsafe { self.last.as_ref() } {
            Some(last) => last.next.set(node),
            None => self.first = node,
        }
        self.last = node;
        TASKS.fetch_add(1, Ordering::Relaxed);
    }

    fn unlink(&mut self, node: &Node) {
        // SAFETY: PW1: neighbours of a linked node are alive.
        unsafe {
            match node.previous.get().as_ref() {
                Some(previous) => previous.next.set(node.next.get()),
                None => self.first = node.next.get(),
            }
            match node.next.get().as_ref() {
                Some(next) => next.previous.set(node.previous.get()),
                None => self.last = node.previous.get(),
            }
        }
        TASKS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Forgets a queue that nobody is in.
fn tidy(table: &mut Table, key: usize) {
    if table.get(&key).is_some_and(|queue| queue.first.is_null() && queue.threads == 0) {
        table.remove(&key);
        QUEUES.store(table.len(), Ordering::Release);
    }
}

/// The queue for `key`, made when there is none.
fn queue(table: &mut Table, key: usize) -> &mut Queue {
    // Counted with the one that is about to exist: too high for a moment is harmless, too low would lose a wake.
    QUEUES.store(table.len() + 1, Ordering::Release);
    table.entry(key).or_insert(Queue::EMPTY)
}

/// Whether tasks wait for `key`.
#[inline(always)]
pub fn any(key: usize) -> bool {
    QUEUES.load(Ordering::Acquire) != 0 && any_in_table(key)
}

#[cold]
fn any_in_table(key: usize) -> bool {
    !host::frozen() && table().get(&key).is_some_and(|queue| !queue.first.is_null())
}

/// Number of tasks that wait for anything.
pub fn count() -> usize {
    TASKS.load(Ordering::Acquire)
}

/// Hands what `key` stands for to the first task that waits for it. False when no task waits or it is the turn of the
/// OS threads: the caller then releases for everybody.
#[inline(always)]
pub fn hand_over(key: usize) -> bool {
    QUEUES.load(Ordering::Acquire) != 0 && hand_over_in_table(key, true)
}

/// As [`hand_over`], but never in favour of OS threads (they are known to have given up, or were never counted).
pub fn hand_to_task(key: usize) -> bool {
    QUEUES.load(Ordering::Acquire) != 0 && hand_over_in_table(key, false)
}

#[cold]
fn hand_over_in_table(key: usize, share: bool) -> bool {
    if host::frozen() {
        // The interpreter is ending: tasks do not run any more, and exit functions need the locks.
        return false;
    }
    let task = {
        let mut table = table();
        let Some(queue) = table.get_mut(&key) else { return false };
        if share && queue.threads > 0 && core::mem::replace(&mut queue.threads_turn, false) {
            return false;
        }
        // SAFETY: PW1.
        let Some(node) = (unsafe { queue.first.as_ref() }) else { return false };
        queue.threads_turn = true;
        queue.unlink(node);
        node.granted.set(true);
        let task = node.task;
        tidy(&mut table, key);
        task
    };
    // A stale id is an error that needs no answer.
    gt::gt_unpark(task);
    true
}

/// Counts the calling OS thread as waiting for `key` in CPython's own way, for as long as the result lives.
pub struct ThreadWaits(usize);

impl ThreadWaits {
    /// Counts it.
    pub fn new(key: usize) -> ThreadWaits {
        queue(&mut table(), key).threads += 1;
        ThreadWaits(key)
    }
}

impl Drop for ThreadWaits {
    fn drop(&mut self) {
        let mut table = table();
        if let Some(queue) = table.get_mut(&self.0) {
            queue.threads -= 1;
        }
        tidy(&mut table, self.0);
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is ours.
    Granted,
    /// The deadline came first.
    TimedOut,
    /// A Python exception is set; nothing is held.
    Raised,
}

/// What to do besides waiting to be woken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Recheck {
    /// Everybody who can release it wakes us.
    Never,
    /// C code that nobody can patch may release it: look again now and then, at growing intervals.
    NowAndThen,
}

/// First and longest interval of [`Recheck::NowAndThen`].
const RECHECK_FIRST: i64 = 500_000;
const RECHECK_MOST: i64 = 20_000_000;

/// Parks the calling task until it is granted `key`, in order of arrival.
///
/// `take` tries to get it without waiting (asked after it was woken by the clock under [`Recheck::NowAndThen`]);
/// `give_back` releases it again when it was granted to a task in which an exception is now being raised.
///
/// # Safety
/// GIL held, on a task of this OS thread (the root included). May switch.
pub unsafe fn wait(
    key: usize,
    deadline: i64,
    recheck: Recheck,
    take: &dyn Fn() -> bool,
    give_back: &dyn Fn(),
) -> Outcome {
    // SAFETY: the caller's promise.
    unsafe { wait_from(key, deadline, recheck, take, give_back, &|| true) }
}

/// As [`wait`]; `begin` is called once the task stands in the list, so that whatever it lets happen is not missed. It may
/// run Python code; false: it has set an exception, and nothing is waited for.
///
/// # Safety
/// As for [`wait`].
pub unsafe fn wait_from(
    key: usize,
    deadline: i64,
    recheck: Recheck,
    take: &dyn Fn() -> bool,
    give_back: &dyn Fn(),
    begin: &dyn Fn() -> bool,
) -> Outcome {
    let node = Node {
        task: gt::gt_self(),
        granted: Cell::new(false),
        next: Cell::new(core::ptr::null()),
        previous: Cell::new(core::ptr::null()),
    };
    queue(&mut table(), key).push(&node);
    if !begin() {
        match node.granted.get() {
            true => give_back(),
            false => leave(key, &node),
        }
        return Outcome::Raised;
    }
    let mut pause = RECHECK_FIRST;
    loop {
        let until = match recheck {
            Recheck::Never => deadline,
            Recheck::NowAndThen => deadline.min(super::seconds::from_now(pause)),
        };
        // No lock is held (PW2); the node stays linked or was granted.
        let rc: c_int = gt::gt_park_until(until);
        let raised = match rc {
            rc if rc >= 0 || rc == -libc::ETIMEDOUT => false,
            // SAFETY: GIL held again after the switch.
            rc if rc == -libc::EINTR || rc == -libc::ECANCELED => unsafe { deliver::raise_wake(rc) },
            // The runtime cannot wait (a deadlock that it was asked to report).
            rc => {
                // SAFETY: as above.
                unsafe { raise_errno(rc.into()) };
                true
            }
        };
        if node.granted.get() {
            if raised {
                give_back();
                return Outcome::Raised;
            }
            return Outcome::Granted;
        }
        let late = until == deadline && rc == -libc::ETIMEDOUT;
        let taken = !raised && recheck == Recheck::NowAndThen && take();
        if raised || taken || late {
            leave(key, &node);
            return match (raised, taken) {
                (true, _) => Outcome::Raised,
                (_, true) => Outcome::Granted,
                _ => Outcome::TimedOut,
            };
        }
        pause = (pause * 2).min(RECHECK_MOST);
    }
}

/// Unlinks a node that was not granted.
fn leave(key: usize, node: &Node) {
    let mut table = table();
    if let Some(queue) = table.get_mut(&key) {
        queue.unlink(node);
    }
    tidy(&mut table, key);
}

/// In the child of a fork: the tasks that waited do not exist here.
pub fn forget_all() {
    let mut table = match TABLE.try_lock() {
        Ok(table) => table,
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // Another OS thread, gone now, was inside: a child made without the GIL, which runs no Python and will exec.
        Err(std::sync::TryLockError::WouldBlock) => return,
    };
    table.clear();
    QUEUES.store(0, Ordering::Release);
    TASKS.store(0, Ordering::Release);
}
