//! Structure: scopes, task-local slots, hand-over and generators.
