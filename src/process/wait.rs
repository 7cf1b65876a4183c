//! The end of a child process, or its stop: waitpid(2) for tasks.
//!
//! waitpid(2) itself is asked with WNOHANG, so the answer and who gets it are the kernel's affair. In between the task waits for
//! a pidfd (pidfd_open(2), Linux 5.3), which becomes readable when that one process ends. What a pidfd does not tell, stops and
//! "any child", is looked for at growing intervals, since the one thing that would tell, SIGCHLD, belongs to the program.

use super::wait_readable;
use crate::error::{Error, Result};
use crate::io::adopt;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sys::clock;

/// First and longest interval between two looks, in ns.
const FIRST: i64 = 500_000;
const MOST: i64 = 20_000_000;

/// A descriptor that tells of one process's end.
struct Pidfd(&'static Scheduler, i32);

impl Pidfd {
    /// None where the kernel, a sandbox or the number of descriptors does not allow it.
    fn open(s: &'static Scheduler, pid: libc::pid_t) -> Option<Pidfd> {
        // SAFETY: pidfd_open takes no pointers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        (fd >= 0).then_some(Pidfd(s, fd as i32))
    }
}

impl Drop for Pidfd {
    fn drop(&mut self) {
        let _ = adopt::close(self.0, self.1);
    }
}

/// Waits for a change of a child of this process; its id and status, id 0 if there is none yet and WNOHANG is set.
pub fn waitpid(s: &'static Scheduler, pid: i32, options: i32, deadline: i64) -> Result<(i32, i32)> {
    s.check()?;
    let tells = pid > 0 && options & (libc::WUNTRACED | libc::WCONTINUED) == 0;
    let mut pidfd = None;
    let mut pause = FIRST;
    let mut began = false;
    loop {
        let found = look(pid, options)?;
        if found.0 != 0 || options & libc::WNOHANG != 0 {
            return Ok(found);
        }
        if clock::passed(deadline) {
            return Err(Error::new(libc::ETIMEDOUT));
        }
        if !began {
            began = true;
            pidfd = if pid > 0 { Pidfd::open(s, pid) } else { None };
            // Only now is the descriptor known to be the child's: it was there before and after.
            continue;
        }
        let again = if tells && pidfd.is_some() { clock::NEVER } else { clock::now().saturating_add(pause) };
        pause = (pause * 2).min(MOST);
        let until = deadline.min(again);
        let name = (Kind::Process, pid as usize);
        match &pidfd {
            Some(open) => {
                if wait_readable(s, open.1, until, name)? {
                    // The next look finds the end. If not, a tracer has it first: no descriptor tells when it is through.
                    pidfd = None;
                }
            }
            None => {
                s.waits_on(name.0, name.1);
                let woken = s.park(until);
                s.settle(woken)?;
            }
        }
    }
}

/// waitpid(2) that does not wait.
fn look(pid: i32, options: i32) -> Result<(i32, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: a valid place.
        match crate::sys::check(unsafe { libc::waitpid(pid, &mut status, options | libc::WNOHANG) } as isize) {
            Err(e) if e.errno() == libc::EINTR => continue,
            found => return found.map(|found| (found as i32, status)),
        }
    }
}
