//! The reactor: who waits for which descriptor, and what the kernel says of it.
//!
//! It knows no tasks: it hands wait nodes back to its caller, the scheduler, and calls nobody else.
//!
//! Owned descriptors are registered once, edge-triggered, both directions; `ready` remembers per direction whether an
//! edge is still owed. Foreign ones are armed for each wait, one shot, level-triggered; their flags are never touched. Watched
//! ones are registered as owned ones are, with their flags untouched; a wait by another door than a socket's own verbs makes
//! them foreign (`unwatch`).
//!
//! Invariants:
//! R1  A waiting node is linked in exactly one list of the entry of its descriptor, and counted in `waiting`.
//! R2  Event data is generation and number; an event of another generation is dropped.
//! R3  Owned or watched: if a ready bit is clear and the descriptor is registered, the kernel will report an edge once the
//!     direction becomes ready. (A direction is cleared only after EAGAIN, or after a short transfer on plain TCP.)
//! R4  One waiter is woken per edge and direction. Whoever was woken passes the turn on when it leaves (`pass`).
//! R5  Foreign: while anybody waits, the descriptor is armed for the union of the wishes, except for a direction whose
//!     woken waiter has not left yet.

mod audit;
mod epoll;
mod table;

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use polling::{Event, PollMode, Poller};

use crate::error::{Error, Result};
use crate::sys::{self, clock::NEVER};
use crate::wait::{Note, WaitNode};
pub use table::{Dir, Kind};
use table::{Entry, Table};

/// Events fetched by one call. More would save 1/64 of a system call for each, but what the kernel touched of the first
/// sockets would be out of the cache when their tasks run: with 1,000 connections 64 is faster than 32 and than 512.
const BATCH: usize = 64;
/// Event data of the bell; no descriptor has it, and `polling` keeps `usize::MAX` for itself.
const BELL: u64 = u64::MAX - 1;

const READ_EVENTS: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLHUP | libc::EPOLLERR) as u32;
const WRITE_EVENTS: u32 = (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32;
const MARKS: u32 = (libc::EPOLLPRI | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
const FAILURES: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;

/// What became of a wish to wait.
#[derive(PartialEq, Eq, Debug)]
pub enum Begin {
    /// The node is linked; park.
    Waiting,
    /// epoll does not take such a descriptor (a regular file, a directory): it is always ready.
    Always,
}

/// The reactor of one scheduler.
pub struct Reactor {
    poller: Poller,
    epoll: RawFd,
    bell: RawFd,
    table: Table,
    events: Box<[libc::epoll_event]>,
    how: epoll::Waiting,
    waiting: usize,
    owned: usize,
    audit: audit::Audit,
}

impl Reactor {
    /// A reactor whose bell is the eventfd given; it stays the caller's.
    pub fn new(bell: RawFd) -> Result<Reactor> {
        let poller = Poller::new()?;
        let epoll = poller.as_raw_fd();
        epoll::register_bell(epoll, bell, BELL)?;
        let mut events = Vec::new();
        events.try_reserve_exact(BATCH).map_err(|_| Error::new(libc::ENOMEM))?;
        events.resize(BATCH, libc::epoll_event { events: 0, u64: 0 });
        Ok(Reactor {
            poller,
            epoll,
            bell,
            table: Table::default(),
            events: events.into_boxed_slice(),
            how: epoll::Waiting::FIRST,
            waiting: 0,
            owned: 0,
            audit: audit::Audit::default(),
        })
    }

    /// The epoll descriptor, for embedding in another loop.
    pub fn raw(&self) -> RawFd {
        self.epoll
    }

    /// How many nodes wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many owned and watched descriptors there are.
    pub fn owned(&self) -> usize {
        self.owned
    }

    // ---- owned descriptors

    /// Takes a new descriptor into ownership. It must be open and non-blocking. `stream`: it may be a TCP stream.
    pub fn own(&mut self, fd: i32, stream: bool, wake: &mut impl FnMut(&WaitNode)) -> Result<()> {
        self.keep(fd, Kind::Owned, stream, wake)
    }

    /// Watches an open socket, whose flags stay as they are.
    pub fn watch(&mut self, fd: i32, wake: &mut impl FnMut(&WaitNode)) -> Result<()> {
        self.keep(fd, Kind::Watched, true, wake)
    }

    /// Makes a watched descriptor a foreign one again, known to epoll as it is. Who comes by another door than a socket's own
    /// verbs may mean another file: sockets can be closed behind our back, and their numbers given again.
    #[inline]
    pub fn unwatch(&mut self, fd: i32) {
        if let Some(entry) = self.table.get(fd) {
            if entry.kind == Kind::Watched {
                entry.kind = Kind::Foreign;
                entry.ready = 3;
                entry.short_means_drained = false;
                self.owned -= 1;
            }
        }
    }

    fn keep(&mut self, fd: i32, kind: Kind, stream: bool, wake: &mut impl FnMut(&WaitNode)) -> Result<()> {
        self.table.ensure(fd)?;
        // Waiters of the number's former life would wait for something that is gone.
        self.dismiss(fd, Note::Closed, wake);
        let entry = self.table.ensure(fd)?;
        if !entry.kind.stays() {
            self.owned += 1;
        }
        entry.renew(kind);
        entry.stream = stream;
        Ok(())
    }

    /// Whether a descriptor is owned by this scheduler.
    #[inline]
    pub fn is_owned(&mut self, fd: i32) -> bool {
        self.table.get(fd).is_some_and(|e| e.kind == Kind::Owned)
    }

    /// Ends ownership: waiters are told "closed", the registration is taken out. Says what it was.
    pub fn disown(&mut self, fd: i32, wake: &mut impl FnMut(&WaitNode)) -> Kind {
        let was_registered = self.table.get(fd).is_some_and(|e| e.registered);
        let was = self.forget(fd, wake);
        if was_registered {
            epoll::remove(self.epoll, fd);
        }
        was
    }

    /// Forgets a descriptor that is about to be closed: closing takes it out of epoll. Says what it was.
    pub fn forget(&mut self, fd: i32, wake: &mut impl FnMut(&WaitNode)) -> Kind {
        self.dismiss(fd, Note::Closed, wake);
        let Some(entry) = self.table.get(fd) else { return Kind::Foreign };
        let was = entry.kind;
        entry.renew(Kind::Foreign);
        self.owned -= was.stays() as usize;
        was
    }

    /// Has everybody who waits on a descriptor look again: it is about to be waited on in another way.
    pub fn stir(&mut self, fd: i32, wake: &mut impl FnMut(&WaitNode)) {
        self.dismiss(fd, Note::Ready, wake);
    }

    /// Has everybody who waits on a descriptor look again, and whoever comes next: it was changed in a way that may
    /// bring no event.
    pub fn look_again(&mut self, fd: i32, wake: &mut impl FnMut(&WaitNode)) {
        if let Some(entry) = self.table.get(fd) {
            entry.ready = Dir::Read.bit() | Dir::Write.bit();
        }
        self.dismiss(fd, Note::Ready, wake);
    }

    /// Which life of its number an owned descriptor lives; None if it is not owned.
    pub fn life(&mut self, fd: i32) -> Option<u32> {
        self.table.get(fd).filter(|e| e.kind == Kind::Owned).map(|e| e.generation)
    }

    fn dismiss(&mut self, fd: i32, note: Note, wake: &mut impl FnMut(&WaitNode)) {
        let Some(entry) = self.table.get(fd) else { return };
        for dir in [Dir::Read, Dir::Write] {
            while let Some(node) = entry.list(dir).pop_front() {
                node.note.set(note);
                self.waiting -= 1;
                wake(node);
            }
        }
    }

    // ---- the hot path's questions

    /// Whether a transfer is worth trying now: yes unless an owned direction is known to be drained, a foreign one is likely to
    /// be, or others wait for it already.
    #[inline]
    pub fn worth_trying(&mut self, fd: i32, dir: Dir) -> bool {
        match self.table.get(fd) {
            Some(e) => e.ready & dir.bit() != 0 && !e.is_wanted(dir),
            None => true,
        }
    }

    /// Notes that a transfer said EAGAIN.
    #[inline]
    pub fn drained(&mut self, fd: i32, dir: Dir) {
        if let Some(e) = self.table.get(fd) {
            if e.kind.stays() {
                e.ready &= !dir.bit();
            } else if dir == Dir::Read {
                e.tried_in_vain();
            }
        }
    }

    /// Notes a transfer that moved less than it could have: on plain TCP with nothing unusual seen, the direction is
    /// drained and the next edge will tell (R3).
    #[inline]
    pub fn short(&mut self, fd: i32, dir: Dir) {
        if let Some(e) = self.table.get(fd) {
            if e.short_means_drained && e.registered && !e.marked {
                e.ready &= !dir.bit();
            } else if e.kind == Kind::Foreign && dir == Dir::Read {
                e.guess();
            }
        }
    }

    // ---- waiting

    /// Links a node to wait on a descriptor; `again` keeps the turn of one that was woken in vain.
    ///
    /// # Safety
    /// The node stays where it is until [`Reactor::leave`] (W2).
    #[inline]
    pub unsafe fn begin(&mut self, fd: i32, dir: Dir, node: &WaitNode, again: bool) -> Result<Begin> {
        if let Some(entry) = self.table.get(fd) {
            if entry.kind.stays() && entry.registered {
                // SAFETY: by the caller.
                unsafe { link(entry, dir, node, again, &mut self.audit) };
                self.waiting += 1;
                return Ok(Begin::Waiting);
            }
        }
        // SAFETY: by the caller.
        unsafe { self.begin_armed(fd, dir, node, again) }
    }

    /// [`Reactor::begin`] for what has to be registered or armed first.
    unsafe fn begin_armed(&mut self, fd: i32, dir: Dir, node: &WaitNode, again: bool) -> Result<Begin> {
        if fd < 0 {
            return Err(Error::new(libc::EBADF));
        }
        if fd as usize >= self.table.len() {
            sys::fd::check_open(fd)?;
        }
        let epoll = self.epoll;
        let entry = self.table.ensure(fd)?;
        // SAFETY: by the caller.
        unsafe { link(entry, dir, node, again, &mut self.audit) };
        self.waiting += 1;
        let armed = match entry.kind {
            Kind::Owned | Kind::Watched => epoll::register_owned(epoll, fd, data(fd, entry)).map(|()| {
                entry.registered = true;
                entry.short_means_drained = entry.stream && sys::fd::is_plain_tcp(fd);
            }),
            Kind::Foreign => arm(&self.poller, fd, entry),
        };
        match armed {
            Ok(()) => Ok(Begin::Waiting),
            Err(e) => {
                entry.list(dir).remove(node);
                self.waiting -= 1;
                if e.errno() == libc::EPERM {
                    entry.ready = 3;
                    Ok(Begin::Always)
                } else {
                    Err(e)
                }
            }
        }
    }

    /// Takes a node off its list, if it still stands there.
    #[inline]
    pub fn unlink(&mut self, fd: i32, dir: Dir, node: &WaitNode) {
        if node.is_linked() {
            if let Some(entry) = self.table.get(fd) {
                entry.list(dir).remove(node);
                self.waiting -= 1;
            }
        }
    }

    /// Ends a wait: unlinks, and passes the turn on.
    pub fn leave(&mut self, fd: i32, dir: Dir, node: &WaitNode, wake: &mut impl FnMut(&WaitNode)) {
        self.unlink(fd, dir, node);
        self.pass(fd, dir, wake);
    }

    /// Passes the turn on (R4): wakes the next waiter of an owned direction that may still be ready; arms a foreign
    /// descriptor again for those who still wait.
    #[inline]
    pub fn pass(&mut self, fd: i32, dir: Dir, wake: &mut impl FnMut(&WaitNode)) {
        let Some(entry) = self.table.get(fd) else { return };
        if entry.list(dir).is_empty() {
            return;
        }
        match entry.kind {
            Kind::Owned | Kind::Watched => {
                if entry.ready & dir.bit() != 0 {
                    self.waiting -= wake_first(entry, dir, u32::MAX, wake);
                }
            }
            Kind::Foreign => {
                if entry.armed & dir.bit() == 0 && arm(&self.poller, fd, entry).is_err() {
                    // The number changed under us: let the waiters see for themselves.
                    self.waiting -= wake_first(entry, dir, u32::MAX, wake);
                }
            }
        }
    }

    // ---- polling

    /// Waits for events, at most `timeout` ns (0: not at all; NEVER: for ever). They are kept for
    /// [`Reactor::dispatch`].
    pub fn wait(&mut self, timeout: i64) -> Result<usize> {
        let timeout = timeout.min(self.audit.gap(self.waiting));
        epoll::wait(self.epoll, &mut self.events, timeout, &mut self.how)
    }

    /// Sleeps until there are events, at most `pause` ns, and leaves them where they are.
    pub fn doze(&self, pause: i64) -> Result<()> {
        sys::fd::wait_readable(self.epoll, pause)
    }

    /// Hands the waiters of the first `count` fetched events to `wake`.
    pub fn dispatch(&mut self, count: usize, wake: &mut impl FnMut(&WaitNode)) {
        for i in 0..count {
            let event = self.events[i];
            let (bits, key) = (event.events, event.u64);
            if key == BELL || key == u64::MAX {
                continue;
            }
            let fd = key as u32 as i32;
            let generation = (key >> 32) as u32;
            let Some(entry) = self.table.get(fd) else { continue };
            if entry.generation != generation {
                continue; // R2
            }
            let mut woken = 0;
            let mut dirs = 0;
            if bits & READ_EVENTS != 0 {
                dirs |= Dir::Read.bit();
            }
            if bits & WRITE_EVENTS != 0 {
                dirs |= Dir::Write.bit();
            }
            if entry.kind.stays() {
                entry.ready |= dirs;
                entry.marked |= bits & MARKS != 0;
            } else {
                entry.armed = 0;
                entry.ready |= dirs;
                entry.was_short = false;
            }
            for dir in [Dir::Read, Dir::Write] {
                if dirs & dir.bit() != 0 {
                    woken += wake_first(entry, dir, bits, wake);
                }
            }
            self.waiting -= woken;
            // One shot disarms both directions: the one that nothing happened in is armed again (R5).
            if entry.kind == Kind::Foreign && woken_leaves_others(entry, dirs) && arm(&self.poller, fd, entry).is_err()
            {
                self.waiting -= wake_first(entry, Dir::Read, u32::MAX, wake);
                self.waiting -= wake_first(entry, Dir::Write, u32::MAX, wake);
            }
        }
        self.audit_if_due(count, wake);
    }

    // ---- fork

    /// In a forked child: a new epoll instance before anything touches the inherited one, whose registrations are the
    /// parent's (a removal here would be one there). All waits are forgotten.
    pub fn after_fork(&mut self, bell: RawFd) -> Result<()> {
        let fresh = Poller::new()?;
        let inherited = std::mem::replace(&mut self.poller, fresh);
        let inherited_epoll = self.epoll;
        self.epoll = self.poller.as_raw_fd();
        self.bell = bell;
        // Dropping a Poller removes registrations from the instance that the parent uses. So its number is made to
        // stand for something else first (the bell, which refuses such calls), and the drop closes that.
        sys::fd::replace(inherited_epoll, bell)?;
        drop(inherited);
        epoll::register_bell(self.epoll, bell, BELL)?;
        self.waiting = 0;
        for (_, entry) in self.table.iter_mut() {
            entry.readers.abandon();
            entry.writers.abandon();
            entry.generation = entry.generation.wrapping_add(1);
            entry.registered = false;
            entry.armed = 0;
            entry.ready = 3;
        }
        Ok(())
    }
}

/// Links a node as a waiter of a direction.
///
/// # Safety
/// The node is not linked (it is new, or was taken off when it was woken), and obeys W2.
#[inline(always)]
unsafe fn link(entry: &mut Entry, dir: Dir, node: &WaitNode, again: bool, audit: &mut audit::Audit) {
    if !entry.has_waiters() {
        entry.stage = 0;
        audit.met_new();
    }
    node.note.set(Note::None);
    // SAFETY: by the caller.
    unsafe {
        if again {
            entry.list(dir).push_front(node);
        } else {
            entry.list(dir).push_back(node);
        }
    }
}

fn data(fd: i32, entry: &Entry) -> u64 {
    (entry.generation as u64) << 32 | fd as u32 as u64
}

/// Wakes the first waiter of a direction whose wishes meet the events; says how many were woken (0 or 1).
fn wake_first(entry: &mut Entry, dir: Dir, bits: u32, wake: &mut impl FnMut(&WaitNode)) -> usize {
    let list = entry.list(dir);
    let mut at = list.first();
    while !at.is_null() {
        // SAFETY: R1, W2: linked nodes are alive.
        let node = unsafe { &*at };
        // RDHUP is readability to whoever reads (the end of the stream can be read).
        let heard =
            node.wants | FAILURES | if node.wants & libc::POLLIN as u32 != 0 { libc::EPOLLRDHUP as u32 } else { 0 };
        if bits & heard != 0 {
            list.remove(node);
            node.note.set(Note::Ready);
            node.seen.set(bits);
            wake(node);
            return 1;
        }
        // SAFETY: the node is linked and the list is unchanged.
        at = unsafe { node.next() };
    }
    0
}

/// Whether somebody still waits in a direction that these events did not touch, or with wishes they did not meet.
fn woken_leaves_others(entry: &Entry, dirs: u8) -> bool {
    (dirs & Dir::Read.bit() == 0 && !entry.readers.is_empty())
        || (dirs & Dir::Write.bit() == 0 && !entry.writers.is_empty())
}

/// Arms a foreign descriptor for the union of its waiters' wishes, one shot.
fn arm(poller: &Poller, fd: i32, entry: &mut Entry) -> Result<()> {
    let mut wants = 0;
    let mut dirs = 0;
    for dir in [Dir::Read, Dir::Write] {
        let mut at = entry.list(dir).first();
        while !at.is_null() {
            // SAFETY: R1, W2: linked nodes are alive and the list is not changed here.
            unsafe {
                wants |= (*at).wants;
                at = (*at).next();
            }
            dirs |= dir.bit();
        }
    }
    let key = data(fd, entry);
    let done = if wants & libc::POLLPRI as u32 == 0 {
        epoll::arm_once(poller.as_raw_fd(), fd, wants, key, entry.registered)
    } else {
        arm_urgent(poller, fd, wants, key as usize)
    };
    entry.registered = done.is_ok();
    entry.armed = if done.is_ok() { dirs } else { 0 };
    done
}

/// Arms a descriptor on which somebody waits for urgent data, the rare kind that goes through `polling`. (Its reading
/// interest always includes EPOLLPRI, so plain readers cannot use it: unread urgent data would wake them for ever.)
#[cold]
fn arm_urgent(poller: &Poller, fd: i32, wants: u32, key: usize) -> Result<()> {
    let mut event = Event::none(key).with_priority();
    event.readable = wants & libc::POLLIN as u32 != 0;
    event.writable = wants & libc::POLLOUT as u32 != 0;
    // SAFETY: the descriptor is only named for the length of the call; a number that is not open is an error. epoll
    // drops a registration with the last copy of the open file, and a late event misses by generation (R2).
    let (added, named) = unsafe { (poller.add_with_mode(fd, event, PollMode::Oneshot), BorrowedFd::borrow_raw(fd)) };
    match added {
        Err(e) if e.raw_os_error() == Some(libc::EEXIST) => {
            Ok(poller.modify_with_mode(named, event, PollMode::Oneshot)?)
        }
        other => Ok(other?),
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        // The bell stays the owner's; taking it out here keeps a poller that outlives us from hearing it.
        epoll::remove(self.epoll, self.bell);
    }
}

/// A timeout for "look, but do not wait".
pub const NO_WAIT: i64 = 0;
/// A timeout for "until something happens".
pub const FOR_EVER: i64 = NEVER;
