//! The C face: one file per section of `include/greenrt.h`. Raw arguments are checked and converted here; the floors
//! below see no pointer of C's that was not checked.
//!
//! Conventions (the header's first comment says them to C): results `>= 0` or `-errno`; each blocking verb has a twin
//! `_until` with an absolute deadline as its last parameter; outputs are written on success only, except byte counts of
//! partial transfers; callbacks take `arg` last. The doc comments are the header's text: written for C.

pub mod answer;
pub mod barrier;
pub mod chan;
pub mod clock;
pub mod collect;
pub mod cond;
pub mod datagram;
pub mod dir;
pub mod event;
#[cfg(feature = "fault-injection")]
pub mod faults;
pub mod file;
pub mod generator;
pub mod guard;
pub mod hooks;
pub mod http;
pub mod inspect;
pub mod io;
pub mod local;
pub mod mutex;
pub mod name;
pub mod offload;
pub mod once;
pub mod process;
pub mod python;
pub mod runtime;
pub mod rwlock;
pub mod scope;
pub mod select;
pub mod sem;
pub mod signal;
pub mod socket;
pub mod stats;
pub mod task;
pub mod time;
pub mod transfer;
pub mod unix;
pub mod version;
pub mod waitgroup;
pub mod wake;
pub mod watchdog;
pub mod websocket;
pub mod workers;
