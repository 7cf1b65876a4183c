//! `signal.sigwait`, `sigwaitinfo`, `sigtimedwait`, `pause`.
//!
//! A signal that is waited for is taken by CPython's own `sigtimedwait` with no timeout; in between the task waits for a descriptor
//! that is readable while one of the set is pending (signalfd). Signals of the set that the OS thread does not block are blocked for
//! the length of the wait: the kernel does so for a thread that waits, and other tasks run here meanwhile.

use super::super::api::{api, drop_ref, new_ref, none, raise_errno, New, Obj};
use super::super::gt::{self, NEVER};
use super::super::{deliver, host, signals};
use super::call::{apply, Args};
use super::seconds::{from_now, seconds, Span};
use super::table::{self, Id};
use super::time::{until_answered, Waited};
use super::values::{c_int_of, pack};
use core::cell::UnsafeCell;
use core::ffi::c_int;

const MOST: usize = 65;

/// Per signal: how many tasks wait for it that had to block it.
struct Blocked(UnsafeCell<[u32; MOST]>);
// SAFETY: used with the GIL held, and not across anything that may switch.
unsafe impl Sync for Blocked {}
static BLOCKED: Blocked = Blocked(UnsafeCell::new([0; MOST]));

/// The signals of a set, blocked while it lives, and a descriptor that says when one is pending.
struct Wait {
    fd: c_int,
    blocked: Vec<c_int>,
}

/// Blocks or unblocks one signal on this OS thread; whether it was blocked before.
unsafe fn mask(how: c_int, number: c_int) -> bool {
    // SAFETY: sets are emptied before they are used.
    unsafe {
        let (mut one, mut before): (libc::sigset_t, libc::sigset_t) = (core::mem::zeroed(), core::mem::zeroed());
        libc::sigemptyset(&mut one);
        libc::sigaddset(&mut one, number);
        libc::pthread_sigmask(how, &one, &mut before);
        libc::sigismember(&before, number) == 1
    }
}

impl Wait {
    /// A negative errno when there is no descriptor.
    unsafe fn begin(numbers: &[c_int]) -> Result<Wait, i64> {
        // SAFETY: as in `mask`; GIL held by the caller.
        unsafe {
            let mut set: libc::sigset_t = core::mem::zeroed();
            libc::sigemptyset(&mut set);
            numbers.iter().for_each(|number| {
                libc::sigaddset(&mut set, *number);
            });
            let fd = libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(-i64::from(*libc::__errno_location()));
            }
            let counts = &mut *BLOCKED.0.get();
            let mut blocked = Vec::new();
            for number in numbers {
                let count = &mut counts[*number as usize];
                if *count > 0 || !mask(libc::SIG_BLOCK, *number) {
                    *count += 1;
                    blocked.push(*number);
                }
            }
            Ok(Wait { fd, blocked })
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // SAFETY: GIL held, as wherever this room runs.
        unsafe {
            let counts = &mut *BLOCKED.0.get();
            for number in &self.blocked {
                counts[*number as usize] -= 1;
                if counts[*number as usize] == 0 {
                    mask(libc::SIG_UNBLOCK, *number);
                }
            }
        }
        gt::gt_close(self.fd);
    }
}

/// The numbers of a tuple; nothing when one of them is no signal, which CPython's function then says.
///
/// # Safety
/// GIL held; a live tuple.
pub unsafe fn numbers_of(tuple: Obj) -> Option<Vec<c_int>> {
    let api = api();
    // SAFETY: GIL held by the caller.
    unsafe {
        (0..(api.PyTuple_Size)(tuple))
            .map(|at| {
                let number = (api.PyTuple_GetItem)(tuple, at);
                c_int_of(number, 0).filter(|number| (1..MOST as c_int).contains(number))
            })
            .collect()
    }
}

/// Takes a signal of a set: what `sigtimedwait` says of it, None when the deadline came first. Nothing: the call is none of ours.
unsafe fn take(args: &Args, sequence: Obj, deadline: i64) -> Option<New> {
    let api = api();
    let row = table::row(Id::SigTimedWait);
    // SAFETY: the arguments are the caller's; ours are owned. The row is of the same family, and so was resolved with this one.
    unsafe {
        if row.definition().is_null() {
            return None;
        }
        let set = (api.PySequence_Tuple)(sequence);
        if set.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        let Some(numbers) = numbers_of(set) else {
            drop_ref(set);
            return None;
        };
        let question = pack(&[set, (api.PyLong_FromLong)(0)]);
        if question.is_null() {
            return Some(question);
        }
        let ask = || apply(row, args.this, question, None);
        let mut answer = ask();
        if answer == api.none {
            answer = match Wait::begin(&numbers) {
                Ok(wait) => loop {
                    let answer = ask();
                    if answer != api.none {
                        break answer;
                    }
                    match until_answered(|| gt::gt_wait_fd_until(wait.fd, libc::POLLIN.into(), deadline).into()) {
                        Waited::Done(rc) if rc >= 0 => drop_ref(answer),
                        Waited::TimedOut => break answer,
                        other => {
                            drop_ref(answer);
                            if let Waited::Done(rc) = other {
                                raise_errno(rc);
                            }
                            break core::ptr::null_mut();
                        }
                    }
                },
                Err(rc) => raise_errno(rc),
            };
        }
        drop_ref(question);
        Some(answer)
    }
}

/// `sigwaitinfo(sigset)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn sigwaitinfo(args: &Args) -> New {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if !host::home() || args.positional() != 1 || args.keywords() != 0 {
            return args.original();
        }
        take(args, args.at(0), NEVER).unwrap_or_else(|| args.original())
    }
}

/// `sigwait(sigset)`: the number.
///
/// # Safety
/// Called by CPython.
pub unsafe fn sigwait(args: &Args) -> New {
    let api = api();
    // SAFETY: as in `sigwaitinfo`; the answer is ours.
    unsafe {
        if !host::home() || args.positional() != 1 || args.keywords() != 0 {
            return args.original();
        }
        match take(args, args.at(0), NEVER) {
            None => args.original(),
            Some(answer) if answer.is_null() => answer,
            Some(answer) => {
                let number = (api.PyObject_GetAttrString)(answer, c"si_signo".as_ptr());
                drop_ref(answer);
                number
            }
        }
    }
}

/// `sigtimedwait(sigset, timeout)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn sigtimedwait(args: &Args) -> New {
    // SAFETY: as in `sigwaitinfo`.
    unsafe {
        if !host::home() || args.positional() != 2 || args.keywords() != 0 {
            return args.original();
        }
        let Span::Nanos(nanos) = seconds(args.at(1)) else { return args.original() };
        // A set that can be read only once must last for CPython's own function too.
        let set = (api().PySequence_Tuple)(args.at(0));
        if set.is_null() {
            (api().PyErr_Clear)();
            return args.original();
        }
        let answer = match take(args, set, from_now(nanos)) {
            Some(answer) => answer,
            None => {
                let again = pack(&[new_ref(set), new_ref(args.at(1))]);
                let answer = if again.is_null() { again } else { apply(args.row, args.this, again, None) };
                drop_ref(again);
                answer
            }
        };
        drop_ref(set);
        answer
    }
}

/// `pause()`: until a handler has run.
///
/// # Safety
/// Called by CPython.
pub unsafe fn pause(args: &Args) -> New {
    // SAFETY: GIL held; the entry in the list is taken out below.
    unsafe {
        if !host::home() || !args.none() {
            return args.original();
        }
        let me = gt::gt_self();
        let before = signals::wait_for_handler(me);
        let raised = loop {
            let rc = gt::gt_park_until(NEVER);
            if (rc == -libc::EINTR || rc == -libc::ECANCELED) && deliver::raise_wake(rc) {
                break true;
            }
            if signals::handlers_run() != before {
                break false;
            }
        };
        signals::wait_no_more(me);
        if raised {
            return core::ptr::null_mut();
        }
        none()
    }
}
