//! Names for addresses: function, source line where there is debug information, and the file that the code is from.
//!
//! The `backtrace` crate reads them: debug information, else the symbol table of the file, so static functions have names as
//! long as the program was not stripped; then the loader's table (dladdr(3)). It reads files and allocates, which may not be
//! done on a task's stack: callers are on a thread of [`super::aside`] or the watchdog's.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::ffi::{c_void, CStr};
use std::fmt::Write;

use super::unwind::Frame;
use crate::sys::faults::{beyond, within};
use crate::sys::sync::{Mutex, MutexGuard};

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

/// Text that grows while there is memory. What does not fit is left out.
#[derive(Default)]
pub struct Text(String);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> std::fmt::Result {
        self.0.try_reserve(more.len()).map_err(|_| std::fmt::Error)?;
        self.0.push_str(more);
        Ok(())
    }
}

/// Names, remembered for the length of one report: parked tasks stand in the same places.
#[derive(Default)]
pub struct Names {
    known: HashMap<(usize, bool), Text>,
}

impl Names {
    /// For a new report: objects may have been loaded since the last one.
    pub fn new() -> Names {
        let _one = lock();
        beyond(backtrace::clear_symbol_cache);
        Names::default()
    }

    /// The name of a function by its address; empty if there is none.
    pub fn function(&mut self, address: usize) -> Text {
        let mut name = Text::default();
        // The last one is the function itself, those before are inlined into it.
        resolve(address, |symbol| {
            name.0.clear();
            let _ = symbol.name().map_or(Ok(()), |n| write!(name, "{n:#}"));
        });
        name
    }

    /// What a frame is: `name (file.c:34) in module`, inlined functions before the one that they are part of.
    pub fn frame(&mut self, frame: Frame) -> &str {
        let key = (frame.ip, frame.after_call);
        if !self.known.contains_key(&key) && self.known.try_reserve(1).is_ok() {
            self.known.insert(key, describe(frame));
        }
        self.known.get(&key).map_or("?", Text::as_str)
    }
}

/// Calls `each` for every function that a place is in. The crate takes every address for a return address and looks one
/// byte before it.
fn resolve(place: usize, mut each: impl FnMut(&backtrace::Symbol)) {
    let _one = lock();
    let after = (place + 1) as *mut c_void;
    // SAFETY: nobody else is in the crate: every use of it is under the lock.
    beyond(|| unsafe { backtrace::resolve_unsynchronized(after, |symbol| within(|| each(symbol))) });
}

fn describe(frame: Frame) -> Text {
    let place = frame.ip - frame.after_call as usize;
    let (mut text, mut last, mut ours) = (Text::default(), 0, false);
    // Errors mean that memory is out: a shorter text.
    resolve(place, |symbol| {
        if !text.0.is_empty() {
            let _ = text.write_str(" < ");
        }
        last = text.0.len();
        let _ = match symbol.name() {
            Some(name) => write!(text, "{name:#}"),
            None => text.write_str("?"),
        };
        if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("?");
            let _ = write!(text, " ({name}:{line})");
            ours = file.extension().is_some_and(|e| e == "rs");
        }
    });
    if ours {
        // What was inlined into a Rust function is mostly the library's own machinery: the function alone says enough.
        text.0.drain(..last);
    }
    let _ = module(place, &mut text);
    text
}

/// Adds the file an address is from; and where nothing better is known, the nearest exported name below it.
fn module(address: usize, text: &mut Text) -> std::fmt::Result {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr(3) fills the struct in or returns 0, and then it stays all zero.
    let info = unsafe {
        libc::dladdr(address as *const c_void, info.as_mut_ptr());
        info.assume_init()
    };
    // SAFETY: NUL-terminated, and the loader's.
    let name = |p: *const libc::c_char| (!p.is_null()).then(|| unsafe { CStr::from_ptr(p) }.to_str().unwrap_or("?"));
    if text.0.is_empty() {
        match name(info.dli_sname) {
            Some(near) => write!(text, "{near}+{:#x}", address.wrapping_sub(info.dli_saddr as usize))?,
            None => text.write_str("?")?,
        }
    }
    match name(info.dli_fname).and_then(|path| path.rsplit('/').next()) {
        None | Some("") => Ok(()),
        Some(file) => write!(text, " in {file}"),
    }
}
