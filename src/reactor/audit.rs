//! The audit: descriptors that were closed and reused behind the runtime's back.
//!
//! When foreign code closes a descriptor on which a task waits, epoll drops it silently; when the number is reused, the
//! waiter would sleep on something that epoll does not watch. So each wait that lasts is looked at again: after one to
//! two seconds, then at doubling distances, its registration is renewed, which either succeeds (and reports what is
//! ready), or tells that the number is closed or stands for another file.

use super::{arm, data, epoll, wake_first, Dir, Kind, Reactor};
use crate::sys::clock::{self, NEVER};
use crate::wait::WaitNode;

/// The distance between two passes.
const PASS: i64 = 1_000_000_000;
/// A wait that has been met this often is looked at every 2^6 passes only.
const SETTLED: u8 = 8;
/// How many polls go by before a busy thread asks what time it is.
const BUSY_POLLS: u32 = 1024;

/// When the next pass is due.
#[derive(Default)]
pub struct Audit {
    /// A wait began since the last pass, or one is not settled yet.
    unsettled: bool,
    next: i64,
    polls: u32,
    passes: u64,
}

impl Audit {
    /// A wait began on a descriptor that nobody waited on.
    #[inline]
    pub fn met_new(&mut self) {
        self.unsettled = true;
    }

    /// The longest sleep that keeps the audit in time.
    #[inline]
    pub fn gap(&self, waiting: usize) -> i64 {
        match (waiting, self.unsettled) {
            (0, _) => NEVER,
            (_, true) => PASS,
            (_, false) => PASS << 6,
        }
    }
}

impl Reactor {
    /// Runs a pass when one is due. Asked after each poll; looks at the clock only when the poll brought nothing or
    /// many polls have gone by.
    #[inline]
    pub(super) fn audit_if_due(&mut self, events: usize, wake: &mut impl FnMut(&WaitNode)) {
        self.audit.polls += 1;
        if self.waiting > 0 && (events == 0 || self.audit.polls >= BUSY_POLLS) {
            self.audit.polls = 0;
            let now = clock::real();
            if now >= self.audit.next {
                self.audit.next = now + PASS;
                self.audit_pass(wake);
            }
        }
    }

    #[cold]
    fn audit_pass(&mut self, wake: &mut impl FnMut(&WaitNode)) {
        self.audit.passes += 1;
        self.audit.unsettled = false;
        let passes = self.audit.passes;
        let mut lost = Vec::new();
        for (fd, entry) in self.table.iter_mut().filter(|(_, e)| e.has_waiters()) {
            entry.stage = entry.stage.saturating_add(1).min(SETTLED);
            self.audit.unsettled |= entry.stage < SETTLED;
            // Stage 1: it began less than a pass ago. Then every 1st, 2nd, 4th ... 64th pass.
            if entry.stage < 2 || passes % (1 << (entry.stage - 2)) != 0 {
                continue;
            }
            let renewed = match entry.kind {
                Kind::Owned | Kind::Watched => epoll::renew_owned(self.epoll, fd, data(fd, entry)),
                // A woken waiter that has not left yet will arm it itself.
                Kind::Foreign if entry.armed == 0 => Ok(()),
                Kind::Foreign => arm(&self.poller, fd, entry),
            };
            if renewed.is_err() && lost.try_reserve(1).is_ok() {
                lost.push(fd);
            }
        }
        // Closed, or something that epoll does not take: the waiters try again and see for themselves.
        for fd in lost {
            let Some(entry) = self.table.get(fd) else { continue };
            entry.registered = false;
            entry.ready = 3;
            self.waiting -= wake_first(entry, Dir::Read, u32::MAX, wake);
            self.waiting -= wake_first(entry, Dir::Write, u32::MAX, wake);
        }
    }
}
