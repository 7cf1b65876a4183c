//! Section: unix sockets.
