//! Section: select.
