//! Section: workers.
