//! Waiting for readiness without a transfer: one descriptor, or many as in poll(2).

use super::Dir;
use crate::error::{Error, Result};
use crate::reactor::Begin;
use crate::sched::waits::Kind;
use crate::sched::{Scheduler, Woken};
use crate::sys::{self, clock};
use crate::wait::{Note, WaitNode};

const READ: i16 = libc::POLLIN | libc::POLLPRI | libc::POLLRDNORM | libc::POLLRDBAND | libc::POLLRDHUP;
const WRITE: i16 = libc::POLLOUT | libc::POLLWRNORM | libc::POLLWRBAND;
/// Descriptors whose wait nodes fit on the stack; more are allocated.
const INLINE: usize = 4;

/// Waits until one of `events` (or an error, a hang-up) is true of the descriptor; returns poll(2)'s revents.
pub fn wait_fd(s: &'static Scheduler, fd: i32, events: i16, deadline: i64) -> Result<u32> {
    if fd < 0 {
        return Err(Error::new(libc::EBADF));
    }
    let mut one = [libc::pollfd { fd, events, revents: 0 }];
    match poll(s, &mut one, deadline)? {
        0 => Err(Error::new(libc::ETIMEDOUT)),
        _ if one[0].revents & libc::POLLNVAL != 0 => Err(Error::new(libc::EBADF)),
        _ => Ok(one[0].revents as u16 as u32),
    }
}

/// poll(2) for tasks: the number of entries with something to say, 0 when the deadline passes.
pub fn poll(s: &'static Scheduler, fds: &mut [libc::pollfd], deadline: i64) -> Result<usize> {
    s.check()?;
    loop {
        let ready = look(fds)?;
        if ready > 0 {
            s.charge();
            return Ok(ready);
        }
        if clock::passed(deadline) {
            return Ok(0);
        }
        let woken = if fds.len() <= INLINE {
            wait_inline(s, fds, deadline)?
        } else {
            let mut nodes = Vec::new();
            nodes.try_reserve_exact(2 * fds.len()).map_err(|_| Error::new(libc::ENOMEM))?;
            let me = s.me().opaque();
            nodes.resize_with(2 * fds.len(), || WaitNode::new(me, 0));
            wait_any(s, fds, &mut nodes, deadline)?
        };
        if woken == Woken::Deadline {
            return look(fds);
        }
    }
}

#[inline(never)]
fn wait_inline(s: &'static Scheduler, fds: &[libc::pollfd], deadline: i64) -> Result<Woken> {
    let me = s.me().opaque();
    let mut nodes: [WaitNode; 2 * INLINE] = std::array::from_fn(|_| WaitNode::new(me, 0));
    wait_any(s, fds, &mut nodes, deadline)
}

/// poll(2) itself, without waiting.
fn look(fds: &mut [libc::pollfd]) -> Result<usize> {
    loop {
        // SAFETY: a valid slice of pollfds.
        match sys::check(unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, 0) } as isize) {
            Err(e) if e.errno() == libc::EINTR => continue,
            other => return other,
        }
    }
}

/// The node's list and wishes, for entry `i / 2` in direction `i % 2`; None if that direction was not asked for.
fn plan(fds: &[libc::pollfd], i: usize) -> Option<(i32, Dir, u32)> {
    let p = fds.get(i / 2)?;
    let (dir, mask) = if i % 2 == 0 { (Dir::Read, READ) } else { (Dir::Write, WRITE) };
    let wanted = p.events & mask;
    // With no events asked for, errors and hang-ups still count: poll(2). They come to readers.
    if p.fd < 0 || (wanted == 0 && (i % 2 == 1 || p.events != 0)) {
        return None;
    }
    // Exactly what was asked for: level-triggered, anything more would wake us without end.
    let exact = wanted & (libc::POLLIN | libc::POLLOUT | libc::POLLPRI | libc::POLLRDHUP);
    let readable = if wanted & (libc::POLLRDNORM | libc::POLLRDBAND) != 0 { libc::POLLIN } else { 0 };
    let writable = if wanted & (libc::POLLWRNORM | libc::POLLWRBAND) != 0 { libc::POLLOUT } else { 0 };
    Some((p.fd, dir, (exact | readable | writable) as u16 as u32))
}

fn wait_any(s: &'static Scheduler, fds: &[libc::pollfd], nodes: &mut [WaitNode], deadline: i64) -> Result<Woken> {
    for (i, node) in nodes.iter_mut().enumerate() {
        node.wants = plan(fds, i).map_or(0, |(_, _, wants)| wants);
    }
    let mut begun = Ok(Begin::Waiting);
    let mut linked = 0;
    for (i, node) in nodes.iter().enumerate() {
        linked = i + 1;
        let Some((fd, dir, wants)) = plan(fds, i) else { continue };
        // poll(2) has just said so; a wish for urgent data or a hang-up alone says nothing of the bytes.
        if wants & dir.event() != 0 {
            s.reactor().drained(fd, dir);
        }
        // SAFETY: the nodes outlive this function, and leave below.
        begun = unsafe { s.reactor().begin(fd, dir, node, false) };
        if begun != Ok(Begin::Waiting) {
            break;
        }
    }
    let woken = match begun {
        Ok(Begin::Waiting) => {
            s.waits_on(Kind::Poll, fds.len());
            Ok(s.park(deadline))
        }
        // Always ready, and yet poll(2) saw nothing a moment ago: look again.
        Ok(Begin::Always) => Ok(Woken::Event),
        Err(e) => Err(e),
    };
    let (mut event, mut closed) = (false, false);
    for (i, node) in nodes.iter().enumerate().take(linked) {
        let Some((fd, dir, _)) = plan(fds, i) else { continue };
        event |= node.note.get() == Note::Ready;
        closed |= node.note.get() == Note::Closed;
        if node.note.get() != Note::Closed {
            s.reactor().leave(fd, dir, node, &mut s.waker());
        }
    }
    if closed {
        return Err(Error::new(libc::EBADF));
    }
    if event {
        return Ok(Woken::Event);
    }
    s.settle(woken?)
}
