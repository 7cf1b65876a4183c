//! Section: introspection.
