//! Section: scopes.
