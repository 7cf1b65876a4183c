//! Section: condition variables.
