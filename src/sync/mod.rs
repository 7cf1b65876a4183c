//! Synchronisation: fair, cancellation-safe, usable across OS threads.
//!
//! Every noun keeps those who wait for it in a [`queue::Waiters`] behind a short lock of its own, and what is tried first
//! in one atomic word: without contention nobody takes the lock, and nothing here holds it across a park or a wake.

pub mod barrier;
pub mod batch;
pub mod chan;
pub mod cond;
pub mod event;
pub mod lock;
pub mod mutex;
pub mod object;
pub mod once;
pub mod queue;
pub mod rwlock;
pub mod sem;
pub mod waitgroup;
