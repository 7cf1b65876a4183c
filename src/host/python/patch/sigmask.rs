//! `signal.pthread_sigmask` in a task.
//!
//! A mask belongs to an OS thread, which all tasks share: a thread that blocks signals "for itself", so that another one hears of
//! them, would make the whole program deaf. So what a task blocks is written down for it, and shown to it, and the OS thread's own
//! mask stays: the root goes on hearing, and Python's handlers run there anyway. What a task unblocks is unblocked: on threads, too,
//! the signal would reach one that lets it in. The root sets the real mask. A child process begins with what the thread that makes it
//! has blocked (fork(2)): for that moment the task's mask is the OS thread's.

use super::super::api::{api, drop_ref, New, Obj};
use super::super::host;
use super::call::{apply, Args};
use super::sigwait::numbers_of;
use super::values::{c_int_of, pack};
use super::{fork, ident};
use core::cell::UnsafeCell;
use core::ffi::c_int;

/// What each task that blocks signals has blocked: its ident, and a bit per signal.
struct Masks(UnsafeCell<Vec<(u64, u64)>>);
// SAFETY: used with the GIL held, and not across anything that may switch or run Python code.
unsafe impl Sync for Masks {}
static MASKS: Masks = Masks(UnsafeCell::new(Vec::new()));

fn bit(number: c_int) -> u64 {
    1 << (number - 1)
}

/// What a task has blocked.
unsafe fn blocked(ident: u64) -> u64 {
    // SAFETY: GIL held by the caller.
    unsafe { (*MASKS.0.get()).iter().find(|entry| entry.0 == ident).map_or(0, |entry| entry.1) }
}

unsafe fn block(ident: u64, mask: u64) {
    // SAFETY: GIL held by the caller.
    unsafe {
        let masks = &mut *MASKS.0.get();
        masks.retain(|entry| entry.0 != ident);
        if mask != 0 {
            masks.push((ident, mask));
        }
    }
}

/// A run of a task has ended; the next one of that ident begins with nothing blocked.
///
/// # Safety
/// GIL held.
#[inline]
pub unsafe fn forget(ident: u64) {
    // SAFETY: as in `block`.
    unsafe {
        if !(*MASKS.0.get()).is_empty() {
            block(ident, 0);
        }
    }
}

/// Whether the caller is a task with a mask of its own: not the root, nor the task that is the only one of a forked child.
unsafe fn has_own() -> bool {
    // SAFETY: the caller's promise.
    unsafe { host::home() && ident::in_task() && !fork::forked_here() }
}

/// Makes a child process, by a call that does not switch; it begins with what the task has blocked.
///
/// # Safety
/// Called by CPython.
pub unsafe fn inherited(make: impl FnOnce() -> New) -> New {
    // SAFETY: GIL held; sets are emptied before they are used.
    unsafe {
        let mask = if has_own() { blocked(ident::current()) } else { 0 };
        if mask == 0 {
            return make();
        }
        let parent = libc::getpid();
        let (mut set, mut before): (libc::sigset_t, libc::sigset_t) = (core::mem::zeroed(), core::mem::zeroed());
        libc::sigemptyset(&mut set);
        (1..=64).filter(|n| mask & bit(*n) != 0).for_each(|n| {
            libc::sigaddset(&mut set, n);
        });
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before);
        let result = make();
        if libc::getpid() == parent {
            libc::pthread_sigmask(libc::SIG_SETMASK, &before, core::ptr::null_mut());
        }
        result
    }
}

/// `_posixsubprocess.fork_exec`, `os.posix_spawn`, `os.posix_spawnp`: CPython's own.
///
/// # Safety
/// Called by CPython.
pub unsafe fn child(args: &Args) -> New {
    // SAFETY: the call as it came.
    unsafe { inherited(|| args.original()) }
}

/// CPython's own function, to unblock some signals: the mask that was, a set.
unsafe fn unblock(args: &Args, mask: u64) -> New {
    let api = api();
    // SAFETY: GIL held by the caller; the tuples are ours.
    unsafe {
        let numbers: Vec<New> =
            (1..=64).filter(|n| mask & bit(*n) != 0).map(|n| (api.PyLong_FromLong)(n.into())).collect();
        let arguments = pack(&[(api.PyLong_FromLong)(libc::SIG_UNBLOCK.into()), pack(&numbers)]);
        if arguments.is_null() {
            return arguments;
        }
        let result = apply(args.row, args.this, arguments, None);
        drop_ref(arguments);
        result
    }
}

/// The set, and these signals too.
unsafe fn with(set: New, mask: u64) -> New {
    let api = api();
    // SAFETY: GIL held by the caller; NULL or a set of ours.
    unsafe {
        for number in (1..=64).filter(|n| !set.is_null() && mask & bit(*n) != 0) {
            let number = (api.PyLong_FromLong)(number.into());
            (api.PySet_Add)(set, number);
            drop_ref(number);
        }
        set
    }
}

/// The signals that the C library lets a program unblock: not the two that it keeps for itself (signal(7)).
fn usable() -> u64 {
    (libc::SIGRTMIN()..=libc::SIGRTMAX()).chain(1..32).map(bit).fold(0, |all, one| all | one)
}

/// The bits of a sequence; nothing when it is none, or has something else than signals.
unsafe fn bits_of(sequence: Obj) -> Option<u64> {
    let api = api();
    // SAFETY: GIL held by the caller; the tuple is ours.
    unsafe {
        let tuple = (api.PySequence_Tuple)(sequence);
        if tuple.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        let numbers = numbers_of(tuple);
        drop_ref(tuple);
        Some(numbers?.into_iter().map(bit).fold(0, |all, one| all | one) & usable())
    }
}

/// `pthread_sigmask(how, mask)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn pthread_sigmask(args: &Args) -> New {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if !has_own() || args.positional() != 2 || args.keywords() != 0 {
            return args.original();
        }
        let (Some(how), Some(mask)) = (c_int_of(args.at(0), -1), bits_of(args.at(1))) else {
            return args.original();
        };
        let (lift, now): (u64, fn(u64, u64) -> u64) = match how {
            libc::SIG_BLOCK => (0, |old, mask| old | mask),
            libc::SIG_UNBLOCK => (mask, |old, mask| old & !mask),
            libc::SIG_SETMASK => (usable() & !mask, |_, mask| mask),
            _ => return args.original(),
        };
        let before = unblock(args, lift);
        if before.is_null() {
            return before;
        }
        let me = ident::current();
        let old = blocked(me);
        block(me, now(old, mask));
        with(before, old)
    }
}
