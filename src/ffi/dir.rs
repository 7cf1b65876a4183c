//! Section: directories.

use super::guard::{guard, guard_errno, invalid, text};
use crate::offload::dir::{self, Listing};
use crate::sched::Scheduler;
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// What was in a directory when gt_dir_open() read it.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_dir_t {
    _object: Object<Listing>,
}

/// A name in a directory.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_dirent_t {
    /// The name, until gt_dir_free().
    pub name: *const libc::c_char,
    /// The file's number in its file system.
    pub inode: u64,
    /// DT_REG, DT_DIR and the like of readdir(3); DT_UNKNOWN where the file system does not say: ask gt_lstat().
    pub kind: libc::c_int,
    /// 0
    pub reserved: u32,
}

/// Reads a directory as a whole, by a job as gt_open(). `*dir` gets the result: read it by gt_dir_next(), free it by gt_dir_free().
///
/// Returns 0, or
///   -EINVAL     path or dir is NULL
///   -ENOENT, -ENOTDIR, -EACCES, -EMFILE, ...  what opendir(3) says
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread.
///
/// # Safety
/// `path` is NULL or NUL-terminated; `dir` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_dir_open(path: *const libc::c_char, dir: *mut *mut gt_dir_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_dir_open_until(path, dir, NEVER) }
}

/// As gt_dir_open(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_dir_open().
#[no_mangle]
pub unsafe extern "C" fn gt_dir_open_until(
    path: *const libc::c_char,
    dir: *mut *mut gt_dir_t,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let path = unsafe { text(path)? };
        if dir.is_null() {
            return Err(invalid());
        }
        let listing = dir::read(Scheduler::current()?, path, deadline)?;
        let object = Object::new(Kind::Listing, listing)?;
        // SAFETY: not NULL, so writable by the caller.
        unsafe { *dir = object.cast() };
        Ok(0)
    })
}

/// Says the next name of a directory, in no order, without "." and "..".
///
/// Returns 1 and fills `*entry`, or 0: there are no more; or
///   -EINVAL  dir is NULL or was freed; entry is NULL
///
/// Does not switch. One OS thread at a time.
///
/// # Safety
/// `dir` is NULL or from gt_dir_open(); `entry` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_dir_next(dir: *mut gt_dir_t, entry: *mut gt_dirent_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let listing = unsafe { Object::get(dir.cast::<Object<Listing>>(), Kind::Listing)? };
        if entry.is_null() {
            return Err(invalid());
        }
        let Some(found) = listing.next_entry() else { return Ok(0) };
        let kind = found.kind.into();
        // SAFETY: not NULL, so writable by the caller.
        unsafe { *entry = gt_dirent_t { name: found.name.as_ptr(), inode: found.inode, kind, reserved: 0 } };
        Ok(1)
    })
}

/// Frees what gt_dir_open() read; NULL is fine.
///
/// Returns 0, or
///   -EINVAL  dir was freed before, or is no directory
///
/// Does not switch. Any thread.
///
/// # Safety
/// `dir` is NULL or from gt_dir_open(), and not in use.
#[no_mangle]
pub unsafe extern "C" fn gt_dir_free(dir: *mut gt_dir_t) -> libc::c_int {
    guard(|| {
        if dir.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { Object::free(dir.cast::<Object<Listing>>(), Kind::Listing).map(|()| 0) }
    })
}
