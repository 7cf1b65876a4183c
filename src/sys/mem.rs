//! Memory mappings for stacks: map, guard, trim, unmap.

use std::ptr;

use crate::error::{Error, Result};

/// MADV_GUARD_INSTALL (Linux 6.13, madvise(2)): pages that fault, without splitting the mapping.
const MADV_GUARD_INSTALL: i32 = 102;

/// The page size; fixed for the life of the process.
pub fn page() -> usize {
    // SAFETY: sysconf has no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Rounds up to whole pages; None on overflow.
pub fn round_up(bytes: usize) -> Option<usize> {
    let page = page();
    bytes.checked_add(page - 1).map(|n| n & !(page - 1))
}

/// Maps private zeroed memory for stacks: not reserved, never made of huge pages.
pub fn map(bytes: usize) -> Result<*mut u8> {
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let p = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK,
            -1,
            0,
        )
    };
    if p == libc::MAP_FAILED {
        return Err(Error::new(libc::ENOMEM));
    }
    // SAFETY: the range is the mapping made above; advice on huge pages may be refused without harm.
    unsafe { libc::madvise(p, bytes, libc::MADV_NOHUGEPAGE) };
    Ok(p.cast())
}

/// Gives a mapping back.
///
/// # Safety
/// The range is a whole mapping from [`map`], and nothing uses it any more.
pub unsafe fn unmap(base: *mut u8, bytes: usize) {
    // SAFETY: by the caller.
    unsafe { libc::munmap(base.cast(), bytes) };
}

/// Makes a range fault on touch by guard markers; the mapping stays whole.
///
/// # Safety
/// The range lies in a mapping of ours and holds nothing of value.
pub unsafe fn guard_marker(base: *mut u8, bytes: usize) -> Result<()> {
    // SAFETY: by the caller.
    let r = unsafe { libc::madvise(base.cast(), bytes, MADV_GUARD_INSTALL) };
    super::check(r as isize).map(drop)
}

/// Makes a range fault on touch by protection; splits the mapping.
///
/// # Safety
/// As for [`guard_marker`].
pub unsafe fn guard_protect(base: *mut u8, bytes: usize) -> Result<()> {
    // SAFETY: by the caller.
    let r = unsafe { libc::mprotect(base.cast(), bytes, libc::PROT_NONE) };
    match super::check(r as isize) {
        // ENOMEM of mprotect(2) here: the number of mappings would exceed the limit.
        Err(e) if e.errno() == libc::ENOMEM => Err(Error::new(libc::ENOSPC)),
        other => other.map(drop),
    }
}

/// Gives the pages of a range back to the kernel; they read as zero when touched again. Guard markers stay.
///
/// # Safety
/// The range lies in a mapping of ours and holds nothing of value.
pub unsafe fn discard(base: *mut u8, bytes: usize) {
    if bytes > 0 {
        // SAFETY: by the caller.
        unsafe { libc::madvise(base.cast(), bytes, libc::MADV_DONTNEED) };
    }
}
