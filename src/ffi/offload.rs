//! Section: offload.
