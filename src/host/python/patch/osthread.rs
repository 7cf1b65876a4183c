//! `signal.pthread_kill` and `time.pthread_getcpuclockid`: they hand a thread's ident to the C library, which takes it for an address.
//!
//! The ident of a task is none, so its OS thread is meant: a signal goes to that one, and its clock is the one of all its tasks.

use super::super::api::{api, new_ref, raise_errno, New};
use super::super::gt::{gt_task_info, TaskInfo};
use super::call::{original_with, Args};
use super::names::audit;
use super::values::{c_int_of, int};
use core::ffi::c_void;

/// Whose ident it is.
enum Owner {
    /// A task of the calling OS thread's.
    Mine,
    /// A task of another OS thread.
    Elsewhere,
    /// An OS thread: CPython's function knows what to do.
    Thread,
    /// Nobody any more, where CPython's function would read memory that is not there.
    Nobody,
}

/// Whether there is memory at an address (mincore(2)).
fn is_mapped(address: i64) -> bool {
    let mut page = 0u8;
    // SAFETY: one byte for one page; the address is not read.
    unsafe { libc::mincore((address & !4095) as *mut c_void, 1, &mut page) == 0 }
}

unsafe fn owner(args: &Args) -> Owner {
    // SAFETY: GIL held; the argument is borrowed. The struct is one of numbers and pointers that are not followed, and is a
    // place of the size that it says.
    unsafe {
        let ident = if args.positional() == 0 { None } else { int(args.at(0), 0) };
        let Some(ident) = ident else { return Owner::Thread };
        let mut info: TaskInfo = core::mem::zeroed();
        info.size = 2 * size_of::<usize>();
        match -gt_task_info(ident, &mut info) {
            0 => Owner::Mine,
            libc::EXDEV => Owner::Elsewhere,
            _ if is_mapped(ident) => Owner::Thread,
            _ => Owner::Nobody,
        }
    }
}

/// The original, with the calling OS thread's own ident.
unsafe fn of_this_thread(args: &Args) -> New {
    // SAFETY: GIL held; the number is ours.
    unsafe { original_with(args, 0, (api().PyLong_FromUnsignedLong)((api().PyThread_get_thread_ident)())) }
}

/// `pthread_kill(thread_id, signalnum)`. For a task of another OS thread the process's main thread gets the signal, on which
/// Python's handlers run anyway.
///
/// # Safety
/// Called by CPython.
pub unsafe fn pthread_kill(args: &Args) -> New {
    // SAFETY: the arguments are the caller's.
    unsafe {
        match (owner(args), args.positional()) {
            (Owner::Mine, _) => of_this_thread(args),
            (Owner::Elsewhere, 2) => {
                let Some(number) = c_int_of(args.at(1), 0) else { return args.original() };
                if !audit(c"signal.pthread_kill", &[new_ref(args.at(0)), new_ref(args.at(1))]) {
                    return core::ptr::null_mut();
                }
                let process = libc::getpid();
                if libc::syscall(libc::SYS_tgkill, process, process, number) != 0 {
                    return raise_errno(-i64::from(*libc::__errno_location()));
                }
                match (api().PyErr_CheckSignals)() {
                    0 => new_ref(api().none),
                    _ => core::ptr::null_mut(),
                }
            }
            (Owner::Nobody, _) => raise_errno(-i64::from(libc::ESRCH)),
            _ => args.original(),
        }
    }
}

/// `pthread_getcpuclockid(thread_id)`. The clock of another OS thread's tasks is refused: ESRCH.
///
/// # Safety
/// Called by CPython.
pub unsafe fn pthread_getcpuclockid(args: &Args) -> New {
    // SAFETY: the arguments are the caller's.
    unsafe {
        match owner(args) {
            Owner::Mine => of_this_thread(args),
            Owner::Elsewhere | Owner::Nobody => raise_errno(-i64::from(libc::ESRCH)),
            Owner::Thread => args.original(),
        }
    }
}
