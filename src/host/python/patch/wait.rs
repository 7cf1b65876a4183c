//! `os.waitpid` and its relatives: what `subprocess` waits for a child with.
//!
//! CPython's own function is asked with WNOHANG; in between the task waits for a descriptor that the kernel makes for one process
//! (pidfd), or, where that cannot tell (any child, a group of processes, stopped ones, an old kernel), looks again at growing
//! intervals.

use super::super::api::{api, drop_ref, New, Obj};
use super::super::{gt, host};
use super::call::{apply, Args};
use super::seconds::from_now;
use super::table::{self, Id, Row};
use super::time::{until_answered, Waited};
use super::values::{c_int_of, int, pack};
use core::ffi::c_int;

/// First and longest interval between two looks.
const FIRST: i64 = 500_000;
const MOST: i64 = 20_000_000;

/// A descriptor that becomes readable when a process ends.
pub struct Process {
    fd: c_int,
    ours: bool,
}

impl Process {
    /// Nothing where the kernel has none for it.
    pub fn open(pid: i64) -> Option<Process> {
        // SAFETY: a system call with two numbers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
        (fd >= 0).then_some(Process { fd: fd as c_int, ours: true })
    }

    /// The program's own pidfd.
    fn given(fd: i64) -> Option<Process> {
        c_int::try_from(fd).ok().map(|fd| Process { fd, ours: false })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ours {
            // The runtime forgets it too.
            gt::gt_close(self.fd);
        }
    }
}

/// Waits until it may be worth asking again. False: an exception is set.
///
/// # Safety
/// GIL held, on a task. May switch.
pub unsafe fn pause(process: Option<&Process>, interval: &mut i64) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(process) = process {
            match until_answered(|| gt::gt_wait_fd_until(process.fd, c_int::from(libc::POLLIN), gt::NEVER).into()) {
                Waited::Raised => return false,
                Waited::Done(rc) if rc >= 0 => return true,
                // It cannot be waited for (a number that is no process): by the clock, then.
                _ => {}
            }
        }
        let again = from_now(*interval);
        *interval = (*interval * 2).min(MOST);
        until_answered(|| gt::gt_sleep_until(again).into()) != Waited::Raised
    }
}

/// Asks `row` with these arguments (a tuple, taken over), which say that it must not wait, until its answer is one.
unsafe fn ask(row: &Row, this: Obj, question: New, process: Option<Process>, is_answer: &dyn Fn(Obj) -> bool) -> New {
    // SAFETY: GIL held by the caller; results are owned.
    unsafe {
        if question.is_null() {
            return question;
        }
        let mut interval = FIRST;
        let result = loop {
            let answer = apply(row, this, question, None);
            if answer.is_null() || is_answer(answer) {
                break answer;
            }
            drop_ref(answer);
            if !pause(process.as_ref(), &mut interval) {
                break core::ptr::null_mut();
            }
        };
        drop_ref(question);
        result
    }
}

/// `(pid, ...)` with a pid.
unsafe fn has_pid(answer: Obj) -> bool {
    let api = api();
    // SAFETY: CPython's functions answer with tuples.
    unsafe { (api.PyLong_AsLong)((api.PyTuple_GetItem)(answer, 0)) != 0 }
}

/// The options that are argument `index`, if the call may wait.
unsafe fn options(args: &Args, given: usize, index: usize) -> Option<c_int> {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if !host::home() || args.positional() != given || args.keywords() != 0 {
            return None;
        }
        c_int_of(args.at(index), 0).filter(|options| options & libc::WNOHANG == 0)
    }
}

/// The end of one process.
fn end_of(pid: i64, options: c_int) -> Option<Process> {
    if pid > 0 && options & (libc::WUNTRACED | libc::WCONTINUED) == 0 {
        return Process::open(pid);
    }
    None
}

unsafe fn number(value: i64) -> New {
    // SAFETY: GIL held by the caller.
    unsafe { (api().PyLong_FromLongLong)(value) }
}

/// `waitpid(pid, options)` and `wait4(pid, options)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn waitpid(args: &Args) -> New {
    // SAFETY: the arguments are the caller's; ours are owned.
    unsafe {
        let (Some(options), Some(pid)) = (options(args, 2, 1), int(args.at(0), 0)) else { return args.original() };
        let question = pack(&[number(pid), number((options | libc::WNOHANG).into())]);
        ask(args.row, args.this, question, end_of(pid, options), &|answer| has_pid(answer))
    }
}

/// `wait()`
///
/// # Safety
/// Called by CPython.
pub unsafe fn wait(args: &Args) -> New {
    let row = table::row(Id::WaitPid);
    // SAFETY: the row is of the same family, and so was resolved with this one.
    unsafe {
        if !host::home() || !args.none() || row.definition().is_null() {
            return args.original();
        }
        let question = pack(&[number(-1), number(libc::WNOHANG.into())]);
        ask(row, args.this, question, None, &|answer| has_pid(answer))
    }
}

/// `wait3(options)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn wait3(args: &Args) -> New {
    // SAFETY: the arguments are the caller's; ours are owned.
    unsafe {
        let Some(options) = options(args, 1, 0) else { return args.original() };
        let question = pack(&[number((options | libc::WNOHANG).into())]);
        ask(args.row, args.this, question, None, &|answer| has_pid(answer))
    }
}

/// `waitid(idtype, id, options)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn waitid(args: &Args) -> New {
    const P_PID: i64 = 1;
    const P_PIDFD: i64 = 3;
    let api = api();
    // SAFETY: the arguments are the caller's; ours are owned.
    unsafe {
        let (Some(options), Some(kind), Some(id)) = (options(args, 3, 2), int(args.at(0), 0), int(args.at(1), 0))
        else {
            return args.original();
        };
        let only_ends = options & (libc::WSTOPPED | libc::WCONTINUED) == 0;
        let process = match kind {
            P_PID if only_ends => end_of(id, 0),
            P_PIDFD if only_ends => Process::given(id),
            _ => None,
        };
        let question = pack(&[number(kind), number(id), number((options | libc::WNOHANG).into())]);
        ask(args.row, args.this, question, process, &|answer| answer != api.none)
    }
}
