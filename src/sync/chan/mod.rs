//! Channels: items of one size, from task to task, first in, first out; any number of senders and receivers.
//!
//! Two kinds. A channel that is *bound* to its home thread has neither lock nor atomic instructions. A *shared* one has a
//! short lock around the same steps, never held across a park or a wake. What is done in [`exchange`] happens at once
//! for everybody, so "done wins": a waiter that was granted its item keeps it, whatever else has happened to it.
//!
//! Why a wait in a shared channel has a [`Claim`] of its own, like a select: whoever gives up a wait withdraws by the
//! claim before it touches the channel again. Either it was granted, and does not touch the channel, which may be gone;
//! or nobody can grant it any more, and `is_left` keeps the channel until it has left the queue (Q5).

pub mod exchange;
pub mod local;
mod many;
pub mod quick;

use std::ops::Deref;

use crate::error::{Error, Result};
use crate::home::Home;
use crate::sched::waits::Kind;
use crate::sched::{Scheduler, Woken};
use crate::sync::lock::Lock;
use crate::sync::object::Object;
use crate::sync::queue::{Claim, Waiter, Waiters};
use exchange::{Exchange, Queue, Step, CLOSED};
use local::{LocalQueue, LocalWaiter};

/// A channel.
pub struct Chan {
    /// The number of the scheduler it is bound to; 0: shared.
    serial: u64,
    /// The same, if its items are of a size that [`quick`] knows; else 0, which is no scheduler's number (B4).
    quick_for: u64,
    /// Its state.
    pub body: Body,
}

/// The state of a channel, with what keeps others out.
pub enum Body {
    /// For one OS thread: nothing.
    Bound(&'static Home, Exchange<LocalQueue>),
    /// For all: a lock.
    Shared(Lock<Exchange<Waiters>>),
}

/// How long a call may wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all: -EAGAIN.
    Try,
    /// Until the absolute time: -ETIMEDOUT.
    Until(i64),
}

/// Which way items go.
pub trait Way {
    /// What one waits on.
    const KIND: Kind;
    /// Whether one call of many items ends with the first that were moved.
    const FIRST_ENOUGH: bool;
    /// Those who wait to do the same.
    fn queue<Q: Queue>(x: &Exchange<Q>) -> &Q;
    /// One step of a transfer that has `n` items, or room for them, at `items`; adds to `moved`.
    ///
    /// # Safety
    /// As for [`Exchange::put`] and [`Exchange::take`].
    unsafe fn step<Q: Queue>(x: &Exchange<Q>, items: *mut u8, n: usize, moved: &mut usize) -> Step<Q::Wake>;
}

/// Into the channel.
pub struct Sending;
/// Out of it.
pub struct Receiving;

impl Way for Sending {
    const KIND: Kind = Kind::Send;
    const FIRST_ENOUGH: bool = false;

    #[inline(always)]
    fn queue<Q: Queue>(x: &Exchange<Q>) -> &Q {
        &x.senders
    }

    #[inline(always)]
    unsafe fn step<Q: Queue>(x: &Exchange<Q>, items: *mut u8, n: usize, moved: &mut usize) -> Step<Q::Wake> {
        // SAFETY: by the caller.
        unsafe { x.put(items, n, moved) }
    }
}

impl Way for Receiving {
    const KIND: Kind = Kind::Recv;
    const FIRST_ENOUGH: bool = true;

    #[inline(always)]
    fn queue<Q: Queue>(x: &Exchange<Q>) -> &Q {
        &x.receivers
    }

    #[inline(always)]
    unsafe fn step<Q: Queue>(x: &Exchange<Q>, items: *mut u8, _: usize, moved: &mut usize) -> Step<Q::Wake> {
        // SAFETY: by the caller.
        let step = unsafe { x.take(items) };
        *moved += matches!(step, Step::Moved(_)) as usize;
        step
    }
}

const fn pipe() -> Error {
    Error::new(libc::EPIPE)
}

const fn elsewhere() -> Error {
    Error::new(libc::EXDEV)
}

impl Chan {
    /// A channel bound to the calling OS thread. -EINVAL, -EOVERFLOW, -ENOMEM.
    pub fn bound(size: usize, capacity: usize) -> Result<Chan> {
        let s = Scheduler::current()?;
        let quick_for = if quick::is_handy(size) { s.serial() } else { 0 };
        Ok(Chan { serial: s.serial(), quick_for, body: Body::Bound(s.home(), Exchange::new(size, capacity)?) })
    }

    /// A channel for all OS threads. -EINVAL, -EOVERFLOW, -ENOMEM.
    pub fn shared(size: usize, capacity: usize) -> Result<Chan> {
        Ok(Chan { serial: 0, quick_for: 0, body: Body::Shared(Lock::new(Exchange::new(size, capacity)?)) })
    }

    /// -EXDEV for a channel that is bound to another OS thread.
    #[inline]
    pub fn reachable(&self, s: &Scheduler) -> Result<()> {
        if self.serial != 0 && self.serial != s.serial() {
            return Err(elsewhere());
        }
        Ok(())
    }

    /// Moves one item.
    ///
    /// Errors: -EXDEV, -ECANCELED, -EINTR, -EPIPE, -EAGAIN or -ETIMEDOUT, -EDEADLK.
    ///
    /// # Safety
    /// `item` is valid for one item, to be read or to be written.
    #[inline(always)]
    pub unsafe fn one<W: Way>(&self, item: *mut u8, patience: Patience) -> Result<()> {
        let s = Scheduler::current()?;
        match &self.body {
            Body::Bound(_, x) if self.serial == s.serial() => {
                s.check()?;
                // SAFETY: the home thread; by the caller.
                match unsafe { W::step(x, item, 1, &mut 0) } {
                    Step::Moved(wake) => {
                        if let Some(wake) = wake {
                            LocalQueue::send(wake, s);
                        }
                        if patience != Patience::Try {
                            s.take_turn();
                        }
                        Ok(())
                    }
                    Step::Closed => Err(pipe()),
                    Step::Blocked => match patience {
                        Patience::Try => Err(Error::new(libc::EAGAIN)),
                        // SAFETY: the home thread; by the caller.
                        Patience::Until(deadline) => unsafe {
                            s.waits_on(W::KIND, Object::address(self));
                            wait_at_home::<W>(s, x, item, 1, deadline).0
                        },
                    },
                }
            }
            Body::Bound(..) => Err(elsewhere()),
            // SAFETY: by the caller.
            Body::Shared(lock) => unsafe { one_shared::<W>(s, (lock, Object::address(self)), item, patience) },
        }
    }

    /// Ends sending: parked senders get -EPIPE, receivers drain what there is. -EALREADY the second time; -EXDEV.
    pub fn close(&self) -> Result<()> {
        let s = Scheduler::current()?;
        let again = Err(Error::new(libc::EALREADY));
        match &self.body {
            Body::Bound(..) => {
                let x = self.at_home()?;
                if !x.close() {
                    return again;
                }
                while let (Some(wake), _) = x.dismiss() {
                    LocalQueue::send(wake, s);
                }
                Ok(())
            }
            Body::Shared(lock) => {
                let x = lock.lock();
                if !x.close() {
                    return again;
                }
                let (mut wake, mut more) = x.dismiss();
                drop(x);
                loop {
                    if let Some(wake) = wake {
                        wake.send();
                    }
                    if !more {
                        return Ok(()); // and the channel may be gone
                    }
                    (wake, more) = lock.lock().dismiss();
                }
            }
        }
    }

    /// The exchange of a bound channel, for its home thread: else -EXDEV.
    fn at_home(&self) -> Result<&Exchange<LocalQueue>> {
        match (&self.body, Scheduler::existing()) {
            (Body::Bound(_, x), Some(s)) if s.serial() == self.serial => Ok(x),
            _ => Err(elsewhere()),
        }
    }

    /// How many items lie in it. -EXDEV.
    pub fn len(&self) -> Result<usize> {
        match &self.body {
            Body::Bound(..) => self.at_home().map(Exchange::len),
            Body::Shared(lock) => Ok(lock.lock().len()),
        }
    }

    /// How many items may lie in it.
    pub fn capacity(&self) -> usize {
        match &self.body {
            // Never changes, so any thread may read it.
            Body::Bound(_, x) => x.capacity(),
            Body::Shared(lock) => lock.lock().capacity(),
        }
    }

    /// Whether the channel may be freed: -EBUSY while anybody waits, -EXDEV elsewhere while its home exists.
    pub fn leave(&self) -> Result<()> {
        let left = match &self.body {
            Body::Shared(lock) => lock.lock().is_left(),
            // With the scheduler its waiters are gone.
            Body::Bound(home, _) if home.lodger() != self.serial => true,
            Body::Bound(..) => self.at_home()?.is_left(),
        };
        if left {
            Ok(())
        } else {
            Err(Error::new(libc::EBUSY))
        }
    }
}

/// Parks, under the name that the caller has given, in a bound channel to move up to `n` items; how many were.
///
/// # Safety
/// The home thread; `items` is valid for `n` items.
#[inline(always)]
unsafe fn wait_at_home<W: Way>(
    s: &'static Scheduler,
    x: &Exchange<LocalQueue>,
    items: *mut u8,
    n: usize,
    deadline: i64,
) -> (Result<()>, usize) {
    let waiter = LocalWaiter::new(s.me(), items, n);
    // SAFETY: it is out of the queue when the wait ends: granted, or removed below.
    unsafe { W::queue(x).push(&waiter) };
    let woken = s.park(deadline);
    let said = match waiter.granted() {
        Some(said) => Ok(said),
        None => wait_on::<W>(s, &waiter, woken, deadline).inspect_err(|_| {
            W::queue(x).remove(&waiter);
        }),
    };
    let (_, wants) = LocalQueue::wish(&waiter);
    ended(said, n - wants.get(), n)
}

/// Goes on waiting after a wake that was no grant; what the grant said.
#[cold]
#[inline(never)]
fn wait_on<W: Way>(s: &'static Scheduler, waiter: &LocalWaiter, mut woken: Woken, deadline: i64) -> Result<u32> {
    let name = s.me().waits_object.get();
    let done = || waiter.granted().is_some();
    loop {
        s.settle_for(woken, &done)?;
        if let Some(said) = waiter.granted() {
            return Ok(said);
        }
        s.waits_on(W::KIND, name);
        woken = s.park(deadline);
        if let Some(said) = waiter.granted() {
            return Ok(said);
        }
    }
}

#[inline(never)]
unsafe fn one_shared<W: Way>(
    s: &'static Scheduler,
    (lock, name): (&Lock<Exchange<Waiters>>, usize),
    item: *mut u8,
    patience: Patience,
) -> Result<()> {
    s.check()?;
    let x = lock.lock();
    // SAFETY: by the caller; under the lock.
    match unsafe { W::step(&*x, item, 1, &mut 0) } {
        Step::Moved(wake) => {
            drop(x);
            if let Some(wake) = wake {
                wake.send();
            }
            if patience != Patience::Try {
                s.charge();
            }
            Ok(())
        }
        Step::Closed => Err(pipe()),
        Step::Blocked => match patience {
            Patience::Try => Err(Error::new(libc::EAGAIN)),
            // SAFETY: by the caller.
            Patience::Until(deadline) => unsafe {
                s.waits_on(W::KIND, name);
                wait_shared::<W>(s, lock, x, item, 1, deadline).0
            },
        },
    }
}

/// Parks, under the name that the caller has given, in a shared channel, whose lock, held by `x`, is given back, to move up to `n` items; how many were.
///
/// # Safety
/// `items` is valid for `n` items.
unsafe fn wait_shared<W: Way>(
    s: &'static Scheduler,
    lock: &Lock<Exchange<Waiters>>,
    x: impl Deref<Target = Exchange<Waiters>>,
    items: *mut u8,
    n: usize,
    deadline: i64,
) -> (Result<()>, usize) {
    let claim = Claim::new();
    // SAFETY: the claim outlives the waiter's time in the queue.
    let waiter = unsafe { Waiter::for_arm(s, n, &claim, 0) };
    waiter.item.set(items);
    // SAFETY: under the lock; it is out of the queue when `wait` returns: granted, or removed by `leave`.
    unsafe { W::queue(&*x).push(&waiter) };
    drop(x);
    let leave = || {
        if claim.withdraw(|| waiter.granted().is_some()) {
            W::queue(&*lock.lock()).remove(&waiter);
        }
    };
    let said = waiter.wait(s, deadline, leave);
    ended(said, n - waiter.want.get(), n)
}

/// What a wait came to, and how many items went. An item that was moved is never reported as an error.
#[inline(always)]
fn ended(said: Result<u32>, went: usize, n: usize) -> (Result<()>, usize) {
    let result = match said {
        Ok(CLOSED) => Err(pipe()),
        Ok(_) => Ok(()),
        Err(_) if went == n => Ok(()),
        Err(e) => Err(e),
    };
    (result, went)
}
