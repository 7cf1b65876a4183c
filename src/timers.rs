//! Timers: which deadline comes next, with insert and cancel in constant time at a million entries.
//!
//! A hierarchical wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987): level 0 has one slot per
//! tick of 16 us, each level above has slots 256 times as long. A node sits at the level of the highest bit in which
//! its tick differs from the present one, so it moves down at most once a level. Nodes are intrusive: the record of a
//! sleeping task holds its own, and nothing is allocated.
//!
//! Order is exact: nodes fire by deadline, those with the same deadline in the order they were inserted (each has a number,
//! and a slot is sorted when it falls due). So the order within a list means nothing.
//!
//! With a million sleepers each node is on a page of its own that no cache knows, and going through a list is a chain of
//! such misses, one after the other. So a slot has several lists (lanes), and whoever goes through its nodes goes through
//! all of them in step: asks for the next node of each lane at once, and works on those that have come meanwhile. And an
//! insert touches no other node: a list is linked forward only, until a node leaves it whose place is not known (T4).
//!
//! Invariants:
//! T1  A node is linked iff its `list` is not FREE; then its list is number `list`, `LANES` to a slot.
//! T2  A linked node stays where it is until it has fired or been removed.
//! T3  No occupied slot lies before the present tick.
//! T4  `prev` is null in the head of a list and perhaps in those right behind it; all others know the node before them.

use std::cell::Cell;
use std::ptr;

const TICK: u32 = 14;
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 7;
/// Lists of a slot: so many misses are under way at a time.
const LANES: usize = 16;
const FREE: u16 = u16::MAX;
/// How many nodes of one slot are looked at for the exact next deadline; beyond that the slot's start serves.
const PEEK: usize = 32;

/// What a node stands for: the owner of the wheel finds its record from the node by this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerKind {
    /// Embedded in a task record: the deadline of its present wait.
    Park,
    /// Embedded in a timed interrupt.
    Interrupt,
}

/// One timer.
#[repr(C)]
pub struct TimerNode {
    deadline: Cell<i64>,
    next: Cell<*const TimerNode>,
    prev: Cell<*const TimerNode>,
    list: Cell<u16>,
    /// What the node stands for.
    pub kind: TimerKind,
    /// Which insert of the wheel it was, modulo 2^32.
    number: Cell<u32>,
}

impl TimerNode {
    /// A node that is in no wheel.
    pub const fn new(kind: TimerKind) -> TimerNode {
        TimerNode {
            deadline: Cell::new(0),
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
            list: Cell::new(FREE),
            kind,
            number: Cell::new(0),
        }
    }

    /// Whether the node is in the wheel.
    #[inline]
    pub fn is_armed(&self) -> bool {
        self.list.get() != FREE
    }

    /// The deadline it was armed with last.
    pub fn deadline(&self) -> i64 {
        self.deadline.get()
    }

    /// Whether it fires before another one. Numbers may have gone round between two inserts, and then those two, if they
    /// have the same deadline, change places.
    #[inline]
    fn before(&self, other: &TimerNode) -> bool {
        let (mine, theirs) = (self.deadline.get(), other.deadline.get());
        mine < theirs || mine == theirs && (self.number.get().wrapping_sub(other.number.get()) as i32) < 0
    }
}

/// The wheel.
pub struct Timers {
    slots: Box<[Slot]>,
    occupied: [[u64; SLOTS / 64]; LEVELS],
    now: u64,
    len: usize,
    inserts: u32,
}

/// The lists of a slot.
#[repr(C, align(64))]
struct Slot {
    heads: [Cell<*const TimerNode>; LANES],
    /// Which of them have nodes.
    used: Cell<u32>,
}

/// One node of each lane of a slot that has one left.
struct Front {
    nodes: [*const TimerNode; LANES],
    len: usize,
}

impl Front {
    /// The first nodes of a slot, which is empty afterwards.
    fn of(slot: &Slot) -> Front {
        let mut front = Front { nodes: [ptr::null(); LANES], len: 0 };
        let mut used = slot.used.replace(0);
        while used != 0 {
            let head = slot.heads[used.trailing_zeros() as usize].replace(ptr::null());
            used &= used - 1;
            front.add(head);
        }
        front
    }

    #[inline]
    fn add(&mut self, node: *const TimerNode) {
        expect(node);
        self.nodes[self.len] = node;
        self.len += 1;
    }

    /// The nodes, and behind each the next one of its lane.
    ///
    /// # Safety
    /// The nodes and those behind them are alive.
    #[inline]
    unsafe fn advance(&mut self) -> ([*const TimerNode; LANES], usize) {
        let (nodes, len) = (self.nodes, self.len);
        self.len = 0;
        for &node in &nodes[..len] {
            // SAFETY: by the caller.
            let next = unsafe { (*node).next.get() };
            if !next.is_null() {
                self.add(next);
            }
        }
        (nodes, len)
    }
}

/// Lets the nodes of a list know which one is before them, up to the first that does: each learns it once.
///
/// # Safety
/// `head` is the head of a list whose nodes are alive.
#[cold]
unsafe fn link_back(head: *const TimerNode) {
    let mut at = head;
    // SAFETY: by the caller.
    while let Some(next) = unsafe { (*at).next.get().as_ref() } {
        if !next.prev.get().is_null() {
            return;
        }
        next.prev.set(at);
        at = next;
    }
}

/// Asks for the line of a node that will be read soon.
#[inline]
fn expect(node: *const TimerNode) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is harmless at any address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(node.cast());
    }
    let _ = node;
}

/// Asks for the line before a node's, where its owner keeps what firing it touches.
#[inline]
fn expect_owner(node: &TimerNode) {
    expect(ptr::from_ref(node).wrapping_byte_sub(64));
}

#[inline]
fn tick(deadline: i64) -> u64 {
    deadline.max(0) as u64 >> TICK
}

impl Timers {
    /// An empty wheel whose present is `now`; None when out of memory.
    pub fn new(now: i64) -> Option<Timers> {
        let layout = std::alloc::Layout::array::<Slot>(LEVELS * SLOTS).ok()?;
        // SAFETY: the layout has a size. Zeroed memory, of which untouched pages cost nothing, is a slice of empty slots;
        // it was allocated as the box will free it.
        let slots = unsafe {
            let memory = std::alloc::alloc_zeroed(layout).cast::<Slot>();
            if memory.is_null() {
                return None;
            }
            Box::from_raw(ptr::slice_from_raw_parts_mut(memory, LEVELS * SLOTS))
        };
        Some(Timers { slots, occupied: [[0; SLOTS / 64]; LEVELS], now: tick(now), len: 0, inserts: 0 })
    }

    /// How many timers are armed.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is armed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Arms a node.
    ///
    /// # Safety
    /// The node is not armed, and stays where it is until it fires or is removed (T2).
    pub unsafe fn insert(&mut self, node: &TimerNode, deadline: i64) {
        debug_assert!(!node.is_armed());
        node.deadline.set(deadline);
        node.number.set(self.inserts);
        self.inserts = self.inserts.wrapping_add(1);
        self.place(node);
        self.len += 1;
    }

    /// Disarms a node if it is armed.
    #[inline]
    pub fn remove(&mut self, node: &TimerNode) {
        if node.is_armed() {
            self.unlink(node);
            self.len -= 1;
        }
    }

    fn place(&mut self, node: &TimerNode) {
        let t = tick(node.deadline.get()).max(self.now);
        let differ = t ^ self.now;
        let level = if differ == 0 { 0 } else { ((63 - differ.leading_zeros()) / BITS) as usize };
        let index = (t >> (level as u32 * BITS)) as usize & (SLOTS - 1);
        let (slot, lane) = (level * SLOTS + index, node.number.get() as usize % LANES);
        let head = self.slots[slot].heads[lane].replace(node);
        node.next.set(head);
        node.prev.set(ptr::null());
        node.list.set((slot * LANES + lane) as u16);
        if head.is_null() {
            let used = &self.slots[slot].used;
            used.set(used.get() | 1 << lane);
            self.occupied[level][index / 64] |= 1 << (index % 64);
        }
    }

    fn unlink(&mut self, node: &TimerNode) {
        let list = node.list.replace(FREE) as usize;
        let (at, lane) = (list / LANES, list % LANES);
        let slot = &self.slots[at];
        let head = slot.heads[lane].get();
        if node.prev.get().is_null() && !ptr::eq(head, node) {
            // SAFETY: T1, T2: the list's nodes are alive.
            unsafe { link_back(head) };
        }
        let (prev, next) = (node.prev.get(), node.next.get());
        if !next.is_null() {
            // SAFETY: T1, T2: neighbours in a list are alive.
            unsafe { (*next).prev.set(prev) };
        }
        if !prev.is_null() {
            // SAFETY: as above.
            return unsafe { (*prev).next.set(next) };
        }
        slot.heads[lane].set(next);
        if next.is_null() {
            slot.used.set(slot.used.get() & !(1 << lane));
            if slot.used.get() == 0 {
                self.vacate(at / SLOTS, at % SLOTS);
            }
        }
    }

    fn vacate(&mut self, level: usize, index: usize) {
        self.occupied[level][index / 64] &= !(1 << (index % 64));
    }

    /// The first occupied slot of a level at or after the present one.
    fn next_slot(&self, level: usize) -> Option<usize> {
        let from = (self.now >> (level as u32 * BITS)) as usize & (SLOTS - 1);
        let words = &self.occupied[level];
        let mut word = words[from / 64] & (u64::MAX << (from % 64));
        let mut i = from / 64;
        loop {
            if word != 0 {
                return Some(i * 64 + word.trailing_zeros() as usize);
            }
            i += 1;
            if i == SLOTS / 64 {
                return None;
            }
            word = words[i];
        }
    }

    /// The lowest occupied level, its first slot, and the tick at which that slot begins.
    fn first(&self) -> Option<(usize, usize, u64)> {
        if self.len == 0 {
            return None;
        }
        (0..LEVELS).find_map(|level| {
            let index = self.next_slot(level)?;
            let shift = level as u32 * BITS;
            let start = (((self.now >> shift) & !(SLOTS as u64 - 1)) | index as u64) << shift;
            Some((level, index, start.max(self.now)))
        })
    }

    /// When to look again: the next deadline, or a little before it when finding it would mean searching a long list.
    #[inline]
    pub fn next(&self) -> Option<i64> {
        self.search(PEEK)
    }

    /// The next deadline, however long it takes: for a clock that is moved to what it says.
    pub fn nearest(&self) -> Option<i64> {
        self.search(usize::MAX)
    }

    #[inline(always)]
    fn search(&self, most: usize) -> Option<i64> {
        let (level, index, start) = self.first()?;
        let mut best = i64::MAX;
        let mut looks = most;
        for head in &self.slots[level * SLOTS + index].heads {
            let mut node = head.get();
            while !node.is_null() {
                if looks == 0 {
                    return Some(((start << TICK) as i64).min(best));
                }
                looks -= 1;
                // SAFETY: T1, T2: nodes of an occupied slot are alive.
                unsafe {
                    best = best.min((*node).deadline.get());
                    node = (*node).next.get();
                }
            }
        }
        Some(best)
    }

    /// An empty wheel's present is another one.
    pub fn restart(&mut self, now: i64) {
        debug_assert!(self.is_empty());
        self.now = tick(now);
    }

    /// Fires every timer whose deadline is at or before `now`, in order.
    pub fn expire(&mut self, now: i64, mut fire: impl FnMut(&TimerNode)) {
        let target = tick(now).max(self.now);
        while let Some((level, index, start)) = self.first() {
            if start > target {
                break;
            }
            self.now = start;
            if level > 0 {
                self.cascade(level, index);
                continue;
            }
            let mut due = sort(self.take_due(index, now));
            while !due.is_null() {
                // SAFETY: nodes of the due chain were linked a moment ago; nobody else can have freed them, and the
                // link to the next is read before the owner hears of this one.
                let node = unsafe { &*due };
                due = node.next.get();
                self.len -= 1;
                fire(node);
            }
            if start == target {
                break;
            }
        }
        self.now = target;
    }

    /// Moves the nodes of a slot above level 0 down.
    fn cascade(&mut self, level: usize, index: usize) {
        let mut front = Front::of(&self.slots[level * SLOTS + index]);
        self.vacate(level, index);
        while front.len > 0 {
            // SAFETY: T1, T2; the links are read before the nodes are placed anew.
            let (nodes, len) = unsafe { front.advance() };
            for &node in &nodes[..len] {
                // SAFETY: as above.
                self.place(unsafe { &*node });
            }
        }
    }

    /// Unlinks the due nodes of a level-0 slot; returns them as a chain ending in null, in no order.
    fn take_due(&mut self, index: usize, now: i64) -> *const TimerNode {
        let mut front = Front::of(&self.slots[index]);
        self.vacate(0, index);
        let mut due: *const TimerNode = ptr::null();
        while front.len > 0 {
            // SAFETY: T1, T2; the links are read before the nodes are placed anew.
            let (nodes, len) = unsafe { front.advance() };
            for &node in &nodes[..len] {
                // SAFETY: as above.
                let node = unsafe { &*node };
                if node.deadline.get() <= now {
                    expect_owner(node);
                    node.list.set(FREE);
                    node.next.set(due);
                    due = node;
                } else {
                    self.place(node);
                }
            }
        }
        due
    }

    /// Forgets every timer without touching it: for a forked child.
    pub fn abandon(&mut self) {
        for slot in &self.slots {
            slot.used.set(0);
            slot.heads.iter().for_each(|head| head.set(ptr::null()));
        }
        self.occupied = [[0; SLOTS / 64]; LEVELS];
        self.len = 0;
    }
}

impl TimerNode {
    /// Marks a node as unarmed after [`Timers::abandon`].
    pub fn forget(&self) {
        self.list.set(FREE);
    }
}

/// A merge sort of a null-ended chain, without memory of its own (Knuth, TAOCP 3, 5.2.4).
fn sort(chain: *const TimerNode) -> *const TimerNode {
    // Runs of 2^i nodes wait in bins[i].
    let mut bins: [*const TimerNode; 40] = [ptr::null(); 40];
    let mut rest = chain;
    while !rest.is_null() {
        let mut run = rest;
        // SAFETY: every pointer of the chain is a live node.
        unsafe {
            rest = (*run).next.get();
            (*run).next.set(ptr::null());
        }
        let mut i = 0;
        while !bins[i].is_null() {
            run = merge(bins[i], run);
            bins[i] = ptr::null();
            i += 1;
        }
        bins[i] = run;
    }
    bins.iter().fold(ptr::null(), |sorted, &run| if run.is_null() { sorted } else { merge(run, sorted) })
}

fn merge(mut a: *const TimerNode, mut b: *const TimerNode) -> *const TimerNode {
    let first = TimerNode::new(TimerKind::Park);
    let mut tail: *const TimerNode = &first;
    // SAFETY: both chains are of live nodes, and `first` outlives the loop.
    unsafe {
        while !a.is_null() && !b.is_null() {
            let take = if (*b).before(&*a) { &mut b } else { &mut a };
            (*tail).next.set(*take);
            tail = *take;
            *take = (**take).next.get();
        }
        (*tail).next.set(if a.is_null() { b } else { a });
    }
    first.next.get()
}

#[cfg(test)]
mod tests;
