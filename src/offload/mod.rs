//! Calls that block, run on threads of their own while the task parks.

pub mod call;
pub mod dir;
pub mod dns;
pub mod file;
mod job;
pub mod name;
pub mod pool;
mod seats;
pub mod uses;

use std::ffi::{CStr, CString};

use crate::error::{Error, Result};

/// A copy of a text for a job, which may outlive its caller. -ENOMEM.
pub fn copied(text: &CStr) -> Result<CString> {
    let bytes = text.to_bytes_with_nul();
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| Error::new(libc::ENOMEM))?;
    copy.extend_from_slice(bytes);
    // SAFETY: the bytes of a C string, its NUL included.
    Ok(unsafe { CString::from_vec_with_nul_unchecked(copy) })
}
