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
