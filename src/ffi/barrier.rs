//! Section: barriers.
