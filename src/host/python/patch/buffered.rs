//! The buffered files of `_io`: one at a time.
//!
//! CPython takes one OS thread for one owner of a buffered file: a second task that comes while the first is parked in the middle would
//! be told "reentrant call". So whoever calls a method is noted for the length of the call, on whatever thread, and a task that
//! finds another one inside waits in line. A task that comes back to the file it is inside of still gets CPython's error.
//!
//! Invariants:
//! PB1. The lists are touched with the GIL held, and not at all once the interpreter is ending.
//! PB2. A note lives on the stack of the call that made it and is taken out before that call returns. OS threads that CPython ends
//!     in the middle leave theirs behind; nobody looks any more then (PB1).

use super::super::api::{api, drop_ref, New, Obj};
use super::super::gt::{self, NEVER};
use super::super::host;
use super::call::Args;
use super::layout;
use super::table;
use super::waiters::{self, Outcome, Recheck};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// One call in progress.
struct Note {
    file: Obj,
    /// The task; 0 on an OS thread without tasks.
    task: i64,
    forks: u32,
    next: Cell<*const Note>,
    previous: Cell<*const Note>,
}

/// Lists of notes, by the file's address.
const LISTS: usize = 256;

struct Lists([Cell<*const Note>; LISTS]);
// SAFETY: PB1.
unsafe impl Sync for Lists {}
static CALLS: Lists = Lists([const { Cell::new(core::ptr::null()) }; LISTS]);

/// How often this process is a child of a fork: notes of the parent are not its own.
static FORKS: AtomicU32 = AtomicU32::new(0);

#[inline(always)]
fn list_of(file: Obj) -> &'static Cell<*const Note> {
    &CALLS.0[(file as usize as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 24 & (LISTS - 1)]
}

impl Note {
    #[inline(always)]
    fn new(file: Obj, task: i64) -> Note {
        let forks = FORKS.load(Ordering::Relaxed);
        Note { file, task, forks, next: Cell::new(core::ptr::null()), previous: Cell::new(core::ptr::null()) }
    }

    /// PB1, PB2.
    #[inline(always)]
    unsafe fn put_in(&self) {
        let list = list_of(self.file);
        self.next.set(list.get());
        // SAFETY: PB2: notes in a list are alive.
        if let Some(next) = unsafe { self.next.get().as_ref() } {
            next.previous.set(self);
        }
        list.set(self);
    }

    /// PB1, PB2.
    #[inline(always)]
    unsafe fn take_out(&self) {
        if self.forks != FORKS.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: PB2: neighbours are alive.
        unsafe {
            if let Some(next) = self.next.get().as_ref() {
                next.previous.set(self.previous.get());
            }
            match self.previous.get().as_ref() {
                Some(previous) => previous.next.set(self.next.get()),
                None => list_of(self.file).set(self.next.get()),
            }
        }
    }
}

/// No task's id.
const NOBODY: i64 = i64::MIN;

/// Who is inside of a file.
#[derive(PartialEq, Eq)]
enum Inside {
    Nobody,
    /// The task that asks.
    Me,
    Others,
}

#[inline(always)]
unsafe fn inside(file: Obj, me: i64) -> Inside {
    let mut found = Inside::Nobody;
    let mut at = list_of(file).get();
    // SAFETY: PB2: notes in a list are alive.
    while let Some(note) = unsafe { at.as_ref() } {
        if note.file == file {
            if note.task == me {
                return Inside::Me;
            }
            found = Inside::Others;
        }
        at = note.next.get();
    }
    found
}

/// Is a task inside of any file? It may not be made to give way there by others.
///
/// # Safety
/// PB1.
pub unsafe fn holds_any(task: i64) -> bool {
    CALLS.0.iter().any(|list| {
        let mut at = list.get();
        // SAFETY: PB2: notes in a list are alive.
        while let Some(note) = unsafe { at.as_ref() } {
            if note.task == task {
                return true;
            }
            at = note.next.get();
        }
        false
    })
}

/// Waits until nobody else is inside. False: an exception is set.
#[inline(always)]
unsafe fn come(file: Obj, me: i64) -> bool {
    // SAFETY: PB1.
    unsafe {
        match inside(file, me) {
            Inside::Me => true,
            Inside::Nobody if !waiters::any(file as usize) => true,
            _ => wait(file, me),
        }
    }
}

#[cold]
unsafe fn wait(file: Obj, me: i64) -> bool {
    let key = file as usize;
    let pass_on = || {
        waiters::hand_to_task(key);
    };
    // SAFETY: PB1; GIL held again after the switch.
    unsafe {
        loop {
            if waiters::wait(key, NEVER, Recheck::Never, &|| false, &pass_on) == Outcome::Raised {
                return false;
            }
            if inside(file, me) != Inside::Others {
                return true;
            }
        }
    }
}

/// A call of `original` on a file, alone.
#[inline(always)]
unsafe fn alone(file: Obj, original: impl FnOnce() -> New) -> New {
    // SAFETY: PB1, PB2: the note is taken out below.
    unsafe {
        if host::frozen() {
            return original();
        }
        let mut me = 0;
        if host::home() {
            me = gt::gt_self();
            if !come(file, me) {
                return core::ptr::null_mut();
            }
        }
        let note = Note::new(file, me);
        note.put_in();
        let result = original();
        if !host::frozen() {
            note.take_out();
            // Not from within another call of the same task.
            if waiters::any(file as usize) && inside(file, NOBODY) == Inside::Nobody {
                waiters::hand_to_task(file as usize);
            }
        }
        result
    }
}

/// Any method of a buffered file.
///
/// # Safety
/// Called by CPython on a buffered file.
pub unsafe fn method(args: &Args) -> New {
    // SAFETY: the call as it came; the caller holds a reference to the file.
    unsafe { alone(args.this, || args.original()) }
}

/// In the child of a fork: who was inside does not exist here.
pub fn forget_all() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    CALLS.0.iter().for_each(|list| list.set(core::ptr::null()));
}

// -- the slot behind `for line in file`

type Next = unsafe extern "C-unwind" fn(Obj) -> New;

/// CPython's own function in the slot; all buffered files that can be read share it.
static SAVED: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

unsafe extern "C-unwind" fn next(file: Obj) -> New {
    // SAFETY: called by CPython on a buffered file, as the saved function is.
    unsafe {
        let saved = core::mem::transmute::<*mut c_void, Next>(SAVED.load(Ordering::Relaxed));
        alone(file, || saved(file))
    }
}

const READERS: [&str; 2] = ["BufferedReader", "BufferedRandom"];

/// Finds and verifies the slot.
///
/// # Safety
/// GIL held.
pub unsafe fn prepare() -> Result<(), String> {
    if !SAVED.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    unsafe {
        let mut found: *const c_void = core::ptr::null();
        for name in READERS {
            let class = table::attribute(&["_io", name]).ok_or_else(|| format!("there is no _io.{name}"))?;
            let slot = layout::next_slot(class);
            drop_ref(class);
            let function = *slot?;
            if !found.is_null() && found != function {
                return Err("the buffered files do not share one function to iterate by".to_string());
            }
            found = function;
        }
        SAVED.store(found.cast_mut(), Ordering::Release);
    }
    Ok(())
}

/// Writes ours, or CPython's own, into the slots of the buffered files and of all their subclasses that have the other.
///
/// # Safety
/// GIL held, after [`prepare`].
pub unsafe fn write_slots(green: bool) -> Result<(), String> {
    let saved = SAVED.load(Ordering::Acquire).cast_const();
    if saved.is_null() {
        return Ok(());
    }
    let ours = next as Next as *const c_void;
    let (from, to) = if green { (saved, ours) } else { (ours, saved) };
    // SAFETY: the caller's promise; the words are function slots, verified.
    unsafe {
        for name in READERS {
            if let Some(class) = table::attribute(&["_io", name]) {
                let written = write_below(class, from, to);
                drop_ref(class);
                written?;
            }
        }
    }
    Ok(())
}

unsafe fn write_below(class: Obj, from: *const c_void, to: *const c_void) -> Result<(), String> {
    let api = api();
    // SAFETY: a live type and its subclasses; all have the slot where every type has it.
    unsafe {
        layout::swap_next(class, from, to)?;
        let method = (api.PyObject_GetAttrString)(api.type_type, c"__subclasses__".as_ptr());
        let list = match method.is_null() {
            true => method,
            false => (api.PyObject_VectorcallDict)(method, &class, 1, core::ptr::null_mut()),
        };
        drop_ref(method);
        if list.is_null() {
            (api.PyErr_Clear)();
            return Ok(());
        }
        let mut outcome = Ok(());
        for index in 0..(api.PyList_Size)(list) {
            outcome = outcome.and(write_below((api.PyList_GetItem)(list, index), from, to));
        }
        drop_ref(list);
        outcome
    }
}
