//! Identity: each task is a thread of its own to Python.
//!
//! CPython names threads by the ident of the OS thread, which all tasks of one OS thread share. Locks with an owner would then let
//! every task in, and `sys._current_frames` would show one task of many. So each task's thread state carries an
//! ident of its own in `thread_id`, and `get_ident` and the RLock methods read it there. The root keeps the OS ident: what it
//! held before belongs to it still.
//!
//! Invariant:
//! N1. The offset in `OFFSET` was verified: CPython's own search by ident found the state in which we wrote a made-up one.

use super::super::api::{api, New, State};
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

/// The offset at which the current state holds the OS ident, and at which a made-up one is found by CPython.
unsafe fn find() -> Result<usize, String> {
    let api = api();
    // SAFETY: GIL held by the caller; the second state is ours, never run, and deleted here.
    unsafe {
        let me = (api.PyThread_get_thread_ident)();
        let words = peek_words((api.PyThreadState_Get)() as usize, WORDS);
        let fresh = (api.PyThreadState_New)((api.PyInterpreterState_Get)());
        if fresh.is_null() {
            return Err("no memory for a trial thread state".to_string());
        }
        let nobody = (api.PyThreadState_SetAsyncExc)(MADE_UP as c_ulong, core::ptr::null_mut()) == 0;
        let mut found = None;
        for index in (1..words.len()).filter(|index| words[*index] == me) {
            let place = fresh.cast::<u64>().add(index);
            // Both states must agree on what lies there, so that nothing else is overwritten, even for a moment.
            if peek_words(place as usize, 1) != [me] {
                continue;
            }
            *place = MADE_UP;
            let answers = (api.PyThreadState_SetAsyncExc)(MADE_UP as c_ulong, core::ptr::null_mut()) == 1;
            *place = me;
            if answers && nobody {
                found = Some(8 * index);
                break;
            }
        }
        (api.PyThreadState_Clear)(fresh);
        (api.PyThreadState_Delete)(fresh);
        found.ok_or_else(|| "the ident of a thread state is not where any known CPython has it".to_string())
    }
}

/// Gives a thread state an ident.
///
/// # Safety
/// After [`prepare`]; a live state that runs, or will run, a task; GIL held.
pub unsafe fn stamp(state: State, ident: u64) {
    let offset = OFFSET.load(Ordering::Relaxed);
    debug_assert!(offset != 0);
    // SAFETY: N1.
    unsafe { *state.cast::<u8>().add(offset).cast::<u64>() = ident };
}

/// The ident of the running task or OS thread.
///
/// # Safety
/// After [`prepare`]; GIL held, with a current state.
#[inline(always)]
pub unsafe fn current() -> u64 {
    // SAFETY: N1.
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
