//! Where items change hands: a ring, and the queues of those who wait to send and to receive.
//!
//! One algorithm for both kinds of channel; [`Queue`] says how those who wait are kept. The side that acts moves the item: from
//! its own buffer straight into the parked receiver's, or out of the parked sender's. Only when nobody waits does an item
//! lie in the ring.
//!
//! Invariants:
//! E1  An exchange is touched by its home thread only, or under its channel's lock.
//! E2  While a receiver waits that can be claimed, the ring is empty and no sender waits; while such a sender waits, the
//!     ring is full.
//! E3  `head` and `tail` are offsets of items in the ring, below `end`; `len` items lie from `head` on.
//! E4  A waiter's `item` is valid for `want` items while it is linked.

use std::cell::Cell;
use std::ptr;

use crate::error::{Error, Result};
use crate::home;
use crate::sched::Scheduler;
use crate::sync::queue;
use crate::sync::queue::{Claim, Waiter, Waiters};

/// What a grant says: the item was moved.
pub const MOVED: u32 = 0;
/// What a grant says: the channel was closed.
pub const CLOSED: u32 = 1;

/// Those who wait on one side of a channel, first come first.
pub trait Queue: Default {
    /// One of them.
    type Waiter;
    /// What is left to do after a grant.
    type Wake: Copy;
    /// The first.
    fn first(&self) -> Option<&Self::Waiter>;
    /// Whether the task of a linked waiter is there.
    fn alive(&self, waiter: &Self::Waiter) -> bool;
    /// Claims a linked waiter for a grant; false, and taken out, if it can not be any more.
    fn claim(&self, waiter: &Self::Waiter) -> bool;
    /// Completes the grant of a claimed waiter, who is the first.
    fn finish(&self, waiter: &Self::Waiter, said: u32) -> Self::Wake;
    /// Takes a waiter out.
    fn remove(&self, waiter: &Self::Waiter) -> bool;
    /// Whether nobody waits, or will come back to leave.
    fn is_left(&self) -> bool;
    /// Where its next item comes from or goes to, and how many it has, or wants.
    fn wish(waiter: &Self::Waiter) -> (&Cell<*mut u8>, &Cell<usize>);
    /// Wakes whoever was granted, when no lock is held.
    fn send(wake: Self::Wake, s: &Scheduler);
}

impl Queue for Waiters {
    type Waiter = Waiter;
    type Wake = queue::Wake;

    #[inline]
    fn first(&self) -> Option<&Waiter> {
        Waiters::first(self)
    }

    #[inline]
    fn alive(&self, waiter: &Waiter) -> bool {
        home::is_alive(waiter.task_id())
    }

    #[inline]
    fn claim(&self, waiter: &Waiter) -> bool {
        Waiters::claim(self, waiter)
    }

    #[inline]
    fn finish(&self, waiter: &Waiter, said: u32) -> queue::Wake {
        Waiters::finish(self, waiter, said)
    }

    #[inline]
    fn remove(&self, waiter: &Waiter) -> bool {
        Waiters::remove(self, waiter)
    }

    #[inline]
    fn is_left(&self) -> bool {
        Waiters::is_left(self)
    }

    #[inline]
    fn wish(waiter: &Waiter) -> (&Cell<*mut u8>, &Cell<usize>) {
        (&waiter.item, &waiter.want)
    }

    #[inline]
    fn send(wake: queue::Wake, _: &Scheduler) {
        wake.send();
    }
}

/// What an attempt came to.
pub enum Step<W> {
    /// The item was moved; perhaps somebody is to be woken.
    Moved(Option<W>),
    /// Not without waiting.
    Blocked,
    /// The channel is closed, and drained if items were asked for.
    Closed,
}

/// The state of a channel.
pub struct Exchange<Q: Queue> {
    /// Those who wait to send.
    pub senders: Q,
    /// Those who wait to receive.
    pub receivers: Q,
    size: usize,
    capacity: usize,
    len: Cell<usize>,
    head: Cell<usize>,
    tail: Cell<usize>,
    end: usize,
    ring: *mut u8,
    pub(super) closed: Cell<bool>,
    /// Closed, and not all waiters were told yet.
    closing: Cell<bool>,
}

// SAFETY: E1.
unsafe impl<Q: Queue> Send for Exchange<Q> {}

/// Copies one item: a word, which most items are, in place.
///
/// # Safety
/// `size` bytes are readable and writable.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: by the caller; the accesses are unaligned ones.
    unsafe {
        match size {
            8 => to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned()),
            _ => copy_other(from, to, size),
        }
    }
}

/// The other small sizes without a call to memcpy.
#[inline(never)]
unsafe fn copy_other(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: as for `copy`.
    unsafe {
        match size {
            4 => to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned()),
            16 => to.cast::<u128>().write_unaligned(from.cast::<u128>().read_unaligned()),
            1 => to.write(from.read()),
            2 => to.cast::<u16>().write_unaligned(from.cast::<u16>().read_unaligned()),
            // Two tasks may well name one buffer.
            _ => ptr::copy(from, to, size),
        }
    }
}

impl<Q: Queue> Exchange<Q> {
    /// An open exchange for items of `size` bytes. -EINVAL: size 0; -EOVERFLOW: too many; -ENOMEM.
    pub fn new(size: usize, capacity: usize) -> Result<Exchange<Q>> {
        if size == 0 {
            return Err(Error::new(libc::EINVAL));
        }
        let end = size.checked_mul(capacity).filter(|&end| end <= isize::MAX as usize && size <= isize::MAX as usize);
        let end = end.ok_or(Error::new(libc::EOVERFLOW))?;
        let mut ring = Vec::<u8>::new();
        ring.try_reserve_exact(end).map_err(|_| Error::new(libc::ENOMEM))?;
        Ok(Exchange {
            senders: Q::default(),
            receivers: Q::default(),
            size,
            capacity,
            len: Cell::new(0),
            head: Cell::new(0),
            tail: Cell::new(0),
            end,
            ring: std::mem::ManuallyDrop::new(ring).as_mut_ptr(),
            closed: Cell::new(false),
            closing: Cell::new(false),
        })
    }

    /// How many items lie in it.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.get()
    }

    /// How many may.
    #[inline(always)]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of an item.
    #[inline]
    pub fn item_size(&self) -> usize {
        self.size
    }

    /// Whether nobody waits, or will come back: to leave, or to tell the next that it is closed.
    pub fn is_left(&self) -> bool {
        self.senders.is_left() && self.receivers.is_left() && !self.closing.get()
    }

    #[inline(always)]
    fn after(&self, at: usize) -> usize {
        let next = at + self.size;
        if next == self.end {
            0
        } else {
            next
        }
    }

    /// The place of an item that is appended to the ring now.
    ///
    /// # Safety
    /// The ring has room, and the item is written before anything else happens.
    #[inline(always)]
    pub(super) unsafe fn append(&self) -> *mut u8 {
        let tail = self.tail.get();
        self.tail.set(self.after(tail));
        self.len.set(self.len.get() + 1);
        // SAFETY: E3.
        unsafe { self.ring.add(tail) }
    }

    /// The place of the first item of the ring, which is taken out now.
    ///
    /// # Safety
    /// The ring is not empty, and the item is read before anything else happens.
    #[inline(always)]
    pub(super) unsafe fn remove_first(&self) -> *const u8 {
        let head = self.head.get();
        self.head.set(self.after(head));
        self.len.set(self.len.get() - 1);
        // SAFETY: E3.
        unsafe { self.ring.add(head) }
    }

    /// Sends one item: to the first receiver, who gets up to `n` if he wants many; else into the ring. Adds to `sent`.
    ///
    /// # Safety
    /// E1; `n` items are readable, at least one.
    #[inline(always)]
    pub unsafe fn put(&self, items: *const u8, n: usize, sent: &mut usize) -> Step<Q::Wake> {
        if self.closed.get() {
            return Step::Closed;
        }
        while let Some(receiver) = self.receivers.first() {
            if self.receivers.claim(receiver) {
                let (item, wants) = Q::wish(receiver);
                let (to, want) = (item.get(), wants.get());
                // SAFETY: E4.
                unsafe { copy(items, to, self.size) };
                let mut k = 1;
                if n > 1 && want > 1 {
                    k = n.min(want);
                    // SAFETY: E4, and n items are readable.
                    unsafe { ptr::copy(items.add(self.size), to.add(self.size), (k - 1) * self.size) };
                }
                wants.set(want - k);
                *sent += k;
                return Step::Moved(Some(self.receivers.finish(receiver, MOVED)));
            }
        }
        if self.len.get() == self.capacity {
            return Step::Blocked;
        }
        // SAFETY: there is room.
        unsafe { copy(items, self.append(), self.size) };
        *sent += 1;
        Step::Moved(None)
    }

    /// Receives one item: the first of the ring, else the first sender's.
    ///
    /// # Safety
    /// E1; `item` is writable.
    #[inline(always)]
    pub unsafe fn take(&self, item: *mut u8) -> Step<Q::Wake> {
        if self.len.get() > 0 {
            // SAFETY: not empty.
            unsafe { copy(self.remove_first(), item, self.size) };
            // Whoever waits to send has the place that became free.
            // SAFETY: E3: the ring has room for one.
            return Step::Moved(unsafe { self.fill() });
        }
        while let Some(sender) = self.senders.first() {
            // SAFETY: E4.
            if let Some(wake) = unsafe { self.draw(sender, item) } {
                return Step::Moved(wake);
            }
        }
        if self.closed.get() {
            Step::Closed
        } else {
            Step::Blocked
        }
    }

    /// Moves an item of the first sender into the ring, which has room; whom to wake.
    #[inline(always)]
    unsafe fn fill(&self) -> Option<Q::Wake> {
        while let Some(sender) = self.senders.first() {
            let tail = self.tail.get();
            // SAFETY: E3, E4.
            if let Some(wake) = unsafe { self.draw(sender, self.ring.add(tail)) } {
                self.tail.set(self.after(tail));
                self.len.set(self.len.get() + 1);
                return wake;
            }
        }
        None
    }

    /// Takes one item from a sender, who is the first. None: it has gone; else whom to wake: him, if that was his last.
    ///
    /// A sender of many is claimed with its last item: up to then it may leave, and counts under the lock what went.
    #[inline(always)]
    unsafe fn draw(&self, sender: &Q::Waiter, to: *mut u8) -> Option<Option<Q::Wake>> {
        let (item, wants) = Q::wish(sender);
        let want = wants.get();
        if want == 1 {
            if !self.senders.claim(sender) {
                return None;
            }
        } else if !self.senders.alive(sender) {
            self.senders.remove(sender);
            return None;
        }
        let from = item.get();
        // SAFETY: by the caller.
        unsafe { copy(from, to, self.size) };
        wants.set(want - 1);
        if want == 1 {
            return Some(Some(self.senders.finish(sender, MOVED)));
        }
        item.set(from.wrapping_add(self.size));
        Some(None)
    }

    /// Ends sending. False if that was done before. The caller has the waiters told: [`Exchange::dismiss`].
    pub fn close(&self) -> bool {
        if self.closed.replace(true) {
            return false;
        }
        self.closing.set(true);
        true
    }

    /// Tells one waiter of a closed channel; whom to wake. Whether others may be left, else the caller comes no more: who is told
    /// last may free the channel at once.
    pub fn dismiss(&self) -> (Option<Q::Wake>, bool) {
        let granted = dismiss_from(&self.senders).or_else(|| dismiss_from(&self.receivers));
        let more = self.senders.first().is_some() || self.receivers.first().is_some();
        self.closing.set(more);
        (granted, more)
    }
}

impl Exchange<Waiters> {
    /// Whether a send may well do something now; those who wait with `mine` do not count.
    pub fn may_put(&self, mine: &Claim) -> bool {
        self.closed.get() || self.len.get() < self.capacity || others(&self.receivers, mine)
    }

    /// Whether a receive may well do something now; those who wait with `mine` do not count.
    pub fn may_take(&self, mine: &Claim) -> bool {
        self.closed.get() || self.len.get() > 0 || others(&self.senders, mine)
    }
}

/// Whether anybody else waits.
fn others(queue: &Waiters, mine: &Claim) -> bool {
    let mut at = queue.first();
    while let Some(waiter) = at {
        if !waiter.is_arm_of(mine) {
            return true;
        }
        at = queue.next(waiter);
    }
    false
}

fn dismiss_from<Q: Queue>(queue: &Q) -> Option<Q::Wake> {
    while let Some(waiter) = queue.first() {
        if queue.claim(waiter) {
            return Some(queue.finish(waiter, CLOSED));
        }
    }
    None
}

impl<Q: Queue> Drop for Exchange<Q> {
    fn drop(&mut self) {
        // SAFETY: the ring came from a Vec of exactly this capacity; items are plain bytes.
        drop(unsafe { Vec::from_raw_parts(self.ring, 0, self.end) });
    }
}
