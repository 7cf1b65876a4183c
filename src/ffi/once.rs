//! Section: once.
