//! Counts of what outside code holds for one scheduler.

use crate::sys::atomic::{AtomicU64, Ordering};

/// A count of things that outside code holds for one scheduler. Homes pass from scheduler to scheduler, so it has an
/// epoch (high half): what comes back after its scheduler has gone is not counted out of the next one's.
#[derive(Default)]
pub struct Tally(AtomicU64);

impl Tally {
    /// Any thread: counts one in; the answer goes into [`Tally::leave`].
    pub fn enter(&self) -> u32 {
        (self.0.fetch_add(1, Ordering::SeqCst) >> 32) as u32
    }

    /// Any thread: counts one out that came in at that epoch. Whether it was the last.
    pub fn leave(&self, epoch: u32) -> bool {
        let out = |now: u64| ((now >> 32) as u32 == epoch).then(|| now - 1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, out).is_ok_and(|was| was as u32 == 1)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst) as u32 as usize
    }

    /// Home thread: nothing is held for the scheduler that begins.
    pub fn begin(&self) {
        let next = |now: u64| Some(((now >> 32) + 1) << 32);
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
    }
}
