//! Where the fault loops of the tests (docs/TESTING.md) do not reach: what is allocated, mapped and called inside of
//! dependencies. Without the feature `fault-injection` these two only call what they are given.

#[cfg(feature = "fault-injection")]
extern "C" {
    fn greenrt_fault_beyond(begins: libc::c_int) -> libc::c_int;
}

/// Restores what was before.
#[cfg(feature = "fault-injection")]
struct Mark(libc::c_int);

#[cfg(feature = "fault-injection")]
impl Mark {
    fn set(beyond: bool) -> Mark {
        // SAFETY: sets a thread-local integer.
        Mark(unsafe { greenrt_fault_beyond(beyond as libc::c_int) })
    }
}

#[cfg(feature = "fault-injection")]
impl Drop for Mark {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { greenrt_fault_beyond(self.0) };
    }
}

/// Calls a dependency that aborts when there is no memory. Does not switch.
#[inline(always)]
pub fn beyond<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(feature = "fault-injection")]
    let _mark = Mark::set(true);
    work()
}

/// What a dependency calls back, inside of [`beyond`]: ours again.
#[inline(always)]
pub fn within<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(feature = "fault-injection")]
    let _mark = Mark::set(false);
    work()
}
