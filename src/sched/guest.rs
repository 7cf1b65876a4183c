//! Guests: tasks that another OS thread has ordered. An order travels through the inbox like a request; opening it makes
//! the task, under the id that the order was given.

use std::ffi::c_void;

use super::task::{flags, Entry, Task, NAME};
use super::Scheduler;
use crate::context::annotate;
use crate::context::slab::Shape;
use crate::error::{Error, Result};
use crate::home::guests;
use crate::slots::{Link, Slot};

/// A task to be made elsewhere. It stays where it is until `ended` was called.
#[repr(C)]
pub struct Order {
    /// Its way through the inbox; `task` is [`Order::tagged`].
    pub link: Link,
    /// What the task runs.
    pub entry: Entry,
    /// With what.
    pub arg: *mut c_void,
    /// Its stack, from the pool.
    pub shape: Shape,
    /// Or the caller's own, of `shape.size` bytes; null for none.
    pub stack: *mut u8,
    /// Its name.
    pub name: [u8; NAME],
    /// Its slot.
    pub slot: &'static Slot,
    /// Its id.
    pub id: i64,
    /// Called once by the home thread when the task has ended and its stack is free, or could not be made. Does not switch.
    pub ended: unsafe fn(order: *const Order, result: Result<*mut c_void>),
}

/// Tells orders from task records in the inbox: both are aligned.
const TAG: usize = 1;

/// What the link of an order says.
pub fn tagged(order: *const Order) -> *const () {
    order.cast::<u8>().wrapping_add(TAG).cast()
}

/// The order behind an inbox entry, if it is one.
pub(super) fn untag(entry: *const ()) -> Option<*const Order> {
    (entry.addr() & TAG != 0).then(|| entry.cast::<u8>().wrapping_sub(TAG).cast())
}

/// A guest has ended, and its stack is free.
pub(super) fn ended(id: i64, result: Result<*mut c_void>) {
    let order = guests::with_order(id, |order| Some(order.cast::<Order>()));
    if let Some(order) = order {
        // SAFETY: the order stays until this call.
        unsafe { ((*order).ended)(order, result) };
    }
}

impl Scheduler {
    /// Makes the task that an order asks for.
    ///
    /// # Safety
    /// The order is not linked in any inbox, was not opened before, and stays until `ended`.
    pub unsafe fn open(&self, order: *const Order) {
        // SAFETY: by the caller.
        let o = unsafe { &*order };
        match self.open_as_task(o) {
            Ok(task) => self.carry_out(task, o.slot.collect()),
            Err(e) => {
                o.slot.give_up();
                ended(o.id, Err(e));
            }
        }
    }

    fn open_as_task(&self, o: &Order) -> Result<&'static Task> {
        let flags = flags::GUEST | flags::DETACHED;
        let task = match o.stack.is_null() {
            true => self.place(o.shape, o.entry, o.arg, flags)?,
            false => self.place_on_user_stack(o.stack, o.shape.size, o.entry, o.arg, flags | flags::USER_STACK)?,
        };
        task.name.set(o.name);
        // Requests still stay in the slot: `collect` lets them through.
        guests::settle(o.id, self.home);
        o.slot.settle(&task.link);
        if let Err(e) = self.begin(task, o.slot, o.id) {
            o.slot.unsettle();
            match o.stack.is_null() {
                // SAFETY: the task never ran.
                true => unsafe { self.stacks().give(task.class.get(), task.top.get()) },
                false => annotate::stack_gone(task.base.get(), task.top.get()),
            }
            return Err(e);
        }
        Ok(task)
    }

    /// A live guest of this home; -EXDEV if it is another's, or its order was not opened yet.
    #[cold]
    pub(super) fn find_guest(&self, id: i64) -> Result<&'static Task> {
        let parts = crate::slots::parts(id).ok_or(Error::new(libc::ESRCH))?;
        if let Some(task) = guests::find(parts, self.home) {
            // SAFETY: `find` gives records that are there.
            return Ok(unsafe { Task::from_opaque(task) });
        }
        let elsewhere = crate::home::is_alive(id);
        Err(Error::new(if elsewhere { libc::EXDEV } else { libc::ESRCH }))
    }

    /// Calls `f` for each task of this scheduler, the root and those that ended and were not joined included. `f` may free
    /// the one it got.
    pub fn each_task(&self, mut f: impl FnMut(&'static Task)) {
        // SAFETY: both give records that are there.
        self.home.slots.for_each(|task| f(unsafe { Task::from_opaque(task) }));
        // SAFETY: as above.
        guests::for_each(self.home, |task| f(unsafe { Task::from_opaque(task) }));
    }

    /// Which worker of the process this is.
    pub fn worker(&self) -> Option<u32> {
        u32::try_from(self.worker.get()).ok()
    }

    /// Makes this scheduler a worker, or no longer one.
    pub fn set_worker(&self, index: Option<u32>) {
        self.worker.set(index.map_or(-1, |i| i as i32));
    }
}
