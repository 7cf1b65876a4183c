//! Synchronisation: fair, cancellation-safe, usable across OS threads.
//!
//! Every noun keeps those who wait for it in a [`queue::Waiters`] behind a short lock of its own, and what is tried first
//! in one atomic word: without contention nobody takes the lock, and nothing here holds it across a park or a wake.

pub mod lock;
pub mod object;
pub mod queue;
