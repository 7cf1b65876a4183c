//! What other OS threads asked for: read from the inbox and the mail, carried out at home.

use super::guest;
use super::report;
use super::task::{flags, Task, Wake};
use super::Scheduler;
use crate::home::guests;
use crate::slots;

impl Scheduler {
    /// Carries out all requests that have arrived.
    pub fn read_post(&self) {
        if !self.home.inbox.has_post() {
            return;
        }
        self.home.inbox.drain(|entry| {
            self.remote.set(self.remote.get() + 1);
            if let Some(order) = guest::untag(entry) {
                // SAFETY: it has come out of the inbox just now, which it was put into once.
                return unsafe { self.open(order) };
            }
            // SAFETY: L2: a queued task has not ended.
            let task = unsafe { Task::from_opaque(entry) };
            self.carry_out(task, task.slot().collect());
        });
    }

    /// Does what was asked of a task.
    pub(super) fn carry_out(&self, task: &Task, asked: u64) {
        // Errors mean that the task has ended since; nobody waits for an answer.
        if asked & slots::UNPARK != 0 {
            let _ = self.unpark_here(task);
        }
        if asked & slots::NUDGE != 0 && task.has(flags::LISTENING) {
            self.wake(task, Wake::Event);
        }
        if asked & slots::SIGNAL != 0 {
            self.signalled();
        }
        if asked & slots::DUMP != 0 {
            report::dump();
        }
        if asked & slots::MAIL != 0 {
            let guests = guests::take_mail(|id| self.find(id).is_ok());
            for (id, code) in self.home.take_mail().into_iter().chain(guests) {
                if let Ok(task) = self.find(id) {
                    // Out of memory here loses the code, but not the wake: the sender was told success already.
                    let _ = self.interrupt_here(task, code);
                }
            }
        }
        if asked & slots::CANCEL != 0 {
            let _ = self.cancel_here(task);
        }
    }
}
