//! Section: hand-over and generators.
