//! Section: processes and pipes.

use super::guard::{guard_errno, invalid, sized, text};
use crate::error::{Error, Result};
use crate::io::pipe;
use crate::process::spawn::{self, Source, Strings, Wishes};
use crate::process::wait;
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// Makes a pipe: what is written into fds[1] is read from fds[0]. Both ends are owned, with O_CLOEXEC and O_NONBLOCK. Use gt_read()
/// and gt_write(), gt_close(). (For a child, see GT_PROCESS_READS: programs expect pipes in blocking mode.)
///
/// Returns 0, or
///   -EINVAL  fds is NULL
///   -EMFILE  no descriptors are left (-ENFILE: in the whole system)
///   -ENOMEM
/// Does not switch.
///
/// # Safety
/// `fds` is NULL or has room for two.
#[no_mangle]
pub unsafe extern "C" fn gt_pipe(fds: *mut libc::c_int) -> libc::c_int {
    guard_errno(|| {
        if fds.is_null() {
            return Err(invalid());
        }
        let ends = pipe::pipe(Scheduler::current()?)?;
        // SAFETY: not NULL, and room for two by the caller.
        unsafe { fds.cast::<[libc::c_int; 2]>().write(ends) };
        Ok(0)
    })
}

/// Waits for a child process of this process, as waitpid(2) with the same arguments, letting other tasks run. It does not matter
/// which OS thread or task started it. `status` may be NULL; it is read by WIFEXITED() and its like.
///
/// The end of one child (pid > 0) is noticed at once, by a descriptor that is open during the call (pidfd, Linux 5.3). Where there
/// is none, for any child (-1) and for process groups (0, < -1), and with WUNTRACED or WCONTINUED, the call looks again and
/// again instead, after half a millisecond and then at growing intervals up to 20 ms. SIGCHLD is left to the program. Stops of a
/// child that this process traces (ptrace(2)) are noticed with WUNTRACED only.
///
/// A child's end is told once: of several tasks and OS threads that wait for it one gets it, the others -ECHILD, or the next
/// child if they wait for any. Nothing is taken by a call that fails: the child can be waited for again.
///
/// Returns the child's process id; 0 if options has WNOHANG and nothing has happened; or
///   -ECHILD     no such child: it never was one, it was waited for already, or SIGCHLD is ignored and it has ended
///   -EINVAL     unknown options
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch, except with WNOHANG. Any thread. In a forked child the parent's children are not its own: -ECHILD.
///
/// # Safety
/// `status` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_waitpid(pid: libc::pid_t, status: *mut libc::c_int, options: libc::c_int) -> libc::pid_t {
    // SAFETY: by the caller.
    unsafe { gt_waitpid_until(pid, status, options, NEVER) }
}

/// As gt_waitpid(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: look once.
///
/// # Safety
/// As for gt_waitpid().
#[no_mangle]
pub unsafe extern "C" fn gt_waitpid_until(
    pid: libc::pid_t,
    status: *mut libc::c_int,
    options: libc::c_int,
    deadline: i64,
) -> libc::pid_t {
    guard_errno(|| {
        let (found, said) = wait::waitpid(Scheduler::current()?, pid, options, deadline)?;
        if found != 0 && !status.is_null() {
            // SAFETY: not NULL, so writable by the caller.
            unsafe { *status = said };
        }
        Ok(found)
    })
}

/// In place of gt_process_fd_t.fd: the number is not open in the child.
pub const GT_PROCESS_CLOSED: libc::c_int = -1;
/// In place of gt_process_fd_t.fd: /dev/null.
pub const GT_PROCESS_NULL: libc::c_int = -2;
/// In place of gt_process_fd_t.fd: the child reads from a new pipe; *end becomes the end to write into, owned.
pub const GT_PROCESS_READS: libc::c_int = -3;
/// In place of gt_process_fd_t.fd: the child writes into a new pipe; *end becomes the end to read from, owned.
pub const GT_PROCESS_WRITES: libc::c_int = -4;

/// A flag of gt_process_opts_t: the child leads a process group of its own (kill(-pid, ...) reaches all of it).
pub const GT_PROCESS_GROUP: u32 = 1;
/// A flag of gt_process_opts_t: the child leads a session of its own, without a terminal.
pub const GT_PROCESS_SESSION: u32 = 2;
/// A flag of gt_process_opts_t: the child blocks no signals and ignores none. Without it, it blocks those that the calling OS thread
/// blocks, and ignores those that this process ignores, as after exec(3).
pub const GT_PROCESS_SIGNALS: u32 = 4;

/// One descriptor of a child.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_process_fd_t {
    /// Its number in the child.
    pub child: libc::c_int,
    /// The caller's descriptor that the child gets there, or one of GT_PROCESS_CLOSED, _NULL, _READS, _WRITES.
    pub fd: libc::c_int,
    /// For GT_PROCESS_READS and GT_PROCESS_WRITES: where the caller's end goes.
    pub end: *mut libc::c_int,
}

/// Wishes for gt_process_spawn(). Zero means the default in every member but `size`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_process_opts_t {
    /// sizeof(gt_process_opts_t)
    pub size: usize,
    /// The environment, "NAME=value" up to a NULL; or NULL: the caller's.
    pub env: *const *mut libc::c_char,
    /// The directory the child begins in; or NULL: the caller's.
    pub cwd: *const libc::c_char,
    /// The child's descriptors. Numbers that are not listed stay what they are, unless they are closed by exec(3), like all
    /// that gt_ functions open.
    pub fds: *const gt_process_fd_t,
    /// How many there are.
    pub fds_count: usize,
    /// GT_PROCESS_GROUP and the others.
    pub flags: u32,
    /// Reserved: 0.
    pub reserved: u32,
}

/// Starts a program in a child process, on an OS thread of the pool (see gt_offload()) while other tasks run: posix_spawnp(3).
/// A `file` without a slash is looked for in PATH; one that begins with neither slash belongs to `cwd`. `argv` begins with
/// the program's name and ends with NULL. `opts` may be NULL. Everything is copied before the call switches.
///
/// A descriptor that the child gets shares its flags with the caller's: hand an owned one back first (gt_fd_release()), or the
/// child finds it non-blocking. What a child does with its pipes shows here: -EPIPE when it reads no more, 0 when it writes no more.
///
/// Returns the process id, to be waited for by gt_waitpid(); or
///   -ENOENT, -EACCES, -ENOEXEC, -E2BIG, -ENOTDIR, ...  what exec(3) says of file, or chdir(2) of cwd
///   -EINVAL     file or argv is NULL, or argv is empty; opts is too small, an unknown flag, reserved is not 0; fds is NULL and
///               fds_count is not 0, or it is above 1024; a number of the child is negative, above the limit of descriptors, or there
///               twice; no such GT_PROCESS_ value; end is NULL
///   -E2BIG      also: the struct is larger than this library knows and its tail is not zero
///   -EBADF      a descriptor is not open
///   -EMFILE     no descriptors are left (-ENFILE: in the whole system)
///   -EAGAIN     too many processes, or too many jobs wait
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired)  a child that was started all the same is killed
///   -ENOMEM
///
/// May switch. Any thread.
///
/// # Safety
/// `file` is NULL or NUL-terminated; `argv` is NULL or a list of such texts that ends in NULL; `opts` is NULL or readable for
/// the bytes its first member says, and what it points to is valid.
#[no_mangle]
pub unsafe extern "C" fn gt_process_spawn(
    file: *const libc::c_char,
    argv: *const *mut libc::c_char,
    opts: *const gt_process_opts_t,
) -> libc::pid_t {
    // SAFETY: by the caller.
    unsafe { gt_process_spawn_until(file, argv, opts, NEVER) }
}

/// As gt_process_spawn(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_process_spawn().
#[no_mangle]
pub unsafe extern "C" fn gt_process_spawn_until(
    file: *const libc::c_char,
    argv: *const *mut libc::c_char,
    opts: *const gt_process_opts_t,
    deadline: i64,
) -> libc::pid_t {
    guard_errno(|| {
        let nothing = gt_process_opts_t {
            size: 0,
            env: std::ptr::null(),
            cwd: std::ptr::null(),
            fds: std::ptr::null(),
            fds_count: 0,
            flags: 0,
            reserved: 0,
        };
        let known = GT_PROCESS_GROUP | GT_PROCESS_SESSION | GT_PROCESS_SIGNALS;
        // SAFETY: by the caller; gt_process_opts_t is repr(C), starts with `size`, and zeroes are valid.
        let o = if opts.is_null() { nothing } else { unsafe { sized(opts, std::mem::size_of::<usize>() * 2)? } };
        let wrong = o.flags & !known != 0 || o.reserved != 0 || o.fds_count > MOST_FDS;
        if wrong || (o.fds.is_null() && o.fds_count > 0) || argv.is_null() {
            return Err(invalid());
        }
        let s = Scheduler::current()?;
        let fds = match o.fds_count {
            0 => &[],
            // SAFETY: not NULL, and valid by the caller.
            count => unsafe { std::slice::from_raw_parts(o.fds, count) },
        };
        let wished = sources(fds)?;
        // SAFETY: by the caller: texts are NUL-terminated, lists end in NULL.
        let wishes = unsafe {
            Wishes {
                file: text(file)?,
                argv: Strings::copy(argv)?,
                env: Strings::copy(if o.env.is_null() { environ } else { o.env })?,
                cwd: if o.cwd.is_null() { None } else { Some(text(o.cwd)?) },
                fds: &wished,
                group: o.flags & GT_PROCESS_GROUP != 0,
                session: o.flags & GT_PROCESS_SESSION != 0,
                signals: o.flags & GT_PROCESS_SIGNALS != 0,
            }
        };
        if wishes.argv.is_empty() {
            return Err(invalid());
        }
        // SAFETY: where an end is wanted there is a place for it, writable by the caller.
        spawn::spawn(s, wishes, deadline, |at, end| unsafe { fds[at].end.write(end) })
    })
}

extern "C" {
    /// The environment of this process: environ(7).
    static environ: *const *mut libc::c_char;
}

const MOST_FDS: usize = 1024;

/// What the child's numbers stand for.
fn sources(fds: &[gt_process_fd_t]) -> Result<Vec<(i32, Source)>> {
    let mut wished = Vec::new();
    wished.try_reserve_exact(fds.len()).map_err(|_| Error::new(libc::ENOMEM))?;
    for (i, one) in fds.iter().enumerate() {
        let source = match one.fd {
            GT_PROCESS_CLOSED => Source::Closed,
            GT_PROCESS_NULL => Source::Null,
            GT_PROCESS_READS if !one.end.is_null() => Source::Reads,
            GT_PROCESS_WRITES if !one.end.is_null() => Source::Writes,
            fd if fd >= 0 => Source::Descriptor(fd),
            _ => return Err(invalid()),
        };
        if one.child < 0 || fds[..i].iter().any(|other| other.child == one.child) {
            return Err(invalid());
        }
        wished.push((one.child, source));
    }
    Ok(wished)
}
