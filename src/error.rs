//! Errors: one positive errno each, with its name and a sentence for people.
//!
//! Every floor returns [`Result`]; the C face turns it into `-errno`. Nothing here allocates.

use std::ffi::CStr;

/// An error: a positive errno value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(i32);

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps a positive errno.
    #[inline]
    pub const fn new(errno: i32) -> Error {
        Error(errno)
    }

    /// The calling OS thread's errno, as an error.
    #[inline]
    pub fn last() -> Error {
        // SAFETY: __errno_location has no preconditions and returns a valid pointer.
        Error(unsafe { *libc::__errno_location() })
    }

    /// The positive errno.
    #[inline]
    pub const fn errno(self) -> i32 {
        self.0
    }

    /// True for the two spellings of "would block".
    #[inline]
    pub const fn would_block(self) -> bool {
        self.0 == libc::EAGAIN || self.0 == libc::EWOULDBLOCK
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text(self.0).to_string_lossy())
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Error {
        Error(e.raw_os_error().unwrap_or(libc::EIO))
    }
}

macro_rules! table {
    ($($name:ident $text:literal)*) => {
        /// The name and meaning of an errno, positive or negative, as static text.
        pub fn text(errno: i32) -> &'static CStr {
            match errno.unsigned_abs() as i32 {
                0 => c"success",
                $(libc::$name => {
                    const TEXT: &CStr = match CStr::from_bytes_with_nul(
                        concat!(stringify!($name), ": ", $text, "\0").as_bytes()) {
                        Ok(text) => text,
                        Err(_) => panic!("a text without an inner NUL"),
                    };
                    TEXT
                })*
                _ => c"unknown error number",
            }
        }
    };
}

table! {
    EPERM "not allowed here (the root task, a task, or this user may not do this)"
    ENOENT "no such file, or nothing to take back"
    ESRCH "no such task: it has ended, or never was"
    EINTR "interrupted by gt_interrupt or by the host"
    EIO "input/output error"
    ENXIO "no such device or address"
    E2BIG "a struct is larger than this library knows, and its tail is not zero"
    EBADF "bad descriptor, or closed by another task while waiting"
    ECHILD "no child process"
    EAGAIN "nothing there now; try again"
    ENOMEM "out of memory"
    EACCES "permission denied"
    EFAULT "bad address"
    EBUSY "in use, or too late: other calls came first"
    EEXIST "exists already"
    EXDEV "the task lives on another OS thread"
    ENODEV "no such device"
    ENOTDIR "not a directory"
    EISDIR "is a directory"
    EINVAL "invalid argument"
    ENFILE "the system is out of descriptors"
    EMFILE "this process is out of descriptors (ulimit -n)"
    ENOTTY "not a terminal"
    EFBIG "file too large"
    ENOSPC "no room: disk full, or no memory mappings left for stack guards (vm.max_map_count)"
    ESPIPE "cannot seek"
    EROFS "read-only file system"
    EMLINK "too many links"
    EPIPE "the other end is closed"
    EDOM "argument out of domain"
    ERANGE "result out of range"
    EDEADLK "deadlock: a task would wait for itself, or nothing can ever wake the waiting tasks"
    ENAMETOOLONG "name too long"
    ENOSYS "not supported by this system"
    ENOTEMPTY "directory not empty"
    EOVERFLOW "value too large"
    ENOTSOCK "not a socket"
    EDESTADDRREQ "destination address required"
    EBADMSG "the other end broke the protocol"
    EMSGSIZE "message too long"
    EPROTOTYPE "wrong protocol for this socket"
    ENOPROTOOPT "protocol option not available"
    EPROTONOSUPPORT "protocol not supported"
    EOPNOTSUPP "operation not supported"
    EAFNOSUPPORT "address family not supported"
    EADDRINUSE "address in use"
    EADDRNOTAVAIL "no such address, or the name does not resolve"
    ENETDOWN "network is down"
    ENETUNREACH "network unreachable"
    ECONNABORTED "connection aborted"
    ECONNRESET "connection reset by the other end"
    ENOBUFS "no buffer space"
    EISCONN "connected already"
    ENOTCONN "not connected"
    ETIMEDOUT "the deadline passed"
    ECONNREFUSED "connection refused"
    EHOSTUNREACH "host unreachable"
    EILSEQ "text that is no UTF-8, or data that cannot be decoded"
    EALREADY "in progress already"
    EINPROGRESS "in progress"
    ECANCELED "the task was cancelled"
    ENOTRECOVERABLE "a fault inside greenrt was caught (its message is on stderr)"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_the_error_for_both_signs() {
        assert!(text(libc::ECANCELED).to_str().unwrap().starts_with("ECANCELED"));
        assert_eq!(text(-libc::ECANCELED), text(libc::ECANCELED));
        assert_eq!(text(99999).to_str().unwrap(), "unknown error number");
        assert_eq!(text(i32::MIN).to_str().unwrap(), "unknown error number");
    }
}
