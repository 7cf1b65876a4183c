//! Locks: loom's.

pub use loom::sync::{Mutex, MutexGuard};
