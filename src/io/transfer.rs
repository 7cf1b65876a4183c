//! From a file to a socket or pipe without a copy through the program (sendfile(2)), and half of a connection closed.
//!
//! sendfile(2) has no flag against blocking, and obeys O_NONBLOCK of the descriptor that it writes to. A foreign one in
//! blocking mode, whose flags are not ours to change, gets the bytes through a buffer and verbs that do not block.

use super::{rw, socket, until_ready, Dir, Manner, Moved};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sys::{self, check};

/// Bytes moved by one system call.
const PIECE: usize = 256 << 10;
/// So many bytes weigh as much as one other operation that succeeds at once: after 2 MiB others have their turn.
const PER_OPERATION: usize = 16 << 10;
/// The buffer for descriptors in blocking mode.
const BUFFER: usize = 64 << 10;

/// How the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// sendfile(2), to something other than a socket.
    Direct,
    /// sendfile(2) to a socket, which must not raise SIGPIPE.
    Socket,
    /// Through a buffer.
    Copied { socket: bool },
}

/// Sends `count` bytes of a file, fewer only at its end; says how many were sent also when an error ended it. `offset`:
/// where to read; it is moved on, and the file's own position is not. None: the file's own position.
pub fn sendfile(
    s: &'static Scheduler,
    out: i32,
    input: i32,
    offset: Option<&mut i64>,
    count: usize,
    deadline: i64,
) -> (usize, Result<()>) {
    let mut sent = 0;
    let result = send_pieces(s, (out, input), offset, count, deadline, &mut sent);
    (sent, result)
}

fn send_pieces(
    s: &'static Scheduler,
    (out, input): (i32, i32),
    mut offset: Option<&mut i64>,
    count: usize,
    deadline: i64,
    sent: &mut usize,
) -> Result<()> {
    s.check()?;
    let way = way(out, input)?;
    let mut buffer = Vec::new();
    while *sent < count {
        let piece = (count - *sent).min(PIECE);
        let n = match way {
            Way::Direct => until_ready(s, out, Dir::Write, deadline, Manner::Try, |_| {
                direct(out, input, offset.as_deref_mut(), piece).map(|n| (n, Moved::All))
            })?,
            Way::Socket => until_ready(s, out, Dir::Write, deadline, Manner::Try, |_| {
                quietly(|| direct(out, input, offset.as_deref_mut(), piece)).map(|n| (n, Moved::All))
            })?,
            Way::Copied { socket } => {
                if buffer.is_empty() {
                    buffer.try_reserve_exact(BUFFER).map_err(|_| Error::new(libc::ENOMEM))?;
                    buffer.resize(BUFFER, 0);
                }
                let piece = &mut buffer[..piece.min(BUFFER)];
                copied(s, (out, socket), input, offset.as_deref_mut(), piece, deadline)?
            }
        };
        if n == 0 {
            return Ok(()); // the file's end
        }
        *sent += n;
        s.charge_more((n / PER_OPERATION) as u32);
    }
    Ok(())
}

/// Looks at both descriptors.
fn way(out: i32, input: i32) -> Result<Way> {
    // Of other kinds reading may block, or lose what cannot be written.
    if !matches!(sys::fd::kind(input)?, libc::S_IFREG | libc::S_IFBLK) {
        return Err(Error::new(libc::EINVAL));
    }
    let (kind, flags) = (sys::fd::kind(out)?, sys::fd::flags(out)?);
    if flags & libc::O_ACCMODE == libc::O_RDONLY {
        return Err(Error::new(libc::EBADF)); // nobody would ever say that there is room
    }
    let socket = kind == libc::S_IFSOCK;
    Ok(if kind != libc::S_IFREG && flags & libc::O_NONBLOCK == 0 {
        Way::Copied { socket }
    } else if socket {
        Way::Socket
    } else {
        Way::Direct
    })
}

fn direct(out: i32, input: i32, offset: Option<&mut i64>, count: usize) -> Result<usize> {
    let place = offset.map_or(std::ptr::null_mut(), std::ptr::from_mut);
    // SAFETY: the offset is null or a valid place.
    check(unsafe { libc::sendfile64(out, input, place, count) })
}

/// Runs a system call without its SIGPIPE, which goes to the calling OS thread: blocked before, taken back after.
fn quietly(call: impl FnOnce() -> Result<usize>) -> Result<usize> {
    // SAFETY: signal sets of all zeroes are valid, and the calls write into live ones.
    unsafe {
        let (mut pipe, mut was, mut pending): (libc::sigset_t, libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigemptyset(&mut pipe);
        libc::sigaddset(&mut pipe, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, &mut was);
        let blocked = libc::sigismember(&was, libc::SIGPIPE) == 1;
        let before = blocked && libc::sigpending(&mut pending) == 0 && libc::sigismember(&pending, libc::SIGPIPE) == 1;
        let result = call();
        if result == Err(Error::new(libc::EPIPE)) && !before {
            let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&pipe, std::ptr::null_mut(), &at_once);
        }
        if !blocked {
            libc::pthread_sigmask(libc::SIG_SETMASK, &was, std::ptr::null_mut());
        }
        result
    }
}

/// One piece through the buffer. What could not be written is read again.
fn copied(
    s: &'static Scheduler,
    (out, socket): (i32, bool),
    input: i32,
    offset: Option<&mut i64>,
    buffer: &mut [u8],
    deadline: i64,
) -> Result<usize> {
    let position = match &offset {
        Some(offset) => **offset,
        // SAFETY: lseek takes no pointers.
        None => check(unsafe { libc::lseek64(input, 0, libc::SEEK_CUR) } as isize)? as i64,
    };
    // SAFETY: the buffer is writable for its length.
    let n = check(unsafe { libc::pread64(input, buffer.as_mut_ptr().cast(), buffer.len(), position) })?;
    if n == 0 {
        return Ok(0);
    }
    // SAFETY: the buffer is readable for `n` bytes.
    let n = unsafe {
        match socket {
            true => socket::send(s, out, buffer.as_ptr(), n, 0, deadline)?,
            false => rw::write(s, out, buffer.as_ptr(), n, deadline)?,
        }
    };
    match offset {
        Some(offset) => *offset = position + n as i64,
        // SAFETY: lseek takes no pointers.
        None => drop(check(unsafe { libc::lseek64(input, position + n as i64, libc::SEEK_SET) } as isize)?),
    }
    Ok(n)
}

/// shutdown(2). Tasks of this thread that wait on the socket look again: the kernel does not tell all of them.
pub fn half_close(s: &'static Scheduler, fd: i32, how: i32) -> Result<()> {
    // SAFETY: shutdown takes no pointers.
    check(unsafe { libc::shutdown(fd, how) } as isize)?;
    s.reactor().look_again(fd, &mut s.waker());
    Ok(())
}
