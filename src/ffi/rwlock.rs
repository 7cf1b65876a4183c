//! Section: reader-writer locks.
