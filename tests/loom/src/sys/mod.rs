//! The room that calls libc, in the model: threads sleep on loom's locks, and time passes when a model says so.

pub mod atomic;
pub mod bell;
pub mod clock;
pub mod futex;
pub mod sync;
pub mod vigil;
