//! What most calls on a bound channel come to: one item, nobody in the way, no wait. A call that is neither this nor a plain
//! wait is left to [`Chan::one`], which knows everything and starts again.
//!
//! Nothing here panics or calls anything that could, so the C functions run it outside of their guard: then the compiler
//! saves no registers for calls that do not happen (docs/decisions/0052-quick-channels.md).
//!
//! Invariants:
//! B4  `quick_for` of a channel is the serial of a scheduler only if the channel is bound to that scheduler's thread and its
//!     items are of a handy size. It never changes.
//! B5  An attempt that says Blocked or Other has changed nothing.

use std::hint::unreachable_unchecked;

use super::exchange::{Exchange, Queue, MOVED};
use super::local::{First, LocalQueue};
use super::{wait_at_home, Body, Chan, Receiving, Sending, Way};
use crate::error::Result;
use crate::sched::Scheduler;
use crate::sync::object::Object;

/// What came of it.
pub enum Quick {
    /// Done.
    Done,
    /// Done, and the task has had its turn: it is to call [`Scheduler::end_turn`].
    Spent(&'static Scheduler),
    /// Nothing can be done without a wait: [`Chan::wait`] is next.
    Blocked(&'static Scheduler),
    /// Nothing was done, as there is more to it.
    Other,
}

/// An attempt on the exchange.
pub enum Attempt {
    /// The item was moved, and who waited for that is ready.
    Moved,
    /// Not without waiting.
    Blocked,
    /// There is more to it.
    Other,
}

/// A way of items that can be tried.
pub trait QuickWay: Way {
    /// Moves one item, if that is simple.
    ///
    /// # Safety
    /// E1; the items are of a handy size; `item` is valid for an item, to be read or to be written.
    unsafe fn attempt(x: &Exchange<LocalQueue>, item: *mut u8, s: &Scheduler) -> Attempt;
}

/// Whether copying takes a handful of instructions for items of this size. For others it is a call, and a function with a call
/// saves registers before it looks.
pub fn is_handy(size: usize) -> bool {
    size == 8 || size == 16 || size == 4
}

/// Copies an item of such a size.
///
/// # Safety
/// The size is a handy one; so many bytes are readable and writable.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: by the caller; the accesses are unaligned ones.
    unsafe {
        match size {
            8 => to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned()),
            16 => to.cast::<u128>().write_unaligned(from.cast::<u128>().read_unaligned()),
            _ => to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned()),
        }
    }
}

impl QuickWay for Sending {
    #[inline(always)]
    unsafe fn attempt(x: &Exchange<LocalQueue>, item: *mut u8, s: &Scheduler) -> Attempt {
        if x.closed.get() {
            return Attempt::Other;
        }
        match x.receivers.simple_first() {
            First::Waiter(receiver) => {
                let (to, wants) = LocalQueue::wish(receiver);
                // SAFETY: by the caller; E4.
                unsafe { copy(item, to.get(), x.item_size()) };
                wants.set(wants.get() - 1);
                LocalQueue::send(x.receivers.finish(receiver, MOVED), s);
                Attempt::Moved
            }
            First::Nobody if x.len() == x.capacity() => Attempt::Blocked,
            First::Nobody => {
                // SAFETY: there is room; by the caller.
                unsafe { copy(item, x.append(), x.item_size()) };
                Attempt::Moved
            }
            First::Other => Attempt::Other,
        }
    }
}

impl QuickWay for Receiving {
    #[inline(always)]
    unsafe fn attempt(x: &Exchange<LocalQueue>, item: *mut u8, s: &Scheduler) -> Attempt {
        match x.senders.simple_first() {
            First::Nobody if x.len() > 0 => {
                // SAFETY: the ring is not empty; by the caller.
                unsafe { copy(x.remove_first(), item, x.item_size()) };
                Attempt::Moved
            }
            First::Nobody if !x.closed.get() => Attempt::Blocked,
            // With items in the ring the sender's goes there. One of many stays the first.
            First::Waiter(sender) if x.len() == 0 && LocalQueue::wish(sender).1.get() == 1 => {
                let (from, wants) = LocalQueue::wish(sender);
                // SAFETY: by the caller; E4.
                unsafe { copy(from.get(), item, x.item_size()) };
                wants.set(0);
                LocalQueue::send(x.senders.finish(sender, MOVED), s);
                Attempt::Moved
            }
            _ => Attempt::Other,
        }
    }
}

impl Chan {
    /// The exchange of a channel that is quick.
    ///
    /// # Safety
    /// `quick_for` is the serial of a scheduler.
    #[inline(always)]
    unsafe fn bound_exchange(&self) -> &Exchange<LocalQueue> {
        match &self.body {
            Body::Bound(_, x) => x,
            // SAFETY: B4.
            Body::Shared(_) => unsafe { unreachable_unchecked() },
        }
    }

    /// Moves one item, if that is simple.
    ///
    /// # Safety
    /// `item` is valid for an item, to be read or to be written.
    #[inline(always)]
    pub unsafe fn quick<W: QuickWay>(&self, item: *mut u8) -> Quick {
        let Some(s) = Scheduler::existing() else { return Quick::Other };
        if self.quick_for != s.serial() || s.me().is_disturbed() {
            return Quick::Other;
        }
        // SAFETY: B4: it is quick for this scheduler, so this is the home thread; the item by the caller.
        match unsafe { W::attempt(self.bound_exchange(), item, s) } {
            Attempt::Moved if s.spend() => Quick::Spent(s),
            Attempt::Moved => Quick::Done,
            Attempt::Blocked => Quick::Blocked(s),
            Attempt::Other => Quick::Other,
        }
    }

    /// The whole of a wait for one item, after [`Chan::quick`] has said that there is nothing else to do, and nobody has run
    /// since.
    ///
    /// # Safety
    /// As for [`Chan::quick`].
    #[inline(always)]
    pub unsafe fn wait<W: Way>(&self, s: &'static Scheduler, item: *mut u8, deadline: i64) -> Result<()> {
        s.waits_on(W::KIND, Object::address(self));
        // SAFETY: B4, since `quick` came by here; the item by the caller.
        unsafe { wait_at_home::<W>(s, self.bound_exchange(), item, 1, deadline).0 }
    }
}
