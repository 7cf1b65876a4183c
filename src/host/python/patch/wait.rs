//! `os.waitpid`: what `subprocess` waits for a child with.
//!
//! CPython's own function is asked with WNOHANG; in between the task waits for a descriptor that the kernel makes for one process
//! (pidfd), or, where that cannot tell (a group of processes, stopped ones, an old kernel), looks again at growing intervals.

use super::super::api::{api, drop_ref, New};
use super::super::{gt, host};
use super::call::{apply, Args};
use super::seconds::from_now;
use super::time::{until_answered, Waited};
use super::values::int;
use core::ffi::c_int;

/// First and longest interval between two looks.
const FIRST: i64 = 500_000;
const MOST: i64 = 20_000_000;

/// A descriptor that becomes readable when a process ends; closed when dropped.
struct Process(c_int);

impl Process {
    /// Nothing where the kernel has none for it.
    fn open(pid: i64) -> Option<Process> {
        // SAFETY: a system call with two numbers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
        (fd >= 0).then_some(Process(fd as c_int))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Our own descriptor; the runtime forgets it too.
        gt::gt_close(self.0);
    }
}

/// `waitpid(pid, options)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn waitpid(args: &Args) -> New {
    let api = api();
    // SAFETY: the arguments are the caller's; ours are owned.
    unsafe {
        if !host::home() || args.positional() != 2 || args.keywords() != 0 {
            return args.original();
        }
        let (Some(pid), Some(options)) = (int(args.at(0), 0), int(args.at(1), 0)) else { return args.original() };
        let no_hang = i64::from(libc::WNOHANG);
        if options & no_hang != 0 {
            return args.original();
        }
        let question = (api.PyTuple_New)(2);
        if question.is_null() {
            return question;
        }
        (api.PyTuple_SetItem)(question, 0, (api.PyLong_FromLong)(pid));
        (api.PyTuple_SetItem)(question, 1, (api.PyLong_FromLong)(options | no_hang));
        let process = if pid > 0 && options == 0 { Process::open(pid) } else { None };
        let mut pause = FIRST;
        let result = loop {
            let answer = apply(args.row, args.this, question, None);
            if answer.is_null() {
                break answer;
            }
            if (api.PyLong_AsLong)((api.PyTuple_GetItem)(answer, 0)) != 0 {
                break answer;
            }
            drop_ref(answer);
            let waited = match &process {
                Some(process) => {
                    until_answered(|| gt::gt_wait_fd_until(process.0, c_int::from(libc::POLLIN), gt::NEVER).into())
                }
                None => {
                    let again = from_now(pause);
                    pause = (pause * 2).min(MOST);
                    until_answered(|| gt::gt_sleep_until(again).into())
                }
            };
            if waited == Waited::Raised {
                break core::ptr::null_mut();
            }
        };
        drop(process);
        drop_ref(question);
        result
    }
}
