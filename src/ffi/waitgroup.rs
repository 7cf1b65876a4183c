//! Section: wait groups.
