//! What stands around every function of the C face: panics stop here, results become integers, errno stays the
//! caller's.

use std::ffi::CStr;
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::error::{Error, Result};

/// How a return type says "error".
pub trait Failed {
    /// The value for an error.
    fn failed(error: Error) -> Self;
}

impl Failed for i32 {
    fn failed(error: Error) -> i32 {
        -error.errno()
    }
}

impl Failed for i64 {
    fn failed(error: Error) -> i64 {
        -(error.errno() as i64)
    }
}

impl Failed for isize {
    fn failed(error: Error) -> isize {
        -(error.errno() as isize)
    }
}

/// Runs a body; its error, or a panic (-ENOTRECOVERABLE, the message is on stderr), becomes the result.
#[inline(always)]
pub fn guard<T: Failed>(body: impl FnOnce() -> Result<T>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => T::failed(error),
        Err(_) => T::failed(Error::new(libc::ENOTRECOVERABLE)),
    }
}

/// As [`guard`], for bodies that make system calls: the caller's errno is as before.
#[inline(always)]
pub fn guard_errno<T: Failed>(body: impl FnOnce() -> Result<T>) -> T {
    // SAFETY: the address is this thread's for its whole life, and tasks do not change threads.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let errno = unsafe { *place };
    let result = guard(body);
    // SAFETY: as above.
    unsafe { *place = errno };
    result
}

/// Runs a body that makes an object: where results are pointers, NULL says that it failed, and errno why.
pub fn made<T>(body: impl FnOnce() -> Result<*mut T>) -> *mut T {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Error::new(libc::ENOTRECOVERABLE)));
    result.unwrap_or_else(|e| {
        // SAFETY: the address is this thread's errno.
        unsafe { *libc::__errno_location() = e.errno() };
        std::ptr::null_mut()
    })
}

/// -EINVAL.
pub const fn invalid() -> Error {
    Error::new(libc::EINVAL)
}

/// Checks a buffer: NULL only with length 0, no longer than half the address space.
#[inline(always)]
pub fn buffer<T>(pointer: *const T, len: usize) -> Result<()> {
    if (pointer.is_null() && len > 0) || len > isize::MAX as usize {
        return Err(invalid());
    }
    Ok(())
}

/// A C string, or -EINVAL for NULL.
///
/// # Safety
/// NULL or NUL-terminated.
pub unsafe fn text<'a>(pointer: *const libc::c_char) -> Result<&'a CStr> {
    if pointer.is_null() {
        return Err(invalid());
    }
    // SAFETY: by the caller.
    Ok(unsafe { CStr::from_ptr(pointer) })
}

/// Reads a growing struct that starts with `size_t size`: a shorter one is filled up with zeroes, a longer one must end
/// in zeroes (-E2BIG).
///
/// # Safety
/// `given` is NULL or points to at least as many readable bytes as its first member says. `T` is `repr(C)`, starts with
/// `size: usize`, and all zeroes is a valid value.
pub unsafe fn sized<T: Copy>(given: *const T, smallest: usize) -> Result<T> {
    if given.is_null() {
        return Err(invalid());
    }
    // SAFETY: by the caller: the first member is readable.
    let size = unsafe { given.cast::<usize>().read() };
    if size < smallest {
        return Err(invalid());
    }
    let known = std::mem::size_of::<T>();
    let bytes = given.cast::<u8>();
    for i in known..size {
        // SAFETY: by the caller: `size` bytes are readable.
        if unsafe { bytes.add(i).read() } != 0 {
            return Err(Error::new(libc::E2BIG));
        }
    }
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: both are at least that long; all zeroes, partly overwritten by C's own values, is a valid T.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes, value.as_mut_ptr().cast::<u8>(), size.min(known));
        Ok(value.assume_init())
    }
}

/// Fills in a growing struct of the caller's that starts with `size_t size`, which says how many bytes it may get: a shorter one
/// gets the first members, a longer one zeroes at the end. -EINVAL: NULL, or shorter than a size and one word.
///
/// # Safety
/// `place` is NULL or writable for the bytes that its first member says. `T` is `repr(C)`, plain data, and starts with
/// `size: usize`, which stays what it is.
pub unsafe fn tell<T: Copy>(place: *mut T, told: impl FnOnce() -> Result<T>) -> Result<()> {
    let word = std::mem::size_of::<usize>();
    // SAFETY: by the caller: the first member is readable.
    let size = if place.is_null() { 0 } else { unsafe { place.cast::<usize>().read() } };
    if size < 2 * word {
        return Err(invalid());
    }
    let told = told()?;
    let known = std::mem::size_of::<T>();
    let (from, to) = ((&raw const told).cast::<u8>(), place.cast::<u8>());
    // SAFETY: by the caller, `size` bytes are writable; the size itself stays what it is.
    unsafe {
        std::ptr::copy_nonoverlapping(from.add(word), to.add(word), size.min(known) - word);
        if size > known {
            std::ptr::write_bytes(to.add(known), 0, size - known);
        }
    }
    Ok(())
}
