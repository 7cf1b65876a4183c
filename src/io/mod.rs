//! Try, wait, try again: the one loop behind every verb on a descriptor.
//!
//! gt_recv 4: the system call first; EAGAIN parks; a wake tries again. What is owned and known to be drained parks at
//! once. Nothing here blocks the OS thread, except a write to what epoll does not take (regular files) and a read of it that
//! the page cache cannot serve although a job has fetched the bytes.

pub mod adopt;
pub mod datagram;
pub mod pipe;
pub mod poll;
pub mod rw;
pub mod serve;
pub mod socket;
pub mod tcp;
pub mod transfer;
pub mod unix;

use crate::error::{Error, Result};
use crate::offload::file;
use crate::reactor::Begin;
pub use crate::reactor::Dir;
use crate::sched::waits::Kind;
use crate::sched::{Scheduler, Woken};
use crate::sys::clock;
use crate::wait::{Note, WaitNode};

/// What a successful transfer says about the direction it used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// As much as there could be: there may be more.
    All,
    /// Less than asked for, by a plain transfer: on a TCP stream that means drained.
    Short,
}

impl Moved {
    /// Compares a transfer with what was asked for. `plain` is false for flags that give short reads other meanings.
    #[inline]
    pub fn of(moved: usize, asked: usize, plain: bool) -> Moved {
        if plain && moved > 0 && moved < asked {
            Moved::Short
        } else {
            Moved::All
        }
    }
}

/// Whether a transfer can block on a descriptor in blocking mode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The call itself does not block (MSG_DONTWAIT): try first, wait after EAGAIN.
    Try,
    /// There is no flag against it: on a foreign descriptor ask poll(2) before each try.
    Ask,
    /// A flag that most kinds of files know keeps it from blocking: the transfer asks poll(2) itself for those that do not.
    Flag,
}

/// What a transfer knows of its descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The call cannot block, or the file is of a kind that never waits for another (a regular file): just do it.
    Plain,
    /// Ours, non-blocking by its flags, unless foreign code has closed it and opened something else at its number.
    Owned,
    /// Somebody else's, perhaps in blocking mode: do not wait if that can be asked for.
    Foreign,
}

/// gt_recv 4. Runs `transfer` until it does not say EAGAIN, parking in between, until `deadline`.
///
/// The transfer stands in one place, so that it is compiled into its verb: behind a deep system call the processor's
/// return predictor is empty, and each frame between the call and the program costs a miss.
#[inline(always)]
pub fn until_ready<T>(
    scheduler: &'static Scheduler,
    fd: i32,
    dir: Dir,
    deadline: i64,
    manner: Manner,
    mut transfer: impl FnMut(Mode) -> Result<(T, Moved)>,
) -> Result<T> {
    scheduler.check()?;
    let node = WaitNode::new(scheduler.me().opaque(), dir.event());
    let mut try_now = scheduler.reactor().worth_trying(fd, dir);
    let mut waited = Waited::Woken;
    let mut parked = false;
    let result = loop {
        if try_now {
            // Also when the deadline has passed: bytes that are there win.
            match attempt(scheduler, fd, dir, manner, waited == Waited::Always, &mut transfer) {
                Err(e) if e.would_block() && waited == Waited::Late => break Err(Error::new(libc::ETIMEDOUT)),
                Err(e) if e.would_block() => {}
                other => break other,
            }
        }
        try_now = true;
        if manner != Manner::Try {
            scheduler.reactor().unwatch(fd);
        }
        let again = parked;
        parked = true;
        waited = match wait_once(scheduler, fd, dir, deadline, &node, again) {
            Ok(waited) => waited,
            Err(e) => break Err(e),
        };
    };
    if parked {
        scheduler.reactor().pass(fd, dir, &mut scheduler.waker());
    } else if result.is_ok() {
        scheduler.charge();
    }
    result
}

#[inline(always)]
fn attempt<T>(
    scheduler: &Scheduler,
    fd: i32,
    dir: Dir,
    manner: Manner,
    always: bool,
    transfer: &mut impl FnMut(Mode) -> Result<(T, Moved)>,
) -> Result<T> {
    let mode = match manner {
        Manner::Try => Mode::Plain,
        Manner::Ask | Manner::Flag if always => Mode::Plain,
        Manner::Ask | Manner::Flag if scheduler.reactor().is_owned(fd) => Mode::Owned,
        Manner::Ask | Manner::Flag => Mode::Foreign,
    };
    if manner == Manner::Ask && mode == Mode::Foreign && crate::sys::fd::poll_now(fd, dir.event() as i16)? == 0 {
        return Err(Error::new(libc::EAGAIN));
    }
    loop {
        match transfer(mode) {
            Ok((value, moved)) => {
                if moved == Moved::Short {
                    scheduler.reactor().short(fd, dir);
                }
                return Ok(value);
            }
            Err(e) if e.errno() == libc::EINTR => continue,
            Err(e) => {
                if e.would_block() {
                    scheduler.reactor().drained(fd, dir);
                }
                return Err(e);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// Something happened: try again.
    Woken,
    /// The deadline has passed: try once more.
    Late,
    /// Not a descriptor to wait for: just do it.
    Always,
}

/// One wait for a direction.
#[inline(never)]
fn wait_once(
    scheduler: &'static Scheduler,
    fd: i32,
    dir: Dir,
    deadline: i64,
    node: &WaitNode,
    again: bool,
) -> Result<Waited> {
    if clock::passed(deadline) {
        return Ok(Waited::Late);
    }
    // gt_recv 5: the reactor notes the waiter; for an owned descriptor that costs no system call.
    // SAFETY: the node lives on the caller's frame and leaves below, before the frame ends.
    if unsafe { scheduler.reactor().begin(fd, dir, node, again)? } == Begin::Always {
        if dir == Dir::Read {
            file::fetch(scheduler, fd, deadline)?;
        }
        return Ok(Waited::Always);
    }
    scheduler.waits_on(if dir == Dir::Read { Kind::Read } else { Kind::Write }, fd as usize);
    let woken = scheduler.park(deadline);
    let note = node.note.get();
    if note != Note::Closed {
        scheduler.reactor().unlink(fd, dir, node);
    }
    match note {
        Note::Closed => Err(Error::new(libc::EBADF)),
        // The event came first, whatever came after it.
        Note::Ready => Ok(Waited::Woken),
        Note::None => scheduler.settle(woken).map(|w| if w == Woken::Deadline { Waited::Late } else { Waited::Woken }),
    }
}
