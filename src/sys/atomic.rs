//! The atomics of what other OS threads may touch: the standard library's. The files that use this door are also compiled
//! by the model checker (tests/loom), with its own behind the same door.

pub use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
