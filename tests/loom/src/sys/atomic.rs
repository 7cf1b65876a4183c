//! The door of the atomics: loom's, with what loom 0.7 lacks, and with the seeded faults of `faults.rs`.
//!
//! * SeqCst accesses count as acquire and release there. Here a fence makes them sequentially consistent: before each of them, or
//!   after each ([`faults::fences`]). Both are ways to build such accesses, and a model has to hold with both.
//! * A load by the thread that writes later hides the loads of others from loom's search. Here loads of one atomic are taken in
//!   turn, by a relaxed swap that orders nothing else.
//! * A swap comes right behind the value that it read, which loom does not know: it would let a store that happens later come
//!   between the two. Stores of the atomics that are mostly swapped are swaps here, which have their place. What that loses: a
//!   plain store would end a release sequence.

use std::fmt::Debug;

use loom::sync::atomic as model;
pub use loom::sync::atomic::Ordering;
pub use loom::thread::yield_now;

use crate::faults::{self, Access, Fences};

/// One attempt: the next ones would show nothing new.
pub const SPINS: u32 = 1;
/// Tables are small: every atomic in them costs.
pub const CHUNK: usize = 2;
/// See [`CHUNK`].
pub const CHUNKS: usize = 1;

/// A function that makes atomics.
macro_rules! making {
    ($(#[$doc:meta])* $vis:vis fn $($rest:tt)*) => { $(#[$doc])* $vis fn $($rest)* };
}
pub(crate) use making;

/// Lets somebody else go on.
pub fn spin_loop() {
    yield_now();
}

fn before(order: Ordering) -> Ordering {
    if order == Ordering::SeqCst && faults::fences() == Fences::Before {
        model::fence(Ordering::SeqCst);
    }
    order
}

fn after(order: Ordering) {
    if order == Ordering::SeqCst && faults::fences() == Fences::After {
        model::fence(Ordering::SeqCst);
    }
}

/// The order of an access without the fences.
fn bare(access: Access, order: Ordering) -> Ordering {
    match (order, access) {
        (Ordering::SeqCst, Access::Load) => Ordering::Acquire,
        (Ordering::SeqCst, Access::Store) => Ordering::Release,
        (Ordering::SeqCst, _) => Ordering::AcqRel,
        (other, _) => other,
    }
}

fn failed(order: Ordering) -> Ordering {
    match order {
        Ordering::SeqCst | Ordering::AcqRel => Ordering::Acquire,
        Ordering::Release => Ordering::Relaxed,
        other => other,
    }
}

// `swaps`: stores are swaps.
macro_rules! atomic {
    ($name:ident$(<$param:ident>)?, $value:ty, $swaps:expr) => {
        /// See `std::sync::atomic`.
        pub struct $name$(<$param>)? {
            value: model::$name$(<$param>)?,
            turn: model::AtomicBool,
        }

        impl$(<$param>)? Default for $name$(<$param>)? {
            fn default() -> Self {
                Self::new(faults::zero::<$value>())
            }
        }

        impl$(<$param>)? Debug for $name$(<$param>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl$(<$param>)? $name$(<$param>)? {
            /// As std's, not const.
            pub fn new(value: $value) -> Self {
                Self { value: model::$name::new(value), turn: model::AtomicBool::new(false) }
            }

            /// What the kernel reads.
            pub fn kernel_load(&self) -> $value {
                self.value.load(Ordering::Relaxed)
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                self.turn.swap(true, Ordering::Relaxed);
                let blind = faults::blinds(order);
                let order = before(faults::order(Access::Load, order));
                let value = self.value.load(bare(Access::Load, order));
                after(order);
                if blind { faults::zero() } else { value }
            }

            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                let order = before(faults::order(Access::Store, order));
                if $swaps {
                    self.value.swap(value, bare(Access::Store, order));
                } else {
                    self.value.store(value, bare(Access::Store, order));
                }
                after(order);
            }

            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                let order = before(faults::order(Access::Both, order));
                let was = self.value.swap(value, bare(Access::Both, order));
                after(order);
                was
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                now: $value,
                next: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let order = before(faults::order(Access::Both, success));
                let failure = if faults::is_here() { Ordering::Relaxed } else { failed(failure) };
                let result = self.value.compare_exchange(now, next, bare(Access::Both, order), failure);
                after(order);
                result
            }

            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                now: $value,
                next: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(now, next, success, failure)
            }

            #[track_caller]
            pub fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                self.turn.swap(true, Ordering::Relaxed);
                let mut now = self.value.load(failed(failure));
                while let Some(next) = update(now) {
                    match self.compare_exchange(now, next, success, failure) {
                        Ok(was) => return Ok(was),
                        Err(newer) => now = newer,
                    }
                }
                Err(now)
            }
        }
    };
}

macro_rules! integer {
    ($name:ident, $value:ty, $swaps:expr, $($fetch:ident),*) => {
        atomic!($name, $value, $swaps);
        impl $name {
            $(
                #[track_caller]
                pub fn $fetch(&self, value: $value, order: Ordering) -> $value {
                    let order = before(faults::order(Access::Both, order));
                    let was = self.value.$fetch(value, bare(Access::Both, order));
                    after(order);
                    was
                }
            )*
        }
    };
}

integer!(AtomicBool, bool, true, fetch_and, fetch_or);
integer!(AtomicI32, i32, false, fetch_add, fetch_sub);
integer!(AtomicI64, i64, false, fetch_add, fetch_sub);
integer!(AtomicU32, u32, false, fetch_add, fetch_sub, fetch_and, fetch_or);
integer!(AtomicU64, u64, false, fetch_add, fetch_sub, fetch_and, fetch_or);
integer!(AtomicUsize, usize, false, fetch_add, fetch_sub);
atomic!(AtomicPtr<T>, *mut T, false);
