//! Section: mutexes.
