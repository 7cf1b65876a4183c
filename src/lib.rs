//! greenrt.
mod host;
