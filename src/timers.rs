//! Timers: which deadline comes next, with insert and cancel in constant time at a million entries.
//!
//! A hierarchical wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987): level 0 has one slot per
//! tick of 16 us, each level above has slots 256 times as long. A node sits at the level of the highest bit in which
//! its tick differs from the present one, so it moves down at most once a level. Nodes are intrusive: the record of a
//! sleeping task holds its own, and nothing is allocated.
//!
//! Order is exact: nodes fire by deadline, those with the same deadline in the order they were inserted (each has a number,
//! and a slot is sorted when it falls due).
//!
//! With a million sleepers each node is on a page of its own that no cache knows, and going through a list is a chain of
//! such misses, one after the other. So a slot above level 0 has several lists (lanes), and moving its nodes down goes
//! through all of them in step: while one node is moved, the next ones of the other lanes are under way.
//!
//! Invariants:
//! T1  A node is linked iff its `list` is not FREE; then its list is `heads[list]`.
//! T2  A linked node stays where it is until it has fired or been removed.
//! T3  No occupied slot lies before the present tick.

use std::cell::Cell;
use std::ptr;

const TICK: u32 = 14;
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 7;
/// Lists of a slot above level 0; at level 0 there is one.
const LANES: usize = 8;
const LISTS: usize = SLOTS + (LEVELS - 1) * SLOTS * LANES;
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
    heads: Box<[Cell<*const TimerNode>]>,
    occupied: [[u64; SLOTS / 64]; LEVELS],
    now: u64,
    len: usize,
    inserts: u32,
}

/// The first list of a slot, and how many it has.
#[inline]
fn lanes(level: usize, index: usize) -> (usize, usize) {
    if level == 0 {
        (index, 1)
    } else {
        (SLOTS + ((level - 1) * SLOTS + index) * LANES, LANES)
    }
}

/// The level and the index of a list's slot.
#[inline]
fn slot_of(list: usize) -> (usize, usize) {
    if list < SLOTS {
        (0, list)
    } else {
        let slot = (list - SLOTS) / LANES;
        (1 + slot / SLOTS, slot % SLOTS)
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

#[inline]
fn tick(deadline: i64) -> u64 {
    deadline.max(0) as u64 >> TICK
}

impl Timers {
    /// An empty wheel whose present is `now`; None when out of memory.
    pub fn new(now: i64) -> Option<Timers> {
        let layout = std::alloc::Layout::array::<Cell<*const TimerNode>>(LISTS).ok()?;
        // SAFETY: the layout has a size. Zeroed memory, of which untouched pages cost nothing, is a slice of null heads;
        // it was allocated as the box will free it.
        let heads = unsafe {
            let memory = std::alloc::alloc_zeroed(layout).cast::<Cell<*const TimerNode>>();
            if memory.is_null() {
                return None;
            }
            Box::from_raw(ptr::slice_from_raw_parts_mut(memory, LISTS))
        };
        Some(Timers { heads, occupied: [[0; SLOTS / 64]; LEVELS], now: tick(now), len: 0, inserts: 0 })
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
        let (first, lanes) = lanes(level, index);
        let list = first + node.number.get() as usize % lanes;
        let head = self.heads[list].get();
        if head.is_null() {
            node.next.set(node);
            node.prev.set(node);
            self.heads[list].set(node);
            self.occupied[level][index / 64] |= 1 << (index % 64);
        } else {
            // SAFETY: T1, T2: the head and its neighbours are linked, so alive.
            unsafe {
                let last = (*head).prev.get();
                node.next.set(head);
                node.prev.set(last);
                (*last).next.set(node);
                (*head).prev.set(node);
            }
        }
        node.list.set(list as u16);
    }

    fn unlink(&mut self, node: &TimerNode) {
        let list = node.list.get() as usize;
        let next = node.next.get();
        if ptr::eq(next, node) {
            self.heads[list].set(ptr::null());
            let (level, index) = slot_of(list);
            let (first, lanes) = lanes(level, index);
            if self.heads[first..first + lanes].iter().all(|head| head.get().is_null()) {
                self.occupied[level][index / 64] &= !(1 << (index % 64));
            }
        } else {
            let prev = node.prev.get();
            // SAFETY: T1, T2: neighbours in a list are alive.
            unsafe {
                (*prev).next.set(next);
                (*next).prev.set(prev);
            }
            if ptr::eq(self.heads[list].get(), node) {
                self.heads[list].set(next);
            }
        }
        node.list.set(FREE);
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
    pub fn next(&self) -> Option<i64> {
        let (level, index, start) = self.first()?;
        let (from, lanes) = lanes(level, index);
        let mut best = i64::MAX;
        let mut looks = PEEK;
        for head in &self.heads[from..from + lanes] {
            let head = head.get();
            let mut node = head;
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
                if ptr::eq(node, head) {
                    break;
                }
            }
        }
        Some(best)
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
            let mut due = self.take_due(index, now);
            due = sort(due);
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

    /// Moves the nodes of a slot above level 0 down, one of each lane in turn.
    fn cascade(&mut self, level: usize, index: usize) {
        let (first, _) = lanes(level, index);
        let mut heads = [ptr::null(); LANES];
        for (lane, head) in heads.iter_mut().enumerate() {
            *head = self.heads[first + lane].replace(ptr::null());
            expect(*head);
        }
        self.occupied[level][index / 64] &= !(1 << (index % 64));
        let mut nodes = heads;
        let mut left = true;
        while left {
            left = false;
            for lane in 0..LANES {
                if nodes[lane].is_null() {
                    continue;
                }
                left = true;
                // SAFETY: T1, T2; the link is read before the node is placed anew.
                let this = unsafe { &*nodes[lane] };
                let next = this.next.get();
                expect(next);
                self.place(this);
                nodes[lane] = if ptr::eq(next, heads[lane]) { ptr::null() } else { next };
            }
        }
    }

    /// Unlinks the due nodes of a level-0 slot; returns them as a chain ending in null, in list order.
    fn take_due(&mut self, index: usize, now: i64) -> *const TimerNode {
        let head = self.heads[index].get();
        // SAFETY: an occupied slot has a head.
        let last = unsafe { (*head).prev.get() };
        let mut first: *const TimerNode = ptr::null();
        let mut tail: *const TimerNode = ptr::null();
        let mut node = head;
        loop {
            // SAFETY: T1, T2; the link is read before the node is unlinked.
            let this = unsafe { &*node };
            let at_end = ptr::eq(node, last);
            node = this.next.get();
            if this.deadline.get() <= now {
                self.unlink(this);
                this.next.set(ptr::null());
                if tail.is_null() {
                    first = this;
                } else {
                    // SAFETY: the tail was set from a live node of this pass.
                    unsafe { (*tail).next.set(this) };
                }
                tail = this;
            }
            if at_end {
                return first;
            }
        }
    }

    /// Forgets every timer without touching it: for a forked child.
    pub fn abandon(&mut self) {
        self.heads.iter().for_each(|h| h.set(ptr::null()));
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
