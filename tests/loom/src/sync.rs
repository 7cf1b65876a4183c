#[path = "../../../src/sync/barrier.rs"]
pub mod barrier;
#[path = "../../../src/sync/batch.rs"]
pub mod batch;
#[path = "../../../src/sync/event.rs"]
pub mod event;
#[path = "../../../src/sync/lock.rs"]
pub mod lock;
#[path = "../../../src/sync/mutex.rs"]
pub mod mutex;
#[path = "../../../src/sync/once.rs"]
pub mod once;
#[path = "../../../src/sync/queue.rs"]
pub mod queue;
#[path = "../../../src/sync/rwlock.rs"]
pub mod rwlock;
#[path = "../../../src/sync/sem.rs"]
pub mod sem;
#[path = "../../../src/sync/waitgroup.rs"]
pub mod waitgroup;

/// Objects have no place here.
pub mod object {
    /// See `src/sync/object.rs`.
    pub struct Object;

    impl Object {
        /// Any number.
        pub fn address<T>(_value: &T) -> usize {
            0
        }
    }
}
