//! Section: stacks for garbage collectors.
