//! What a parked task waits on, since when: written before the park, read by dumps and nobody else.
//!
//! A wait that begins says its [`Kind`] and an object by [`Scheduler::waits_on`]: two stores into the first cache line of
//! the record. [`Scheduler::park`] forgets the kind when the wait is over, so a wait that says nothing is seen as
//! `Kind::Other` and never as the one before. "Since when" is copied from a clock that the scheduler reads where it looks
//! around anyway: after each poll, and every so many switches (docs/decisions/0024-what-a-task-waits-on.md).

use std::ffi::CStr;

use super::Scheduler;
use crate::sys::clock;

/// The kind of a wait. The numbers are the C constants GT_WAIT_*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Nothing that was named.
    Other = 0,
    /// `gt_park`.
    Park = 1,
    /// A time.
    Sleep = 2,
    /// A descriptor becoming readable (the object is the descriptor).
    Read = 3,
    /// A descriptor becoming writable (the object is the descriptor).
    Write = 4,
    /// Several descriptors (the object is their number).
    Poll = 5,
    /// A task's end (the object is its id).
    Join = 6,
    /// The end of all tasks, in `gt_shutdown`.
    Shutdown = 7,
    /// A job on another OS thread.
    Offload = 8,
    /// A mutex (from here on the object is an address where nothing else is said).
    Mutex = 9,
    /// The read side of a rwlock.
    ReadLock = 10,
    /// The write side of a rwlock.
    WriteLock = 11,
    /// A condition variable.
    Cond = 12,
    /// A semaphore.
    Sem = 13,
    /// An event.
    Event = 14,
    /// A wait group.
    WaitGroup = 15,
    /// A barrier.
    Barrier = 16,
    /// A once that another task runs.
    Once = 17,
    /// Room in a channel, or a receiver.
    Send = 18,
    /// An item of a channel.
    Recv = 19,
    /// Several things at once (the object is the number of arms).
    Select = 20,
    /// The tasks of a scope.
    Scope = 21,
    /// A hand-over from another task, or a generator's next value.
    HandOver = 22,
    /// A signal of the process.
    Signal = 23,
    /// A child process (the object is its id).
    Process = 24,
    /// The workers.
    Workers = 25,
}

impl Kind {
    /// The words for reports, in the order of the numbers.
    pub const WORDS: &'static CStr =
        c"something,park,sleep,read,write,poll,join,shutdown,offload,mutex,rwlock-read,rwlock-write,cond,\
        sem,event,waitgroup,barrier,once,chan-send,chan-recv,select,scope,hand-over,signal,process,\
        workers";

    /// The word for reports.
    pub fn word(self) -> &'static str {
        Kind::WORDS.to_str().ok().and_then(|words| words.split(',').nth(self as usize)).unwrap_or("?")
    }
}

impl Scheduler {
    /// Says what the running task is about to wait on. Called right before `park` or one of the waits made of it; the
    /// name stands until that wait is over.
    #[inline(always)]
    pub fn waits_on(&self, kind: Kind, object: usize) {
        let me = self.me();
        me.waits_kind.set(kind);
        me.waits_object.set(object);
    }

    /// The clock that waits are dated by goes on.
    #[inline]
    pub(super) fn note_time(&self) {
        self.coarse.set(clock::coarse());
    }
}
