//! greenrt.
