//! A lock that many readers share and one writer has alone.
//!
//! One queue for both, first come first served: who finds somebody waiting waits too, also a reader among readers, so
//! neither side starves the other. Readers that stand together at the head go together.

use crate::sys::atomic::{AtomicI64, AtomicU64, Ordering};

use super::batch::{living, Batch};
use super::lock::{Guard, Lock};
use super::object::Object;
use super::queue::{Waiter, Waiters};
use crate::error::{Error, Result};
use crate::home;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;

/// Somebody waits. Set and cleared under the lock.
const WAIT: u64 = 1 << 63;
/// A writer has it.
const WRITER: u64 = 1 << 62;
/// How many readers have it. With WAIT set it grows under the lock only, and the last reader leaves under the lock only:
/// so it is not 0 while somebody waits and no writer has it.
const READERS: u64 = WRITER - 1;

/// What a waiter wants.
const READ: usize = 0;
const WRITE: usize = 1;

/// A read-write lock.
pub struct RwLock {
    word: AtomicU64,
    /// The writer's task id, 0 for none.
    owner: AtomicI64,
    waiters: Lock<Waiters>,
}

impl Default for RwLock {
    fn default() -> RwLock {
        RwLock { word: AtomicU64::new(0), owner: AtomicI64::new(0), waiters: Lock::new(Waiters::new()) }
    }
}

impl RwLock {
    /// Takes it for reading if no writer has it and nobody waits.
    #[inline]
    pub fn try_read(&self) -> bool {
        let mut now = self.word.load(Ordering::Relaxed);
        while now & (WAIT | WRITER) == 0 {
            match self.word.compare_exchange_weak(now, now + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => now = newer,
            }
        }
        false
    }

    /// Takes it for writing if nobody has it.
    #[inline]
    pub fn try_write(&self, me: i64) -> bool {
        let free = self.word.compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if free {
            self.owner.store(me, Ordering::Relaxed);
        }
        free
    }

    /// Whether that task has it for writing.
    #[inline]
    pub fn is_of(&self, task: i64) -> bool {
        self.owner.load(Ordering::Relaxed) == task
    }

    /// Takes it for reading, waiting at most until `deadline`. -EDEADLK: the task has it for writing.
    #[inline]
    pub fn read(&self, s: &'static Scheduler, deadline: i64) -> Result<()> {
        s.check()?;
        match self.try_read() {
            true => Ok(()),
            false => self.wait(s, READ, deadline),
        }
    }

    /// Takes it for writing, waiting at most until `deadline`. -EDEADLK: the task has it for writing.
    #[inline]
    pub fn write(&self, s: &'static Scheduler, deadline: i64) -> Result<()> {
        s.check()?;
        match self.try_write(s.my_id()) {
            true => Ok(()),
            false => self.wait(s, WRITE, deadline),
        }
    }

    #[cold]
    fn wait(&self, s: &'static Scheduler, want: usize, deadline: i64) -> Result<()> {
        if self.is_of(s.my_id()) {
            return Err(Error::new(libc::EDEADLK));
        }
        let waiter = Waiter::new(s, want);
        {
            let waiters = self.waiters.lock();
            if living(&waiters).is_none() {
                self.word.fetch_and(!WAIT, Ordering::Relaxed);
            }
            loop {
                let taken = if want == READ { self.try_read() } else { self.try_write(s.my_id()) };
                if taken {
                    return Ok(());
                }
                let now = self.word.load(Ordering::Relaxed);
                let in_the_way = if want == READ { WAIT | WRITER } else { u64::MAX };
                if now & in_the_way == 0 {
                    continue;
                }
                if self.word.compare_exchange(now, now | WAIT, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                    break;
                }
            }
            // SAFETY: `wait` returns only when the waiter is unlinked.
            unsafe { waiters.push(&waiter) };
        }
        s.waits_on(if want == READ { Kind::ReadLock } else { Kind::WriteLock }, Object::address(self));
        waiter.wait(s, deadline, || self.leave(&waiter)).map(drop)
    }

    /// A wait has ended in vain: readers behind it may have stood behind a writer that goes.
    fn leave(&self, waiter: &Waiter) {
        let waiters = self.waiters.lock();
        if !waiters.remove(waiter) {
            return;
        }
        if self.word.load(Ordering::Relaxed) & WRITER == 0 {
            self.word.fetch_add(1, Ordering::Relaxed);
            self.hand_on(waiters);
        } else if waiters.is_empty() {
            self.word.fetch_and(!WAIT, Ordering::Relaxed);
        }
    }

    /// As many as fit into the batch. Readers have the lock.
    fn grant_readers(&self, waiters: &Waiters, batch: &mut Batch) {
        while let Some(first) = living(waiters) {
            if batch.is_full() || first.want.get() != READ {
                return;
            }
            if waiters.claim(first) {
                self.word.fetch_add(1, Ordering::Relaxed);
                batch.push(waiters.finish(first, 0));
            }
        }
    }

    /// Gives up what the task has of it. -EPERM: a writer has it that is not this task, or nobody has it.
    #[inline]
    pub fn unlock(&self, me: i64) -> Result<()> {
        let mut now = self.word.load(Ordering::Relaxed);
        if now & WRITER != 0 {
            if !self.is_of(me) {
                return Err(Error::new(libc::EPERM));
            }
            self.owner.store(0, Ordering::Relaxed);
            if self.word.compare_exchange(WRITER, 0, Ordering::Release, Ordering::Relaxed).is_err() {
                self.pass_on();
            }
            return Ok(());
        }
        loop {
            match now & READERS {
                0 => return Err(Error::new(libc::EPERM)),
                1 if now & WAIT != 0 => {
                    self.pass_on();
                    return Ok(());
                }
                _ => {}
            }
            match self.word.compare_exchange_weak(now, now - 1, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(newer) => now = newer,
            }
        }
    }

    /// The caller has the lock, as the writer or as a reader, and gives it to those who wait, if any.
    #[cold]
    fn pass_on(&self) {
        let waiters = self.waiters.lock();
        if self.word.load(Ordering::Relaxed) & WRITER != 0 {
            self.word.store(1 | WAIT, Ordering::Release);
        }
        self.hand_on(waiters);
    }

    /// The caller has the lock as a reader, and is one until the end of this: meanwhile no writer gets it, and nobody may
    /// free it. The readers at the head go with it; then it gives its share up.
    fn hand_on<'a>(&'a self, mut waiters: Guard<'a, Waiters>) {
        let mut batch = Batch::new();
        loop {
            self.grant_readers(&waiters, &mut batch);
            if !batch.is_full() {
                break;
            }
            drop(waiters);
            batch.send();
            waiters = self.waiters.lock();
        }
        if let Some(wake) = self.go(&waiters) {
            batch.push(wake);
        }
        drop(waiters);
        batch.send();
    }

    /// The caller's own share goes: to a writer at the head, if no other reader is left. Under the lock, with no reader at
    /// the head.
    fn go(&self, waiters: &Waiters) -> Option<super::queue::Wake> {
        loop {
            let now = self.word.load(Ordering::Acquire);
            let Some(first) = waiters.first() else {
                let rest = (now - 1) & !WAIT;
                if self.word.compare_exchange(now, rest, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                    return None;
                }
                continue;
            };
            if now & READERS > 1 {
                if self.word.compare_exchange(now, now - 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                    return None;
                }
            } else if waiters.claim(first) {
                let more = if waiters.next(first).is_some() { WAIT } else { 0 };
                self.owner.store(first.task_id(), Ordering::Relaxed);
                // Before the grant: the writer may run, and unlock, at once.
                self.word.store(WRITER | more, Ordering::Release);
                return Some(waiters.finish(first, 0));
            }
        }
    }

    /// -EBUSY while a task has it or waits for it. What a writer had whose task has ended does not count.
    pub fn may_free(&self) -> Result<()> {
        let waiters = self.waiters.lock();
        let now = self.word.load(Ordering::Acquire);
        let written = now & WRITER != 0 && home::is_alive(self.owner.load(Ordering::Relaxed));
        if living(&waiters).is_some() || now & READERS > 0 || written {
            return Err(Error::new(libc::EBUSY));
        }
        Ok(())
    }
}
