//! Section: the virtual clock.
