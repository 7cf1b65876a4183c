//! The `greenlet` package in a process with tasks.
//!
//! It keeps which greenlet runs in thread-local memory of its extension module, one block for each OS thread. A task that parks
//! inside a greenlet would leave its own there for the next task, which then crashes. So the block follows the tasks (`gt_carry`): to
//! greenlet each task is a thread of its own, with a main greenlet of its own.
//!
//! The block is the whole thread-local segment of the module, found by the address of `getcurrent`. In every known build it is
//! two words: a pointer, which is 1 before the first use in an OS thread, and a flag, 1 once the C++ runtime was told to
//! destroy the pointer with the thread. Both start as zeroes; a new task finds ones, so that the runtime is told once. With ones in
//! the block `getcurrent` must answer anew, and as before with the old content. A module that is otherwise is refused.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::api::{api, drop_ref, new_ref, none, raise, raise_text, MethodDef, New, Obj, PyObject, METH_O};
use super::gt;
use super::host;
use super::tasktype::method;

/// The block of a thread that has not used greenlet: the pointer, and the flag that it will be destroyed.
const UNUSED: [usize; 2] = [1, 1];

/// `greenlet.getcurrent`, kept for ever once its module was verified.
static GETCURRENT: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

/// What was found of the module that an address lies in.
struct Search {
    address: usize,
    found: Option<Segment>,
}

/// A thread-local segment.
struct Segment {
    /// This OS thread's block; NULL while it has none.
    block: *mut [usize; 2],
    /// Its size in bytes, and how many of them do not start as zeroes.
    size: usize,
    initialized: usize,
}

/// Is it the module? Called for each; 1 ends the walk.
unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the C library's description of a loaded module, and our own search.
    unsafe {
        let (info, search) = (&*info, &mut *search.cast::<Search>());
        let headers = core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        let inside = |header: &&libc::Elf64_Phdr| {
            let start = info.dlpi_addr as usize + header.p_vaddr as usize;
            header.p_type == libc::PT_LOAD && (start..start + header.p_memsz as usize).contains(&search.address)
        };
        if headers.iter().find(inside).is_none() {
            return 0;
        }
        search.found = headers.iter().find(|header| header.p_type == libc::PT_TLS).map(|header| Segment {
            block: info.dlpi_tls_data.cast(),
            size: header.p_memsz as usize,
            initialized: header.p_filesz as usize,
        });
        1
    }
}

/// The thread-local segment of the module that has this code.
fn segment(code: *const c_void) -> Option<Segment> {
    let mut search = Search { address: code as usize, found: None };
    // SAFETY: the callback has this type, and the search outlives the walk.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

/// This OS thread's block, or why it cannot be carried. Makes it, if `getcurrent` was not called here before.
unsafe fn block(getcurrent: Obj) -> Result<*mut [usize; 2], String> {
    let api = api();
    // SAFETY: GIL held; a builtin function.
    unsafe {
        let first = (api.PyObject_CallNoArgs)(getcurrent);
        if first.is_null() {
            (api.PyErr_Clear)();
            return Err("greenlet.getcurrent fails".to_string());
        }
        drop_ref(first);
        let code = (api.PyCFunction_GetFunction)(getcurrent);
        if code.is_null() {
            (api.PyErr_Clear)();
            return Err("greenlet.getcurrent is not a builtin function".to_string());
        }
        let found = segment(code).ok_or("it keeps nothing in thread-local memory")?;
        if found.block.is_null() || found.block.addr() % align_of::<usize>() != 0 {
            return Err("its thread-local memory is not where it should be".to_string());
        }
        if found.size != size_of_val(&UNUSED) || found.initialized != 0 {
            return Err(format!(
                "it has {} bytes of thread-local memory, {} of them preset: {} that start as zeroes are known",
                found.size,
                found.initialized,
                size_of_val(&UNUSED)
            ));
        }
        let [first, second] = *found.block;
        if first.min(second) != 1 || first.max(second) <= 0xffff {
            return Err("its thread-local memory does not hold a pointer and a flag".to_string());
        }
        Ok(found.block)
    }
}

/// Does the block decide which greenlet runs? Leaves everything as it was.
unsafe fn verify(getcurrent: Obj, block: *mut [usize; 2]) -> Result<(), String> {
    let api = api();
    // SAFETY: GIL held; the block is there. Ones are what a thread has that never used the package.
    unsafe {
        let before = (api.PyObject_CallNoArgs)(getcurrent);
        let kept = block.replace(UNUSED);
        let fresh = (api.PyObject_CallNoArgs)(getcurrent);
        block.write(kept);
        let after = (api.PyObject_CallNoArgs)(getcurrent);
        let fine = !before.is_null() && !fresh.is_null() && before == after && before != fresh;
        (api.PyErr_Clear)();
        drop_ref(after);
        drop_ref(fresh);
        drop_ref(before);
        if fine {
            Ok(())
        } else {
            Err("its thread-local memory does not say which greenlet runs".to_string())
        }
    }
}

/// Has the block follow the tasks of this OS thread, if the package is there. False: a Python exception is set.
///
/// # Safety
/// GIL held, on an OS thread with a scheduler.
pub unsafe fn carry() -> bool {
    let getcurrent = GETCURRENT.load(Ordering::Relaxed);
    if getcurrent.is_null() {
        return true;
    }
    // SAFETY: the caller's promise; the block lives as long as its OS thread, and the module is never unloaded.
    unsafe {
        let carry =
            |block: *mut [usize; 2]| gt::gt_carry_from(block.cast(), size_of_val(&UNUSED), UNUSED.as_ptr().cast());
        let done = block(getcurrent).and_then(|block| match carry(block) {
            0 => Ok(()),
            rc if rc == -libc::EBUSY => Err("something else follows the tasks of this OS thread already".to_string()),
            rc => Err(format!("it cannot follow the tasks (error {})", -rc)),
        });
        done.map_err(|text| refuse(&text)).is_ok()
    }
}

unsafe fn refuse(text: &str) {
    let text = format!("greenrt cannot share the greenlet package among tasks: {text}");
    // SAFETY: GIL held by the caller.
    unsafe { raise_text(api().PyExc_ImportError, &text) };
}

/// `share_greenlet(getcurrent)`
unsafe extern "C" fn share(_this: Obj, getcurrent: Obj) -> New {
    // SAFETY: called by CPython with the GIL held and a live object.
    unsafe {
        if (api().PyCallable_Check)(getcurrent) == 0 {
            return raise(api().PyExc_TypeError, c"share_greenlet() needs greenlet.getcurrent");
        }
        if let Err(text) = block(getcurrent).and_then(|block| verify(getcurrent, block)) {
            refuse(&text);
            return null_mut();
        }
        drop_ref(GETCURRENT.swap(new_ref(getcurrent), Ordering::Relaxed));
        if !host::here().is_null() && !carry() {
            return null_mut();
        }
        none()
    }
}

/// The builtin.
pub static BUILTIN: MethodDef = method!(
    c"share_greenlet",
    share,
    METH_O,
    c"share_greenlet(getcurrent)\n\nGive each task greenlets of its own, from the package that has this function."
);
