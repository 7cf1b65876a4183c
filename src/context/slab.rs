//! Stacks: slabs of many equal stacks in one mapping, each with a guard below it, reused last-in-first-out.
//!
//! A slot is `[guard | stack]`; below a guard lies the neighbour's top, whose highest 64 bytes nobody uses. Guards are
//! guard markers (MADV_GUARD_INSTALL), which leave the mapping whole; where the kernel refuses them (before Linux 6.13,
//! locked memory) the slab falls back to mprotect, which splits it and ends near `vm.max_map_count`.
//!
//! Invariants:
//! S1  A slab is mapped until the pool is dropped, so an address in it can always be asked about.
//! S2  `free` has room for every slot there is: giving a stack back cannot fail.
//! S3  A slot's guard is installed before its stack is handed out for the first time.
//! S4  Whoever takes from `free` lowers `low`. `cold` and `trimmed` count no more than `low` when they are used.

use std::sync::atomic::{AtomicBool, Ordering};

use super::annotate;
use crate::error::{Error, Result};
use crate::sys::mem;

/// The smallest stack that may be asked for.
pub const MIN_STACK: usize = 16 * 1024;
/// The largest.
pub const MAX_STACK: usize = 1 << 30;
/// The default: 64 KiB of address space.
pub const DEFAULT_STACK: usize = 64 * 1024;
/// The default guard: wider than a 24 KiB frame (docs/decisions/0004-stack-slots.md has the arithmetic).
pub const DEFAULT_GUARD: usize = 24 * 1024;
/// Stacks in the first slab of a class; each next slab doubles up to [`SLAB_BYTES`].
const FIRST_SLAB: usize = 32;
/// No slab is larger than this, unless a single stack is.
const SLAB_BYTES: usize = 4 << 30;
/// Cached stacks of a class that stay warm however long nobody needs them: at most this many, and at most [`WARM_BYTES`].
const WARM: usize = 256;
/// Address space of the warm stacks of a class.
const WARM_BYTES: usize = 64 << 20;
/// How long (ns) any other stack is unused before its memory goes back: a burst of tasks finds the stacks of the one before
/// it warm (docs/decisions/0051-stacks-stay-warm.md).
pub const COOLING: i64 = 5_000_000_000;
/// What [`Pool::trim`] does at a time, and the pause (ns) until it does more.
const TRIM_AT_ONCE: usize = 64;
const TRIM_PAUSE: i64 = 1_000_000;

/// Set once the kernel has refused a guard marker; tests set it to walk the other road.
pub static USE_MPROTECT: AtomicBool = AtomicBool::new(false);

/// Size and guard of a stack, in whole pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Usable bytes, the task record included.
    pub size: usize,
    /// Guard bytes below.
    pub guard: usize,
}

impl Shape {
    /// Checks and rounds a wish; 0 means the default given.
    pub fn new(size: usize, guard: usize, default: Shape) -> Result<Shape> {
        let size = if size == 0 { default.size } else { size };
        let guard = if guard == 0 { default.guard } else { guard };
        if !(MIN_STACK..=MAX_STACK).contains(&size) || guard > MAX_STACK {
            return Err(Error::new(libc::EINVAL));
        }
        let einval = || Error::new(libc::EINVAL);
        Ok(Shape { size: mem::round_up(size).ok_or_else(einval)?, guard: mem::round_up(guard).ok_or_else(einval)? })
    }

    fn stride(self) -> usize {
        self.size + self.guard
    }
}

/// Which of 16 colours the stack with this top has: how far below it the record sits, in steps of 64 bytes. A
/// multiplicative hash of the page number (Knuth, TAOCP 3, 6.4).
#[inline(always)]
pub fn colour(top: *mut u8) -> usize {
    ((top as u64 >> 12).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as usize
}

struct Slab {
    base: *mut u8,
    slots: usize,
    /// Slots handed out at least once.
    touched: usize,
}

struct Class {
    shape: Shape,
    slabs: Vec<Slab>,
    free: Vec<*mut u8>,
    slots: usize,
    in_use: usize,
    /// The fewest that were free since the time `since`: so many of `free`, from the bottom, have lain there.
    low: usize,
    since: i64,
    /// How many of `free`, from the bottom, had not been used for [`COOLING`] at that time, and of those not used since
    /// (S4) how many are trimmed.
    cold: usize,
    trimmed: usize,
}

/// All stacks of one scheduler.
pub struct Pool {
    classes: Vec<Class>,
}

/// Figures for the statistics.
#[derive(Default, Clone, Copy)]
pub struct Usage {
    /// Slots that exist.
    pub mapped: usize,
    /// Slots in use.
    pub in_use: usize,
    /// Slots that were used and wait for the next task.
    pub cached: usize,
}

/// Where an address lies in the pool.
#[derive(PartialEq, Eq, Debug)]
pub enum Place {
    /// In the guard of the stack whose top is given.
    Guard { top: *mut u8, size: usize },
    /// In a stack.
    Stack { top: *mut u8 },
}

impl Pool {
    /// A pool whose first class has the shape that most tasks ask for.
    pub fn new(usual: Shape) -> Result<Pool> {
        let mut pool = Pool { classes: Vec::new() };
        pool.add_class(usual)?;
        Ok(pool)
    }

    /// The top of a warm stack of the usual shape, which is class 0; null if there is none.
    #[inline(always)]
    pub fn take_usual(&mut self) -> *mut u8 {
        let c = &mut self.classes[0];
        match c.free.pop() {
            Some(top) => {
                c.low = c.low.min(c.free.len());
                c.in_use += 1;
                annotate::open(top.wrapping_sub(c.shape.size), top);
                top
            }
            None => std::ptr::null_mut(),
        }
    }

    /// Hands out a stack: its top and its class.
    pub fn take(&mut self, shape: Shape) -> Result<(*mut u8, u16)> {
        let class = self.class_of(shape)?;
        let c = &mut self.classes[class];
        let top = match c.free.pop() {
            Some(top) => {
                c.low = c.low.min(c.free.len());
                top
            }
            None => c.fresh()?,
        };
        c.in_use += 1;
        annotate::open(top.wrapping_sub(c.shape.size), top);
        Ok((top, class as u16))
    }

    #[cold]
    fn class_of(&mut self, shape: Shape) -> Result<usize> {
        match self.classes.iter().position(|c| c.shape == shape) {
            Some(i) => Ok(i),
            None => self.add_class(shape),
        }
    }

    /// Takes a stack back.
    ///
    /// # Safety
    /// It came from [`Pool::take`], and nothing runs on it or refers to it.
    #[inline(always)]
    pub unsafe fn give(&mut self, class: u16, top: *mut u8) {
        let c = &mut self.classes[class as usize];
        c.in_use -= 1;
        annotate::close(top.wrapping_sub(c.shape.size), top);
        debug_assert!(c.free.len() < c.free.capacity());
        c.free.push(top);
    }

    #[cold]
    fn add_class(&mut self, shape: Shape) -> Result<usize> {
        if self.classes.len() >= u16::MAX as usize - 1 {
            return Err(Error::new(libc::ENOMEM));
        }
        self.classes.try_reserve(1).map_err(|_| Error::new(libc::ENOMEM))?;
        self.classes.push(Class {
            shape,
            slabs: Vec::new(),
            free: Vec::new(),
            slots: 0,
            in_use: 0,
            low: 0,
            since: 0,
            cold: 0,
            trimmed: 0,
        });
        Ok(self.classes.len() - 1)
    }

    /// What lies at an address. Reads only; safe in a signal handler on the home thread.
    pub fn locate(&self, address: usize) -> Option<Place> {
        for c in &self.classes {
            let stride = c.shape.stride();
            for slab in &c.slabs {
                let Some(offset) = address.checked_sub(slab.base as usize) else { continue };
                if offset >= slab.touched * stride {
                    continue;
                }
                let slot = offset / stride;
                // SAFETY: the slot lies in the slab's mapping (S1).
                let top = unsafe { slab.base.add((slot + 1) * stride) };
                return Some(if offset % stride < c.shape.guard {
                    Place::Guard { top, size: c.shape.size }
                } else {
                    Place::Stack { top }
                });
            }
        }
        None
    }

    /// Gives memory of stacks that nobody has needed for [`COOLING`] back to the kernel, a bounded piece of work at a time.
    /// When there will be more to do; None if nothing is left.
    pub fn trim(&mut self, now: i64) -> Option<i64> {
        let mut work = TRIM_AT_ONCE;
        let mut again: Option<i64> = None;
        for c in &mut self.classes {
            c.trimmed = c.trimmed.min(c.low);
            c.cold = c.cold.min(c.low);
            if now - c.since >= COOLING {
                (c.cold, c.low, c.since) = (c.low, c.free.len(), now);
            }
            while c.trimmed < c.cold && c.is_loose() {
                if work == 0 {
                    return Some(now + TRIM_PAUSE);
                }
                work -= 1;
                let top = c.free[c.trimmed];
                c.trimmed += 1;
                // SAFETY: a free slot holds nothing of value; its range is its own.
                unsafe { mem::discard(top.sub(c.shape.size), c.shape.size) };
            }
            if c.is_loose() {
                let next = c.since + COOLING;
                again = Some(again.map_or(next, |at| at.min(next)));
            }
        }
        again
    }

    /// Whether [`Pool::trim`] has something to do, now or later.
    #[inline]
    pub fn wants_trim(&self) -> bool {
        self.classes.iter().any(Class::is_loose)
    }

    /// Figures for the statistics.
    pub fn usage(&self) -> Usage {
        self.classes.iter().fold(Usage::default(), |u, c| Usage {
            mapped: u.mapped + c.slots,
            in_use: u.in_use + c.in_use,
            cached: u.cached + c.free.len(),
        })
    }

    /// Forgets the mappings without unmapping them: their memory stays as long as the process.
    pub fn leak(&mut self) {
        self.classes.iter_mut().for_each(|c| c.slabs.clear());
    }
}

impl Class {
    fn warm(&self) -> usize {
        (WARM_BYTES / self.shape.size).clamp(8, WARM)
    }

    /// Whether more than the warm ones are free and not trimmed.
    fn is_loose(&self) -> bool {
        self.free.len() > self.warm() + self.trimmed.min(self.low)
    }

    /// The next slot that was never used, with its guard in place.
    #[cold]
    fn fresh(&mut self) -> Result<*mut u8> {
        if self.slabs.last().is_none_or(|s| s.touched == s.slots) {
            self.grow()?;
        }
        let (shape, stride) = (self.shape, self.shape.stride());
        let slab = self.slabs.last_mut().expect("grow made one");
        // SAFETY: the slot is within the slab.
        let guard = unsafe { slab.base.add(slab.touched * stride) };
        if shape.guard > 0 {
            // SAFETY: the guard range is the slot's own and was never used.
            unsafe { install_guard(guard, shape.guard)? };
        }
        slab.touched += 1;
        // SAFETY: the end of the slot.
        let top = unsafe { guard.add(stride) };
        annotate::stack_made(top.wrapping_sub(shape.size), top);
        Ok(top)
    }

    fn grow(&mut self) -> Result<()> {
        let enomem = |_| Error::new(libc::ENOMEM);
        let stride = self.shape.stride();
        let most = (SLAB_BYTES / stride).max(1);
        let want = self.slabs.last().map_or(FIRST_SLAB, |s| s.slots * 2).min(most);
        self.slabs.try_reserve(1).map_err(enomem)?;
        // A smaller slab may still fit where a large one does not.
        let mut slots = want;
        let base = loop {
            match mem::map(slots * stride) {
                Ok(base) => break base,
                Err(e) if slots == 1 => return Err(e),
                Err(_) => slots /= 4,
            }
            slots = slots.max(1);
        };
        let total = self.slots + slots;
        if let Err(e) = self.free.try_reserve(total - self.free.len()).map_err(enomem) {
            // SAFETY: the mapping was made above and is not used yet.
            unsafe { mem::unmap(base, slots * stride) };
            return Err(e);
        }
        self.slots = total;
        self.slabs.push(Slab { base, slots, touched: 0 });
        Ok(())
    }
}

/// # Safety
/// As for [`mem::guard_marker`].
unsafe fn install_guard(base: *mut u8, bytes: usize) -> Result<()> {
    if !USE_MPROTECT.load(Ordering::Relaxed) {
        // SAFETY: by the caller.
        match unsafe { mem::guard_marker(base, bytes) } {
            // EINVAL: the kernel knows no markers, or this range is locked; either way protection serves.
            Err(e) if e.errno() == libc::EINVAL => {}
            other => return other,
        }
    }
    // SAFETY: by the caller.
    unsafe { mem::guard_protect(base, bytes) }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for c in &self.classes {
            for slab in &c.slabs {
                for slot in 1..=slab.touched {
                    let top = slab.base.wrapping_add(slot * c.shape.stride());
                    annotate::stack_gone(top.wrapping_sub(c.shape.size), top);
                }
                // SAFETY: the owner drops the pool when no task is left on its stacks.
                unsafe { mem::unmap(slab.base, slab.slots * c.shape.stride()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Shape = Shape { size: DEFAULT_STACK, guard: DEFAULT_GUARD };

    fn take(pool: &mut Pool) -> *mut u8 {
        pool.take(DEFAULTS).unwrap().0
    }

    #[test]
    fn stacks_come_back_last_in_first_out_and_their_places_are_known() {
        let mut pool = Pool::new(DEFAULTS).unwrap();
        assert!(pool.take_usual().is_null(), "nothing is warm yet");
        let tops: Vec<*mut u8> = (0..100).map(|_| take(&mut pool)).collect();
        for &top in &tops {
            let base = top.wrapping_sub(DEFAULT_STACK);
            assert_eq!(pool.locate(base as usize - 1), Some(Place::Guard { top, size: DEFAULT_STACK }));
            assert_eq!(pool.locate(base as usize), Some(Place::Stack { top }));
            assert_eq!(pool.locate(top as usize - 1), Some(Place::Stack { top }));
            // SAFETY: both ends of a stack are writable.
            unsafe {
                base.write(1);
                top.sub(1).write(1);
            }
        }
        assert_eq!(pool.usage().in_use, 100);
        // SAFETY: nothing runs on them.
        tops.iter().for_each(|&top| unsafe { pool.give(0, top) });
        assert_eq!(pool.take_usual(), tops[99]);
        assert_eq!(take(&mut pool), tops[98]);
    }

    #[test]
    fn colours_differ_between_neighbours() {
        let mut pool = Pool::new(DEFAULTS).unwrap();
        let mut seen = [0; 16];
        (0..160).for_each(|_| seen[colour(take(&mut pool))] += 1);
        assert!(seen.iter().all(|&n| (4..=20).contains(&n)), "{seen:?}");
    }

    #[test]
    fn shapes_out_of_range_are_refused() {
        for (size, guard) in [(1, 0), (MIN_STACK - 1, 0), (MAX_STACK + 1, 0), (usize::MAX, 0), (0, usize::MAX)] {
            assert_eq!(Shape::new(size, guard, DEFAULTS), Err(Error::new(libc::EINVAL)));
        }
        assert_eq!(Shape::new(MIN_STACK + 1, 1, DEFAULTS).unwrap(), Shape { size: MIN_STACK + 4096, guard: 4096 });
    }

    #[test]
    fn trimming_keeps_the_warm_ones_and_ends() {
        let mut pool = Pool::new(DEFAULTS).unwrap();
        let tops: Vec<*mut u8> = (0..WARM + 200).map(|_| take(&mut pool)).collect();
        // SAFETY: nothing runs on them; each top is writable.
        tops.iter().for_each(|&top| unsafe {
            top.sub(1).write(7);
            pool.give(0, top);
        });
        assert!(pool.wants_trim());
        let mut now = COOLING;
        assert_eq!(pool.trim(now), Some(now + COOLING), "they were used a moment ago");
        now += COOLING;
        let mut rounds = 0;
        while let Some(next) = pool.trim(now) {
            assert_eq!(next, now + TRIM_PAUSE);
            (rounds, now) = (rounds + 1, next);
        }
        assert!((3..10).contains(&rounds) && !pool.wants_trim());
        // SAFETY: both are mapped stacks.
        unsafe {
            assert_eq!(tops[0].sub(1).read(), 0, "a trimmed stack reads as zero");
            assert_eq!(tops[WARM + 199].sub(1).read(), 7, "the last used stays warm");
        }
        // Used again: they are loose again, and cool for as long as the first time.
        let tops: Vec<*mut u8> = (0..WARM + 200).map(|_| take(&mut pool)).collect();
        // SAFETY: as above.
        tops.iter().for_each(|&top| unsafe { pool.give(0, top) });
        assert!(pool.wants_trim());
        assert!(pool.trim(now).is_some_and(|next| next > now + TRIM_PAUSE));
        now += COOLING;
        assert!(pool.trim(now).is_some_and(|next| next > now + TRIM_PAUSE), "in use during this time");
        assert_eq!(pool.trim(now + COOLING), Some(now + COOLING + TRIM_PAUSE));
    }
}
