//! What the runtime tells of itself: lists, dumps, backtraces, the watchdog.
