//! Section: channels.
