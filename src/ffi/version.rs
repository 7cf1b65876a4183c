//! Section: version and errors.

use crate::error;

/// The ABI of this library. A program or binding compares it with `gt_abi_version()` of the library it found.
pub const GT_ABI_VERSION: u32 = 1;

const VERSION: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version without an inner NUL"),
    };

/// The library's version, as "1.2.3". Static text. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_version() -> *const libc::c_char {
    VERSION.as_ptr()
}

/// The library's ABI version. Another number than the header's GT_ABI_VERSION: do not use this library with this
/// header. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_abi_version() -> u32 {
    GT_ABI_VERSION
}

/// The name and meaning of an error, as static text that is never NULL: "ECANCELED: the task was cancelled". Takes the
/// negative result of a call or a positive errno. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_strerror(error: libc::c_int) -> *const libc::c_char {
    error::text(error).as_ptr()
}
