//! The C face: one file per section of `include/greenrt.h`. Raw arguments are checked and converted here; the floors
//! below see no pointer of C's that was not checked.
//!
//! Conventions (the header's first comment says them to C): results `>= 0` or `-errno`; each blocking verb has a twin
//! `_until` with an absolute deadline as its last parameter; outputs are written on success only, except byte counts of
//! partial transfers; callbacks take `arg` last. The doc comments are the header's text: written for C.

pub mod guard;
pub mod hooks;
pub mod io;
pub mod python;
pub mod runtime;
pub mod socket;
pub mod stats;
pub mod task;
pub mod time;
pub mod version;
pub mod wake;
