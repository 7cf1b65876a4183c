//! Select: one wait for several things, of which one comes about. Channels (both ways), events, semaphores, ends of tasks,
//! descriptors, and a deadline.
//!
//! How it goes. First every arm is tried, from one that is chosen at random on, so that of several ready ones each has
//! its turn. If none is ready, each arm is linked where its thing keeps those who wait, all with one [`Claim`]; the task
//! parks once. Whoever brings a thing about claims the wait before it grants: the first has it, the others pass on to the
//! next waiter of theirs. Then all arms are unlinked. Descriptors and tasks of this thread only say "look again", and the
//! arms are tried once more.
//!
//! What links an arm of something that other threads use looks once more under its lock: if it is ready by now, the wait
//! is given up and the arms are tried again. So nothing that came between the two looks is slept through.
//!
//! Invariants:
//! A1  An arm's place holds the node that `link` wrote until `unlink`, and does not move meanwhile.
//! A2  Every arm that was linked is unlinked before `wait` returns, except the one that was granted: its thing may be gone.

pub mod arm;

use std::cell::Cell;

use crate::error::{Error, Result};
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sync::chan::Patience;
use crate::sync::queue::Claim;
use crate::sys::clock;
use arm::{Arm, Linked, Reach};

/// What the arms need of a wait.
#[derive(Default)]
struct Needs {
    /// Arms that only say "look again".
    notes: usize,
    /// Arms that other OS threads may end.
    shared: usize,
}

/// Waits until one of the arms comes about, and says which.
///
/// Errors: -EAGAIN (a try) or -ETIMEDOUT, -ECANCELED, -EINTR, -EDEADLK; -EINVAL (no arm is in use); what is wrong with an
/// arm, whose result says it too.
pub fn select(s: &'static Scheduler, arms: &[Arm], patience: Patience) -> Result<usize> {
    s.check()?;
    let needs = prepare(s, arms)?;
    loop {
        let start = s.pick(arms.len());
        let mut order = (start..arms.len()).chain(0..start);
        if let Some(won) = order.find(|&i| arms[i].attempt(s)) {
            if patience != Patience::Try {
                s.charge();
            }
            return Ok(won);
        }
        let deadline = match patience {
            Patience::Try => return Err(Error::new(libc::EAGAIN)),
            Patience::Until(deadline) if clock::passed(deadline) => return Err(Error::new(libc::ETIMEDOUT)),
            Patience::Until(deadline) => deadline,
        };
        if let Some(won) = wait(s, arms, start, deadline, &needs)? {
            return Ok(won);
        }
    }
}

/// Looks at every arm before any is tried.
fn prepare(s: &'static Scheduler, arms: &[Arm]) -> Result<Needs> {
    let mut needs = Needs::default();
    let mut used = 0;
    for arm in arms {
        match arm.prepare(s)? {
            Reach::Unused => continue,
            Reach::Here => {}
            Reach::Noted => needs.notes += 1,
            Reach::Shared => needs.shared += 1,
        }
        used += 1;
    }
    if used == 0 {
        return Err(Error::new(libc::EINVAL));
    }
    Ok(needs)
}

/// Links all arms, parks, unlinks. None: look again.
fn wait(s: &'static Scheduler, arms: &[Arm], start: usize, deadline: i64, needs: &Needs) -> Result<Option<usize>> {
    let claim = Claim::new();
    let mut linked = 0;
    let mut stopped = None;
    for step in 0..arms.len() {
        let i = (start + step) % arms.len();
        // SAFETY: A1, A2: the arms are the caller's, who waits; unlinked below. The claim outlives that.
        match unsafe { arms[i].link(s, &claim, i) } {
            Ok(Linked::Waits) => linked = step + 1,
            other => {
                stopped = Some((i, other));
                break;
            }
        }
    }
    let granted = || claim.winner().is_some_and(|won| arms[won].is_granted());
    let ended = match stopped {
        Some((i, Ok(Linked::Took))) => {
            if claim.take(i) {
                arms[i].result.set(0);
                unlink(s, arms, start, linked, None);
                return Ok(Some(i));
            }
            arms[i].give_back();
            Ok(())
        }
        Some((_, Err(e))) => Err(e),
        Some(_) => Ok(()),
        None => park(s, arms, deadline, needs, &claim),
    };
    // From here on nobody grants any more.
    if claim.is_open() {
        claim.withdraw(granted);
    }
    let winner = claim.winner();
    if winner.is_some() {
        while !granted() {
            std::thread::yield_now(); // claimed by another thread, which is about to grant, under a lock
        }
    }
    unlink(s, arms, start, linked, winner);
    match winner {
        Some(won) => {
            arms[won].granted();
            Ok(Some(won))
        }
        None => ended.map(|()| None),
    }
}

fn park(s: &'static Scheduler, arms: &[Arm], deadline: i64, needs: &Needs, claim: &Claim) -> Result<()> {
    let left = Cell::new(false);
    let granted = || claim.winner().is_some_and(|won| arms[won].is_granted());
    let done = || claim.winner().is_some() || needs.notes > 0 && !left.get() && arms.iter().any(|arm| arm.is_noted(s));
    let leave = || {
        left.set(true);
        claim.withdraw(granted);
    };
    if needs.shared > 0 {
        s.shared_wait(true);
    }
    s.waits_on(Kind::Select, arms.len());
    let waited = s.park_listening(deadline, done, leave);
    if needs.shared > 0 {
        s.shared_wait(false);
    }
    match waited {
        // The arms are tried once more: what came with the deadline wins over it.
        Err(e) if e.errno() == libc::ETIMEDOUT && needs.notes > 0 && arms.iter().any(|arm| arm.is_noted(s)) => Ok(()),
        other => other,
    }
}

/// A2.
fn unlink(s: &'static Scheduler, arms: &[Arm], start: usize, linked: usize, winner: Option<usize>) {
    for step in 0..linked {
        let i = (start + step) % arms.len();
        if winner != Some(i) {
            // SAFETY: A1: it was linked, and not granted.
            unsafe { arms[i].unlink(s) };
        }
    }
}
