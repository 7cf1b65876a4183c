//! Task-local slots: values that a task keeps under keys of the process, and what becomes of them at its end.
//!
//! Keys live in a table that is never given back, so that a stale key is recognised: a key is a place in the table and a
//! generation. The values live in the rare part of the task, in the order in which they were set first.
//!
//! Invariants:
//! K1  A chunk of the table, once published, stays for ever. A place changes hands by compare-and-exchange of its word
//!     only, and its destructor is written between Claimed and Alive, by the one who claimed it.

use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::extra::{no_memory, try_box, Local};
use super::Scheduler;
use crate::error::{Error, Result};

/// What is called with a value at the end of the task that set it.
pub type Destructor = unsafe extern "C" fn(value: *mut c_void);

/// How often destructors are run over slots that destructors have set again.
pub const ROUNDS: usize = 4;

/// Keys in a chunk, and chunks: 16,384 keys.
const CHUNK: usize = 1024;
const CHUNKS: usize = 16;
const PLACE_BITS: u32 = 14;
const GENERATIONS: u32 = 1 << (31 - PLACE_BITS);

/// The low bits of a word; the generation is above.
const STATE_BITS: u32 = 2;
const STATES: u32 = (1 << STATE_BITS) - 1;
const DEAD: u32 = 0;
const CLAIMED: u32 = 1;
const ALIVE: u32 = 2;

struct Key {
    word: AtomicU32,
    destructor: AtomicPtr<c_void>,
}

type Chunk = [Key; CHUNK];

static TABLE: [AtomicPtr<Chunk>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

fn chunk(index: usize) -> Option<&'static Chunk> {
    // SAFETY: K1.
    unsafe { TABLE.get(index)?.load(Ordering::Acquire).as_ref() }
}

/// The chunk, made now if it is not there yet.
fn chunk_or_new(index: usize) -> Result<&'static Chunk> {
    if let Some(there) = chunk(index) {
        return Ok(there);
    }
    let fresh = Box::into_raw(try_box(
        [const { Key { word: AtomicU32::new(DEAD), destructor: AtomicPtr::new(ptr::null_mut()) } }; CHUNK],
    )?);
    match TABLE[index].compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: K1: published just now.
        Ok(_) => Ok(unsafe { &*fresh }),
        Err(theirs) => {
            // SAFETY: made by Box above and shown to nobody.
            drop(unsafe { Box::from_raw(fresh) });
            // SAFETY: K1.
            Ok(unsafe { &*theirs })
        }
    }
}

/// The place of a key, if it lives.
#[inline]
fn living(key: i32) -> Option<&'static Key> {
    let key = u32::try_from(key).ok()?;
    let place = (key & ((1 << PLACE_BITS) - 1)) as usize;
    let found = &chunk(place / CHUNK)?[place % CHUNK];
    let word = (key >> PLACE_BITS) << STATE_BITS | ALIVE;
    (found.word.load(Ordering::Acquire) == word).then_some(found)
}

/// Any thread: makes a key. -EAGAIN when all are in use, -ENOMEM.
pub fn make_key(destructor: Option<Destructor>) -> Result<i32> {
    for place in 0..CHUNKS * CHUNK {
        let key = &chunk_or_new(place / CHUNK)?[place % CHUNK];
        let word = key.word.load(Ordering::Relaxed);
        if word & STATES != DEAD {
            continue;
        }
        let generation = ((word >> STATE_BITS) + 1) % GENERATIONS;
        let generation = generation.max(1);
        let claimed = generation << STATE_BITS | CLAIMED;
        if key.word.compare_exchange(word, claimed, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            continue;
        }
        key.destructor.store(destructor.map_or(ptr::null_mut(), |d| d as *mut c_void), Ordering::Relaxed);
        key.word.store(generation << STATE_BITS | ALIVE, Ordering::Release);
        return Ok((generation << PLACE_BITS | place as u32) as i32);
    }
    Err(Error::new(libc::EAGAIN))
}

/// Any thread: gives a key up. Values that tasks keep under it are forgotten; their destructors do not run.
pub fn free_key(key: i32) -> Result<()> {
    let gone = Error::new(libc::EINVAL);
    let place = living(key).ok_or(gone)?;
    let generation = key as u32 >> PLACE_BITS;
    let alive = generation << STATE_BITS | ALIVE;
    let dead = generation << STATE_BITS | DEAD;
    place.word.compare_exchange(alive, dead, Ordering::AcqRel, Ordering::Relaxed).map_err(|_| gone)?;
    Ok(())
}

impl Scheduler {
    /// The running task's value under a key; null when there is none, or no such key.
    #[inline]
    pub fn local(&self, key: i32) -> *mut c_void {
        if living(key).is_none() {
            return ptr::null_mut();
        }
        // SAFETY: D2: the reference ends with the statement.
        let extra = unsafe { self.me().extra() };
        extra.and_then(|e| e.locals.iter().find(|l| l.key == key)).map_or(ptr::null_mut(), |l| l.value)
    }

    /// Sets it. -EINVAL: no such key; -ENOMEM.
    pub fn set_local(&self, key: i32, value: *mut c_void) -> Result<()> {
        living(key).ok_or(Error::new(libc::EINVAL))?;
        // SAFETY: D2: the reference ends within the function, which calls nobody.
        let extra = unsafe { self.me().extra_or_new()? };
        if let Some(local) = extra.locals.iter_mut().find(|l| l.key == key) {
            local.value = value;
            return Ok(());
        }
        if value.is_null() {
            return Ok(());
        }
        // A task that lives long does not collect the slots of keys that are gone.
        if extra.locals.len() == extra.locals.capacity() {
            extra.locals.retain(|l| living(l.key).is_some());
        }
        extra.locals.try_reserve(1).map_err(no_memory)?;
        extra.locals.push(Local { key, value });
        Ok(())
    }

    /// One round of destructors over the running task's slots, the one that was set first last. Each slot reads null from
    /// its own destructor on. Whether one was called.
    pub(super) fn destroy_locals(&self) -> bool {
        let mut called = false;
        // SAFETY: D2: the reference ends with the statement.
        let mut i = unsafe { self.me().extra() }.map_or(0, |e| e.locals.len());
        while i > 0 {
            i -= 1;
            // SAFETY: D2: the reference ends with the statement. A destructor may shorten the list.
            let local = unsafe { self.me().extra() }.and_then(|e| e.locals.get_mut(i));
            let Some((key, value)) = local.map(|l| (l.key, mem::replace(&mut l.value, ptr::null_mut()))) else {
                continue;
            };
            let destructor = living(key).map_or(ptr::null_mut(), |k| k.destructor.load(Ordering::Relaxed));
            if !destructor.is_null() && !value.is_null() {
                called = true;
                // SAFETY: K1: stored by `make_key` from a Destructor. The program was told when it is called.
                unsafe { mem::transmute::<*mut c_void, Destructor>(destructor)(value) };
            }
        }
        called
    }
}
