//! Calls that block, run on threads of their own while the task parks.

pub mod dns;
pub mod pool;
