//! Nothing is ready: poll the reactor, fire timers, read other threads' requests. On the stack of whoever has nothing
//! better to do.

use super::ready::fetch_frames;
use super::task::{Task, Wake};
use super::waits::Kind;
use super::{Scheduler, State};
use crate::home::{INSIDE, OUTSIDE_EMBEDDED};
use crate::reactor::{FOR_EVER, NO_WAIT};
use crate::sys::clock;
use crate::sys::vigil::{self, LONGEST};
use crate::timers::{TimerKind, TimerNode};

/// How long (ns) a task that was heard of in a channel is left where it is, while the other side goes on.
const GATHERING: i64 = 2_000;

impl Scheduler {
    /// Waits until something has happened, at least once.
    #[inline(never)]
    pub(super) fn idle(&self) {
        let timeout = match self.expire() {
            Some(timeout) => timeout,
            None => return,
        };
        let expecting = timeout == FOR_EVER && self.home.expects();
        if timeout == FOR_EVER && self.deadlocked() {
            return;
        }
        if clock::is_virtual() {
            return self.idle_virtually(clock::NEVER);
        }
        self.wait_and_dispatch(timeout, expecting);
    }

    /// One round of polling that waits no longer than `limit` (absolute ns).
    pub(crate) fn poll_until(&self, limit: i64) {
        let Some(timeout) = self.expire() else { return };
        if clock::is_virtual() {
            self.idle_virtually(limit);
            self.expire();
            return;
        }
        let timeout = if limit == clock::NEVER { timeout } else { timeout.min((limit - clock::now()).max(0)) };
        self.wait_and_dispatch(timeout, false);
        self.expire();
    }

    /// Fires due timers. None if that made a task ready, else how long nothing will be due.
    fn expire(&self) -> Option<i64> {
        let Some(next) = self.timers().next() else { return Some(FOR_EVER) };
        let now = clock::now();
        if next <= now {
            self.fire(now);
            if !self.ready.is_empty() {
                return None;
            }
        }
        Some(self.timers().next().map_or(FOR_EVER, |next| (next - now).max(0)))
    }

    pub(super) fn fire(&self, now: i64) {
        self.timers().expire(now, |node| match node.kind {
            TimerKind::Park => {
                let offset = std::mem::offset_of!(Task, timer);
                // SAFETY: a Park node is embedded in the record of a task that waits.
                let task = unsafe { &*std::ptr::from_ref::<TimerNode>(node).byte_sub(offset).cast::<Task>() };
                self.wake(task, Wake::Deadline);
                fetch_frames(task);
            }
            TimerKind::Interrupt => self.timed_interrupt(node),
        });
    }

    /// `expecting`: the sleep is given up when no news can come any more, for another look whether that is a deadlock.
    pub(super) fn wait_and_dispatch(&self, timeout: i64, expecting: bool) {
        let timeout = timeout.min(self.give_back());
        // With a host whose lock has to be given up for a sleep, look first: under load there is something.
        if timeout != NO_WAIT && self.host_releases() {
            let events = self.poll(NO_WAIT);
            if events > 0 || !self.ready.is_empty() {
                return;
            }
        }
        if timeout != NO_WAIT && self.hears_at_once(timeout) {
            return self.read_post();
        }
        if timeout == NO_WAIT || !self.home.inbox.fall_asleep() {
            self.poll(NO_WAIT);
        } else if expecting && !self.home.expects() {
            self.home.inbox.wake_up();
            self.poll(NO_WAIT);
        } else {
            let released = self.host_release();
            let waited = self.reactor().wait(timeout);
            self.host_acquire(released);
            self.home.inbox.wake_up();
            self.polled(waited);
        }
        if self.home.inbox.has_post() {
            self.vigil.woken();
            self.read_post();
        }
    }

    /// Whether there is post at once, or a moment later: where other threads answer within microseconds, nobody needs to ring.
    #[inline]
    fn hears_at_once(&self, timeout: i64) -> bool {
        if !self.vigil.is_due() || self.host_releases() {
            return false;
        }
        // Descriptors are not looked at meanwhile.
        let limit = timeout.min(if self.reactor().waiting() > 0 { LONGEST / 4 } else { LONGEST });
        let heard = self.vigil.keep(limit, || self.home.inbox.has_post());
        if heard && matches!(self.me().waits_kind.get(), Kind::Send | Kind::Recv) {
            // The other side of a channel has moved one item and goes on: with the next ones it needs no wake.
            vigil::pass(GATHERING);
        }
        // As a poll would: whoever waits alone may be back without a switch.
        self.progress.alone.set(self.progress.alone.get() + 1);
        heard
    }

    /// A poll that does not wait, in between switches.
    pub(super) fn poll_without_waiting(&self) {
        self.note_time();
        if self.home.inbox.has_post() {
            self.read_post();
        }
        if self.reactor().waiting() > 0 {
            self.poll(NO_WAIT);
        }
        if !self.timers().is_empty() {
            self.fire(clock::now());
        }
        self.ready.relax();
    }

    fn poll(&self, timeout: i64) -> usize {
        let waited = self.reactor().wait(timeout);
        self.polled(waited)
    }

    fn polled(&self, waited: crate::error::Result<usize>) -> usize {
        self.progress.polls.set(self.progress.polls.get() + 1);
        self.note_time();
        let events = match waited {
            Ok(events) => events,
            Err(e) => {
                if e.errno() == libc::EINTR {
                    // Whose time is over goes before the root that a signal wakes, which may find that its own is over too.
                    self.fire(clock::now());
                    self.signalled();
                }
                0
            }
        };
        self.reactor().dispatch(events, &mut self.waker());
        events
    }

    /// A signal came: the host looks at it on the root task.
    pub(super) fn signalled(&self) {
        if self.host.get().interrupted.is_some() {
            let root = self.root();
            if root.state.get() == State::Parked {
                self.wake(root, Wake::Signal);
            }
        }
    }

    /// Gives back memory that is only wanted under load; how long until there is more to give.
    fn give_back(&self) -> i64 {
        self.ready.relax();
        if !self.stacks().wants_trim() {
            return FOR_EVER;
        }
        let now = self.coarse.get();
        self.stacks().trim(now).map_or(FOR_EVER, |next| (next - now).max(0))
    }

    /// Whether anything could be run right now.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the next timer is due.
    pub fn next_deadline(&self) -> i64 {
        // The other loop goes to sleep with this answer: from now on other threads must ring.
        if self.has_ready() || self.home.inbox.has_post() || self.embedded.get() && !self.home.inbox.fall_asleep() {
            return 0;
        }
        self.timers().next().unwrap_or(clock::NEVER)
    }

    /// Marks the scheduler as driven by another loop, and returns the descriptor to watch. While the root task is
    /// outside, other threads must ring.
    pub fn embed(&self) -> i32 {
        self.embedded.set(true);
        self.progress.outside.set(OUTSIDE_EMBEDDED);
        self.home.inbox.fall_asleep();
        self.reactor().raw()
    }

    /// One turn for the root task: waits until `deadline` if nothing is ready, runs what is ready once. Returns the
    /// number of switches.
    pub fn turn(&self, deadline: i64) -> u64 {
        let before = self.progress.switches.get();
        self.progress.outside.set(INSIDE);
        self.home.inbox.wake_up();
        self.read_post();
        self.poll_without_waiting();
        if self.embedded.get() {
            self.poll(NO_WAIT); // hears the bell, or the other loop would spin
        }
        if self.ready.is_empty() && !clock::passed(deadline) {
            self.poll_until(deadline);
        }
        // Those that are ready now stand before the root; each runs once.
        if !self.ready.is_empty() {
            self.give_way();
        }
        if self.embedded.get() {
            self.progress.outside.set(OUTSIDE_EMBEDDED);
            self.home.inbox.fall_asleep();
        }
        self.progress.switches.get() - before
    }
}
