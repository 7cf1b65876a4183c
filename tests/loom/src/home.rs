#[path = "../../../src/home/inbox.rs"]
pub mod inbox;
#[path = "../../../src/home/tally.rs"]
mod tally;

use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::slots::{self, Slots};
use crate::sys::bell::Bell;
use inbox::Inbox;
use tally::Tally;

/// The shared part of one scheduler.
pub struct Home {
    /// Its place in the register.
    pub index: u32,
    /// Its tasks' slots.
    pub slots: Slots,
    /// What other threads ask.
    pub inbox: Inbox,
    /// Jobs of its tasks.
    pub jobs: Tally,
}

// SAFETY: as in the package: other threads reach what is atomic.
unsafe impl Sync for Home {}
// SAFETY: as above.
unsafe impl Send for Home {}

/// The homes of this execution. Not the model's: they are all there before a thread starts.
static REGISTER: Mutex<Vec<&'static Home>> = Mutex::new(Vec::new());

/// A new home.
pub fn make() -> &'static Home {
    let mut register = REGISTER.lock().unwrap();
    let index = register.len() as u32;
    let slots = Slots::new(index).expect("there is memory");
    let inbox = Inbox::new(Bell::new().expect("a model's bell"));
    let home: &'static Home = Box::leak(Box::new(Home { index, slots, inbox, jobs: Tally::default() }));
    register.push(home);
    home
}

/// The end of an execution.
pub fn forget_all() {
    for home in std::mem::take(&mut *REGISTER.lock().unwrap()) {
        // SAFETY: made by `make`; the execution's threads have ended.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(home).cast_mut()) });
    }
}

fn of(p: slots::Parts) -> Result<&'static Home> {
    REGISTER.lock().unwrap().get(p.home as usize).copied().ok_or(Error::new(libc::ESRCH))
}

/// No fork here.
pub fn forks() -> u32 {
    0
}

/// Whether an id means a live task.
pub fn is_alive(id: i64) -> bool {
    slots::parts(id).is_some_and(|p| of(p).is_ok_and(|h| h.slots.is_alive(p)))
}

/// Leaves a request with a task.
pub fn request(id: i64, what: u64) -> Result<()> {
    let p = slots::parts(id).ok_or(Error::new(libc::ESRCH))?;
    let home = of(p)?;
    if let Some(link) = home.slots.request(p, what)? {
        // SAFETY: L2.
        unsafe { home.inbox.post(link) };
    }
    Ok(())
}

impl Home {
    /// Whether jobs may bring news.
    pub fn expects(&self) -> bool {
        self.jobs.count() > 0
    }

    /// As in the package.
    pub fn job_is_over(&self, epoch: u32) {
        if self.jobs.leave(epoch) {
            self.inbox.ring();
        }
    }
}
