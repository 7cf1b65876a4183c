//! A wait that nothing can end: no timer, no descriptor waited on, no job, no waker, no other scheduler; and where tasks
//! wait for locks and the like, which any OS thread may release, no other thread. With a host there must be no other thread
//! either, beside those that it answers for, and it must agree.

use std::sync::atomic::Ordering;

use super::overflow::Line;
use super::report;
use super::task::{State, Wake};
use super::Scheduler;
use crate::config::Deadlock;
use crate::context::annotate;
use crate::home;
use crate::sys::{complain, thread};

impl Scheduler {
    /// Called before a sleep without end. True if it has made the root ready instead.
    #[cold]
    pub(super) fn deadlocked(&self) -> bool {
        let provable = self.config.deadlock != Deadlock::Ignore
            && self.reactor().waiting() == 0
            && self.home.wakers.count() == 0
            && self.home.jobs.count() == 0
            && !self.embedded.get()
            && home::count() == 1
            && self.host_deadlocked().is_some_and(|watch| {
                self.shared_waits.get() == 0 && self.host.get().swap.is_none() || only_thread_beside(watch)
            })
            // Last: whoever is gone by now may have brought something while the others were counted.
            && !self.home.inbox.has_post();
        if !provable {
            return false;
        }
        if !self.deadlock_told.replace(true) {
            self.tell_deadlock();
        }
        self.config.deadlock == Deadlock::Fail && self.wake(self.root(), Wake::Deadlock)
    }

    fn tell_deadlock(&self) {
        if report::deadlock() {
            return;
        }
        complain(b"greenrt: deadlock: every task is parked and nothing can wake one:\n");
        self.each_task(|task| {
            if task.state.get() != State::Done {
                let (name, len) = task.name();
                let mut line = Line::default();
                line.text(b"greenrt:   task ").number(task.id.get() as u64);
                if len > 0 {
                    line.text(b" '").text(&name[..len]).text(b"'");
                }
                line.text(b": parked");
                if !task.joiner.get().is_null() {
                    line.text(b", joined by another task");
                }
                complain(line.text(b"\n").bytes());
            }
        });
    }
}

/// Whether the calling OS thread is the only one of the process beside those that only watch, so many of them the host's.
fn only_thread_beside(hosts: usize) -> bool {
    thread::count() == Some(1 + annotate::THREADS + report::WATCHERS.load(Ordering::Relaxed) + hosts)
}
