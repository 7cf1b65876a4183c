//! Section: processes and pipes.
