//! Synchronisation: fair, cancellation-safe, usable across OS threads.
