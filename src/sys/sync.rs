//! Locks. They are the standard library's.
//!
//! Under ThreadSanitizer they are the C library's instead: the tool knows those, but not the slow path of std's, which
//! comes compiled and without its marks; it would take every hand-over of a contended lock for a race.

#[cfg(not(feature = "tsan"))]
pub use std::sync::{Mutex, MutexGuard};

#[cfg(feature = "tsan")]
pub use seen::{Mutex, MutexGuard};

#[cfg(feature = "tsan")]
mod seen {
    use std::cell::UnsafeCell;
    use std::ops::{Deref, DerefMut};
    use std::sync::{LockResult, TryLockError, TryLockResult};

    /// As std's, without poison.
    pub struct Mutex<T: ?Sized> {
        raw: UnsafeCell<libc::pthread_mutex_t>,
        value: UnsafeCell<T>,
    }

    // SAFETY: the value is reached with the lock held only.
    unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
    // SAFETY: a mutex that is moved is not held.
    unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

    /// Holds the lock.
    pub struct MutexGuard<'a, T: ?Sized>(&'a Mutex<T>);

    impl<T> Mutex<T> {
        /// A mutex that nobody holds.
        pub const fn new(value: T) -> Mutex<T> {
            Mutex { raw: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER), value: UnsafeCell::new(value) }
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Mutex<T> {
            Mutex::new(T::default())
        }
    }

    impl<T: ?Sized> Mutex<T> {
        /// Takes the lock.
        pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            // SAFETY: initialised by `new`; it stays where it is while it is held.
            unsafe { libc::pthread_mutex_lock(self.raw.get()) };
            Ok(MutexGuard(self))
        }

        /// Takes the lock if it is free.
        pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
            // SAFETY: as above.
            match unsafe { libc::pthread_mutex_trylock(self.raw.get()) } {
                0 => Ok(MutexGuard(self)),
                _ => Err(TryLockError::WouldBlock),
            }
        }
    }

    impl<T: ?Sized> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: the lock is held.
            unsafe { &*self.0.value.get() }
        }
    }

    impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: the lock is held, and this guard is borrowed exclusively.
            unsafe { &mut *self.0.value.get() }
        }
    }

    impl<T: ?Sized> Drop for MutexGuard<'_, T> {
        fn drop(&mut self) {
            // SAFETY: held by this guard.
            unsafe { libc::pthread_mutex_unlock(self.0.raw.get()) };
        }
    }
}
