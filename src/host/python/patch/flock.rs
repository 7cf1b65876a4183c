//! `fcntl.flock`, `lockf`, and `fcntl` with F_SETLKW.
//!
//! The kernel has no descriptor to wait for a file's lock with. CPython's own function is asked for the lock without waiting, at
//! growing intervals, and at once when this process lets go of one.

use super::super::api::{api, drop_ref, New, Obj};
use super::super::gt::NEVER;
use super::super::host;
use super::call::{apply, replaced, Args};
use super::values::c_int_of;
use super::waiters::{self, Outcome, Recheck};
use core::cell::Cell;

/// Everybody waits in one line: which lock becomes free is not known here.
fn key() -> usize {
    static KEY: u8 = 0;
    &raw const KEY as usize
}

/// This process may have let go of a lock: whoever waits tries again.
pub fn let_go() {
    while waiters::hand_to_task(key()) {}
}

/// Asks with these arguments (taken over) until the answer is not "taken".
unsafe fn until_free(args: &Args, question: New) -> New {
    let api = api();
    // SAFETY: GIL held by the caller; answers are owned.
    unsafe {
        if question.is_null() {
            return question;
        }
        let answer: Cell<Obj> = Cell::new(core::ptr::null_mut());
        // True: there is an answer, an exception perhaps.
        let ask = || {
            let got = apply(args.row, args.this, question, None);
            answer.set(got);
            let taken = got.is_null()
                && ((api.PyErr_ExceptionMatches)(api.PyExc_BlockingIOError) != 0
                    || (api.PyErr_ExceptionMatches)(api.PyExc_PermissionError) != 0);
            if taken {
                (api.PyErr_Clear)();
            }
            !taken
        };
        while !ask() {
            let outcome = waiters::wait(key(), NEVER, Recheck::NowAndThen, &ask, &|| {});
            if outcome == Outcome::Raised || !answer.get().is_null() || !(api.PyErr_Occurred)().is_null() {
                break;
            }
        }
        drop_ref(question);
        answer.get()
    }
}

/// `flock(fd, operation)` and `lockf(fd, cmd, len=0, start=0, whence=0)`: both take LOCK_NB and LOCK_UN.
///
/// # Safety
/// Called by CPython.
pub unsafe fn lock(args: &Args) -> New {
    // SAFETY: the arguments are the caller's.
    unsafe {
        let command = c_int_of(args.at(1), 0);
        let (Some(command), true) = (command, host::home() && args.positional() >= 2 && args.keywords() == 0) else {
            return args.original();
        };
        if command & libc::LOCK_UN != 0 {
            let result = args.original();
            let_go();
            return result;
        }
        if command & libc::LOCK_NB != 0 || command & (libc::LOCK_SH | libc::LOCK_EX) == 0 {
            return args.original();
        }
        until_free(args, replaced(args, 1, (api().PyLong_FromLong)((command | libc::LOCK_NB).into())))
    }
}

/// `fcntl(fd, cmd, arg=0)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn fcntl(args: &Args) -> New {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if !host::home() || args.positional() != 3 || args.keywords() != 0 {
            return args.original();
        }
        let at_once = match c_int_of(args.at(1), 0) {
            Some(libc::F_SETLKW) => libc::F_SETLK,
            Some(libc::F_OFD_SETLKW) => libc::F_OFD_SETLK,
            Some(libc::F_SETLK | libc::F_OFD_SETLK) => {
                let result = args.original();
                let_go();
                return result;
            }
            _ => return args.original(),
        };
        until_free(args, replaced(args, 1, (api().PyLong_FromLong)((at_once).into())))
    }
}

/// `os.lockf(fd, command, length)`: F_LOCK waits, F_TLOCK does not.
///
/// # Safety
/// Called by CPython.
pub unsafe fn os_lockf(args: &Args) -> New {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if !host::home() || args.positional() != 3 || args.keywords() != 0 {
            return args.original();
        }
        match c_int_of(args.at(1), 0) {
            Some(libc::F_LOCK) => until_free(args, replaced(args, 1, (api().PyLong_FromLong)((libc::F_TLOCK).into()))),
            Some(libc::F_ULOCK) => {
                let result = args.original();
                let_go();
                result
            }
            _ => args.original(),
        }
    }
}
