//! Orders: tasks that are spawned for another OS thread, and how anybody waits for their end.
//!
//! A record is shared by the worker that runs the task and by whoever may still ask for the result; the last one gives
//! the id back and frees it.
//!
//! Invariants:
//! O1  `refs` counts the worker's side until `ended`, the asking side until the join or detach, and each look. A record
//!     with no reference is looked up by nobody: `with_order` takes one only from a record that has some.

use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::{fleet, Stage};
use crate::config;
use crate::context::slab::Shape;
use crate::error::{Error, Result};
use crate::home::guests;
use crate::sched::guest::{tagged, Order};
use crate::sched::task::{Entry, NAME};
use crate::sched::{Scheduler, SpawnOptions, MIN_USER_STACK};
use crate::slots::Link;
use crate::sync::queue::{Claim, Waiter, Waiters};
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;

/// How a task ended, and who waits for it.
struct End {
    result: Option<Result<*mut c_void>>,
    /// Somebody joins.
    joining: bool,
    /// Nobody will.
    detached: bool,
    /// Somebody has, or will not any more: the id is stale, even while the worker still holds the record.
    stale: bool,
    waiters: Waiters,
}

/// An order and its end.
#[repr(C)]
struct Record {
    order: Order,
    refs: AtomicU32,
    end: Mutex<End>,
}

impl Record {
    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// One reference to a record.
struct Ref(*const Record);

impl Ref {
    fn record(&self) -> &Record {
        // SAFETY: O1.
        unsafe { &*self.0 }
    }

    /// A reference to the record behind an id.
    fn find(id: i64) -> Result<Ref> {
        let found = guests::with_order(id, |order| {
            let record = order.cast::<Record>();
            // SAFETY: O1: the record is freed only after its id was given back, which waits for this look.
            let refs = unsafe { &(*record).refs };
            let more = |now: u32| if now == 0 { None } else { Some(now + 1) };
            refs.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).ok().map(|_| Ref(record))
        });
        found.ok_or(Error::new(libc::ESRCH))
    }
}

impl Drop for Ref {
    fn drop(&mut self) {
        if self.record().refs.fetch_sub(1, Ordering::AcqRel) == 1 {
            let order = &self.record().order;
            guests::free(order.slot, order.id);
            // SAFETY: O1: the last one; made by `try_box`.
            drop(unsafe { Box::from_raw(self.0.cast_mut()) });
        }
    }
}

/// Orders for any worker, first come first.
pub struct Queue {
    first: *mut Link,
    last: *mut Link,
}

impl Queue {
    /// Nothing is ordered.
    pub const fn new() -> Queue {
        Queue { first: std::ptr::null_mut(), last: std::ptr::null_mut() }
    }

    fn push(&mut self, link: *mut Link) {
        // SAFETY: under the fleet's lock; orders stay until they were opened, and the link is in no inbox.
        unsafe {
            (*link).next.store(std::ptr::null_mut(), Ordering::Relaxed);
            match self.last.is_null() {
                true => self.first = link,
                false => (*self.last).next.store(link, Ordering::Relaxed),
            }
        }
        self.last = link;
    }

    /// Takes the oldest order.
    pub fn pop(&mut self) -> Option<*const Order> {
        if self.first.is_null() {
            return None;
        }
        let link = self.first;
        // SAFETY: as above.
        self.first = unsafe { (*link).next.load(Ordering::Relaxed) };
        if self.first.is_null() {
            self.last = std::ptr::null_mut();
        }
        Some(link.cast::<Order>()) // the link is the order's first member
    }
}

fn shape(options: &SpawnOptions) -> Result<Shape> {
    let default = config::freeze().shape;
    match options.stack {
        None => Shape::new(options.stack_size, options.guard_size, default),
        Some(base) if options.stack_size < MIN_USER_STACK || base.addr().checked_add(options.stack_size).is_none() => {
            Err(Error::new(libc::EINVAL))
        }
        Some(_) => Ok(Shape { size: options.stack_size, guard: 0 }),
    }
}

/// Orders a task for a worker, or for any of them; returns its id.
///
/// Errors: -EINVAL (no such worker, wishes out of range), -ESRCH (no workers run, or they are being stopped), -ENOMEM,
/// -EAGAIN (too many tasks).
pub fn spawn(worker: Option<usize>, entry: Entry, arg: *mut c_void, options: &SpawnOptions) -> Result<i64> {
    let shape = shape(options)?;
    let mut name = [0; NAME];
    if let Some(given) = options.name {
        let len = given.len().min(NAME - 1);
        name[..len].copy_from_slice(&given[..len]);
    }
    let no_memory = Error::new(libc::ENOMEM);
    let mut one = Vec::<Record>::new();
    one.try_reserve_exact(1).map_err(|_| no_memory)?;
    let place = one.as_mut_ptr();
    let (slot, id) = guests::take(place.cast::<Link>(), place.cast::<()>())?;
    one.push(Record {
        order: Order {
            link: Link { next: AtomicPtr::default(), task: tagged(place.cast::<Order>()) },
            entry,
            arg,
            shape,
            stack: options.stack.unwrap_or_default(),
            name,
            slot,
            id,
            ended,
        },
        refs: AtomicU32::new(if options.detached { 1 } else { 2 }),
        end: Mutex::new(End {
            result: None,
            joining: false,
            detached: options.detached,
            stale: false,
            waiters: Waiters::new(),
        }),
    });
    let record = Box::into_raw(one.into_boxed_slice()).cast::<Record>();
    hand_over(worker, record).map(|()| id).inspect_err(|_| {
        // SAFETY: nobody has the id yet, and no worker the order; made as a boxed slice of one just now.
        unsafe {
            slot.give_up();
            guests::free(slot, id);
            drop(Box::from_raw(record));
        }
    })
}

/// Gives a record to a worker or into the common queue.
fn hand_over(worker: Option<usize>, record: *mut Record) -> Result<()> {
    let mut fleet = fleet();
    if fleet.stage != Stage::Running {
        return Err(Error::new(libc::ESRCH));
    }
    let link = record.cast::<Link>();
    let Some(index) = worker else {
        fleet.orders.push(link);
        fleet.rouse(false);
        return Ok(());
    };
    let home = *fleet.homes.get(index).ok_or(Error::new(libc::EINVAL))?;
    if let Some(s) = Scheduler::existing().filter(|s| s.worker() == Some(index as u32)) {
        drop(fleet);
        // SAFETY: nobody else has the order.
        unsafe { s.open(record.cast::<Order>()) };
        return Ok(());
    }
    // SAFETY: in no inbox yet, and it stays until it has ended. Under the lock: the worker does not leave before it.
    unsafe { home.inbox.post(link) };
    Ok(())
}

/// A worker's word that a task has ended.
unsafe fn ended(order: *const Order, result: Result<*mut c_void>) {
    let record = Ref(order.cast::<Record>()); // the worker's own reference
    let waiting = {
        let mut end = record.record().end();
        end.result = Some(result);
        end.waiters.grant(0)
    };
    if let Some((_, wake)) = waiting {
        wake.send();
    }
}

fn askable(end: &End) -> Result<()> {
    match end {
        End { stale: true, .. } => Err(Error::new(libc::ESRCH)),
        End { joining: true, .. } | End { detached: true, .. } => Err(Error::new(libc::EINVAL)),
        _ => Ok(()),
    }
}

/// Waits for the end of a task that was ordered, from any OS thread, and returns its result.
pub fn join(s: &'static Scheduler, id: i64, deadline: i64) -> Result<*mut c_void> {
    s.check()?;
    if id == s.my_id() {
        return Err(Error::new(libc::EDEADLK));
    }
    let found = Ref::find(id)?;
    let record = found.record();
    let waiter = Waiter::new(s, 0);
    let mut end = record.end();
    askable(&end)?;
    end.joining = true;
    if end.result.is_none() {
        // SAFETY: Q2: `wait` unlinks it before this frame ends.
        unsafe { end.waiters.push(&waiter) };
        drop(end);
        let leave = || {
            record.end().waiters.remove(&waiter);
        };
        let waited = waiter.wait(s, deadline, leave);
        end = record.end();
        if let Err(e) = waited {
            end.joining = false;
            return Err(e);
        }
    }
    let result = end.result.unwrap_or(Err(Error::new(libc::ESRCH)));
    end.stale = true;
    drop(end);
    drop(Ref(found.0)); // the asking side's
    result
}

/// Whether a task that was ordered has ended, and may be joined. Errors as of [`join`].
pub fn joinable(s: &Scheduler, id: i64) -> Result<bool> {
    if id == s.my_id() {
        return Err(Error::new(libc::EDEADLK));
    }
    let found = Ref::find(id)?;
    let end = found.record().end();
    askable(&end)?;
    Ok(end.result.is_some())
}

/// Whether it has ended; if not, links the waiter, an arm of that wait, to be granted at its end, and nobody else joins until
/// [`unlink`]. Several arms of one wait may follow one task.
///
/// # Safety
/// Q2: the waiter stays where it is until [`unlink`].
pub unsafe fn ended_or_link(id: i64, waiter: &Waiter, claim: &Claim) -> Result<bool> {
    let found = Ref::find(id)?;
    let mut end = found.record().end();
    if !end.waiters.first().is_some_and(|first| first.is_arm_of(claim)) {
        askable(&end)?;
    }
    if end.result.is_some() {
        return Ok(true);
    }
    end.joining = true;
    // SAFETY: by the caller.
    unsafe { end.waiters.push(waiter) };
    Ok(false)
}

/// Leaves a task's end to others, with the last arm of the wait.
pub fn unlink(id: i64, waiter: &Waiter) {
    if let Ok(found) = Ref::find(id) {
        let mut end = found.record().end();
        end.waiters.remove(waiter);
        end.joining = !end.waiters.is_left();
    }
}

/// Nobody will join: the record goes when the task has ended.
pub fn detach(id: i64) -> Result<()> {
    let found = Ref::find(id)?;
    let mut end = found.record().end();
    askable(&end)?;
    end.detached = true;
    end.stale = end.result.is_some();
    drop(end);
    drop(Ref(found.0)); // the asking side's
    Ok(())
}
