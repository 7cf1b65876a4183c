//! Other processes, and signals: what the kernel tells a process, told to tasks.

mod ring;
pub mod signals;
pub mod sigwait;
pub mod spawn;
mod taken;
pub mod wait;

use crate::error::Result;
use crate::io::poll::Watch;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sys::clock;

pub(crate) use taken::at_load;

/// Waits until a descriptor of ours is readable, or until a time: which? The wait is named after what the descriptor stands for.
fn wait_readable(s: &'static Scheduler, fd: i32, until: i64, name: (Kind, usize)) -> Result<bool> {
    let watch = Watch::new(s, fd, libc::POLLIN);
    // SAFETY: it leaves below, before this frame ends.
    unsafe { watch.begin(s)? };
    s.waits_on(name.0, name.1);
    let waited = s.park_for(until, || watch.is_noted(), || {});
    watch.leave(s);
    match waited {
        Ok(()) => Ok(true),
        Err(e) if e.errno() == libc::ETIMEDOUT && clock::passed(until) => Ok(false),
        Err(e) => Err(e),
    }
}
