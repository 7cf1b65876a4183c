//! Section: datagrams.
