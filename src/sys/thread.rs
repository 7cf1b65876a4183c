//! OS threads by pthread_create(3) itself: the standard library's allocate on the way, and abort when there is no memory.

use std::ffi::{c_void, CStr};
use std::mem::MaybeUninit;
use std::ptr;

use crate::error::{Error, Result};

/// What a thread runs.
pub type Body = extern "C" fn(*mut c_void) -> *mut c_void;

/// Who waits for a thread's end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// [`Thread::join`] does, once.
    Joined,
    /// Nobody.
    Detached,
}

/// Which signals are delivered to a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signals {
    /// None: handlers run where the program expects them.
    Blocked,
    /// Those of the thread that starts it.
    Inherited,
}

/// On how many processors the process may run, as far as its first thread tells (sched_getaffinity(2)): each single thread may be
/// bound to one of them. 1 where it is not known.
pub fn processors() -> usize {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    let size = std::mem::size_of::<libc::cpu_set_t>();
    // SAFETY: the set is writable for its size; all bytes zero is an empty set.
    match unsafe { libc::sched_getaffinity(libc::getpid(), size, set.as_mut_ptr()) } {
        // SAFETY: zeroed, then written by the call.
        0 => unsafe { libc::CPU_COUNT(set.assume_init_ref()) as usize },
        _ => 1,
    }
}

extern "C" {
    fn pthread_setcancelstate(state: libc::c_int, old: *mut libc::c_int) -> libc::c_int;
}
const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;

/// While it exists, a pthread_cancel(3) of the thread that made it stays pending: the C library ends a thread by unwinding it
/// from within its calls, here through frames that cannot be unwound, which would end the process.
pub struct Uncancelled(libc::c_int);

impl Uncancelled {
    /// For the calling thread.
    pub fn hold() -> Uncancelled {
        let mut old = 0;
        // SAFETY: `old` is writable.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut old) };
        Uncancelled(old)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        let mut disabled = 0;
        // SAFETY: `disabled` is writable. It ends no thread: that is for the next call of the C library that may.
        unsafe { pthread_setcancelstate(self.0, &mut disabled) };
    }
}

/// A thread that was started.
pub struct Thread(libc::pthread_t);

/// Starts a thread; `stack` in bytes, 0 for the default. -EAGAIN (no thread to be had), -ENOMEM.
///
/// # Safety
/// `body` may be called on another thread with `arg`.
pub unsafe fn start(body: Body, arg: *mut c_void, stack: usize, end: End, signals: Signals) -> Result<Thread> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    let (mut all, mut old) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: the attributes are made before they are used and destroyed once; the sets are written before they are read. The
    // thread inherits the mask, and ours is restored.
    let made = unsafe {
        match libc::pthread_attr_init(attributes.as_mut_ptr()) {
            0 => {}
            e => return Err(Error::new(e)),
        }
        if stack != 0 {
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
        }
        if end == End::Detached {
            libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        }
        if signals == Signals::Blocked {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr());
        }
        let made = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), body, arg);
        if signals == Signals::Blocked {
            libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr(), ptr::null_mut());
        }
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        made
    };
    match made {
        // SAFETY: written by pthread_create.
        0 => Ok(Thread(unsafe { thread.assume_init() })),
        e => Err(Error::new(e)),
    }
}

impl Thread {
    /// Whether the calling thread is it.
    pub fn is_this(&self) -> bool {
        // SAFETY: neither has preconditions.
        unsafe { libc::pthread_equal(self.0, libc::pthread_self()) != 0 }
    }

    /// Waits until the thread has ended. It was started as [`End::Joined`].
    pub fn join(self) {
        // SAFETY: by `self` the thread is joined once.
        unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
    }
}

/// Names the calling thread, for debuggers and ps(1); cut at 15 bytes.
pub fn name(name: &CStr) {
    #[cfg(target_os = "linux")]
    // SAFETY: the kernel copies at most 16 bytes of a NUL-terminated name.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr())
    };
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// How many threads the process has: proc(5), /proc/self/task. None if that cannot be read.
pub fn count() -> Option<usize> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the path is NUL-terminated.
        let fd =
            unsafe { libc::open(c"/proc/self/task".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC) };
        if fd < 0 {
            return None;
        }
        let (found, links) = (entries(fd), links(fd));
        let _ = super::fd::close(fd);
        // A thread that ends while the names are read hides those behind it. The links count all that are there, where the
        // kernel counts them.
        found?.max(links).checked_sub(2) // `.` and `..`
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// How many links a directory has (fstat(2)); 0 where it cannot be told.
#[cfg(target_os = "linux")]
fn links(fd: i32) -> usize {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the place is writable for a stat.
    match unsafe { libc::fstat(fd, stat.as_mut_ptr()) } {
        // SAFETY: zeroed, then written by the call.
        0 => unsafe { stat.assume_init_ref() }.st_nlink as usize,
        _ => 0,
    }
}

/// How many names a directory has, by getdents64(2): opendir(3) allocates.
#[cfg(target_os = "linux")]
fn entries(fd: i32) -> Option<usize> {
    #[repr(align(8))]
    struct Room([u8; 1024]);
    let mut room = Room([0; 1024]);
    let mut count = 0;
    loop {
        // SAFETY: the room is writable for its length.
        let n = unsafe { libc::syscall(libc::SYS_getdents64, fd, room.0.as_mut_ptr(), room.0.len()) };
        let n = super::check(n as isize).ok()?;
        if n == 0 {
            return Some(count);
        }
        let mut at = 0;
        while at < n {
            // The length of a record is behind two numbers of 64 bits.
            at += u16::from_ne_bytes([room.0[at + 16], room.0[at + 17]]) as usize;
            count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    extern "C" fn body(arg: *mut c_void) -> *mut c_void {
        assert!(count().is_some_and(|n| n > 1));
        // SAFETY: the test waits for this thread.
        unsafe { (*arg.cast::<AtomicU32>()).store(7, Ordering::Relaxed) };
        ptr::null_mut()
    }

    #[test]
    fn a_thread_runs_and_is_joined() {
        let word = AtomicU32::new(0);
        let place = ptr::from_ref(&word).cast_mut().cast::<c_void>();
        // SAFETY: the word outlives the thread.
        let thread = unsafe { start(body, place, 256 << 10, End::Joined, Signals::Blocked) }.unwrap();
        thread.join();
        assert_eq!(word.load(Ordering::Relaxed), 7);
    }
}
