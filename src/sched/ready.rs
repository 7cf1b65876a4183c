//! The ready queue: a ring of task pointers, first in, first out.
//!
//! Pushing never fails: `reserve` is called when a task is spawned, and a task stands in the ring once at most.

use std::cell::Cell;

use super::extra::no_memory;
use super::task::Task;
use crate::error::Result;

/// The ring.
pub struct Ready {
    slots: Cell<*mut *const Task>,
    mask: Cell<usize>,
    head: Cell<usize>,
    tail: Cell<usize>,
    relaxed: Cell<usize>,
}

/// Below this many slots the ring keeps its memory.
const SMALL: usize = 1 << 16;
/// With more tasks ready than this, what they touch is in no cache and no TLB by the time their turn comes.
const CROWD: usize = 4096;

/// Asks for the saved frames of a task that does not run: what a switch to it touches beside its record.
#[inline(always)]
pub fn fetch_frames(task: &Task) {
    let frames = task.context.get() as *const u8;
    for line in 0..5 {
        fetch_line(frames.wrapping_add(line * 64));
    }
}

/// Asks for one cache line.
#[inline(always)]
fn fetch_line<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is harmless at any address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    let _ = at;
}

impl Ready {
    /// An empty ring with a little room.
    pub fn new() -> Result<Ready> {
        let ready = Ready {
            slots: Cell::new(std::ptr::null_mut()),
            mask: Cell::new(0),
            head: Cell::new(0),
            tail: Cell::new(0),
            relaxed: Cell::new(0),
        };
        ready.resize(64)?;
        Ok(ready)
    }

    fn resize(&self, capacity: usize) -> Result<()> {
        let mut slots: Vec<*const Task> = Vec::new();
        slots.try_reserve_exact(capacity).map_err(no_memory)?;
        let len = self.len();
        while let Some(task) = self.pop() {
            slots.push(task);
        }
        // SAFETY: the capacity was reserved; null pointers are valid values beyond the tasks.
        unsafe {
            std::ptr::write_bytes(slots.as_mut_ptr().add(len), 0, 0);
            self.free();
        }
        self.slots.set(std::mem::ManuallyDrop::new(slots).as_mut_ptr());
        self.mask.set(capacity - 1);
        self.head.set(0);
        self.relaxed.set(0);
        self.tail.set(len);
        Ok(())
    }

    /// # Safety
    /// The ring is not used before it has slots again.
    unsafe fn free(&self) {
        let slots = self.slots.replace(std::ptr::null_mut());
        if !slots.is_null() {
            // SAFETY: the slots came from a Vec of exactly this capacity.
            drop(unsafe { Vec::from_raw_parts(slots, 0, self.mask.get() + 1) });
        }
    }

    /// Makes room for `tasks` in all.
    #[inline]
    pub fn reserve(&self, tasks: usize) -> Result<()> {
        if tasks <= self.mask.get() + 1 {
            return Ok(());
        }
        self.resize(tasks.next_power_of_two())
    }

    /// Now and then: gives the memory of a large ring back when much of it was used since the last time and little is
    /// in use. Its room stays.
    #[inline]
    pub fn relax(&self) {
        let capacity = self.mask.get() + 1;
        let used = self.head.get().wrapping_sub(self.relaxed.get());
        if capacity >= SMALL && used >= capacity / 2 && self.len() <= capacity / 64 {
            self.relaxed.set(self.head.get());
            let (free, end) = (self.tail.get() & self.mask.get(), self.head.get() & self.mask.get());
            if free < end {
                self.give_back(free, end);
            } else {
                self.give_back(free, capacity);
                self.give_back(0, end);
            }
        }
    }

    /// Discards the whole pages among the slots `from..to`, which hold no task.
    #[cold]
    fn give_back(&self, from: usize, to: usize) {
        let page = crate::sys::mem::page();
        let size = std::mem::size_of::<*const Task>();
        let start = (self.slots.get() as usize + from * size).next_multiple_of(page);
        let end = (self.slots.get() as usize + to * size) / page * page;
        // SAFETY: whole pages inside the ring's own block, in a part that holds nothing.
        unsafe { crate::sys::mem::discard(start as *mut u8, end.saturating_sub(start)) };
    }

    /// Appends a task.
    #[inline(always)]
    pub fn push(&self, task: &Task) {
        let tail = self.tail.get();
        debug_assert!(self.len() <= self.mask.get());
        // SAFETY: the index is masked; room is there by `reserve`.
        unsafe { *self.slots.get().add(tail & self.mask.get()) = task };
        self.tail.set(tail.wrapping_add(1));
    }

    /// Takes the first task.
    #[inline(always)]
    pub fn pop(&self) -> Option<&'static Task> {
        let head = self.head.get();
        if head == self.tail.get() {
            return None;
        }
        self.head.set(head.wrapping_add(1));
        // SAFETY: the index is masked; entries between head and tail are records of tasks that have not ended.
        let task = unsafe { &**self.slots.get().add(head & self.mask.get()) };
        self.warm_up(head);
        Some(task)
    }

    /// Fetches what the next tasks will touch: the record of the one after the next, and the saved frames of the next,
    /// whose record was fetched the last time.
    #[inline(always)]
    fn warm_up(&self, head: usize) {
        #[cfg(target_arch = "x86_64")]
        if self.tail.get().wrapping_sub(head) > 2 {
            let (slots, mask) = (self.slots.get(), self.mask.get());
            // SAFETY: both indices lie between head and tail, so both are records of tasks that have not ended.
            unsafe {
                fetch_frames(&**slots.add(head.wrapping_add(1) & mask));
                fetch_line(*slots.add(head.wrapping_add(2) & mask));
            }
        }
    }

    /// Every so many turns, where a great many are ready: fetches the saved frames of the next `count`, and the records of
    /// as many behind them, whose frames come the next time. They lie where neither cache nor TLB knows them, and a
    /// processor does not run past a prefetch before it has found the page. Of many in a row it looks for several pages at
    /// the same time.
    #[inline]
    pub fn fetch(&self, count: usize) {
        if self.len() <= CROWD {
            return;
        }
        let (slots, mask, head) = (self.slots.get(), self.mask.get(), self.head.get());
        for ahead in 0..count {
            // SAFETY: both indices lie between head and tail, so both are records of tasks that have not ended.
            unsafe {
                fetch_frames(&**slots.add(head.wrapping_add(ahead) & mask));
                fetch_line(*slots.add(head.wrapping_add(count + ahead) & mask));
            }
        }
    }

    /// Takes a task off again that was appended last; false if another one stands there.
    pub fn take_last(&self, task: &Task) -> bool {
        let last = self.tail.get().wrapping_sub(1);
        // SAFETY: the index is masked; if anybody is in the ring, one of them stands there.
        if self.is_empty() || !std::ptr::eq(unsafe { *self.slots.get().add(last & self.mask.get()) }, task) {
            return false;
        }
        self.tail.set(last);
        true
    }

    /// How many are ready.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    /// Whether none is.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.head.get() == self.tail.get()
    }

    /// Forgets everybody: for a forked child.
    pub fn abandon(&self) {
        self.head.set(self.tail.get());
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        // SAFETY: the ring is going away.
        unsafe { self.free() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tasks in the ring survive a relaxation, wherever in the ring they stand, and so does its room.
    #[test]
    fn giving_memory_back_loses_nobody() {
        let ready = Ready::new().unwrap();
        let capacity = 2 * SMALL;
        ready.reserve(capacity).unwrap();
        let mut records = Vec::new();
        records.resize_with(8, || Box::new(std::mem::MaybeUninit::<Task>::uninit()));
        let tasks: Vec<&'static Task> = records
            .iter_mut()
            // SAFETY: the boxes outlive the ring's use of the records.
            .map(|r| unsafe { Task::write(r.as_mut_ptr(), None, std::ptr::null_mut(), 0) })
            .collect();
        for round in 0..40 {
            for i in 0..capacity / 2 + round * 997 {
                ready.push(tasks[i % 8]);
                ready.pop().unwrap();
            }
            tasks.iter().for_each(|t| ready.push(t));
            let before = ready.relaxed.get();
            ready.relax();
            assert_ne!(ready.relaxed.get(), before, "it was time");
            let order: Vec<*const Task> = (0..8).map(|_| std::ptr::from_ref(ready.pop().unwrap())).collect();
            assert!(order.iter().zip(&tasks).all(|(a, b)| std::ptr::eq(*a, *b)), "round {round}");
        }
        (0..capacity).for_each(|i| ready.push(tasks[i % 8]));
        assert_eq!(ready.len(), capacity);
    }
}
