//! Child processes, signals, pipes.
