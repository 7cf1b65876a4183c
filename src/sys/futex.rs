//! Sleeping on a word until another OS thread changes it: futex(2), or where there is none, giving the processor away.
//! The caller's errno is as before.

use std::sync::atomic::AtomicU32;

#[cfg(target_os = "linux")]
fn call(word: &AtomicU32, operation: libc::c_int, value: u32) {
    // SAFETY: the address is this thread's errno.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let errno = unsafe { *place };
    let no_timeout = std::ptr::null::<libc::timespec>();
    // SAFETY: the word is there for the length of the call; the kernel takes a null timeout as "none".
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation | libc::FUTEX_PRIVATE_FLAG, value, no_timeout) };
    // SAFETY: as above.
    unsafe { *place = errno };
}

/// Sleeps while the word has that value; may return early.
pub fn wait(word: &AtomicU32, while_it_is: u32) {
    #[cfg(target_os = "linux")]
    call(word, libc::FUTEX_WAIT, while_it_is);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (word, while_it_is);
        std::thread::yield_now();
    }
}

/// Wakes one that sleeps on the word.
pub fn wake_one(word: &AtomicU32) {
    #[cfg(target_os = "linux")]
    call(word, libc::FUTEX_WAKE, 1);
    #[cfg(not(target_os = "linux"))]
    let _ = word;
}

/// Sleeps while the word has that value, at most `ns` nanoseconds (i64::MAX: without end); may return early.
pub fn wait_for(word: &AtomicU32, while_it_is: u32, ns: i64) {
    if ns == i64::MAX {
        return wait(word, while_it_is);
    }
    #[cfg(target_os = "linux")]
    {
        let limit = libc::timespec { tv_sec: ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 };
        // SAFETY: the address is this thread's errno.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: as above.
        let errno = unsafe { *place };
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word and the limit are there for the length of the call.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, while_it_is, &raw const limit) };
        // SAFETY: as above.
        unsafe { *place = errno };
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (word, while_it_is, ns);
        std::thread::yield_now();
    }
}

/// As [`wake_one`], of a word that may be gone by now: its owner has seen what was written there and went on. Then the
/// kernel says EFAULT, or wakes somebody else early, who looks again.
pub fn wake_address(word: *const AtomicU32) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the address is this thread's errno.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: as above.
        let errno = unsafe { *place };
        // SAFETY: the kernel checks the address.
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
        // SAFETY: as above.
        unsafe { *place = errno };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = word;
}
