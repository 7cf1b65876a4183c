//! What the tools that watch memory and threads are told about stacks and switches. Without them: nothing, at no cost.
//!
//! AddressSanitizer keeps the bounds of the running stack and its frames' fake copies; ThreadSanitizer a history for each
//! line of execution; valgrind takes every move of the stack pointer for growth unless it knows the stack. Each is told
//! under a cargo feature of its own (`asan`, `tsan`, `valgrind`) that only the tests turn on (docs/TESTING.md). The calls
//! are those of `sanitizer/common_interface_defs.h`, `sanitizer/tsan_interface.h` and `valgrind/valgrind.h`.
//!
//! Invariants:
//! A1  `leave` or `leave_for_good` is the last thing said before a switch; `Leaving::back` or `entered` the first after it.
//! A2  A stack is opened before anything is written to it, and closed when nothing of it is read any more.
//! A3  A thread's first switch leaves its own stack: whoever arrives then learns that stack's bounds.

/// OS threads of the tool's own in the process: ThreadSanitizer has one.
pub const THREADS: usize = cfg!(feature = "tsan") as usize;

/// A task's line of execution. Part of the task record; empty without ThreadSanitizer.
pub struct Seat {
    #[cfg(feature = "tsan")]
    fiber: std::cell::Cell<*mut std::ffi::c_void>,
}

/// A switch under way, kept on the stack that is left.
#[must_use = "the tool must hear of the way back"]
pub struct Leaving {
    #[cfg(feature = "asan")]
    frames: *mut std::ffi::c_void,
}

impl Seat {
    /// Nothing is known yet.
    #[inline(always)]
    pub const fn new() -> Seat {
        Seat {
            #[cfg(feature = "tsan")]
            fiber: std::cell::Cell::new(std::ptr::null_mut()),
        }
    }

    /// A task is about to start.
    #[inline(always)]
    pub fn begin(&self) {
        #[cfg(feature = "tsan")]
        // SAFETY: no preconditions; the handle is destroyed once, by `end`.
        self.fiber.set(unsafe { tsan::__tsan_create_fiber(0) });
    }

    /// The root: the thread's own line.
    #[inline(always)]
    pub fn this_thread(&self) {
        #[cfg(feature = "tsan")]
        // SAFETY: no preconditions.
        self.fiber.set(unsafe { tsan::__tsan_get_current_fiber() });
    }

    /// A task has ended, and another runs.
    #[inline(always)]
    pub fn end(&self) {
        #[cfg(feature = "tsan")]
        // SAFETY: made by `begin`, and not the running one (D4 of the scheduler).
        unsafe {
            tsan::__tsan_destroy_fiber(self.fiber.replace(std::ptr::null_mut()))
        };
    }
}

/// The running stack is left for the one given (null bounds: the thread's own).
#[inline(always)]
pub fn leave(to: &Seat, base: *mut u8, top: *mut u8) -> Leaving {
    let _ = (to, base, top);
    #[cfg(feature = "asan")]
    let frames = asan::leave(base, top);
    #[cfg(feature = "tsan")]
    // SAFETY: A1: the fiber is that of the task that runs next; it has not ended. No synchronisation is implied or hidden:
    // both tasks are of one OS thread, so everything before is before.
    unsafe {
        tsan::__tsan_switch_to_fiber(to.fiber.get(), 0)
    };
    Leaving {
        #[cfg(feature = "asan")]
        frames,
    }
}

/// As [`leave`], by a task that does not come back.
#[inline(always)]
pub fn leave_for_good(to: &Seat, base: *mut u8, top: *mut u8) {
    let _ = (to, base, top);
    #[cfg(feature = "asan")]
    asan::leave_for_good(base, top);
    #[cfg(feature = "tsan")]
    // SAFETY: as in `leave`.
    unsafe {
        tsan::__tsan_switch_to_fiber(to.fiber.get(), 0)
    };
}

impl Leaving {
    /// Back on the stack that was left.
    #[inline(always)]
    pub fn back(self) {
        #[cfg(feature = "asan")]
        asan::arrive(self.frames);
    }
}

/// For the first time on a new task's stack.
#[inline(always)]
pub fn entered() {
    #[cfg(feature = "asan")]
    asan::arrive(std::ptr::null_mut());
}

/// A stack is handed out: all of it may be written, nothing of it means anything.
#[inline(always)]
pub fn open(base: *mut u8, top: *mut u8) {
    let _ = (base, top);
    #[cfg(feature = "asan")]
    asan::open(base, top);
    #[cfg(feature = "valgrind")]
    valgrind::open(base, top);
}

/// A stack of the pool comes back: whoever still points into it is wrong.
#[inline(always)]
pub fn close(base: *mut u8, top: *mut u8) {
    let _ = (base, top);
    #[cfg(feature = "asan")]
    asan::close(base, top);
    #[cfg(feature = "valgrind")]
    valgrind::close(base, top);
}

/// A range is a stack from now on.
#[inline(always)]
pub fn stack_made(base: *mut u8, top: *mut u8) {
    let _ = (base, top);
    #[cfg(feature = "asan")]
    asan::made(base, top);
    #[cfg(feature = "valgrind")]
    valgrind::made(base, top);
}

/// A range that [`stack_made`] announced is no stack any more.
#[inline(always)]
pub fn stack_gone(base: *mut u8, top: *mut u8) {
    let _ = (base, top);
    #[cfg(feature = "asan")]
    asan::gone(base, top);
    #[cfg(feature = "valgrind")]
    valgrind::gone(base, top);
}

/// Runs what reads stacks as memory, whatever stands there: a mark of how deep one was used, a walk along its calls.
#[inline(always)]
pub fn unjudged<R>(read: impl FnOnce() -> R) -> R {
    #[cfg(feature = "valgrind")]
    valgrind::judge(false);
    let result = read();
    #[cfg(feature = "valgrind")]
    valgrind::judge(true);
    result
}

#[cfg(feature = "tsan")]
mod tsan {
    use std::ffi::c_void;

    extern "C" {
        pub fn __tsan_get_current_fiber() -> *mut c_void;
        pub fn __tsan_create_fiber(flags: u32) -> *mut c_void;
        pub fn __tsan_destroy_fiber(fiber: *mut c_void);
        pub fn __tsan_switch_to_fiber(fiber: *mut c_void, flags: u32);
    }
}

#[cfg(feature = "asan")]
mod asan {
    use std::cell::Cell;
    use std::ffi::c_void;
    use std::ptr;

    extern "C" {
        fn __sanitizer_start_switch_fiber(save: *mut *mut c_void, bottom: *const c_void, size: usize);
        fn __sanitizer_finish_switch_fiber(save: *mut c_void, bottom: *mut *const c_void, size: *mut usize);
        fn __asan_poison_memory_region(base: *const c_void, size: usize);
        fn __asan_unpoison_memory_region(base: *const c_void, size: usize);
        fn __lsan_register_root_region(base: *const c_void, size: usize);
        fn __lsan_unregister_root_region(base: *const c_void, size: usize);
    }

    thread_local! {
        /// Lowest address and size of the thread's own stack (A3).
        static OWN: Cell<(*const c_void, usize)> = const { Cell::new((ptr::null(), 0)) };
    }

    fn bounds(base: *mut u8, top: *mut u8) -> (*const c_void, usize) {
        match base.is_null() {
            true => OWN.get(),
            false => (base.cast_const().cast(), bytes(base, top)),
        }
    }

    pub fn leave(base: *mut u8, top: *mut u8) -> *mut c_void {
        let (bottom, size) = bounds(base, top);
        let mut frames = ptr::null_mut();
        // SAFETY: A1; the bounds are those of the stack that runs next.
        unsafe { __sanitizer_start_switch_fiber(&mut frames, bottom, size) };
        frames
    }

    /// Frees the fake frames of the stack that is left. So no local of this function may have its address taken.
    pub fn leave_for_good(base: *mut u8, top: *mut u8) {
        let (bottom, size) = bounds(base, top);
        // SAFETY: A1; as in `leave`; nothing of the stack that is left runs again.
        unsafe { __sanitizer_start_switch_fiber(ptr::null_mut(), bottom, size) };
    }

    pub fn arrive(frames: *mut c_void) {
        let (mut bottom, mut size) = (ptr::null(), 0);
        // SAFETY: A1; `frames` is what `leave` saved for this stack, or null for a new one.
        unsafe { __sanitizer_finish_switch_fiber(frames, &mut bottom, &mut size) };
        if OWN.get().1 == 0 {
            OWN.set((bottom, size));
        }
    }

    fn bytes(base: *mut u8, top: *mut u8) -> usize {
        top as usize - base as usize
    }

    pub fn open(base: *mut u8, top: *mut u8) {
        // SAFETY: A2: the range is a stack that nothing runs on.
        unsafe { __asan_unpoison_memory_region(base.cast(), bytes(base, top)) };
    }

    pub fn close(base: *mut u8, top: *mut u8) {
        // SAFETY: A2.
        unsafe { __asan_poison_memory_region(base.cast(), bytes(base, top)) };
    }

    /// What parked tasks point to is no leak.
    pub fn made(base: *mut u8, top: *mut u8) {
        // SAFETY: the range is readable until `gone`.
        unsafe { __lsan_register_root_region(base.cast(), bytes(base, top)) };
    }

    pub fn gone(base: *mut u8, top: *mut u8) {
        open(base, top);
        // SAFETY: registered by `made`.
        unsafe { __lsan_unregister_root_region(base.cast(), bytes(base, top)) };
    }
}

#[cfg(feature = "valgrind")]
mod valgrind {
    use std::collections::BTreeMap;
    use std::ffi::{c_uint, c_void};

    use crate::sys::sync::Mutex;

    extern "C" {
        fn gt_valgrind_stack(base: *const c_void, top: *const c_void) -> c_uint;
        fn gt_valgrind_no_stack(id: c_uint);
        fn gt_valgrind_undefined(base: *const c_void, top: *const c_void);
        fn gt_valgrind_no_access(base: *const c_void, top: *const c_void);
        fn gt_valgrind_judge(on: c_uint);
    }

    /// Valgrind's numbers of the stacks, by base.
    static KNOWN: Mutex<BTreeMap<usize, c_uint>> = Mutex::new(BTreeMap::new());

    pub fn open(base: *mut u8, top: *mut u8) {
        // SAFETY: a request to valgrind about a range; nothing is read or written.
        unsafe { gt_valgrind_undefined(base.cast(), top.cast()) };
    }

    pub fn close(base: *mut u8, top: *mut u8) {
        // SAFETY: as above.
        unsafe { gt_valgrind_no_access(base.cast(), top.cast()) };
    }

    pub fn made(base: *mut u8, top: *mut u8) {
        // SAFETY: as above.
        let id = unsafe { gt_valgrind_stack(base.cast(), top.cast()) };
        KNOWN.lock().unwrap_or_else(|e| e.into_inner()).insert(base as usize, id);
    }

    /// Whether errors of this OS thread are reported.
    pub fn judge(on: bool) {
        // SAFETY: a request to valgrind.
        unsafe { gt_valgrind_judge(on as c_uint) };
    }

    pub fn gone(base: *mut u8, _top: *mut u8) {
        let id = KNOWN.lock().unwrap_or_else(|e| e.into_inner()).remove(&(base as usize));
        if let Some(id) = id {
            // SAFETY: `id` came from `made`.
            unsafe { gt_valgrind_no_stack(id) };
        }
    }
}
