//! Section: regular files.
