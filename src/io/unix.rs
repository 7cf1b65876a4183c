//! Unix stream sockets: by path or abstract name, and descriptors that travel over them (unix(7), SCM_RIGHTS).
//!
//! Descriptors go with the first byte of a message. The receiver offers room for as many as a message can carry, whatever
//! the caller wants, and closes those it does not want itself: the kernel would drop them with less to tell.

use std::ffi::CStr;
use std::mem::{offset_of, size_of, size_of_val};

use super::{adopt, socket};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sys::{self, check};

/// The most descriptors in a message (unix(7), SCM_MAX_FD).
pub const MOST_DESCRIPTORS: usize = 253;

const DEFAULT_BACKLOG: i32 = 1024;
/// unix(7) SCM_PIDFD: comes as a descriptor too.
const SCM_PIDFD: i32 = 4;

struct Address {
    un: libc::sockaddr_un,
    len: libc::socklen_t,
}

/// The address of a path, or of an abstract name if it begins with '@'.
fn address(path: &CStr) -> Result<Address> {
    let bytes = path.to_bytes();
    // SAFETY: a sockaddr_un of all zeroes is a valid value.
    let mut un: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    un.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let room = un.sun_path.len();
    let named = bytes.first() == Some(&b'@');
    if bytes.is_empty() || (named && bytes.len() == 1) {
        return Err(Error::new(libc::EINVAL));
    }
    // A path keeps its NUL; an abstract name has one in front, in the place of the '@', and none behind.
    if bytes.len() + usize::from(!named) > room {
        return Err(Error::new(libc::ENAMETOOLONG));
    }
    for (to, from) in un.sun_path.iter_mut().zip(bytes).skip(usize::from(named)) {
        *to = *from as libc::c_char;
    }
    let len = offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + usize::from(!named);
    Ok(Address { un, len: len as libc::socklen_t })
}

/// A listening stream socket, owned.
pub fn listen(s: &'static Scheduler, path: &CStr, backlog: i32) -> Result<i32> {
    let address = address(path)?;
    let fd = socket::socket(s, libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    let bound = (|| {
        // SAFETY: the address is valid for its length.
        check(unsafe { libc::bind(fd, (&raw const address.un).cast(), address.len) } as isize)?;
        let backlog = if backlog <= 0 { DEFAULT_BACKLOG } else { backlog };
        // SAFETY: listen takes no pointers.
        check(unsafe { libc::listen(fd, backlog) } as isize)
    })();
    or_close(s, fd, bound.map(drop))
}

/// A connection to a listening stream socket, owned.
pub fn dial(s: &'static Scheduler, path: &CStr, deadline: i64) -> Result<i32> {
    s.check()?;
    let address = address(path)?;
    let fd = socket::socket(s, libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    // SAFETY: the address is valid for its length.
    let connected = unsafe { socket::connect(s, fd, (&raw const address.un).cast(), address.len, deadline) };
    or_close(s, fd, connected)
}

fn or_close(s: &'static Scheduler, fd: i32, done: Result<()>) -> Result<i32> {
    match done {
        Ok(()) => Ok(fd),
        Err(e) => {
            let _ = adopt::close(s, fd);
            Err(e)
        }
    }
}

/// Room for the control data of one message: all descriptors, and what the socket may add (credentials, a label).
#[repr(C, align(8))]
struct Control([u8; 2048]);

/// Sends bytes, and descriptors with the first of them.
///
/// # Safety
/// `data` is readable for `len` bytes.
pub unsafe fn send_fds(
    s: &'static Scheduler,
    socket: i32,
    (data, len): (*const u8, usize),
    fds: &[i32],
    deadline: i64,
) -> Result<usize> {
    if len == 0 || fds.is_empty() || fds.len() > MOST_DESCRIPTORS {
        return Err(Error::new(libc::EINVAL));
    }
    // Other sockets take such a message and drop the descriptors.
    if sys::fd::socket_option(socket, libc::SOL_SOCKET, libc::SO_DOMAIN)? != libc::AF_UNIX {
        return Err(Error::new(libc::EOPNOTSUPP));
    }
    let mut control = Control([0; 2048]);
    let mut iov = libc::iovec { iov_base: data.cast_mut().cast(), iov_len: len };
    // SAFETY: all zeroes is a valid msghdr.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = &mut iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.0.as_mut_ptr().cast();
    let payload = size_of_val(fds);
    // SAFETY: CMSG_SPACE computes; the first header lies in `control`, which has room for 253 descriptors.
    unsafe {
        msg.msg_controllen = libc::CMSG_SPACE(payload as u32) as _;
        let header = libc::CMSG_FIRSTHDR(&msg);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(payload as u32) as _;
        std::ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), payload);
    }
    // SAFETY: the header and all it points to live on this frame.
    unsafe { socket::sendmsg(s, socket, &msg, 0, deadline) }
}

/// What came with the bytes.
pub struct Received {
    /// Bytes.
    pub bytes: usize,
    /// Descriptors, at the beginning of the caller's array.
    pub descriptors: usize,
    /// More descriptors came than were wanted, or than this process has numbers for; they are closed.
    pub truncated: bool,
}

/// Receives bytes and the descriptors that came with them, each owned and close-on-exec.
///
/// # Safety
/// `data` is writable for `len` bytes.
pub unsafe fn recv_fds(
    s: &'static Scheduler,
    socket: i32,
    (data, len): (*mut u8, usize),
    fds: &mut [i32],
    deadline: i64,
) -> Result<Received> {
    if len == 0 {
        return Err(Error::new(libc::EINVAL));
    }
    let mut control = Control([0; 2048]);
    let mut iov = libc::iovec { iov_base: data.cast(), iov_len: len };
    // SAFETY: all zeroes is a valid msghdr.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = &mut iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.0.as_mut_ptr().cast();
    msg.msg_controllen = control.0.len() as _;
    // SAFETY: the header and all it points to live on this frame.
    let bytes = unsafe { socket::recvmsg(s, socket, &mut msg, libc::MSG_CMSG_CLOEXEC, deadline)? };
    let mut received = Received { bytes, descriptors: 0, truncated: msg.msg_flags & libc::MSG_CTRUNC != 0 };
    let mut failed = None;
    each_descriptor(&msg, |fd, wanted| {
        if !wanted {
            let _ = sys::fd::close(fd);
        } else if received.descriptors >= fds.len() || failed.is_some() {
            received.truncated = true;
            let _ = sys::fd::close(fd);
        } else if let Err(e) = adopt::adopt(s, fd) {
            failed = Some(e);
            let _ = sys::fd::close(fd);
        } else {
            fds[received.descriptors] = fd;
            received.descriptors += 1;
        }
    });
    if let Some(e) = failed {
        for &fd in &fds[..received.descriptors] {
            let _ = adopt::close(s, fd);
        }
        return Err(e);
    }
    Ok(received)
}

/// Calls `f` with every descriptor in the control data, and whether it is one that was sent (SCM_RIGHTS).
fn each_descriptor(msg: &libc::msghdr, mut f: impl FnMut(i32, bool)) {
    // SAFETY: the kernel wrote the control data that `msg` describes; the macros stay within it.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(msg) };
    while !header.is_null() {
        // SAFETY: as above; a header's payload is as long as it says.
        unsafe {
            let (level, kind) = ((*header).cmsg_level, (*header).cmsg_type);
            if level == libc::SOL_SOCKET && (kind == libc::SCM_RIGHTS || kind == SCM_PIDFD) {
                let data = libc::CMSG_DATA(header);
                let payload = (*header).cmsg_len as usize - (data.addr() - header.addr());
                for i in 0..payload / size_of::<i32>() {
                    f(data.cast::<i32>().add(i).read_unaligned(), kind == libc::SCM_RIGHTS);
                }
            }
            header = libc::CMSG_NXTHDR(msg, header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_or_abstract_names_of_the_right_length() {
        let offset = offset_of!(libc::sockaddr_un, sun_path) as libc::socklen_t;
        assert_eq!(address(c"/x").unwrap().len, offset + 3);
        let named = address(c"@x").unwrap();
        assert_eq!((named.len, named.un.sun_path[0], named.un.sun_path[1]), (offset + 2, 0, b'x' as libc::c_char));
        assert!(address(c"").is_err());
        assert!(address(c"@").is_err());
        for (first, longest) in [(b'/', 107), (b'@', 108)] {
            let fits = std::ffi::CString::new(vec![first; longest]).unwrap();
            let long = std::ffi::CString::new(vec![first; longest + 1]).unwrap();
            assert!(address(&fits).is_ok());
            assert_eq!(address(&long).err(), Some(Error::new(libc::ENAMETOOLONG)));
        }
    }
}
