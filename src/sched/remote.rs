//! What other OS threads asked for: read from the inbox and the mail, carried out at home.

use super::task::{flags, Task, Wake};
use super::Scheduler;
use crate::slots;

impl Scheduler {
    /// Carries out all requests that have arrived.
    pub(super) fn read_post(&self) {
        if !self.home.has_post() {
            return;
        }
        self.home.drain(|task| {
            // SAFETY: L2: a queued task has not ended.
            let task = unsafe { Task::from_opaque(task) };
            let asked = task.slot().collect();
            self.remote.set(self.remote.get() + 1);
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
            if asked & slots::MAIL != 0 {
                for (id, code) in self.home.take_mail() {
                    if let Ok(task) = self.find(id) {
                        // Out of memory here loses the code, but not the wake: the sender was told success already.
                        let _ = self.interrupt_here(task, code);
                    }
                }
            }
            if asked & slots::CANCEL != 0 {
                let _ = self.cancel_here(task);
            }
        });
    }
}
