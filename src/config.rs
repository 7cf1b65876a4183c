//! The process-wide settings of `gt_config`, and the allocator they may replace.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::context::slab::{Shape, DEFAULT_GUARD, DEFAULT_STACK};
use crate::error::{Error, Result};
use crate::sys::sync::Mutex;

/// What to do when nothing can ever wake anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deadlock {
    /// List the parked tasks on standard error, once, and keep waiting.
    Report,
    /// Also end the root task's blocking call with -EDEADLK.
    Fail,
    /// Say nothing.
    Ignore,
}

/// Limits of the pool of OS threads for calls that block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offload {
    /// Threads at most.
    pub threads: u32,
    /// Jobs that may wait for a thread.
    pub queue: u32,
    /// How long a thread without work stays, in ns.
    pub linger: i64,
}

impl Offload {
    /// What holds unless gt_config says otherwise.
    pub const DEFAULT: Offload = Offload { threads: 16, queue: 1024, linger: 10_000_000_000 };
    /// The most threads one may ask for.
    pub const MOST_THREADS: u32 = 1024;
    /// The most waiting jobs one may ask for.
    pub const MOST_QUEUED: u32 = 1 << 20;
}

/// The settings.
#[derive(Clone, Copy)]
pub struct Config {
    /// The default stack.
    pub shape: Shape,
    /// Whether the stack overflow handler is installed.
    pub overflow_handler: bool,
    /// What a deadlock leads to.
    pub deadlock: Deadlock,
    /// The pool for calls that block.
    pub offload: Offload,
}

/// A host's allocator.
#[derive(Clone, Copy)]
pub struct Allocator {
    /// malloc with alignment.
    pub alloc: unsafe extern "C" fn(usize, usize, *mut c_void) -> *mut c_void,
    /// realloc with both sizes.
    pub realloc: unsafe extern "C" fn(*mut c_void, usize, usize, usize, *mut c_void) -> *mut c_void,
    /// free with size and alignment.
    pub dealloc: unsafe extern "C" fn(*mut c_void, usize, usize, *mut c_void),
    /// The last argument of each.
    pub arg: *mut c_void,
}

// SAFETY: the host promises that its allocator may be called from any thread (stated in the header).
unsafe impl Sync for Allocator {}
// SAFETY: as above.
unsafe impl Send for Allocator {}

static SETTINGS: Mutex<Config> = Mutex::new(Config {
    shape: Shape { size: DEFAULT_STACK, guard: DEFAULT_GUARD },
    overflow_handler: true,
    deadlock: Deadlock::Report,
    offload: Offload::DEFAULT,
});
static FROZEN: AtomicBool = AtomicBool::new(false);
static CUSTOM: std::sync::OnceLock<Allocator> = std::sync::OnceLock::new();
/// Set by the first allocation made with the C library's allocator.
static ALLOCATED: AtomicBool = AtomicBool::new(false);
static HAS_CUSTOM: AtomicBool = AtomicBool::new(false);

/// Reads the settings for good: later calls of [`set`] fail.
pub fn freeze() -> Config {
    FROZEN.store(true, Ordering::SeqCst);
    *SETTINGS.lock().unwrap_or_else(|e| e.into_inner())
}

/// Stores the settings; -EBUSY once anybody has read them or memory was allocated before its allocator came.
pub fn set(config: Config, allocator: Option<Allocator>) -> Result<()> {
    let busy = Error::new(libc::EBUSY);
    let mut settings = SETTINGS.lock().unwrap_or_else(|e| e.into_inner());
    if FROZEN.load(Ordering::SeqCst) {
        return Err(busy);
    }
    if let Some(allocator) = allocator {
        if ALLOCATED.load(Ordering::SeqCst) || CUSTOM.set(allocator).is_err() {
            return Err(busy);
        }
        HAS_CUSTOM.store(true, Ordering::Release);
    }
    *settings = config;
    Ok(())
}

/// The allocator of the whole library: the host's if it gave one, else the C library's.
pub struct Configured;

impl Configured {
    #[inline]
    fn custom() -> Option<&'static Allocator> {
        if HAS_CUSTOM.load(Ordering::Acquire) {
            CUSTOM.get()
        } else {
            if !ALLOCATED.load(Ordering::Relaxed) {
                ALLOCATED.store(true, Ordering::SeqCst);
            }
            None
        }
    }
}

// SAFETY: both allocators return null or memory of the size and alignment asked for, and take it back by the same
// layout. A host's allocator is in place before the first allocation, or not at all (`set`).
unsafe impl GlobalAlloc for Configured {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Configured::custom() {
            // SAFETY: the host's function takes any size and any power of two.
            Some(a) => unsafe { (a.alloc)(layout.size(), layout.align(), a.arg) }.cast(),
            // SAFETY: the layout is the caller's.
            None => unsafe { std::alloc::System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        match Configured::custom() {
            // SAFETY: the block came from the host's `alloc` with this layout.
            Some(a) => unsafe { (a.dealloc)(p.cast(), layout.size(), layout.align(), a.arg) },
            // SAFETY: the block came from System with this layout.
            None => unsafe { std::alloc::System.dealloc(p, layout) },
        }
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match Configured::custom() {
            // SAFETY: as for dealloc.
            Some(a) => unsafe { (a.realloc)(p.cast(), layout.size(), size, layout.align(), a.arg) }.cast(),
            // SAFETY: as for dealloc.
            None => unsafe { std::alloc::System.realloc(p, layout, size) },
        }
    }
}
