//! Looking in: what every task does and waits on, its calls, its stack; the watchdog; what gdb needs to know.
//!
//! Nothing here runs unless it is asked for. What the scheduler writes for it on the way is in `sched/waits.rs`.

pub mod aside;
mod capture;
pub mod dump;
pub mod facts;
mod layout;
pub mod request;
pub mod stacks;
mod symbols;
pub mod unwind;
pub mod watchdog;

use crate::sched::report::{self, Reporter};

/// Once per process, when the library is loaded.
pub(crate) fn at_load() {
    symbols::at_load();
    watchdog::at_load();
    report::install(Reporter { deadlock: dump::deadlock, dump: request::carry_out });
}
