//! A worker's OS thread: opens orders on its root task, and lets its tasks run in between.

use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};

use super::{fleet, Options, Stage};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::sched::Scheduler;
use crate::sync::queue::Waiter;
use crate::sys::clock::NEVER;

/// Starts a worker, and waits until it has a scheduler.
pub fn start(index: usize, options: Options) -> Result<(&'static Home, JoinHandle<()>)> {
    let (tell, hear) = mpsc::sync_channel(1);
    let body = move || {
        if options.pin {
            pin(index);
        }
        match Scheduler::current() {
            Ok(s) => {
                s.set_worker(Some(index as u32));
                let _ = tell.send(Ok(s.home()));
                serve(s, index);
                leave(s);
            }
            Err(e) => drop(tell.send(Err(e))),
        }
    };
    let thread = Builder::new().name(format!("gt-worker-{index}")).spawn(body).map_err(Error::from)?;
    match hear.recv() {
        Ok(Ok(home)) => Ok((home, thread)),
        Ok(Err(e)) => Err(e),
        Err(_) => Err(Error::new(libc::EAGAIN)),
    }
}

/// The thread stays on one of the processors that it may use: sched_setaffinity(2). Where that is refused, it does not.
fn pin(index: usize) {
    // SAFETY: the sets are plain memory of the size that is passed.
    unsafe {
        let (mut may, mut one): (libc::cpu_set_t, libc::cpu_set_t) = (std::mem::zeroed(), std::mem::zeroed());
        let size = std::mem::size_of::<libc::cpu_set_t>();
        if libc::sched_getaffinity(0, size, &mut may) != 0 {
            return;
        }
        let count = libc::CPU_COUNT(&may) as usize;
        let nth = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &may)).nth(index % count.max(1));
        if let Some(cpu) = nth {
            libc::CPU_SET(cpu, &mut one);
            libc::sched_setaffinity(0, size, &one);
        }
    }
}

/// Until the fleet stops: opens an order, lets the tasks run, and so on.
fn serve(s: &'static Scheduler, index: usize) {
    s.shield_push();
    loop {
        let waiter = Waiter::new(s, index);
        let mut fleet = fleet();
        if let Some(order) = fleet.orders.pop() {
            drop(fleet);
            // SAFETY: it was taken out of the queue, where it stood once, and stays until it has ended.
            unsafe { s.open(order) };
            s.give_way();
            continue;
        }
        match fleet.stage {
            Stage::Off | Stage::Starting | Stage::Running => s.tell_when_empty(false),
            Stage::Stopping if s.is_empty() => break,
            Stage::Stopping => s.tell_when_empty(true),
            Stage::Cancelling => break,
        }
        let stopping = fleet.stage == Stage::Stopping;
        // SAFETY: Q2: unlinked below.
        unsafe { fleet.idle.push(&waiter) };
        drop(fleet);
        let unlink = || {
            super::fleet().idle.remove(&waiter);
        };
        if stopping {
            let done = || waiter.granted().is_some() || s.is_empty();
            let _ = s.park_listening(NEVER, done, unlink);
            unlink();
        } else {
            let _ = waiter.wait(s, NEVER, unlink);
        }
    }
    let _ = s.shield_pop();
}

/// Ends the tasks that are left, the scheduler, and the worker.
fn leave(s: &'static Scheduler) {
    s.read_post(); // orders that came before the stop: they are cancelled with the rest
    let ended = s.shutdown(NEVER);
    debug_assert!(ended.is_ok());
    let mut fleet = fleet();
    fleet.running -= 1;
    if fleet.running == 0 {
        while let Some((_, wake)) = fleet.ending.grant(0) {
            wake.send();
        }
    }
}
