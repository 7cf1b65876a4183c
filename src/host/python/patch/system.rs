//! `os.system`: what system(3) does, with a wait that is the task's own.
//!
//! As there, the program ignores SIGINT and SIGQUIT while the command runs, and the command does what the program did with them
//! before. Several commands may run at once, in several tasks: the first one's beginning and the last one's end count. A
//! task that is interrupted ends its command.

use super::super::api::{api, drop_ref, new_ref, raise_errno, New};
use super::super::host;
use super::call::Args;
use super::names::audit;
use super::wait::{pause, Process};
use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int, CStr};

const QUIET: [c_int; 2] = [libc::SIGINT, libc::SIGQUIT];

/// How many commands run, and what the program did with the signals before the first of them.
struct Commands(UnsafeCell<(usize, [libc::sigaction; 2])>);
// SAFETY: used with the GIL held, and not across anything that may switch.
unsafe impl Sync for Commands {}
// SAFETY: all-zero actions are valid, and are not read before they are written.
static COMMANDS: Commands = Commands(UnsafeCell::new((0, unsafe { core::mem::zeroed() })));

/// While one lives the program ignores the two signals.
struct Quiet;

impl Quiet {
    unsafe fn new() -> Quiet {
        // SAFETY: GIL held by the caller; plain sigaction calls.
        unsafe {
            let (count, kept) = &mut *COMMANDS.0.get();
            if *count == 0 {
                let mut ignore: libc::sigaction = core::mem::zeroed();
                ignore.sa_sigaction = libc::SIG_IGN;
                for (signal, place) in QUIET.iter().zip(kept) {
                    libc::sigaction(*signal, &ignore, place);
                }
            }
            *count += 1;
        }
        Quiet
    }

    /// Those of the two that the command must not ignore.
    unsafe fn defaults(&self) -> libc::sigset_t {
        // SAFETY: a set is emptied before it is used.
        unsafe {
            let mut set: libc::sigset_t = core::mem::zeroed();
            libc::sigemptyset(&mut set);
            let (_, kept) = &*COMMANDS.0.get();
            for (signal, before) in QUIET.iter().zip(kept) {
                if before.sa_sigaction != libc::SIG_IGN {
                    libc::sigaddset(&mut set, *signal);
                }
            }
            set
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: GIL held, as wherever this room runs. A handler that was set meanwhile stays.
        unsafe {
            let (count, kept) = &mut *COMMANDS.0.get();
            *count -= 1;
            if *count == 0 {
                for (signal, before) in QUIET.iter().zip(kept) {
                    let mut now: libc::sigaction = core::mem::zeroed();
                    libc::sigaction(*signal, core::ptr::null(), &mut now);
                    if now.sa_sigaction == libc::SIG_IGN {
                        libc::sigaction(*signal, before, core::ptr::null_mut());
                    }
                }
            }
        }
    }
}

extern "C" {
    static environ: *const *mut c_char;
}

/// Starts `sh -c command`: its process id, or a negative errno.
unsafe fn start(command: &CStr, quiet: &Quiet) -> i64 {
    // SAFETY: attributes are made before they are used and destroyed once; the list of arguments ends in NULL.
    unsafe {
        let mut attributes: libc::posix_spawnattr_t = core::mem::zeroed();
        let failed = libc::posix_spawnattr_init(&mut attributes);
        if failed != 0 {
            return -i64::from(failed);
        }
        libc::posix_spawnattr_setsigdefault(&mut attributes, &quiet.defaults());
        libc::posix_spawnattr_setflags(&mut attributes, libc::POSIX_SPAWN_SETSIGDEF as libc::c_short);
        let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), command.as_ptr(), core::ptr::null()];
        let mut pid = 0;
        let failed = libc::posix_spawn(
            &mut pid,
            c"/bin/sh".as_ptr(),
            core::ptr::null(),
            &attributes,
            arguments.as_ptr().cast::<*mut c_char>(),
            environ.cast::<*mut c_char>(),
        );
        libc::posix_spawnattr_destroy(&mut attributes);
        if failed != 0 {
            -i64::from(failed)
        } else {
            pid.into()
        }
    }
}

/// Waits for the command: its status, or the exception.
unsafe fn status_of(pid: libc::pid_t) -> New {
    let process = Process::open(pid.into());
    let (mut interval, mut status) = (500_000, 0);
    // SAFETY: GIL held by the caller; our own child.
    unsafe {
        loop {
            match libc::waitpid(pid, &mut status, libc::WNOHANG) {
                0 => {}
                -1 if *libc::__errno_location() == libc::EINTR => continue,
                -1 => return raise_errno(-i64::from(*libc::__errno_location())),
                _ => return (api().PyLong_FromLong)(status.into()),
            }
            if !pause(process.as_ref(), &mut interval) {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, &mut status, 0);
                return core::ptr::null_mut();
            }
        }
    }
}

/// `system(command)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn system(args: &Args) -> New {
    let api = api();
    // SAFETY: the argument is the caller's; the bytes are ours.
    unsafe {
        let mut given = [core::ptr::null_mut()];
        if !host::home() || !args.bind(&[c"command"], &mut given) || given[0].is_null() {
            return args.original();
        }
        let mut bytes: New = core::ptr::null_mut();
        if (api.PyUnicode_FSConverter)(given[0], (&raw mut bytes).cast()) == 0 {
            (api.PyErr_Clear)();
            return args.original();
        }
        let command = CStr::from_ptr((api.PyBytes_AsString)(bytes)).to_owned();
        drop_ref(bytes);
        if !audit(c"os.system", &[new_ref(given[0])]) {
            return core::ptr::null_mut();
        }
        let quiet = Quiet::new();
        match start(&command, &quiet) {
            pid if pid > 0 => status_of(pid as libc::pid_t),
            failed => raise_errno(failed),
        }
    }
}
