//! Other processes, and signals: what the kernel tells a process, told to tasks.

pub mod spawn;
pub mod wait;
