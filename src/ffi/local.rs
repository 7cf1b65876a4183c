//! Section: task-local slots.
