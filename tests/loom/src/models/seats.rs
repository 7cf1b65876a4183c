//! The offload pool: a job that goes to a seat, to a new thread or into the queue, is done once, and its task hears of it.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::Model;
use crate::config::Offload;
use crate::error::{Error, Result};
use crate::home;
use crate::offload::job::{self, Header, Job};
use crate::offload::seats::{Seat, Seats};
use crate::sched::{self, Scheduler};
use crate::slots::CANCEL;
use crate::sys::clock::{self, NEVER};

/// See the bodies.
pub const MODELS: &[Model] = &[
    Model { name: "job_on_a_new_thread_is_done_and_heard_of", preemptions: 2, body: one_job },
    Model { name: "job_for_a_seat_whose_thread_is_about_to_leave", preemptions: 2, body: leaving },
    Model { name: "job_in_the_queue_is_done_or_taken_back", preemptions: 1, body: taken_back },
    Model { name: "job_whose_task_has_left_is_dropped_by_the_last", preemptions: 2, body: left },
];

/// What a job writes and its task reads.
#[derive(Default)]
struct Written(UnsafeCell<u32>);

/// A job's result. Whoever drops it, the task or the pool's thread, does so after it was written.
struct Came(UnsafeCell<u32>);

// SAFETY: that is what the model checks.
unsafe impl Send for Came {}

impl Drop for Came {
    fn drop(&mut self) {
        self.0.with_mut(|_| ());
    }
}

// SAFETY: that is what the model checks.
unsafe impl Sync for Written {}
// SAFETY: as above.
unsafe impl Send for Written {}

struct Sent<T>(T);
// SAFETY: jobs are handed to other threads.
unsafe impl<T> Send for Sent<T> {}

fn limits(linger: i64) -> Offload {
    Offload { threads: 1, queue: 2, linger }
}

/// A pool's thread: its first job, then what comes, until it has lingered long enough or the jobs are done.
fn serve(seats: &Seats, first: *const Header, jobs: usize) {
    let seat = Seat::new();
    // SAFETY: handed over by `submit`.
    unsafe { job::run(first) };
    for _ in 1..jobs {
        match seats.next(&seat) {
            // SAFETY: as above.
            Some(job) => unsafe { job::run(job) },
            None => return,
        }
    }
}

/// Offers a job as `pool::run` does; the threads that it starts are kept.
fn offload(
    s: &'static Scheduler,
    seats: &Arc<Seats>,
    linger: i64,
    jobs: usize,
    threads: &mut Vec<thread::JoinHandle<()>>,
) -> Result<u32> {
    let written = Arc::new(Written::default());
    let job = {
        let written = written.clone();
        Job::new(s, move || {
            // SAFETY: loom sees to it.
            written.0.with_mut(|n| unsafe { *n += 1 });
            Came(UnsafeCell::new(7))
        })?
    };
    let start = |header: *const Header| {
        let (seats, header) = (seats.clone(), Sent(header));
        threads.push(thread::spawn(move || {
            let header = header;
            serve(&seats, header.0, jobs);
        }));
        Ok(())
    };
    if let Err(e) = seats.submit(job.header(), || limits(linger), start) {
        // SAFETY: the pool did not take it.
        unsafe { job::abandon(job.header()) };
        return Err(e);
    }
    s.park_listening(NEVER, || job.is_done(), || seats.take_back(job.header()))?;
    let came = job.result().ok_or(Error::new(libc::ENOTRECOVERABLE))?;
    // SAFETY: as above.
    assert_eq!(came.0.with(|n| unsafe { *n }), 7);
    // SAFETY: as above.
    Ok(written.0.with(|n| unsafe { *n }))
}

fn one_job() {
    let (seats, s, mut threads) = (Arc::new(Seats::new()), sched::make().enter(), Vec::new());
    assert_eq!(offload(s, &seats, NEVER, 1, &mut threads), Ok(1));
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(s.home().jobs.count(), 0);
}

/// Time passes while the thread sits idle and the second job comes: the thread takes it, or another one is started.
fn leaving() {
    let (seats, s, mut threads) = (Arc::new(Seats::new()), sched::make().enter(), Vec::new());
    assert_eq!(offload(s, &seats, 1, 2, &mut threads), Ok(1));
    let time = thread::spawn(clock::pass);
    assert_eq!(offload(s, &seats, 1, 1, &mut threads), Ok(1));
    time.join().unwrap();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(s.home().jobs.count(), 0);
    assert_eq!(seats.figures().1, 0);
}

/// Two tasks, one thread: the second job waits in the queue, and its task is cancelled.
fn taken_back() {
    let seats = Arc::new(Seats::new());
    let (first, second) = (sched::make(), sched::make());
    let id = second.my_id();
    let canceller = thread::spawn(move || {
        let _ = home::request(id, CANCEL);
    });
    let other = {
        let seats = seats.clone();
        thread::spawn(move || {
            let mut threads = Vec::new();
            let got = offload(second.enter(), &seats, 1, 2, &mut threads);
            assert!(matches!(got, Ok(1) | Err(_)));
            threads
        })
    };
    let mut threads = Vec::new();
    let _ = offload(first.enter(), &seats, 1, 2, &mut threads);
    clock::pass();
    threads.extend(other.join().unwrap());
    canceller.join().unwrap();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!((first.home().jobs.count(), second.home().jobs.count()), (0, 0));
}

/// The task is cancelled while its job runs.
fn left() {
    let (seats, s, mut threads) = (Arc::new(Seats::new()), sched::make(), Vec::new());
    let id = s.my_id();
    let canceller = thread::spawn(move || {
        let _ = home::request(id, CANCEL);
    });
    let got = offload(s.enter(), &seats, NEVER, 1, &mut threads);
    assert!(matches!(got, Ok(1) | Err(_)));
    canceller.join().unwrap();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(s.home().jobs.count(), 0);
}
