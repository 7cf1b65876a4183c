//! What crosses OS threads, in every order: the files of `src/` that do it are compiled here with loom's atomics behind their
//! door (`sys/atomic.rs`), and short programs run them through every interleaving and every value that the memory model
//! allows, up to a bound on preemptions.
//!
//! ```text
//! greenrt-loom [--list] [NAME...]      the models; NAME: any part of a model's name
//! greenrt-loom --faults [NAME...]      the models must notice each fault in `faults.rs`: an order weakened, a look or a wake dropped
//! ```

#![allow(dead_code, reason = "the files have more callers in the package than here")]

mod faults;
mod models;
mod sys;

#[path = "../../../src/error.rs"]
mod error;
#[path = "../../../src/slots.rs"]
mod slots;

/// The register of homes: as `src/home/mod.rs`, without its places.
mod home;
/// A scheduler with one task, its root: as `src/sched`, without what one thread does alone.
mod sched;

/// What the seats ask of the settings.
mod config {
    /// Limits of the pool.
    #[derive(Clone, Copy)]
    pub struct Offload {
        /// Threads at most.
        pub threads: u32,
        /// Jobs that may wait.
        pub queue: u32,
        /// How long a thread without work stays.
        pub linger: i64,
    }
}

/// `src/offload`: who works next, and what a job is.
mod offload;
/// `src/sync`: what several OS threads may use.
mod sync;

fn main() -> std::process::ExitCode {
    models::run(std::env::args().skip(1).collect())
}
