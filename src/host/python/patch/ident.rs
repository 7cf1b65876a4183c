//! Identity: each task is a thread of its own to Python.
//!
//! CPython names threads by the ident of the OS thread, which all tasks of one OS thread share. Locks with an owner would then let
//! every task in, and `sys._current_frames` would show one task of many. So each task's thread state carries an
//! ident of its own in `thread_id`, and `get_ident` and the RLock methods read it there. The root keeps the OS ident: what it
//! held before belongs to it still.
//!
//! Invariant:
//! PN1. The offset in `OFFSET` was verified: `sys._current_frames` showed the made-up ident that we wrote there.

use super::super::api::{api, drop_ref, New, State};
use super::call::Args;
use super::layout::peek_words;
use core::ffi::c_ulong;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Offset of `thread_id` in `PyThreadState`; 0 = not found yet.
static OFFSET: AtomicUsize = AtomicUsize::new(0);

/// Words of a thread state that are looked at.
const WORDS: usize = 96;

/// An ident that no OS thread has (idents are addresses) and no task (ids are small or have a low slot).
const MADE_UP: u64 = 0x5eed_0000_0000_0003;

/// Finds `thread_id`, and makes identity and RLock follow the task. To be called when hooks are installed on an OS
/// thread, before its first task.
///
/// # Safety
/// GIL held, with a current thread state.
pub unsafe fn prepare() -> Result<(), String> {
    // SAFETY: the caller's promise.
    unsafe {
        if OFFSET.load(Ordering::Acquire) == 0 {
            super::layout::prepare()?;
            let offset = find()?;
            super::fork::register();
            OFFSET.store(offset, Ordering::Release);
        }
        super::table::write_identity()
    }
}

/// The offset at which the current state holds the OS ident, and at which a made-up one is shown by `sys._current_frames`.
///
/// (`PyThreadState_SetAsyncExc` would find it too, but without an exception to raise it leaves the eval breaker of 3.9 to 3.12 set for
/// ever: each check takes the slow way, and 3.11 spins when it traces.)
unsafe fn find() -> Result<usize, String> {
    let api = api();
    // SAFETY: GIL held by the caller, who was called from Python, so that the current state has a frame.
    unsafe {
        let me = (api.PyThread_get_thread_ident)();
        let state = (api.PyThreadState_Get)();
        let words = peek_words(state as usize, WORDS);
        if shown(MADE_UP)? {
            return Err("an ident that was made up is in use".to_string());
        }
        for index in (1..words.len()).filter(|index| words[*index] == me) {
            let place = state.cast::<u64>().add(index);
            *place = MADE_UP;
            let answer = shown(MADE_UP);
            *place = me;
            if answer? {
                return Ok(8 * index);
            }
        }
    }
    Err("the ident of a thread state is not where any known CPython has it".to_string())
}

/// Does `sys._current_frames` show a thread of that ident?
unsafe fn shown(ident: u64) -> Result<bool, String> {
    let api = api();
    // SAFETY: GIL held by the caller; attributes of `sys` are borrowed, the dict and the key are ours.
    unsafe {
        let frames = (api.PySys_GetObject)(c"_current_frames".as_ptr());
        let dict = if frames.is_null() { frames } else { (api.PyObject_CallNoArgs)(frames) };
        let key = (api.PyLong_FromUnsignedLong)(ident as c_ulong);
        if dict.is_null() || key.is_null() {
            (api.PyErr_Clear)();
            return Err("sys._current_frames does not answer".to_string());
        }
        let found = !(api.PyDict_GetItemWithError)(dict, key).is_null();
        drop_ref(key);
        drop_ref(dict);
        Ok(found)
    }
}

/// Gives a thread state an ident.
///
/// # Safety
/// After [`prepare`]; a live state that runs, or will run, a task; GIL held.
pub unsafe fn stamp(state: State, ident: u64) {
    let offset = OFFSET.load(Ordering::Relaxed);
    debug_assert!(offset != 0);
    // SAFETY: PN1.
    unsafe { *state.cast::<u8>().add(offset).cast::<u64>() = ident };
}

/// The ident of the running task or OS thread.
///
/// # Safety
/// After [`prepare`]; GIL held, with a current state.
#[inline(always)]
pub unsafe fn current() -> u64 {
    // SAFETY: PN1.
    unsafe { *(api().PyThreadState_Get)().cast::<u8>().add(OFFSET.load(Ordering::Relaxed)).cast::<u64>() }
}

/// Whether the caller is a task other than the root: its ident is not the OS thread's.
///
/// # Safety
/// As [`current`].
pub unsafe fn in_task() -> bool {
    // SAFETY: the caller's promise.
    unsafe { current() != (api().PyThread_get_thread_ident)() }
}

/// `_thread.get_ident`
///
/// # Safety
/// Called by CPython.
pub unsafe fn get_ident(_: &Args) -> New {
    // SAFETY: GIL held; the row is written after the offset was found.
    unsafe { (api().PyLong_FromUnsignedLong)(current() as c_ulong) }
}
