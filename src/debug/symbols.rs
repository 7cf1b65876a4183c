//! Names for addresses: function, source line where there is debug information, and the file that the code is from.
//!
//! The `backtrace` crate reads them: debug information, else the symbol table of the file, so static functions have names as
//! long as the program was not stripped; then the loader's table (dladdr(3)). It reads files and allocates, which may not be
//! done on a task's stack: callers are on a thread of [`super::aside`] or the watchdog's.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::ffi::{c_void, CStr};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard};

use super::unwind::Frame;

/// The crate's cache is one for the process; a fork must not find it half written.
static CACHE: Mutex<()> = Mutex::new(());

fn lock() -> MutexGuard<'static, ()> {
    CACHE.lock().unwrap_or_else(|e| e.into_inner())
}

struct Held(UnsafeCell<Option<MutexGuard<'static, ()>>>);
// SAFETY: written with the lock held, by the forking thread.
unsafe impl Sync for Held {}
static HELD: Held = Held(UnsafeCell::new(None));

extern "C" fn before_fork() {
    let guard = lock();
    // SAFETY: the lock is held by this thread.
    unsafe { *HELD.0.get() = Some(guard) };
}

extern "C" fn after_fork() {
    // SAFETY: set by `before_fork` on this thread, or on the one that it is a copy of.
    unsafe { *HELD.0.get() = None };
}

/// Once per process, when the library is loaded.
pub fn at_load() {
    // SAFETY: the handlers stay (the library is linked `nodelete`). Out of memory at load: a child's dumps may be stuck.
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(after_fork)) };
}

/// Names, remembered for the length of one report: parked tasks stand in the same places.
#[derive(Default)]
pub struct Names {
    known: HashMap<(usize, bool), String>,
}

impl Names {
    /// For a new report: objects may have been loaded since the last one.
    pub fn new() -> Names {
        let _one = lock();
        backtrace::clear_symbol_cache();
        Names::default()
    }

    /// The name of a function by its address; empty if there is none.
    pub fn function(&mut self, address: usize) -> String {
        let _one = lock();
        let mut name = String::new();
        // SAFETY: nobody else is in the crate: every use of it is under the lock.
        unsafe {
            backtrace::resolve_unsynchronized(within(address), |symbol| {
                // The last one is the function itself, those before are inlined into it.
                name = symbol.name().map_or_else(String::new, |n| format!("{n:#}"));
            });
        }
        name
    }

    /// What a frame is: `name (file.c:34) in module`, inlined functions before the one that they are part of.
    pub fn frame(&mut self, frame: Frame) -> &str {
        self.known.entry((frame.ip, frame.after_call)).or_insert_with(|| {
            let _one = lock();
            describe(frame)
        })
    }
}

/// The crate takes every address for a return address and looks one byte before it.
fn within(place: usize) -> *mut c_void {
    (place + 1) as *mut c_void
}

fn describe(frame: Frame) -> String {
    let place = frame.ip - frame.after_call as usize;
    let mut symbols: Vec<String> = Vec::new();
    let mut ours = false;
    // SAFETY: nobody else is in the crate: every use of it is under the lock.
    unsafe {
        backtrace::resolve_unsynchronized(within(place), |symbol| {
            let mut text = symbol.name().map_or_else(|| "?".into(), |n| format!("{n:#}"));
            if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                let _ = write!(text, " ({}:{line})", file.file_name().unwrap_or_default().to_string_lossy());
                ours = file.extension().is_some_and(|e| e == "rs");
            }
            symbols.push(text);
        });
    }
    let (module, near) = module(place);
    // What was inlined into a Rust function is mostly the library's own machinery: the function alone says enough.
    let from = if ours { symbols.len().saturating_sub(1) } else { 0 };
    let mut text = symbols[from..].join(" < ");
    if text.is_empty() {
        text = near.unwrap_or_else(|| "?".into());
    }
    if !module.is_empty() {
        let _ = write!(text, " in {module}");
    }
    text
}

/// The file an address is from, and the nearest exported name below it.
fn module(address: usize) -> (String, Option<String>) {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr(3) fills the struct in or returns 0; the strings are the loader's.
    unsafe {
        if libc::dladdr(address as *const c_void, info.as_mut_ptr()) == 0 {
            return (String::new(), None);
        }
        let info = info.assume_init();
        let text = |p: *const libc::c_char| (!p.is_null()).then(|| CStr::from_ptr(p).to_string_lossy().into_owned());
        let file = text(info.dli_fname).unwrap_or_default();
        let file = file.rsplit('/').next().unwrap_or_default().to_string();
        let near = text(info.dli_sname).map(|n| format!("{n}+{:#x}", address.wrapping_sub(info.dli_saddr as usize)));
        (file, near)
    }
}
