//! Workers: a scheduler on each of several OS threads.
