//! Section: events.
