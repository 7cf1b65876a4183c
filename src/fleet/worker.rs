//! A worker's OS thread: opens orders on its root task, and lets its tasks run in between.

use std::cell::Cell;
use std::ffi::{c_void, CStr};
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{fleet, Options, Stage};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::sched::Scheduler;
use crate::sync::queue::Waiter;
use crate::sys::clock::NEVER;
use crate::sys::futex;
use crate::sys::thread::{self, Thread};

/// What a thread that starts is told and what it answers. Stands on the starter's stack, who waits for `answered`; the
/// thread touches it no more once it has set that.
struct Greeting {
    index: usize,
    options: Options,
    answer: Cell<Result<&'static Home>>,
    answered: AtomicU32,
}

/// Bytes of a worker's own stack. Its tasks have theirs.
const STACK: usize = 2 << 20;

/// Starts a worker, and waits until it has a scheduler.
pub fn start(index: usize, options: Options) -> Result<(&'static Home, Thread)> {
    let answer = Cell::new(Err(Error::new(libc::EAGAIN)));
    let greeting = Greeting { index, options, answer, answered: AtomicU32::new(0) };
    let place = std::ptr::from_ref(&greeting).cast_mut().cast::<c_void>();
    // SAFETY: the greeting stays until it is answered.
    let thread = unsafe { thread::start(body, place, STACK, thread::End::Joined, thread::Signals::Inherited) }?;
    while greeting.answered.load(Ordering::Acquire) == 0 {
        futex::wait(&greeting.answered, 0);
    }
    match greeting.answer.get() {
        Ok(home) => Ok((home, thread)),
        Err(e) => {
            thread.join();
            Err(e)
        }
    }
}

extern "C" fn body(greeting: *mut c_void) -> *mut c_void {
    // SAFETY: by `start`, until it is answered.
    let greeting = unsafe { &*greeting.cast::<Greeting>() };
    let index = greeting.index;
    let mut name = [0; 16];
    let _ = write!(&mut name[..15], "gt-worker-{index}");
    thread::name(CStr::from_bytes_until_nul(&name).unwrap_or_default());
    if greeting.options.pin {
        pin(index);
    }
    let made = Scheduler::current().inspect(|s| s.set_worker(Some(index as u32)));
    greeting.answer.set(made.map(|s| s.home()));
    let word = &raw const greeting.answered;
    greeting.answered.store(1, Ordering::Release);
    futex::wake_address(word);
    if let Ok(s) = made {
        serve(s, index);
        leave(s);
    }
    std::ptr::null_mut()
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
