//! What is known of one task, gathered for a report.

use super::stacks::{self, Stack};
use super::unwind::{Frame, Registers, View, Walker};
use crate::sched::task::{flags, pending, State, Task, NAME};
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// The state of a task, as reports say it.
pub struct Facts {
    /// Its id.
    pub id: i64,
    /// Its name, NUL-terminated.
    pub name: [u8; NAME],
    /// Where it is in its life. One that polls because nobody is ready is Parked.
    pub state: State,
    /// It is the one that runs.
    pub runs: bool,
    /// What it waits on, when Parked.
    pub kind: Kind,
    /// The object of that.
    pub object: usize,
    /// Until when it waits; [`NEVER`] without a deadline.
    pub deadline: i64,
    /// When it parked; 0 when it does not wait.
    pub since: i64,
    /// Its stack.
    pub stack: Stack,
    /// Address of its entry function; 0 for the root.
    pub entry: usize,
    /// It was cancelled.
    pub cancelled: bool,
    /// Nobody will join it.
    pub detached: bool,
    /// It is the root.
    pub root: bool,
    /// It delivers nothing at present.
    pub shielded: bool,
}

/// Gathers the facts of a task; `thread` is [`stacks::of_thread`] of the scheduler's thread.
pub fn of(s: &Scheduler, task: &Task, thread: (usize, usize)) -> Facts {
    let state = task.state.get();
    let parked = state == State::Parked;
    Facts {
        id: task.id.get(),
        name: task.name.get(),
        state,
        runs: state == State::Ready && std::ptr::eq(task, s.me()),
        kind: if parked { task.waits_kind.get() } else { Kind::Other },
        object: if parked { task.waits_object.get() } else { 0 },
        deadline: if parked && task.timer.is_armed() { task.timer.deadline() } else { NEVER },
        since: if parked { task.since.get() } else { 0 },
        stack: stacks::of(s, task, thread),
        entry: task.entry.get().map_or(0, |e| e as usize),
        cancelled: task.pending.get() & pending::CANCEL != 0,
        detached: task.has(flags::DETACHED),
        root: task.has(flags::ROOT),
        shielded: task.shield.get() > 0,
    }
}

/// How many bytes of a task's stack were ever used: see [`stacks::high_water`]. Of a stack that is not ours nothing is
/// known: it is the thread's, or memory that its owner has used before.
pub fn high_water(task: &Task) -> usize {
    if task.base.get().is_null() || task.has(flags::USER_STACK) {
        return 0;
    }
    stacks::high_water(task.base.get() as usize, task.top.get() as usize)
}

/// Walks the stack of a task; `here` are the registers of whoever runs.
pub fn frames(
    s: &Scheduler,
    task: &Task,
    here: Option<Registers>,
    thread: (usize, usize),
    walker: &mut Walker,
    frames: &mut [Frame],
) -> usize {
    let running = std::ptr::eq(task, s.me());
    if task.state.get() == State::Done {
        return 0;
    }
    // SAFETY: a task that is not done and does not run has a saved context.
    let from = if running { here } else { unsafe { Registers::of_saved(task.context.get()) } };
    let Some(from) = from else { return 0 };
    let stack = stacks::of(s, task, thread);
    if !(stack.base..stack.top).contains(&from.sp()) {
        return 0;
    }
    // The record lies above the frames of a task of ours.
    let high = if task.base.get().is_null() { stack.top } else { std::ptr::from_ref(task) as usize };
    walker.walk(from, View::of(from.sp(), high), frames)
}

/// The ids of all tasks that have not ended, the root included, at most `ids.len()` of them; returns how many there are.
pub fn list(s: &Scheduler, ids: &mut [i64]) -> usize {
    let mut count = 0;
    s.each_task(|task| {
        if task.state.get() != State::Done {
            if let Some(place) = ids.get_mut(count) {
                *place = task.id.get();
            }
            count += 1;
        }
    });
    count
}
