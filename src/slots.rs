//! Slots: what a task id means.
//!
//! An id is `home (11 bits) | slot (24 bits) | generation (28 bits)`, so a stale id is recognised, never followed. A
//! slot outlives its tasks, can be read from any OS thread, and carries the requests of other threads as flag bits.
//!
//! Invariants:
//! L1  A slot's memory is never freed.
//! L2  `link` may be followed by another thread only after it has set QUEUED on a live slot: the home thread does not
//!     end a task while QUEUED is set.
//! L3  Generations of a slot never repeat: a slot whose generations are used up is retired.
//! L4  `link` is free's mark, null, or the link of a record that is whole and there: it is stored after the record was written,
//!     and taken away before the record's memory is given back. So whoever has stopped all other threads, wherever they were,
//!     may follow every link. (A guest's link is an order's until the guest has an owner, and may be followed only then.)

use crate::sys::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, CHUNK, CHUNKS};

use crate::error::{Error, Result};

const _: () = assert!(CHUNK * CHUNKS <= 1 << SLOT_BITS);
const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 28;
const LAST_GENERATION: u64 = (1 << GENERATION_BITS) - 1;
/// No slot.
const NONE: u32 = u32::MAX;

/// The slot has a task that can be cancelled, interrupted, woken.
pub const ALIVE: u64 = 1;
/// The slot's task is linked, or about to be linked, in its home's inbox.
pub const QUEUED: u64 = 2;
/// Asked for: a permit.
pub const UNPARK: u64 = 4;
/// Asked for: cancel.
pub const CANCEL: u64 = 8;
/// Asked for: read the mail.
pub const MAIL: u64 = 16;
/// Asked for: look again at what you wait for (a job ended).
pub const NUDGE: u64 = 32;
/// Asked for: let the host look at signals (to a root task).
pub const SIGNAL: u64 = 64;
/// Asked for: a dump of the scheduler's tasks (to a root task).
pub const DUMP: u64 = 128;
const REQUESTS: u64 = UNPARK | CANCEL | MAIL | NUDGE | SIGNAL | DUMP;

/// The link of a task in its home's inbox; part of the task record.
#[repr(C)]
pub struct Link {
    /// The next in the inbox.
    pub next: AtomicPtr<Link>,
    /// The record that holds this link.
    pub task: *const (),
}

/// One slot: generation (high half) and flags; the task's link, or while free an odd number, the next free slot.
pub struct Slot {
    state: AtomicU64,
    link: AtomicPtr<Link>,
}

impl Slot {
    /// Free, and the last of the list: `fresh` hands it out alone.
    fn unused() -> Slot {
        let slot = Slot { state: AtomicU64::new(1 << 32), link: AtomicPtr::default() };
        slot.set_free(NONE);
        slot
    }

    fn is_free(&self) -> bool {
        self.link.load(Ordering::Relaxed) as usize & 1 == 1
    }

    /// Home thread: ends a task's life for other threads. False while a request of another thread is on its way (L2):
    /// drain the inbox and ask again.
    #[inline(always)]
    pub fn kill(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        let dead = state & !(ALIVE | REQUESTS);
        state & QUEUED == 0 && self.state.compare_exchange(state, dead, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Home thread: takes the requests of a task whose link came out of the inbox.
    pub fn collect(&self) -> u64 {
        self.state.fetch_and(!(QUEUED | REQUESTS), Ordering::AcqRel) & REQUESTS
    }

    /// A guest's order is under way: requests are kept, and the link is nobody's to follow.
    pub fn hold(&self) {
        self.state.fetch_or(QUEUED, Ordering::AcqRel);
    }

    /// The home thread, for a guest that is still held: it ends without having lived.
    pub fn give_up(&self) {
        self.state.fetch_and(!(ALIVE | QUEUED | REQUESTS), Ordering::AcqRel);
    }

    /// The guest's home thread, before it collects for the first time: the link is that of the task's record from now on.
    pub fn settle(&self, link: *const Link) {
        self.link.store(link.cast_mut(), Ordering::Release);
    }

    /// The guest's home thread: its record goes (L4); the slot stays until the result was asked for.
    pub fn unsettle(&self) {
        self.link.store(std::ptr::null_mut(), Ordering::Release);
    }

    fn next_free(&self) -> u32 {
        (self.link.load(Ordering::Relaxed) as usize >> 1) as u32
    }

    fn set_free(&self, next: u32) {
        self.link.store(((next as usize) << 1 | 1) as *mut Link, Ordering::Relaxed);
    }
}

/// The parts of an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Index of the home.
    pub home: u32,
    /// Index of the slot.
    pub slot: u32,
    /// Generation.
    pub generation: u64,
}

/// Takes an id apart; ids that were never issued give parts that no slot has, or None.
#[inline]
pub fn parts(id: i64) -> Option<Parts> {
    if id <= 0 {
        return None;
    }
    let id = id as u64;
    Some(Parts {
        home: (id >> (SLOT_BITS + GENERATION_BITS)) as u32,
        slot: (id >> GENERATION_BITS) as u32 & ((1 << SLOT_BITS) - 1),
        generation: id & LAST_GENERATION,
    })
}

/// All slots of one home.
pub struct Slots {
    home: u32,
    chunks: Box<[AtomicPtr<Slot>]>,
    /// Home thread only: the free list (through `link` as an index).
    free: std::cell::Cell<u32>,
    /// How many slots were ever used; written by the home thread.
    used: AtomicU32,
}

// SAFETY: chunks and slots are atomics; `free` is touched by the home thread only (every method that does
// says so), and a home passes from one OS thread to the next under the registry's lock.
unsafe impl Sync for Slots {}
// SAFETY: as above.
unsafe impl Send for Slots {}

impl Slots {
    /// Slots of the home with the given index; None when out of memory.
    pub fn new(home: u32) -> Option<Slots> {
        let mut chunks = Vec::new();
        chunks.try_reserve_exact(CHUNKS).ok()?;
        chunks.resize_with(CHUNKS, AtomicPtr::default);
        Some(Slots { home, chunks: chunks.into_boxed_slice(), free: NONE.into(), used: AtomicU32::new(0) })
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<&'static Slot> {
        let chunk = self.chunks.get(index as usize / CHUNK)?.load(Ordering::Acquire);
        if chunk.is_null() {
            return None;
        }
        // SAFETY: L1; a chunk has CHUNK slots.
        Some(unsafe { &*chunk.add(index as usize % CHUNK) })
    }

    /// Home thread: takes a slot for a task; returns the slot and the task's id.
    #[inline(always)]
    pub fn take(&self, link: *const Link) -> Result<(&'static Slot, i64)> {
        let mut index = self.free.get();
        if index == NONE {
            index = self.fresh()?;
        }
        // SAFETY: slots on the free list have a chunk, and `fresh` makes one.
        let slot = unsafe { self.known(index) };
        self.free.set(slot.next_free());
        let generation = slot.state.load(Ordering::Relaxed) >> 32;
        slot.link.store(link.cast_mut(), Ordering::Release); // L4
        slot.state.store(generation << 32 | ALIVE, Ordering::Release);
        let place = (self.home as u64) << SLOT_BITS | index as u64;
        Ok((slot, (place << GENERATION_BITS | generation) as i64))
    }

    /// # Safety
    /// The slot's chunk is there.
    #[inline(always)]
    unsafe fn known(&self, index: u32) -> &'static Slot {
        // SAFETY: by the caller; L1; a chunk has CHUNK slots.
        unsafe {
            let chunk = self.chunks.get_unchecked(index as usize / CHUNK).load(Ordering::Relaxed);
            &*chunk.add(index as usize % CHUNK)
        }
    }

    #[cold]
    fn fresh(&self) -> Result<u32> {
        let index = self.used.load(Ordering::Relaxed);
        if index as usize == CHUNK * CHUNKS {
            return Err(Error::new(libc::EAGAIN));
        }
        let chunk = &self.chunks[index as usize / CHUNK];
        if chunk.load(Ordering::Relaxed).is_null() {
            let mut slots = Vec::new();
            slots.try_reserve_exact(CHUNK).map_err(|_| Error::new(libc::ENOMEM))?;
            slots.resize_with(CHUNK, Slot::unused);
            chunk.store(Box::leak(slots.into_boxed_slice()).as_mut_ptr(), Ordering::Release);
        }
        self.used.store(index + 1, Ordering::Release);
        Ok(index)
    }

    /// Home thread: gives a slot back; its next task has another generation.
    #[inline(always)]
    pub fn free(&self, slot: &Slot, id: i64) {
        let generation = (slot.state.load(Ordering::Relaxed) >> 32) + 1;
        if generation > LAST_GENERATION {
            slot.state.store(0, Ordering::Release); // L3: retired; no id has generation 0
            slot.set_free(NONE);
            return;
        }
        slot.state.store(generation << 32, Ordering::Release);
        slot.set_free(self.free.get());
        self.free.set((id >> GENERATION_BITS) as u32 & ((1 << SLOT_BITS) - 1));
    }

    /// Home thread: the task behind an id, alive or ended but not yet joined.
    #[inline]
    pub fn find(&self, p: Parts) -> Option<*const ()> {
        let slot = self.slot(p.slot)?;
        let current = slot.state.load(Ordering::Relaxed) >> 32 == p.generation;
        // A free slot has the generation of its next task already.
        if !current || slot.is_free() {
            return None;
        }
        // SAFETY: home thread: the task is not ended meanwhile, so its record is there.
        Some(unsafe { (*slot.link.load(Ordering::Relaxed)).task })
    }

    /// Any thread: whether an id's slot is not given back yet.
    pub fn is_taken(&self, p: Parts) -> bool {
        self.slot(p.slot).is_some_and(|s| s.state.load(Ordering::Acquire) >> 32 == p.generation && !s.is_free())
    }

    /// Any thread: leaves a request with a live task. `Ok(Some(link))`: the caller must put the link into the inbox.
    pub fn request(&self, p: Parts, what: u64) -> Result<Option<*mut Link>> {
        let gone = Error::new(libc::ESRCH);
        let slot = self.slot(p.slot).ok_or(gone)?;
        let mut state = slot.state.load(Ordering::Acquire);
        loop {
            if state >> 32 != p.generation || state & ALIVE == 0 {
                return Err(gone);
            }
            match slot.state.compare_exchange_weak(state, state | what | QUEUED, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if state & QUEUED != 0 => return Ok(None),
                Ok(_) => return Ok(Some(slot.link.load(Ordering::Relaxed))),
                Err(now) => state = now,
            }
        }
    }

    /// Any thread: whether an id means a live task.
    pub fn is_alive(&self, p: Parts) -> bool {
        self.slot(p.slot).is_some_and(|s| {
            let state = s.state.load(Ordering::Acquire);
            state >> 32 == p.generation && state & ALIVE != 0
        })
    }

    /// Home thread: calls `f` for each task, ended ones that were not joined included. `f` may free the task it got.
    pub fn for_each(&self, mut f: impl FnMut(*const ())) {
        for index in 0..self.used.load(Ordering::Relaxed) {
            let slot = self.slot(index).expect("a slot that was used has a chunk");
            if !slot.is_free() {
                // SAFETY: home thread: a slot that is not free has a record.
                f(unsafe { (*slot.link.load(Ordering::Relaxed)).task });
            }
        }
    }

    /// While all other threads are stopped, wherever they were: calls `f` with what each link says and with the id, of ended tasks
    /// that were not joined as well. No lock, no allocation. `may` says whether the link of a slot may be followed (L4).
    pub fn peek(&self, may: impl Fn(u32) -> bool, mut f: impl FnMut(*const (), i64)) {
        for index in 0..self.used.load(Ordering::Acquire) {
            let Some(slot) = self.slot(index) else { return };
            let link = slot.link.load(Ordering::Acquire);
            if link.is_null() || slot.is_free() || !may(index) {
                continue;
            }
            let place = (self.home as u64) << SLOT_BITS | index as u64;
            let id = (place << GENERATION_BITS | slot.state.load(Ordering::Acquire) >> 32) as i64;
            // SAFETY: L4.
            f(unsafe { (*link).task }, id);
        }
    }

    /// As [`Slots::for_each`] for live tasks, where the slots are of several home threads: `f` asks for the task only
    /// where it may.
    pub fn for_each_index(&self, mut f: impl FnMut(u32, &dyn Fn() -> *const ())) {
        for index in 0..self.used.load(Ordering::Acquire) {
            let slot = self.slot(index).expect("a slot that was used has a chunk");
            if !slot.is_free() && slot.state.load(Ordering::Acquire) & ALIVE != 0 {
                // SAFETY: by the caller, who is the home thread of this task.
                f(index, &|| unsafe { (*slot.link.load(Ordering::Acquire)).task });
            }
        }
    }

    /// Forked child, its only thread: every id but `keep` becomes stale, without touching any record.
    pub fn abandon(&self, keep: i64) {
        let keep = parts(keep).map(|p| p.slot);
        for index in 0..self.used.load(Ordering::Relaxed) {
            let slot = self.slot(index).expect("a slot that was used has a chunk");
            if Some(index) == keep {
                slot.state.fetch_and(!(QUEUED | REQUESTS), Ordering::Relaxed);
            } else if !slot.is_free() {
                let place = (self.home as u64) << SLOT_BITS | index as u64;
                self.free(slot, (place << GENERATION_BITS) as i64);
            }
        }
    }
}

/// Where a debugger finds things.
pub mod layout {
    use std::mem::{offset_of, size_of};

    use super::{Slot, Slots};

    /// Of the slots of a home: the address of its array of chunks.
    pub const CHUNKS: usize = offset_of!(Slots, chunks);
    /// Of the slots of a home: how many were ever used.
    pub const USED: usize = offset_of!(Slots, used);
    /// Slots of a chunk.
    pub const PER_CHUNK: usize = super::CHUNK;
    /// Bytes of a slot.
    pub const SIZE: usize = size_of::<Slot>();
    /// Of a slot.
    pub const STATE: usize = offset_of!(Slot, state);
    /// Of a slot: an odd number where there is no task.
    pub const LINK: usize = offset_of!(Slot, link);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Box<Link> {
        Box::new(Link { next: AtomicPtr::default(), task: 0xABC as *const () })
    }

    #[test]
    fn a_stale_id_is_recognised_after_its_slot_is_used_again() {
        let slots = Slots::new(3).unwrap();
        let l = link();
        let (slot, first) = slots.take(&*l).unwrap();
        let p = parts(first).unwrap();
        assert_eq!((p.home, p.slot), (3, 0));
        assert!(slots.is_alive(p) && slots.find(p).is_some());
        assert!(slot.kill());
        assert!(!slots.is_alive(p) && slots.find(p).is_some(), "ended, not joined");
        slots.free(slot, first);
        assert!(slots.find(p).is_none());
        let (_, second) = slots.take(&*l).unwrap();
        assert_ne!(first, second);
        assert_eq!(parts(second).unwrap().slot, 0);
        assert!(slots.find(p).is_none() && slots.request(p, CANCEL).is_err());
        assert!(slots.find(Parts { generation: 77, ..p }).is_none());
    }

    #[test]
    fn the_id_that_a_free_slot_will_have_next_is_not_known_before() {
        let slots = Slots::new(0).unwrap();
        let l = link();
        let (slot, first) = slots.take(&*l).unwrap();
        slot.kill();
        slots.free(slot, first);
        let p = parts(first + 1).unwrap();
        assert!(slots.find(p).is_none() && !slots.is_alive(p));
    }

    #[test]
    fn a_task_does_not_end_while_a_request_is_under_way() {
        let slots = Slots::new(0).unwrap();
        let l = link();
        let (slot, id) = slots.take(&*l).unwrap();
        let p = parts(id).unwrap();
        assert!(slots.request(p, UNPARK).unwrap().is_some());
        assert!(slots.request(p, CANCEL).unwrap().is_none(), "linked once only");
        assert!(!slot.kill());
        assert_eq!(slot.collect(), UNPARK | CANCEL);
        assert!(slot.kill());
        assert!(slots.request(p, UNPARK).is_err());
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let slots = Slots::new(0).unwrap();
        let l = link();
        let (slot, id) = slots.take(&*l).unwrap();
        slot.state.store(LAST_GENERATION << 32, Ordering::Relaxed);
        slots.free(slot, id);
        let (_, next) = slots.take(&*l).unwrap();
        assert_eq!(parts(next).unwrap().slot, 1);
        assert!(slots.find(parts(id).unwrap()).is_none());
    }

    #[test]
    fn a_debugger_finds_the_slots_by_their_layout() {
        let slots = Slots::new(0).unwrap();
        let l = link();
        let (slot, _) = slots.take(&*l).unwrap();
        // SAFETY: reads what the layout says, of the objects of this test.
        unsafe {
            let word = |at: *const u8, offset: usize| at.add(offset).cast::<*const u8>().read();
            let chunks = word((&raw const slots).cast(), layout::CHUNKS);
            assert!(std::ptr::eq(word(chunks, 0), std::ptr::from_ref(slot).cast()));
            assert!(std::ptr::eq(word(std::ptr::from_ref(slot).cast(), layout::LINK), (&raw const *l).cast()));
            assert_eq!((&raw const slots).byte_add(layout::USED).cast::<u32>().read(), 1);
        }
    }

    #[test]
    fn ids_that_were_never_issued_are_nobody() {
        let slots = Slots::new(0).unwrap();
        for id in [1, 12345, i64::MAX] {
            let p = parts(id).unwrap();
            assert!(slots.find(p).is_none() && slots.request(p, CANCEL).is_err());
        }
        assert_eq!((parts(0), parts(-1), parts(i64::MIN)), (None, None, None));
    }
}
