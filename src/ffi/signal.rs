//! Section: signals.
