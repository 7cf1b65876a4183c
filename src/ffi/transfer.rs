//! Section: sendfile, half close, accept loops.
