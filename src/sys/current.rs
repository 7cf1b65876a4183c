//! Reading and setting the running scheduler's pointer of this OS thread (see `current.c`).

use std::ffi::c_void;

extern "C" {
    #[cfg(any(test, not(all(target_arch = "x86_64", target_os = "linux"))))]
    fn gt_current_get() -> *mut c_void;
    fn gt_current_set(scheduler: *mut c_void);
}

/// The pointer last set on this OS thread; null if none.
#[inline(always)]
pub fn get() -> *mut c_void {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        let value: *mut c_void;
        // SAFETY: reads an aligned word of this thread's own thread-local block, whose offset the linker or the
        // loader fills in (initial-exec, the only model the variable is declared with).
        unsafe {
            std::arch::asm!(
                "mov {0}, qword ptr [rip + gt_current_slot@GOTTPOFF]",
                "mov {0}, qword ptr fs:[{0}]",
                out(reg) value,
                options(nostack, readonly, preserves_flags, pure)
            );
        }
        value
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    // SAFETY: no preconditions.
    unsafe {
        gt_current_get()
    }
}

/// Sets this OS thread's pointer.
pub fn set(scheduler: *mut c_void) {
    // SAFETY: no preconditions.
    unsafe { gt_current_set(scheduler) }
}

/// Reads through the C function; the portable way.
#[cfg(test)]
fn get_portable() -> *mut c_void {
    // SAFETY: no preconditions.
    unsafe { gt_current_get() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_os_thread_sees_its_own_pointer() {
        set(8 as *mut c_void);
        std::thread::spawn(|| {
            assert!(get().is_null());
            set(16 as *mut c_void);
            assert_eq!(get(), get_portable());
            assert_eq!(get() as usize, 16);
            set(std::ptr::null_mut());
        })
        .join()
        .unwrap();
        assert_eq!(get() as usize, 8);
        assert_eq!(get_portable() as usize, 8);
        set(std::ptr::null_mut());
    }
}
