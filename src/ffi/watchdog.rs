//! Section: the watchdog.
