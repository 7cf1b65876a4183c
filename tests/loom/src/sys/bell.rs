//! A bell: heard once for all rings since it was last heard.

use loom::sync::{Condvar, Mutex};

use crate::error::Result;
use crate::faults;

/// As an eventfd that is watched edge-triggered and never read.
pub struct Bell {
    rung: Mutex<bool>,
    call: Condvar,
}

impl Bell {
    /// A bell that was not rung.
    pub fn new() -> Result<Bell> {
        Ok(Bell { rung: Mutex::new(false), call: Condvar::new() })
    }

    /// Rings.
    #[track_caller]
    pub fn ring(&self) {
        if !faults::drops_wake() {
            *self.rung.lock().unwrap() = true;
            self.call.notify_one();
        }
    }

    /// The poll of the home's thread.
    pub fn hear(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.call.wait(rung).unwrap();
        }
        *rung = false;
    }

    /// No fork here.
    pub fn renew(&self) -> Result<()> {
        Ok(())
    }
}
