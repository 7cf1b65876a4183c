//! Section: names and addresses.
