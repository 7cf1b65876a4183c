//! Waiting for readiness without a transfer: one descriptor, or many as in poll(2).

use std::cell::Cell;

use super::Dir;
use crate::error::{Error, Result};
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

/// One descriptor among other things that a task waits for.
pub struct Watch {
    entry: libc::pollfd,
    begun: Cell<usize>,
    nodes: [WaitNode; 2],
}

impl Watch {
    /// For the running task.
    pub fn new(s: &Scheduler, fd: i32, events: i16) -> Watch {
        let entry = libc::pollfd { fd, events, revents: 0 };
        let wants = |i| plan(&entry, i).map_or(0, |(_, _, wants)| wants);
        let me = s.me().opaque();
        Watch { entry, begun: Cell::new(0), nodes: [WaitNode::new(me, wants(0)), WaitNode::new(me, wants(1))] }
    }

    /// What poll(2) says of the descriptor now.
    pub fn look(fd: i32, events: i16) -> Result<i16> {
        let mut one = [libc::pollfd { fd, events, revents: 0 }];
        look(&mut one)?;
        Ok(one[0].revents)
    }

    /// Joins those who wait for the descriptor.
    ///
    /// # Safety
    /// It stays where it is until [`Watch::leave`].
    pub unsafe fn begin(&self, s: &'static Scheduler) -> Result<()> {
        for (i, node) in self.nodes.iter().enumerate() {
            self.begun.set(i + 1);
            // SAFETY: by the caller.
            unsafe { begin(s, plan(&self.entry, i), node) }.inspect_err(|_| self.leave(s))?;
        }
        Ok(())
    }

    /// Whether the descriptor may have something to say, or was closed.
    pub fn is_noted(&self) -> bool {
        self.nodes.iter().any(|node| node.note.get() != Note::None)
    }

    /// Whether the descriptor was closed.
    pub fn is_closed(&self) -> bool {
        self.nodes.iter().any(|node| node.note.get() == Note::Closed)
    }

    /// Leaves those who wait for the descriptor.
    pub fn leave(&self, s: &'static Scheduler) {
        for (i, node) in self.nodes.iter().enumerate().take(self.begun.get()) {
            leave(s, plan(&self.entry, i), node);
        }
    }
}

/// Joins the waiters of a descriptor in one direction, if there is something to join. What epoll does not take is always
/// ready for the same things, and poll(2) has just said that nothing that is asked for is among them: no wait changes that.
///
/// # Safety
/// The node stays where it is until [`leave`].
unsafe fn begin(s: &'static Scheduler, plan: Option<(i32, Dir, u32)>, node: &WaitNode) -> Result<()> {
    let Some((fd, dir, wants)) = plan else { return Ok(()) };
    s.reactor().unwatch(fd);
    // poll(2) has just said so; a wish for urgent data or a hang-up alone says nothing of the bytes.
    if wants & dir.event() != 0 {
        s.reactor().drained(fd, dir);
    }
    // SAFETY: by the caller.
    unsafe { s.reactor().begin(fd, dir, node, false) }.map(drop)
}

/// Leaves them.
fn leave(s: &'static Scheduler, plan: Option<(i32, Dir, u32)>, node: &WaitNode) {
    if let Some((fd, dir, _)) = plan {
        if node.note.get() != Note::Closed {
            s.reactor().leave(fd, dir, node, &mut s.waker());
        }
    }
}

/// The list and the wishes of an entry's node `i`, of two; None if that direction was not asked for.
fn plan(p: &libc::pollfd, i: usize) -> Option<(i32, Dir, u32)> {
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
    let plan = |i: usize| fds.get(i / 2).and_then(|entry| plan(entry, i));
    for (i, node) in nodes.iter_mut().enumerate() {
        node.wants = plan(i).map_or(0, |(_, _, wants)| wants);
    }
    let mut begun = Ok(());
    let mut linked = 0;
    for (i, node) in nodes.iter().enumerate() {
        linked = i + 1;
        // SAFETY: the nodes outlive this function, and leave below.
        begun = unsafe { begin(s, plan(i), node) };
        if begun.is_err() {
            break;
        }
    }
    let woken = begun.map(|()| {
        s.waits_on(Kind::Poll, fds.len());
        s.park(deadline)
    });
    let (mut event, mut closed) = (false, false);
    for (i, node) in nodes.iter().enumerate().take(linked) {
        event |= node.note.get() == Note::Ready;
        closed |= node.note.get() == Note::Closed;
        leave(s, plan(i), node);
    }
    if closed {
        return Err(Error::new(libc::EBADF));
    }
    if event {
        return Ok(Woken::Event);
    }
    s.settle(woken?)
}
