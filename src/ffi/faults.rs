//! The fault loops' own functions, in the library of the tests only (feature `fault-injection`): c-tests/faults/faults.h
//! declares them, the header does not.

use std::ffi::{c_char, c_int};

extern "C" {
    fn greenrt_fault_arm(kind: c_int, variant: c_int, nth: i64);
    fn greenrt_fault_disarm() -> i64;
    fn greenrt_fault_fired(error: *mut c_int) -> *const c_char;
    fn greenrt_fault_live(kind: c_int) -> i64;
    fn greenrt_fault_list();
}

/// The `nth` of that kind from now on fails.
#[no_mangle]
pub extern "C" fn gt_fault_arm(kind: c_int, variant: c_int, nth: i64) {
    // SAFETY: stores atomics.
    unsafe { greenrt_fault_arm(kind, variant, nth) }
}

/// Nothing fails any more; how many there were.
#[no_mangle]
pub extern "C" fn gt_fault_disarm() -> i64 {
    // SAFETY: as above.
    unsafe { greenrt_fault_disarm() }
}

/// The call that failed and its errno; NULL if none did.
///
/// # Safety
/// `error` is writable.
#[no_mangle]
pub unsafe extern "C" fn gt_fault_fired(error: *mut c_int) -> *const c_char {
    // SAFETY: by the caller.
    unsafe { greenrt_fault_fired(error) }
}

/// How many allocations (kind 0) or mappings (kind 1) there are.
#[no_mangle]
pub extern "C" fn gt_fault_live(kind: c_int) -> i64 {
    // SAFETY: reads a counter.
    unsafe { greenrt_fault_live(kind) }
}

/// Lists them on standard error.
#[no_mangle]
pub extern "C" fn gt_fault_list() {
    // SAFETY: reads the tables.
    unsafe { greenrt_fault_list() }
}
