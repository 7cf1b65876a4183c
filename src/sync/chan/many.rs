//! Many items by one call: sends end when all have gone, receives when some have come.

use super::exchange::{Exchange, Queue, Step};
use super::local::LocalQueue;
use super::{pipe, wait_at_home, wait_shared, Body, Chan, Patience, Way};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sync::lock::Lock;
use crate::sync::object::Object;
use crate::sync::queue::Waiters;

/// Wakes that are sent when the lock has been given back.
const ROOM: usize = 16;

struct Wakes<Q: Queue> {
    list: [Option<Q::Wake>; ROOM],
    len: usize,
}

impl<Q: Queue> Wakes<Q> {
    fn new() -> Wakes<Q> {
        Wakes { list: [None; ROOM], len: 0 }
    }

    fn add(&mut self, wake: Option<Q::Wake>) {
        if wake.is_some() {
            self.list[self.len] = wake;
            self.len += 1;
        }
    }

    fn send(&self, s: &Scheduler) {
        self.list[..self.len].iter().flatten().for_each(|&wake| Q::send(wake, s));
    }
}

/// What comes after a run of steps.
enum Next {
    /// Another run.
    Again,
    /// Nothing: the call is done.
    Done,
    /// A wait until then.
    Wait(i64),
}

/// Steps until `n` items were moved in all (None), or `wakes` is full (None), or no further one can be.
///
/// # Safety
/// As for [`Way::step`].
#[inline]
unsafe fn run<W: Way, Q: Queue>(
    x: &Exchange<Q>,
    items: *mut u8,
    n: usize,
    moved: &mut usize,
    wakes: &mut Wakes<Q>,
) -> Option<Step<Q::Wake>> {
    while *moved < n && wakes.len < ROOM {
        let at = items.wrapping_add(*moved * x.item_size());
        // SAFETY: by the caller.
        match unsafe { W::step(x, at, n - *moved, moved) } {
            Step::Moved(wake) => wakes.add(wake),
            stopped => return Some(stopped),
        }
    }
    None
}

fn next<W: Way, K>(stopped: Option<Step<K>>, moved: usize, n: usize, patience: Patience) -> Result<Next> {
    match (stopped, patience) {
        (None, _) if moved == n => Ok(Next::Done),
        (None, _) => Ok(Next::Again),
        (Some(_), _) if W::FIRST_ENOUGH && moved > 0 => Ok(Next::Done),
        (Some(Step::Closed), _) => Err(pipe()),
        (Some(_), Patience::Try) => Err(Error::new(libc::EAGAIN)),
        (Some(_), Patience::Until(deadline)) => Ok(Next::Wait(deadline)),
    }
}

impl Chan {
    /// Moves up to `n` items: all of them are sent, at least one is received. How many were moved, whatever the result.
    ///
    /// Errors: as for [`Chan::one`].
    ///
    /// # Safety
    /// `items` is valid for `n` items, to be read or to be written.
    pub unsafe fn many<W: Way>(&self, items: *mut u8, n: usize, patience: Patience) -> (Result<()>, usize) {
        let mut moved = 0;
        // SAFETY: by the caller.
        let result = unsafe { self.try_many::<W>(items, n, patience, &mut moved) };
        (result, moved)
    }

    unsafe fn try_many<W: Way>(&self, items: *mut u8, n: usize, patience: Patience, moved: &mut usize) -> Result<()> {
        let s = Scheduler::current()?;
        self.reachable(s)?;
        s.check()?;
        let mut waited = false;
        let name = Object::address(self);
        while *moved < n && !(W::FIRST_ENOUGH && waited) {
            let went = match &self.body {
                // SAFETY: the items by the caller; `reachable` has said that the channel is this thread's.
                Body::Bound(_, x) => unsafe { round_at_home::<W>(s, (x, name), items, n, patience, moved) }?,
                // SAFETY: by the caller.
                Body::Shared(lock) => unsafe { round_shared::<W>(s, (lock, name), items, n, patience, moved) }?,
            };
            waited |= went == Round::Waited;
            if went == Round::Done {
                break;
            }
        }
        if patience != Patience::Try && !waited {
            s.charge();
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    Going,
    Waited,
    Done,
}

unsafe fn round_at_home<W: Way>(
    s: &'static Scheduler,
    (x, name): (&Exchange<LocalQueue>, usize),
    items: *mut u8,
    n: usize,
    patience: Patience,
    moved: &mut usize,
) -> Result<Round> {
    let mut wakes = Wakes::new();
    // SAFETY: by the caller.
    let stopped = unsafe { run::<W, _>(x, items, n, moved, &mut wakes) };
    wakes.send(s);
    match next::<W, _>(stopped, *moved, n, patience)? {
        Next::Again => Ok(Round::Going),
        Next::Done => Ok(Round::Done),
        Next::Wait(deadline) => {
            let at = items.wrapping_add(*moved * x.item_size());
            s.waits_on(W::KIND, name);
            // SAFETY: by the caller.
            let (result, went) = unsafe { wait_at_home::<W>(s, x, at, n - *moved, deadline) };
            *moved += went;
            result.map(|()| Round::Waited)
        }
    }
}

unsafe fn round_shared<W: Way>(
    s: &'static Scheduler,
    (lock, name): (&Lock<Exchange<Waiters>>, usize),
    items: *mut u8,
    n: usize,
    patience: Patience,
    moved: &mut usize,
) -> Result<Round> {
    let mut wakes = Wakes::new();
    let x = lock.lock();
    // SAFETY: by the caller; under the lock.
    let stopped = unsafe { run::<W, _>(&*x, items, n, moved, &mut wakes) };
    let next = next::<W, _>(stopped, *moved, n, patience);
    match next {
        Ok(Next::Wait(deadline)) if wakes.len == 0 => {
            let at = items.wrapping_add(*moved * x.item_size());
            s.waits_on(W::KIND, name);
            // SAFETY: by the caller.
            let (result, went) = unsafe { wait_shared::<W>(s, lock, x, at, n - *moved, deadline) };
            *moved += went;
            result.map(|()| Round::Waited)
        }
        next => {
            drop(x);
            wakes.send(s);
            match next? {
                Next::Done => Ok(Round::Done),
                // Whoever was woken may have changed what there is to wait for.
                Next::Again | Next::Wait(_) => Ok(Round::Going),
            }
        }
    }
}
