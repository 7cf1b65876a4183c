//! The atomics of what other OS threads may touch: the standard library's. The files that use this door are also compiled
//! by the model checker (tests/loom), with its own behind the same door.

pub use std::hint::spin_loop;
pub use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub use std::thread::yield_now;

/// Attempts before a sleep, where somebody else is through in a few instructions unless his thread was descheduled.
pub const SPINS: u32 = 64;

/// Atomics in a chunk of a large table, and chunks in such a table.
pub const CHUNK: usize = 4096;
/// See [`CHUNK`].
pub const CHUNKS: usize = 4096;

/// A function that makes atomics: `const`, where they can be made so.
macro_rules! making {
    ($(#[$doc:meta])* $vis:vis fn $($rest:tt)*) => { $(#[$doc])* $vis const fn $($rest)* };
}
pub(crate) use making;
