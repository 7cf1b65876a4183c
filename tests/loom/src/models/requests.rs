//! Requests to tasks of other OS threads: slots, inbox, bell.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;

use super::Model;
use crate::home;
use crate::sched;
use crate::slots::{parts, CANCEL, NUDGE, UNPARK};
use crate::sys::clock::NEVER;

/// See the bodies.
pub const MODELS: &[Model] = &[
    Model { name: "unpark_wakes_a_home_that_falls_asleep", preemptions: 3, body: unpark },
    Model { name: "two_senders_and_both_requests_arrive", preemptions: 3, body: two_senders },
    Model { name: "request_to_a_task_that_ends", preemptions: 3, body: request_and_end },
    Model { name: "request_to_an_id_whose_slot_is_used_again", preemptions: 2, body: reuse },
    Model { name: "requests_to_two_tasks_of_one_home", preemptions: 3, body: two_tasks },
    Model { name: "request_that_joins_one_under_way", preemptions: 2, body: joins },
    Model { name: "request_to_an_id_that_is_just_being_given", preemptions: 3, body: being_made },
    Model { name: "request_to_the_next_task_of_a_slot", preemptions: 3, body: next_task },
    Model { name: "last_job_over_is_heard_by_a_sleeper", preemptions: 3, body: last_job },
];

fn unpark() {
    let s = sched::make();
    let id = s.my_id();
    let sender = thread::spawn(move || home::request(id, UNPARK).expect("it lives"));
    s.enter().wait_for_permit();
    sender.join().unwrap();
}

fn two_senders() {
    let s = sched::make();
    let id = s.my_id();
    let one = thread::spawn(move || home::request(id, UNPARK).expect("it lives"));
    let other = thread::spawn(move || home::request(id, CANCEL).expect("it lives"));
    let me = s.enter().me();
    while !(me.permit.get() && me.cancelled.get()) {
        s.idle();
    }
    one.join().unwrap();
    other.join().unwrap();
}

/// The task ends while somebody asks something of it: either he hears that it has ended, or the request arrives before.
fn request_and_end() {
    let s = sched::make();
    let id = s.my_id();
    let sender = thread::spawn(move || home::request(id, NUDGE).is_ok());
    let me = s.enter().me();
    while !me.slot().kill() {
        s.read_post();
        thread::yield_now();
    }
    // The record is free memory from here on.
    me.record.with_mut(|_| ());
    sender.join().unwrap();
    assert!(!s.home().inbox.has_post(), "a request that was accepted was read before the end");
    assert!(!home::is_alive(id));
}

/// A late request with an old id does not reach the next task in the slot.
fn reuse() {
    let s = sched::make();
    let (me, id) = (s.enter().me(), s.my_id());
    let sender = thread::spawn(move || home::request(id, CANCEL).is_ok());
    while !me.slot().kill() {
        s.read_post();
        thread::yield_now();
    }
    let asked = me.cancelled.replace(false);
    s.home().slots.free(me.slot(), id);
    let (slot, next) = s.home().slots.take(&me.link).expect("there is a slot");
    assert!(std::ptr::eq(slot, me.slot()) && next != id);
    let reached = sender.join().unwrap();
    s.read_post();
    assert_eq!(asked, reached);
    assert!(!me.cancelled.get(), "the request was for the task before");
    assert!(s.home().slots.is_alive(parts(next).expect("an id")));
}

/// Two records in the inbox: none is lost, and each is whole.
fn two_tasks() {
    let s = sched::make();
    let second = sched::task_at(s.home());
    let ids = [s.my_id(), second.id.get()];
    let senders = ids.map(|id| thread::spawn(move || home::request(id, UNPARK).expect("it lives")));
    let me = s.enter().me();
    while !(me.permit.get() && second.permit.get()) {
        s.idle();
    }
    senders.into_iter().for_each(|t| t.join().unwrap());
}

/// A request that finds another one under way puts nothing into the inbox: what its sender did before is seen all the same.
fn joins() {
    let s = sched::make();
    let id = s.my_id();
    let granted = Arc::new(AtomicU32::new(0));
    let other = thread::spawn(move || home::request(id, UNPARK).expect("it lives"));
    let granter = {
        let granted = granted.clone();
        thread::spawn(move || {
            granted.store(1, Ordering::Release);
            home::request(id, NUDGE).expect("it lives");
        })
    };
    let done = || granted.load(Ordering::Acquire) == 1;
    s.enter().park_listening(NEVER, done, || ()).expect("nobody cancels");
    other.join().unwrap();
    granter.join().unwrap();
    s.read_post();
}

/// Somebody guesses the id of a task that is being made: he hears that there is none, or reaches it.
fn being_made() {
    let home = home::make();
    let guess = 1; // slot 0 of home 0, generation 1
    let sender = thread::spawn(move || home::request(guess, UNPARK).is_ok());
    let task = sched::task_at(home);
    assert_eq!(task.id.get(), guess);
    let reached = sender.join().unwrap();
    assert_eq!(home.inbox.has_post(), reached);
    home.inbox.drain(|entry| assert!(std::ptr::eq(entry.cast(), task)));
}

/// The same for the second task of a slot: the request is for one of the two, and nobody else.
fn next_task() {
    let home = home::make();
    let first = sched::task_at(home);
    let id = first.id.get();
    let sender = thread::spawn(move || home::request(id + 1, UNPARK).is_ok());
    assert!(first.slot().kill());
    home.slots.free(first.slot(), id);
    let second = sched::task_at(home);
    assert_eq!(second.id.get(), id + 1);
    let reached = sender.join().unwrap();
    assert_eq!(home.inbox.has_post(), reached);
    home.inbox.drain(|entry| assert!(std::ptr::eq(entry.cast(), second), "the link of the task before"));
}

/// The last job ends when its home may already have looked whether one runs: it learns that none does any more.
fn last_job() {
    let s = sched::make();
    let home = s.home();
    let epoch = home.jobs.enter();
    let over = Arc::new(AtomicBool::new(false));
    let worker = {
        let over = over.clone();
        thread::spawn(move || {
            over.store(true, Ordering::Relaxed);
            home.job_is_over(epoch);
        })
    };
    s.enter();
    loop {
        let expecting = home.expects();
        if !expecting {
            break;
        }
        if !home.inbox.fall_asleep() {
            s.read_post();
        } else if !home.expects() {
            home.inbox.wake_up();
        } else {
            home.inbox.bell().hear();
            home.inbox.wake_up();
        }
    }
    assert!(over.load(Ordering::Relaxed), "what is said to be a deadlock is none");
    worker.join().unwrap();
}
