//! One arm of a select: what it waits for, how it is tried, linked and unlinked.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::mem::{align_of, size_of, MaybeUninit};

use crate::error::{Error, Result};
use crate::fleet::order;
use crate::home::guests;
use crate::io::poll::Watch;
use crate::sched::Scheduler;
use crate::sync::chan::exchange::{Exchange, Queue, Step, CLOSED};
use crate::sync::chan::local::{LocalQueue, LocalWaiter};
use crate::sync::chan::{Body, Chan, Receiving, Sending, Way};
use crate::sync::event::Event;
use crate::sync::lock::Lock;
use crate::sync::object::{Kind, Object};
use crate::sync::queue::{Claim, Waiter, Waiters};
use crate::sync::sem::Sem;

/// Words of an arm's place.
pub const PLACE: usize = 12;

/// Not in use.
pub const UNUSED: i32 = 0;
/// Send an item into a channel.
pub const SEND: i32 = 1;
/// Receive one.
pub const RECV: i32 = 2;
/// Readiness of a descriptor.
pub const FD: i32 = 3;
/// The end of a task.
pub const TASK: i32 = 4;
/// An event is set.
pub const EVENT: i32 = 5;
/// A unit of a semaphore.
pub const SEM: i32 = 6;

/// The node is a [`LocalWaiter`].
const LOCAL: u16 = 1;
/// The node is a [`Waiter`].
const SHARED: u16 = 2;

/// An arm. Its layout is that of C's `gt_select_arm_t`.
#[repr(C)]
pub struct Arm {
    /// What it waits for.
    pub kind: i32,
    /// How it went.
    pub result: Cell<i32>,
    /// The channel, event or semaphore.
    pub object: *mut c_void,
    /// The item to send, or room for one.
    pub item: *mut c_void,
    /// The descriptor or the task.
    pub id: i64,
    /// Events of the descriptor that are waited for.
    pub events: i16,
    /// Events that were seen.
    pub revents: Cell<i16>,
    /// Not its own: of the arms in the order in which they are tried, the one at this place.
    pub turn: Cell<u16>,
    /// Which kind of node is in its place.
    pub node_kind: Cell<u16>,
    /// The node with which it waits.
    pub place: UnsafeCell<[MaybeUninit<u64>; PLACE]>,
}

const fn fits<T>() {
    assert!(size_of::<T>() <= PLACE * 8 && align_of::<T>() <= 8);
}
const _: () = fits::<Waiter>();
const _: () = fits::<LocalWaiter>();
const _: () = fits::<Watch>();

/// Who may end the wait of an arm.
pub enum Reach {
    /// There is no wait.
    Unused,
    /// This OS thread, by a grant.
    Here,
    /// This OS thread, by saying "look again".
    Noted,
    /// Any OS thread, by a grant.
    Shared,
}

/// How linking went.
pub enum Linked {
    /// It waits.
    Waits,
    /// It may be ready by now, and was not linked: look again.
    Ready,
    /// It had what it waits for under the lock, and has it.
    Took,
}

/// What an arm is about.
enum Target<'a> {
    Bound(&'a Exchange<LocalQueue>),
    Shared(&'a Lock<Exchange<Waiters>>),
    Event(&'a Event),
    Sem(&'a Sem),
    Task,
    Guest,
    Fd,
    Unused,
}

impl Arm {
    fn object<T>(&self, kind: Kind) -> Result<&T> {
        // SAFETY: by the caller of select: an object of C's, or one that was freed, which is recognised.
        unsafe { Object::get(self.object.cast::<Object<T>>(), kind) }
    }

    fn target(&self, s: &Scheduler) -> Result<Target<'_>> {
        Ok(match self.kind {
            UNUSED => Target::Unused,
            SEND | RECV => {
                let chan = self.object::<Chan>(Kind::Chan)?;
                chan.reachable(s)?;
                match &chan.body {
                    Body::Bound(_, x) => Target::Bound(x),
                    Body::Shared(lock) => Target::Shared(lock),
                }
            }
            FD => Target::Fd,
            TASK if guests::is_guest(self.id) => Target::Guest,
            TASK => Target::Task,
            EVENT => Target::Event(self.object(Kind::Event)?),
            SEM => Target::Sem(self.object(Kind::Sem)?),
            _ => return Err(Error::new(libc::EINVAL)),
        })
    }

    /// Forgets what the last call said.
    pub fn clear(&self) {
        self.result.set(0);
        self.revents.set(0);
        self.node_kind.set(0);
    }

    /// Checks the arm, before anything is done. An error is in its result, too.
    pub fn prepare(&self, s: &Scheduler) -> Result<Reach> {
        self.check(s).inspect_err(|e| self.result.set(-e.errno()))
    }

    fn check(&self, s: &Scheduler) -> Result<Reach> {
        let target = self.target(s)?;
        Ok(match target {
            Target::Unused => Reach::Unused,
            Target::Bound(_) | Target::Shared(_) if self.item.is_null() => {
                return Err(Error::new(libc::EINVAL));
            }
            Target::Bound(_) => Reach::Here,
            Target::Shared(_) | Target::Event(_) | Target::Sem(_) => Reach::Shared,
            Target::Guest => {
                order::joinable(s, self.id)?;
                Reach::Shared
            }
            Target::Task => {
                s.joinable(self.id)?;
                Reach::Noted
            }
            Target::Fd if self.id < 0 || self.id > i32::MAX as i64 => return Err(Error::new(libc::EBADF)),
            Target::Fd => Reach::Noted,
        })
    }

    fn fd(&self) -> i32 {
        self.id as i32
    }

    /// Tries it without waiting: whether it has come about, and its result says how. An error is in its result, too.
    pub fn attempt(&self, s: &'static Scheduler) -> Result<bool> {
        let said = self.try_once(s).inspect_err(|e| self.result.set(-e.errno()))?;
        self.result.set(said.unwrap_or(0));
        Ok(said.is_some())
    }

    fn try_once(&self, s: &'static Scheduler) -> Result<Option<i32>> {
        let item = self.item.cast::<u8>();
        let ready = match self.target(s)? {
            Target::Unused => false,
            // SAFETY: the home thread; the item is valid by the caller of select.
            Target::Bound(x) => return Ok(came_to::<LocalQueue>(unsafe { self.step(x, item) }, s)),
            Target::Shared(lock) => {
                // SAFETY: under the lock, which is given back at the end of the statement; the item as above.
                let step = unsafe { self.step(&*lock.lock(), item) };
                return Ok(came_to::<Waiters>(step, s));
            }
            Target::Event(event) => event.is_set(),
            Target::Sem(sem) => sem.try_wait(),
            Target::Task => s.joinable(self.id)?,
            Target::Guest => order::joinable(s, self.id)?,
            Target::Fd => {
                let seen = Watch::look(self.fd(), self.events)?;
                if seen & libc::POLLNVAL != 0 {
                    return Ok(Some(-libc::EBADF));
                }
                self.revents.set(seen);
                seen != 0
            }
        };
        Ok(ready.then_some(0))
    }

    unsafe fn step<Q: Queue>(&self, x: &Exchange<Q>, item: *mut u8) -> Step<Q::Wake> {
        // SAFETY: by the caller.
        unsafe {
            match self.kind {
                SEND => Sending::step(x, item, 1, &mut 0),
                _ => Receiving::step(x, item, 1, &mut 0),
            }
        }
    }

    fn way<'a, Q: Queue>(&self, x: &'a Exchange<Q>) -> &'a Q {
        if self.kind == SEND {
            Sending::queue(x)
        } else {
            Receiving::queue(x)
        }
    }

    /// Writes a node into the arm's place.
    unsafe fn put<T>(&self, node: T) -> &T {
        let place = self.place.get().cast::<T>();
        // SAFETY: it fits (above), and nothing that must be dropped is there (A1).
        unsafe {
            place.write(node);
            &*place
        }
    }

    /// The node that `link` wrote.
    unsafe fn node<T>(&self) -> &T {
        // SAFETY: A1, by the caller.
        unsafe { &*self.place.get().cast::<T>() }
    }

    /// Joins those who wait for it.
    ///
    /// # Safety
    /// A1, A2. The claim stays where it is until then.
    pub unsafe fn link(&self, s: &'static Scheduler, claim: &Claim, index: usize) -> Result<Linked> {
        let target = self.target(s)?;
        // SAFETY: by the caller.
        unsafe {
            let shared = || {
                let waiter = self.put(Waiter::for_arm(s, 1, claim, index));
                waiter.item.set(self.item.cast());
                self.node_kind.set(SHARED);
                waiter
            };
            match target {
                Target::Unused => {}
                Target::Bound(x) => {
                    let waiter = LocalWaiter::for_arm(s.me(), self.item.cast(), 1, claim, index as u32);
                    self.node_kind.set(LOCAL);
                    self.way(x).push(self.put(waiter));
                }
                Target::Shared(lock) => {
                    let x = lock.lock();
                    let ready = if self.kind == SEND { x.may_put(claim) } else { x.may_take(claim) };
                    if ready {
                        return Ok(Linked::Ready);
                    }
                    self.way(&*x).push(shared());
                }
                Target::Event(event) => {
                    if event.see_or_link(shared()) {
                        return Ok(Linked::Ready);
                    }
                }
                Target::Sem(sem) => {
                    if sem.take_or_link(shared()) {
                        return Ok(Linked::Took);
                    }
                }
                Target::Task => s.follow(self.id)?,
                Target::Guest => {
                    if order::ended_or_link(self.id, shared(), claim)? {
                        return Ok(Linked::Ready);
                    }
                }
                Target::Fd => self.put(Watch::new(s, self.fd(), self.events)).begin(s)?,
            }
        }
        Ok(Linked::Waits)
    }

    /// Leaves those who wait for it.
    ///
    /// # Safety
    /// It was linked, and not granted.
    pub unsafe fn unlink(&self, s: &'static Scheduler) {
        // It was found to link it, and cannot have gone since.
        let Ok(target) = self.target(s) else { return };
        // SAFETY: by the caller.
        unsafe {
            match target {
                Target::Unused => {}
                Target::Bound(x) => drop(self.way(x).remove(self.node::<LocalWaiter>())),
                Target::Shared(lock) => drop(self.way(&*lock.lock()).remove(self.node::<Waiter>())),
                Target::Event(event) => event.unlink(self.node()),
                Target::Sem(sem) => sem.unlink(self.node()),
                Target::Task => s.unfollow(self.id),
                Target::Guest => order::unlink(self.id, self.node()),
                Target::Fd => self.node::<Watch>().leave(s),
            }
        }
    }

    /// Gives a unit of a semaphore back that came too late.
    pub fn give_back(&self) {
        if let Ok(sem) = self.object::<Sem>(Kind::Sem) {
            let _ = sem.post(1); // the value had room for it a moment ago, and a full one needs none
        }
    }

    /// What the grant said. It does not touch the thing, which may be gone.
    fn said(&self) -> Option<u32> {
        // SAFETY: asked of the arm that claimed: linked (A1), and only these kinds of nodes claim.
        unsafe {
            match self.node_kind.get() {
                LOCAL => self.node::<LocalWaiter>().granted(),
                _ => self.node::<Waiter>().granted(),
            }
        }
    }

    /// Whether the arm that claimed was granted.
    pub fn is_granted(&self) -> bool {
        self.said().is_some()
    }

    /// Notes what the grant said.
    pub fn granted(&self) {
        if self.kind == TASK {
            // SAFETY: linked and granted; whoever joins the task now may. Its record is there until then.
            order::unlink(self.id, unsafe { self.node() });
        }
        self.result.set(if self.said() == Some(CLOSED) { -libc::EPIPE } else { 0 });
    }

    /// Whether it says "look again". Asked while it is linked.
    pub fn is_noted(&self, s: &Scheduler) -> bool {
        match self.kind {
            // SAFETY: A1.
            FD => unsafe { self.node::<Watch>() }.is_noted(),
            TASK => s.joinable(self.id).unwrap_or(false),
            _ => false,
        }
    }

    /// Whether its descriptor, which nobody may have looked at since, has something to say by now.
    pub fn has_news(&self) -> bool {
        self.kind == FD && Watch::look(self.fd(), self.events).is_ok_and(|seen| seen != 0)
    }

    /// Whether its descriptor was closed while it was linked.
    pub fn is_closed(&self) -> bool {
        // SAFETY: `link` wrote the node of every descriptor.
        self.kind == FD && unsafe { self.node::<Watch>() }.is_closed()
    }
}

/// What an attempt at a channel came to, for the arm's result; None: nothing. Whoever was granted an item is woken.
fn came_to<Q: Queue>(step: Step<Q::Wake>, s: &Scheduler) -> Option<i32> {
    match step {
        Step::Moved(wake) => {
            if let Some(wake) = wake {
                Q::send(wake, s);
            }
            Some(0)
        }
        Step::Closed => Some(-libc::EPIPE),
        Step::Blocked => None,
    }
}
