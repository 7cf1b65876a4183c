//! Waits that other OS threads may end: the task is woken by what they ask of it, and looks for itself.

use super::park::Woken;
use super::task::flags;
use super::waits::Kind;
use super::Scheduler;
use crate::error::{Error, Result};

impl Scheduler {
    /// Waits until `done` says so; both this thread and others may bring it about, and wake the task with an event or
    /// with `slots::NUDGE`. A wait that ends without it calls `leave`, which sees to it that nobody brings it about any
    /// more; if somebody has by then, that wins. A name given by [`Scheduler::waits_on`] before stands until the end.
    #[inline]
    pub fn park_listening(&self, deadline: i64, done: impl Fn() -> bool, leave: impl FnOnce()) -> Result<()> {
        let me = self.me();
        let kind = me.waits_kind.get();
        while !done() {
            me.set(flags::LISTENING);
            me.waits_kind.set(kind);
            let woken = self.park(deadline);
            me.clear(flags::LISTENING);
            if done() {
                break;
            }
            let delivered = self.delivered_interrupts();
            let error = match self.settle(woken) {
                Ok(Woken::Deadline) => Error::new(libc::ETIMEDOUT),
                Ok(_) => continue,
                Err(e) => e,
            };
            leave();
            if done() {
                self.keep_interrupts(delivered);
                break;
            }
            return Err(error);
        }
        me.waits_kind.set(Kind::Other);
        Ok(())
    }
}
