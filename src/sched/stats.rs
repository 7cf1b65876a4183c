//! Counters of one scheduler.

use super::task::State;
use super::Scheduler;

/// A snapshot; see `gt_stats_t` for each figure. The root task is in none.
#[derive(Default, Clone, Copy, Debug)]
pub struct Stats {
    /// Tasks that have not ended.
    pub tasks_live: u64,
    /// Tasks that wait.
    pub tasks_parked: u64,
    /// Tasks that are ready.
    pub tasks_ready: u64,
    /// Tasks ever spawned.
    pub tasks_spawned: u64,
    /// Switches.
    pub switches: u64,
    /// Polls of the reactor.
    pub polls: u64,
    /// Owned descriptors.
    pub descriptors: u64,
    /// Armed timers.
    pub timers: u64,
    /// Stacks mapped.
    pub stacks_mapped: u64,
    /// Stacks in use.
    pub stacks_in_use: u64,
    /// Stacks kept for the next task.
    pub stacks_cached: u64,
    /// Requests from other OS threads carried out.
    pub wakes_remote: u64,
    /// Jobs running elsewhere for tasks of this scheduler.
    pub offload_jobs: u64,
}

impl Scheduler {
    /// Takes a snapshot.
    pub fn stats(&self) -> Stats {
        let stacks = self.stacks().usage();
        let (root, me) = (self.root(), self.me());
        let live = self.live.get() as u64;
        let running = !std::ptr::eq(root, me) as u64;
        let root_waits_for_its_turn = running == 1 && root.state.get() == State::Ready;
        let ready = (self.ready.len() - root_waits_for_its_turn as usize) as u64;
        Stats {
            tasks_live: live,
            tasks_parked: live - ready - running,
            tasks_ready: ready,
            tasks_spawned: self.spawned.get(),
            switches: self.progress.switches.get(),
            polls: self.progress.polls.get(),
            descriptors: self.reactor().owned() as u64,
            timers: self.timers().len() as u64,
            stacks_mapped: stacks.mapped as u64,
            stacks_in_use: stacks.in_use as u64,
            stacks_cached: stacks.cached as u64,
            wakes_remote: self.remote.get(),
            offload_jobs: self.home.jobs.count() as u64,
        }
    }
}
