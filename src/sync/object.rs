//! The memory of everything that C holds by pointer: mutexes, channels, scopes and the like. A pointer that was freed is
//! recognised, and so is one of another kind: both are -EINVAL, not undefined behaviour.
//!
//! How. Objects lie in chunks that are never given back, one row of chunks for each size (multiples of 64 bytes, so that
//! no two share a cache line). Each begins with a word that says what it is and whether it lives. A freed object is
//! used again oldest first, and only while [`KEPT`] others of its size are free: so long a stale pointer finds a dead
//! word.
//!
//! Invariants:
//! O1  The memory of an object is never unmapped, and its word is at its beginning for ever.
//! O2  An object is in the free list once: `free` turns its word from alive to dead by one exchange.
//! O3  The free list and the rest of the last chunk are reached under the lock of their size.

use std::alloc::Layout;
use std::mem::{offset_of, size_of};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::lock::Lock;
use crate::error::{Error, Result};

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// `gt_mutex_t`
    Mutex = 1,
    /// `gt_rwlock_t`
    RwLock,
    /// `gt_cond_t`
    Cond,
    /// `gt_sem_t`
    Sem,
    /// `gt_event_t`
    Event,
    /// `gt_waitgroup_t`
    WaitGroup,
    /// `gt_barrier_t`
    Barrier,
    /// `gt_chan_t`
    Chan,
    /// `gt_scope_t`
    Scope,
    /// `gt_generator_t`
    Generator,
    /// A channel of signals.
    Signals,
    /// What was in a directory.
    Listing,
    /// `gt_ws_t`
    WebSocket,
    /// `gt_http_conn_t`
    Http,
    /// `gt_waker_t`
    Waker,
}

/// How many objects of a size stay free before the oldest is used again.
pub const KEPT: usize = 64;
const LINE: usize = 64;
/// Sizes: 64, 128, … 512 bytes.
const SIZES: usize = 8;
/// Objects in a chunk.
const CHUNK: usize = 32;
/// The high half of a word, so that a pointer to something else is rarely taken for an object.
const MARK: u32 = 0x6774_0000;
const ALIVE: u32 = 1;

/// A value of a kind that C holds by pointer.
#[repr(C, align(64))]
pub struct Object<T> {
    head: Head,
    value: T,
}

/// What every object begins with. The link has a place of its own: a late touch of a freed object's value does not
/// reach it.
#[repr(C)]
struct Head {
    word: AtomicU32,
    /// The next free object.
    next: *mut Head,
}

/// All objects of one size.
struct Pool {
    first: *mut Head,
    last: *mut Head,
    free: usize,
    /// What is left of the last chunk.
    fresh: *mut u8,
    left: usize,
}

// SAFETY: the pointers are to memory that the pool alone uses (O3).
unsafe impl Send for Pool {}

static POOLS: [Lock<Pool>; SIZES] = [const {
    Lock::new(Pool { first: ptr::null_mut(), last: ptr::null_mut(), free: 0, fresh: ptr::null_mut(), left: 0 })
}; SIZES];
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// How many objects there are in the process.
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

const fn alive(kind: Kind) -> u32 {
    MARK | (kind as u32) << 1 | ALIVE
}

impl Pool {
    /// Memory for one object of `size` bytes.
    fn take(&mut self, size: usize) -> Result<*mut u8> {
        if self.free > KEPT {
            let oldest = self.first;
            // SAFETY: O3: the list has more than one entry.
            self.first = unsafe { (*oldest).next };
            self.free -= 1;
            return Ok(oldest.cast());
        }
        if self.left == 0 {
            let layout = Layout::from_size_align(CHUNK * size, LINE).map_err(|_| Error::new(libc::ENOMEM))?;
            // SAFETY: the layout is not empty.
            let chunk = unsafe { std::alloc::alloc(layout) };
            if chunk.is_null() {
                return Err(Error::new(libc::ENOMEM));
            }
            (self.fresh, self.left) = (chunk, CHUNK);
        }
        let place = self.fresh;
        self.left -= 1;
        // SAFETY: within the chunk, or one past its end.
        self.fresh = unsafe { place.add(size) };
        Ok(place)
    }

    /// Takes a dead object back.
    fn give(&mut self, object: *mut Head) {
        // SAFETY: O1, O2: dead, and in no list.
        unsafe { (&raw mut (*object).next).write(ptr::null_mut()) };
        match self.free {
            0 => self.first = object,
            // SAFETY: O3.
            _ => unsafe { (*self.last).next = object },
        }
        self.last = object;
        self.free += 1;
    }
}

impl<T> Object<T> {
    const SIZE: usize = {
        assert!(size_of::<Object<T>>() <= SIZES * LINE, "an object of more than 512 bytes");
        size_of::<Object<T>>()
    };

    fn pool() -> &'static Lock<Pool> {
        &POOLS[Self::SIZE / LINE - 1]
    }

    /// Any thread: makes an object. -ENOMEM.
    pub fn new(kind: Kind, value: T) -> Result<*mut Object<T>> {
        let place = Self::pool().lock().take(Self::SIZE)?.cast::<Object<T>>();
        // SAFETY: O1, O3: room for one object, aligned, and nobody else's. The word is written last: a stale pointer to
        // this place finds it dead until the value is there.
        unsafe {
            (&raw mut (*place).value).write(value);
            (*place).head.word.store(alive(kind), Ordering::Release);
        }
        LIVE.fetch_add(1, Ordering::Relaxed);
        Ok(place)
    }

    /// Any thread: the value of a live object of that kind. -EINVAL: null, freed, of another kind, or no object.
    ///
    /// # Safety
    /// `object` is null, or came from `new` of any kind, at any time; and nobody frees it while the answer is used.
    #[inline(always)]
    pub unsafe fn get<'a>(object: *const Object<T>, kind: Kind) -> Result<&'a T> {
        // SAFETY: by the caller; O1.
        unsafe {
            if Self::word(object)?.load(Ordering::Acquire) != alive(kind) {
                return Err(Error::new(libc::EINVAL));
            }
            Ok(&(*object).value)
        }
    }

    /// Any thread: ends an object and drops its value. -EINVAL as for [`Object::get`]: of two calls one gets it. That
    /// nobody waits on the object is for the caller to see to before.
    ///
    /// # Safety
    /// As for [`Object::get`].
    pub unsafe fn free(object: *mut Object<T>, kind: Kind) -> Result<()> {
        // SAFETY: by the caller; O1.
        let word = unsafe { Self::word(object) }?;
        let dead = alive(kind) & !ALIVE;
        word.compare_exchange(alive(kind), dead, Ordering::AcqRel, Ordering::Relaxed)
            .map_err(|_| Error::new(libc::EINVAL))?;
        // SAFETY: O2: this call ended it; the value was written by `new`.
        unsafe { ptr::drop_in_place(&raw mut (*object).value) };
        LIVE.fetch_sub(1, Ordering::Relaxed);
        Self::pool().lock().give(object.cast());
        Ok(())
    }

    /// The address that C knows the object of this value by.
    pub fn address(value: &T) -> usize {
        ptr::from_ref(value) as usize - offset_of!(Object<T>, value)
    }

    /// The word of what may be an object.
    ///
    /// # Safety
    /// As for [`Object::get`].
    #[inline(always)]
    unsafe fn word<'a>(object: *const Object<T>) -> Result<&'a AtomicU32> {
        if object.is_null() || !object.is_aligned() {
            return Err(Error::new(libc::EINVAL));
        }
        // SAFETY: by the caller; O1.
        Ok(unsafe { &(*object).head.word })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    /// A size that no other test uses.
    type Big = ([u8; 400], Rc<()>);

    #[test]
    fn what_was_freed_is_recognised_and_its_place_used_last() {
        let owned = Rc::new(());
        let make = || Object::<Big>::new(Kind::Event, ([7; 400], owned.clone())).unwrap();
        // SAFETY: all pointers are from `new`.
        unsafe {
            let first = make();
            assert_eq!(Object::get(first, Kind::Event).unwrap().0[399], 7);
            assert!(Object::get(first, Kind::Mutex).is_err() && Object::free(first, Kind::Mutex).is_err());
            Object::free(first, Kind::Event).unwrap();
            assert_eq!(Rc::strong_count(&owned), 1, "the value was dropped");
            let mut place = None;
            for i in 0..KEPT + 8 {
                let next = make();
                if next == first {
                    place.get_or_insert(i);
                } else if place.is_none() {
                    assert!(Object::get(first, Kind::Event).is_err() && Object::free(first, Kind::Event).is_err());
                }
                Object::free(next, Kind::Event).unwrap();
            }
            assert_eq!(place, Some(KEPT), "used again when as many others are free");
        }
    }

    #[test]
    fn null_and_crooked_pointers_are_no_objects() {
        // SAFETY: refused before they are followed.
        unsafe {
            assert!(Object::<u64>::get(ptr::null(), Kind::Mutex).is_err());
            assert!(Object::<u64>::get(ptr::without_provenance(68), Kind::Mutex).is_err());
            assert!(Object::<u64>::free(ptr::null_mut(), Kind::Mutex).is_err());
        }
    }
}
