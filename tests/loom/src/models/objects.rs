//! Locks and what is built on them: the short lock, the wait queue, and the fast paths of each noun beside its slow ones.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::Model;
use crate::home;
use crate::sched::{self, Scheduler};
use crate::slots::CANCEL;
use crate::sync::barrier::Barrier;
use crate::sync::event::Event;
use crate::sync::lock::Lock;
use crate::sync::mutex::Mutex;
use crate::sync::queue::{Claim, Waiter, Waiters};
use crate::sync::rwlock::RwLock;
use crate::sync::sem::Sem;
use crate::sync::waitgroup::WaitGroup;
use crate::sys::clock::NEVER;

/// See the bodies.
pub const MODELS: &[Model] = &[
    Model { name: "lock_is_for_one_at_a_time", preemptions: 3, body: lock },
    Model { name: "sem_post_and_wait", preemptions: 3, body: sem },
    Model { name: "sem_post_and_two_waiters", preemptions: 2, body: sem_two },
    Model { name: "sem_wait_that_is_cancelled_loses_no_unit", preemptions: 2, body: sem_cancel },
    Model { name: "mutex_is_handed_over", preemptions: 3, body: mutex },
    Model { name: "event_set_and_wait", preemptions: 3, body: event },
    Model { name: "rwlock_reader_and_writer", preemptions: 2, body: rwlock },
    Model { name: "waitgroup_done_and_wait", preemptions: 3, body: waitgroup },
    Model { name: "barrier_lets_both_go_on", preemptions: 2, body: barrier },
    Model { name: "claim_is_won_by_one", preemptions: 3, body: claim },
    Model { name: "claim_withdrawn_or_granted", preemptions: 3, body: withdraw },
];

/// What a noun protects: the model sees two who reach it without an order between them.
#[derive(Default)]
struct Shared(UnsafeCell<u32>);

// SAFETY: that is what the model checks.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn add(&self) {
        // SAFETY: loom sees to it.
        self.0.with_mut(|n| unsafe { *n += 1 });
    }

    fn get(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|n| unsafe { *n })
    }
}

/// Runs each body on a thread with a scheduler of its own; the last one on this thread.
fn together<T: Send + Sync + 'static>(shared: T, bodies: &[fn(&'static Scheduler, &T)]) -> Arc<T> {
    let shared = Arc::new(shared);
    let schedulers: Vec<_> = bodies.iter().map(|_| sched::make()).collect();
    let (last, others) = bodies.split_last().expect("somebody runs");
    let threads: Vec<_> = others
        .iter()
        .zip(&schedulers)
        .map(|(&body, &s)| {
            let shared = shared.clone();
            thread::spawn(move || body(s.enter(), &shared))
        })
        .collect();
    last(schedulers[others.len()].enter(), &shared);
    threads.into_iter().for_each(|t| t.join().unwrap());
    shared
}

fn lock() {
    let add: fn(&'static Scheduler, &Lock<Shared>) = |_, lock| lock.lock().add();
    let lock = together(Lock::new(Shared::default()), &[add, add]);
    assert_eq!(lock.lock().get(), 2);
}

/// The waiter takes at once, or waits for the post; what was written before the post is there after the wait.
fn sem() {
    together(
        (Sem::new(0).unwrap(), Shared::default()),
        &[
            |_, (sem, shared)| {
                shared.add();
                sem.post(1).unwrap();
            },
            |s, (sem, shared)| {
                wait(s, sem).unwrap();
                assert_eq!(shared.get(), 1);
            },
        ],
    );
}

fn wait(s: &'static Scheduler, sem: &Sem) -> crate::error::Result<()> {
    s.check()?;
    match sem.try_wait() {
        true => Ok(()),
        false => sem.wait(s, NEVER),
    }
}

fn sem_two() {
    together(
        Sem::new(0).unwrap(),
        &[
            |s, sem| wait(s, sem).unwrap(),
            |_, sem| {
                sem.post(1).unwrap();
                sem.post(1).unwrap();
            },
            |s, sem| wait(s, sem).unwrap(),
        ],
    );
}

/// Post against cancel: the waiter has the unit, or it is in the semaphore.
fn sem_cancel() {
    let sem = Arc::new(Sem::new(0).unwrap());
    let s = sched::make();
    let id = s.my_id();
    let other = {
        let sem = sem.clone();
        thread::spawn(move || sem.post(1).unwrap())
    };
    let canceller = thread::spawn(move || {
        let _ = home::request(id, CANCEL);
    });
    let got = sem.wait(s.enter(), NEVER).is_ok();
    other.join().unwrap();
    canceller.join().unwrap();
    assert_eq!(sem.value(), !got as i64);
    assert!(sem.may_free().is_ok());
}

fn mutex() {
    let add: fn(&'static Scheduler, &(Mutex, Shared)) = |s, (mutex, shared)| {
        mutex.lock(s, NEVER).unwrap();
        shared.add();
        mutex.unlock(s.my_id()).unwrap();
    };
    let both = together((Mutex::default(), Shared::default()), &[add, add]);
    assert!(both.0.may_free().is_ok());
    assert_eq!(both.1.get(), 2);
}

fn event() {
    together(
        (Event::default(), Shared::default()),
        &[
            |_, (event, shared)| {
                shared.add();
                event.set();
            },
            |s, (event, shared)| {
                if !event.is_set() {
                    event.wait(s, NEVER).unwrap();
                }
                assert_eq!(shared.get(), 1);
            },
        ],
    );
}

fn rwlock() {
    let both = together(
        (RwLock::default(), Shared::default()),
        &[
            |s, (lock, shared)| {
                lock.write(s, NEVER).unwrap();
                shared.add();
                lock.unlock(s.my_id()).unwrap();
            },
            |s, (lock, shared)| {
                lock.read(s, NEVER).unwrap();
                assert!(shared.get() < 2);
                lock.unlock(s.my_id()).unwrap();
                lock.write(s, NEVER).unwrap();
                shared.add();
                lock.unlock(s.my_id()).unwrap();
            },
        ],
    );
    assert_eq!(both.1.get(), 2);
}

fn waitgroup() {
    let group = WaitGroup::default();
    group.add(1).unwrap();
    together(
        (group, Shared::default()),
        &[
            |_, (group, shared)| {
                shared.add();
                group.add(-1).unwrap();
            },
            |s, (group, shared)| {
                if !group.is_done() {
                    group.wait(s, NEVER).unwrap();
                }
                assert_eq!(shared.get(), 1);
            },
        ],
    );
}

fn barrier() {
    let pass: fn(&'static Scheduler, &(Barrier, Lock<Shared>)) = |s, (barrier, shared)| {
        shared.lock().add();
        barrier.wait(s, NEVER).unwrap();
        assert_eq!(shared.lock().get(), 2);
    };
    together((Barrier::new(2).unwrap(), Lock::new(Shared::default())), &[pass, pass]);
}

/// A task waits in two queues, and both grant: one of them has it, and wakes it.
fn claim() {
    let queues = Arc::new([Lock::new(Waiters::new()), Lock::new(Waiters::new())]);
    let s = sched::make().enter();
    let claim = Claim::new();
    let waiters: [Waiter; 2] =
        // SAFETY: the claim stays until both are unlinked below.
        std::array::from_fn(|arm| unsafe { Waiter::for_arm(s, 0, &raw const claim, arm) });
    for (queue, waiter) in queues.iter().zip(&waiters) {
        // SAFETY: unlinked below.
        unsafe { queue.lock().push(waiter) };
    }
    let grant = |arm: usize| {
        let queues = queues.clone();
        thread::spawn(move || {
            let granted = queues[arm].lock().grant(0);
            granted.map(|(_, wake)| wake.send()).is_some()
        })
    };
    let threads = [grant(0), grant(1)];
    let _ = s.park_listening(NEVER, || claim.winner().is_some_and(|arm| waiters[arm].granted().is_some()), || ());
    let winner = claim.winner().expect("somebody has granted");
    let granted = threads.map(|t| t.join().unwrap());
    assert_eq!(granted, [winner == 0, winner == 1]);
    for (queue, waiter) in queues.iter().zip(&waiters) {
        let queue = queue.lock();
        queue.remove(waiter);
        assert!(queue.is_left());
    }
}

/// A grant against the end of the wait.
fn withdraw() {
    let queue = Arc::new(Lock::new(Waiters::new()));
    let item = Arc::new(Shared::default());
    let s = sched::make().enter();
    let claim = Claim::new();
    // SAFETY: the claim stays until it is unlinked below.
    let waiter = unsafe { Waiter::for_arm(s, 0, &raw const claim, 0) };
    // SAFETY: as above.
    unsafe { queue.lock().push(&waiter) };
    let granter = {
        let (queue, item) = (queue.clone(), item.clone());
        thread::spawn(move || {
            let waiters = queue.lock();
            let Some(first) = waiters.first() else { return };
            if waiters.claim(first) {
                item.add(); // the item moves between the claim and the end of the grant
                let wake = waiters.finish(first, 0);
                drop(waiters);
                wake.send();
            }
        })
    };
    let mine = !claim.withdraw(|| waiter.granted().is_some());
    if mine {
        assert_eq!(item.get(), 1);
    }
    queue.lock().remove(&waiter);
    granter.join().unwrap();
    assert_eq!(item.get(), mine as u32);
}
