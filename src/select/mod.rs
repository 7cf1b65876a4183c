//! Select: one wait for several things, of which one comes about. Channels (both ways), events, semaphores, ends of tasks,
//! descriptors, and a deadline.
//!
//! How it goes. First every arm is tried, in an order that is drawn anew each time, so that of several ready ones each has
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
    /// Arms that are in use.
    used: usize,
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
        if let Some(won) = attempt(s, arms, needs.used)? {
            if patience != Patience::Try {
                s.charge();
            }
            return Ok(won);
        }
        let deadline = match patience {
            Patience::Try => return Err(Error::new(libc::EAGAIN)),
            Patience::Until(deadline) if s.is_late(deadline) => return Err(Error::new(libc::ETIMEDOUT)),
            Patience::Until(deadline) => deadline,
        };
        if let Some(won) = wait(s, arms, deadline, &needs)? {
            return Ok(won);
        }
    }
}

/// Looks at every arm before any is tried.
fn prepare(s: &'static Scheduler, arms: &[Arm]) -> Result<Needs> {
    let mut needs = Needs::default();
    arms.iter().for_each(Arm::clear);
    for (i, arm) in arms.iter().enumerate() {
        match arm.prepare(s)? {
            Reach::Unused => continue,
            Reach::Here => {}
            Reach::Noted => needs.notes += 1,
            Reach::Shared => needs.shared += 1,
        }
        arms[needs.used].turn.set(i as u16);
        needs.used += 1;
    }
    if needs.used == 0 {
        return Err(Error::new(libc::EINVAL));
    }
    Ok(needs)
}

/// Tries the arms until one comes about. Any order is as likely as any other (Durstenfeld, "Algorithm 235: Random
/// permutation", 1964): to begin somewhere and go on would favour an arm behind many that are not ready.
fn attempt(s: &'static Scheduler, arms: &[Arm], used: usize) -> Result<Option<usize>> {
    for at in 0..used {
        arms[at].turn.swap(&arms[at + s.pick(used - at)].turn);
        let i = arms[at].turn.get() as usize;
        if arms[i].attempt(s)? {
            return Ok(Some(i));
        }
    }
    Ok(None)
}

/// Links all arms, parks, unlinks. None: look again.
fn wait(s: &'static Scheduler, arms: &[Arm], deadline: i64, needs: &Needs) -> Result<Option<usize>> {
    let claim = Claim::new();
    let mut linked = 0;
    let mut stopped = None;
    while linked < arms.len() && stopped.is_none() {
        // SAFETY: A1, A2: the arms are the caller's, who waits; unlinked below. The claim outlives that.
        match unsafe { arms[linked].link(s, &claim, linked) } {
            Ok(Linked::Waits) => linked += 1,
            other => stopped = Some(other),
        }
    }
    let ended = match stopped {
        None => park(s, arms, deadline, needs, &claim),
        Some(Ok(Linked::Took)) if claim.take(linked) => {
            unlink(s, arms, linked, None);
            return Ok(Some(linked));
        }
        Some(Ok(Linked::Took)) => {
            arms[linked].give_back();
            Ok(())
        }
        Some(Ok(_)) => Ok(()),
        Some(Err(e)) => Err(e),
    };
    // From here on nobody grants any more; whoever has claimed is about to.
    claim.withdraw(|| is_granted(arms, &claim));
    let winner = claim.winner();
    unlink(s, arms, linked, winner);
    if let Some(won) = winner {
        arms[won].granted();
        return Ok(Some(won));
    }
    if linked < arms.len() {
        ended.inspect_err(|e| arms[linked].result.set(-e.errno()))?;
        return Ok(None);
    }
    ended?;
    Ok(arms.iter().position(Arm::is_closed).inspect(|&i| arms[i].result.set(-libc::EBADF)))
}

fn is_granted(arms: &[Arm], claim: &Claim) -> bool {
    claim.winner().is_some_and(|won| arms[won].is_granted())
}

fn park(s: &'static Scheduler, arms: &[Arm], deadline: i64, needs: &Needs, claim: &Claim) -> Result<()> {
    let left = Cell::new(false);
    // What came with the deadline wins over it, though nobody has been told of it yet.
    let noted = || arms.iter().any(|arm| arm.is_noted(s)) || clock::passed(deadline) && arms.iter().any(Arm::has_news);
    let done = || is_granted(arms, claim) || needs.notes > 0 && !left.get() && noted();
    let leave = || {
        left.set(true);
        claim.withdraw(|| is_granted(arms, claim));
    };
    if needs.shared > 0 {
        s.shared_wait(true);
    }
    s.waits_on(Kind::Select, arms.len());
    let waited = s.park_listening(deadline, done, leave);
    if needs.shared > 0 {
        s.shared_wait(false);
    }
    waited
}

/// A2.
fn unlink(s: &'static Scheduler, arms: &[Arm], linked: usize, winner: Option<usize>) {
    for (i, arm) in arms.iter().enumerate().take(linked) {
        if winner != Some(i) {
            // SAFETY: A1: it was linked, and not granted.
            unsafe { arm.unlink(s) };
        }
    }
}
