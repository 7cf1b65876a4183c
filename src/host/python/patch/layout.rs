//! Finding and writing the C function behind a Python builtin or method.
//!
//! A builtin function and a method of a C type both reach their code through a `PyMethodDef`; all references to the
//! function, whenever they were taken, share that one definition. Writing another function of the same calling convention into
//! its `ml_meth` turns them all at once. Where an object keeps the pointer to its definition is found by looking, never
//! assumed, and the finding is checked against what CPython itself says (`PyCFunction_GetFunction`) and by a trial on
//! two builtins of our own. Any check that fails refuses, and nothing has been written by then.
//!
//! Invariants:
//! PL1. Memory of unknown validity is only read through [`peek`], where the kernel does the reading.
//! PL2. A `PyMethodDef` of a C type or module lives as long as the process: extension modules are never unloaded.
//! PL3. The word written has the calling convention that the definition's flags name; the flags are never changed.

use super::super::api::{api, drop_ref, type_of, MethodDef, New, Obj, METH_NOARGS};
use core::ffi::{c_int, c_void, CStr};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Words of an object that are looked at for the pointer to its definition.
const WORDS: usize = 12;
/// Longest method name that is compared.
const NAME_MAX: usize = 64;

/// A pipe through which memory is read: `write` answers EFAULT where a load would fault (PL1).
struct Probe {
    read: c_int,
    write: c_int,
}

impl Probe {
    fn open() -> Result<Probe, String> {
        let mut ends = [0 as c_int; 2];
        // SAFETY: room for two descriptors.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC) } != 0 {
            return Err("no pipe to read memory through (out of descriptors?)".to_string());
        }
        Ok(Probe { read: ends[0], write: ends[1] })
    }

    /// Copies `out.len()` bytes (at most a page) from `address`; false where there is no such memory.
    fn peek(&self, address: usize, out: &mut [u8]) -> bool {
        if address < 4096 || address.checked_add(out.len()).is_none() {
            return false;
        }
        // SAFETY: PL1: the kernel reads the address and answers EFAULT when it is not readable; the second call fills our
        // own buffer. A short write (the range ends at a hole) leaves bytes in the pipe, which are drained.
        unsafe {
            let count = libc::write(self.write, address as *const c_void, out.len());
            if count <= 0 {
                return false;
            }
            let back = libc::read(self.read, out.as_mut_ptr().cast(), count as usize);
            back == out.len() as isize
        }
    }

    fn word(&self, address: usize) -> Option<usize> {
        let mut bytes = [0u8; 8];
        self.peek(address, &mut bytes).then(|| usize::from_ne_bytes(bytes))
    }

    /// Whether the word at `address` can be written: it is copied out and back in by the kernel.
    fn writable(&self, address: usize) -> bool {
        // SAFETY: PL1 as in `peek`; the word comes back as it left.
        unsafe {
            libc::write(self.write, address as *const c_void, 8) == 8
                && match libc::read(self.read, address as *mut c_void, 8) {
                    8 => true,
                    _ => {
                        let mut drained = [0u8; 8];
                        libc::read(self.read, drained.as_mut_ptr().cast(), 8);
                        false
                    }
                }
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // SAFETY: both ends are ours.
        unsafe {
            libc::close(self.read);
            libc::close(self.write);
        }
    }
}

/// The definition of `name` behind `object`, and the offset of the pointer to it.
fn search(probe: &Probe, object: Obj, name: &[u8]) -> Option<(usize, *mut MethodDef)> {
    let mut text = [0u8; NAME_MAX];
    let wanted = name.len() + 1;
    if wanted > NAME_MAX {
        return None;
    }
    for index in 0..WORDS {
        let offset = index * size_of::<usize>();
        let Some(pointer) = probe.word(object as usize + offset) else { break };
        if pointer % align_of::<MethodDef>() != 0 {
            continue;
        }
        let Some(named) = probe.word(pointer) else { continue };
        if probe.peek(named, &mut text[..wanted]) && &text[..name.len()] == name && text[name.len()] == 0 {
            return Some((offset, pointer as *mut MethodDef));
        }
    }
    None
}

/// Offsets of the definition pointer in builtin functions and in method descriptors; 0 = not looked for yet.
static IN_FUNCTION: AtomicUsize = AtomicUsize::new(0);
static IN_DESCRIPTOR: AtomicUsize = AtomicUsize::new(0);

type NoArgs = unsafe extern "C" fn(Obj, Obj) -> New;

unsafe extern "C" fn trial_old(_: Obj, _: Obj) -> New {
    // SAFETY: called by CPython with the GIL.
    unsafe { (api().PyLong_FromLong)(1) }
}

unsafe extern "C" fn trial_new(_: Obj, _: Obj) -> New {
    // SAFETY: as above.
    unsafe { (api().PyLong_FromLong)(2) }
}

/// A definition of our own to try the write on. `UnsafeCell`-like: CPython and we both write to it, under the GIL.
static mut TRIALS: [MethodDef; 2] = [
    MethodDef {
        name: c"greenrt_trial_function".as_ptr(),
        meth: trial_old as NoArgs as *const c_void,
        flags: METH_NOARGS,
        doc: core::ptr::null(),
    },
    MethodDef {
        name: c"greenrt_trial_method".as_ptr(),
        meth: trial_old as NoArgs as *const c_void,
        flags: METH_NOARGS,
        doc: core::ptr::null(),
    },
];

/// Calls a trial object and tells which of the two functions ran.
unsafe fn trial_call(object: Obj, argument: Obj) -> i64 {
    let api = api();
    // SAFETY: live objects; GIL held by the caller.
    unsafe {
        let result = if argument.is_null() {
            (api.PyObject_CallNoArgs)(object)
        } else {
            (api.PyObject_VectorcallDict)(object, &argument, 1, core::ptr::null_mut())
        };
        if result.is_null() {
            (api.PyErr_Clear)();
            return -1;
        }
        let answer = (api.PyLong_AsLongLong)(result);
        drop_ref(result);
        answer
    }
}

/// Checks on an object of ours that the definition found is the one that calls go through: write, call, restore, call.
unsafe fn trial(probe: &Probe, object: Obj, name: &CStr, argument: Obj, index: usize) -> Result<usize, String> {
    let kind = if index == 0 { "builtin function" } else { "method descriptor" };
    let Some((offset, found)) = search(probe, object, name.to_bytes()) else {
        return Err(format!("no pointer to the definition in a {kind}"));
    };
    let definition = &raw mut TRIALS;
    // SAFETY: one of our two static definitions; the GIL makes this the only access.
    unsafe {
        let definition = (&raw mut (*definition)[index]).cast::<MethodDef>();
        if found != definition {
            return Err(format!("the definition found in a {kind} is another one"));
        }
        let before = trial_call(object, argument);
        (*found).meth = trial_new as NoArgs as *const c_void;
        let swapped = trial_call(object, argument);
        (*found).meth = trial_old as NoArgs as *const c_void;
        let after = trial_call(object, argument);
        if (before, swapped, after) != (1, 2, 1) {
            return Err(format!("a {kind} does not call through its definition ({before}, {swapped}, {after})"));
        }
    }
    Ok(offset)
}

/// Compares the definition found behind `holder.name` with what CPython says about the bound function.
unsafe fn agree(probe: &Probe, found_in: Obj, bound: Obj, name: &CStr, offset: usize) -> bool {
    let api = api();
    match search(probe, found_in, name.to_bytes()) {
        // SAFETY: `bound` is a builtin function or method object; the definition was readable when searched.
        Some((at, definition)) => unsafe {
            at == offset
                && (*definition).meth == (api.PyCFunction_GetFunction)(bound).cast_const()
                && (*definition).flags == (api.PyCFunction_GetFlags)(bound)
        },
        None => false,
    }
}

/// Finds and verifies the two offsets, once per process.
///
/// # Safety
/// GIL held.
pub unsafe fn prepare() -> Result<(), String> {
    if IN_FUNCTION.load(Ordering::Relaxed) != 0 {
        return Ok(());
    }
    let api = api();
    let probe = Probe::open()?;
    // SAFETY: live objects throughout, references dropped where owned; GIL held.
    unsafe {
        let definitions = &raw const TRIALS;
        let function =
            (api.PyCFunction_NewEx)(&raw const (*definitions)[0], core::ptr::null_mut(), core::ptr::null_mut());
        let base = api.object_type;
        let method = (api.PyDescr_NewMethod)(base, (&raw const (*definitions)[1]).cast_mut());
        let found = if function.is_null() || method.is_null() {
            (api.PyErr_Clear)();
            Err("no memory for a trial".to_string())
        } else {
            trial(&probe, function, c"greenrt_trial_function", core::ptr::null_mut(), 0)
                .and_then(|f| trial(&probe, method, c"greenrt_trial_method", api.none, 1).map(|m| (f, m)))
        };
        drop_ref(function);
        drop_ref(method);
        let (in_function, in_descriptor) = found?;

        // Known objects of CPython's own: the function of a module, methods of static types.
        let text = (api.PyUnicode_FromString)(c"x".as_ptr());
        let list = (api.PyList_New)(0);
        let mut sound = !text.is_null() && !list.is_null();
        for (instance, name) in [(text, c"upper"), (text, c"join"), (list, c"append"), (list, c"sort")] {
            if !sound {
                break;
            }
            let bound = (api.PyObject_GetAttrString)(instance, name.as_ptr());
            let kind_of = type_of(instance);
            let unbound = (api.PyObject_GetAttrString)(kind_of, name.as_ptr());
            sound = !bound.is_null()
                && !unbound.is_null()
                && agree(&probe, unbound, bound, name, in_descriptor)
                && agree(&probe, bound, bound, name, in_function);
            drop_ref(bound);
            drop_ref(unbound);
        }
        drop_ref(text);
        drop_ref(list);
        (api.PyErr_Clear)();
        if !sound {
            return Err("the definitions found for methods of str and list are not those CPython calls".to_string());
        }
        IN_DESCRIPTOR.store(in_descriptor, Ordering::Relaxed);
        IN_FUNCTION.store(in_function, Ordering::Release);
    }
    Ok(())
}

/// The definition behind a builtin function or method descriptor called `name`.
///
/// # Safety
/// GIL held; `object` is alive.
pub unsafe fn definition(object: Obj, name: &CStr) -> Result<*mut MethodDef, String> {
    // SAFETY: the caller's promise.
    unsafe { prepare()? };
    let probe = Probe::open()?;
    let shown = name.to_string_lossy();
    match search(&probe, object, name.to_bytes()) {
        Some((offset, found))
            if offset == IN_FUNCTION.load(Ordering::Relaxed) || offset == IN_DESCRIPTOR.load(Ordering::Relaxed) =>
        {
            Ok(found)
        }
        Some((offset, _)) => Err(format!("the definition of {shown} was found at the unexpected offset {offset}")),
        None => {
            // SAFETY: the caller's promise.
            let by = unsafe { replaced_by(object) };
            Err(format!("{shown} is not a builtin function or method with a definition{by}"))
        }
    }
}

/// ", but one of MODULE: ...", when a module says that it made what is there in place of the builtin.
unsafe fn replaced_by(object: Obj) -> String {
    let api = api();
    // SAFETY: GIL held; new references are dropped, and the text lives as long as its string.
    unsafe {
        let module = (api.PyObject_GetAttrString)(object, c"__module__".as_ptr());
        let text = if module.is_null() {
            core::ptr::null()
        } else {
            (api.PyUnicode_AsUTF8AndSize)(module, core::ptr::null_mut())
        };
        let told = if text.is_null() {
            String::new()
        } else {
            let by = CStr::from_ptr(text).to_string_lossy();
            format!(", but one of {by}: a program is patched by greenrt or by another, not by both")
        };
        drop_ref(module);
        (api.PyErr_Clear)();
        told
    }
}

/// Writes one word that another thread may be reading, making its page writable for the moment when it is not.
///
/// # Safety
/// `address` is an aligned word that holds a pointer of the same meaning as `value`.
pub unsafe fn store(address: *mut *const c_void, value: *const c_void) -> Result<(), String> {
    let probe = Probe::open()?;
    // SAFETY: an aligned pointer-sized word, shared as an atomic.
    let word = unsafe { AtomicPtr::from_ptr(address.cast::<*mut c_void>()) };
    if probe.writable(address as usize) {
        word.store(value.cast_mut(), Ordering::Release);
        return Ok(());
    }
    // SAFETY: the page that holds the word; its protection is put back.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let base = (address as usize & !(page - 1)) as *mut c_void;
        if libc::mprotect(base, page, libc::PROT_READ | libc::PROT_WRITE) != 0 {
            return Err("the definition lies in read-only memory that mprotect does not open".to_string());
        }
        word.store(value.cast_mut(), Ordering::Release);
        libc::mprotect(base, page, libc::PROT_READ);
    }
    Ok(())
}

/// `module.name`, a new reference.
unsafe fn attribute(module: &CStr, name: &CStr) -> Result<New, String> {
    let api = api();
    // SAFETY: NUL-terminated names; GIL held by the caller.
    unsafe {
        let home = (api.PyImport_ImportModule)(module.as_ptr());
        let found = if home.is_null() { home } else { (api.PyObject_GetAttrString)(home, name.as_ptr()) };
        drop_ref(home);
        if found.is_null() {
            (api.PyErr_Clear)();
            return Err(format!("there is no {}.{}", module.to_string_lossy(), name.to_string_lossy()));
        }
        Ok(found)
    }
}

/// The METH_ flags of a module's builtin.
///
/// # Safety
/// GIL held.
pub unsafe fn flags(module: &CStr, name: &CStr) -> Result<c_int, String> {
    // SAFETY: the caller's promise; the definition outlives the reference (PL2).
    unsafe {
        let object = attribute(module, name)?;
        let found = definition(object, name);
        drop_ref(object);
        Ok((*found?).flags)
    }
}

/// Writes another C function, of the calling convention that [`flags`] told, behind a module's builtin. The original
/// is the result.
///
/// # Safety
/// GIL held; `new` has that convention and lives for ever (PL3).
pub unsafe fn replace(module: &CStr, name: &CStr, new: *const c_void) -> Result<*const c_void, String> {
    // SAFETY: the caller's promise; PL2.
    unsafe {
        let object = attribute(module, name)?;
        let found = definition(object, name);
        drop_ref(object);
        let found = found?;
        let old = (*found).meth;
        store(&raw mut (*found).meth, new)?;
        Ok(old)
    }
}

/// Where every type has the function behind `next()`. Verified by [`next_slot`] before it is used.
const NEXT: usize = 224;
/// Where a slot wrapper (`type.__next__`) may have that function: its words after the head.
const WRAPPED: core::ops::Range<usize> = 2..10;

/// The word of a slot wrapper that holds `function`.
fn wrapped(probe: &Probe, wrapper: Obj, function: usize) -> Option<usize> {
    WRAPPED.map(|index| wrapper as usize + 8 * index).find(|at| probe.word(*at) == Some(function))
}

/// `class.__next__`, a new reference, as found by the class itself.
unsafe fn next_wrapper(class: Obj) -> New {
    // SAFETY: a live type; GIL held by the caller.
    unsafe { (api().PyObject_GetAttrString)(class, c"__next__".as_ptr()) }
}

/// The slot of a type behind `next()`. It is where known types have theirs, and `__next__` of this one leads to the same
/// function.
///
/// # Safety
/// GIL held; a live type.
pub unsafe fn next_slot(class: Obj) -> Result<*mut *const c_void, String> {
    let api = api();
    let probe = Probe::open()?;
    // SAFETY: live types; words are read by the kernel (PL1).
    unsafe {
        let list = (api.PyList_New)(0);
        let iterator = if list.is_null() { list } else { (api.PyObject_GetIter)(list) };
        drop_ref(list);
        if iterator.is_null() {
            (api.PyErr_Clear)();
            return Err("no memory for a trial".to_string());
        }
        let known = type_of(iterator);
        let mut sound = true;
        for kind in [known, class] {
            let wrapper = next_wrapper(kind);
            sound = sound
                && !wrapper.is_null()
                && probe
                    .word(kind as usize + NEXT)
                    .is_some_and(|word| word != 0 && wrapped(&probe, wrapper, word).is_some());
            drop_ref(wrapper);
            (api.PyErr_Clear)();
        }
        drop_ref(iterator);
        if !sound {
            return Err("the slot behind next() is not where any known CPython has it".to_string());
        }
    }
    Ok((class as usize + NEXT) as *mut *const c_void)
}

/// Writes `to` into the slot of a type, and into its own `__next__`, where `from` is there.
///
/// # Safety
/// GIL held; a live type; [`next_slot`] was verified on a base of it; the functions have the slot's type.
pub unsafe fn swap_next(class: Obj, from: *const c_void, to: *const c_void) -> Result<(), String> {
    let probe = Probe::open()?;
    let slot = class as usize + NEXT;
    if probe.word(slot) != Some(from as usize) {
        return Ok(());
    }
    // SAFETY: the word holds a function of that type.
    unsafe {
        store(slot as *mut *const c_void, to)?;
        let wrapper = next_wrapper(class);
        let word = if wrapper.is_null() { None } else { wrapped(&probe, wrapper, from as usize) };
        drop_ref(wrapper);
        (api().PyErr_Clear)();
        word.map_or(Ok(()), |at| store(at as *mut *const c_void, to))
    }
}

/// Words of memory from `address` on, as far as there are any. For the layout checks of `shapes.rs`.
pub fn peek_words(address: usize, count: usize) -> Vec<u64> {
    let Ok(probe) = Probe::open() else { return Vec::new() };
    (0..count).map_while(|index| probe.word(address + 8 * index)).map(|word| word as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_in_memory_is_answered_not_touched() {
        let probe = Probe::open().unwrap();
        assert_eq!(probe.word(0x10), None);
        assert_eq!(probe.word(usize::MAX - 3), None);
        let value = 77usize;
        assert_eq!(probe.word(&raw const value as usize), Some(77));
    }

    #[test]
    fn a_word_in_a_read_only_page_is_written_and_the_page_closed_again() {
        // SAFETY: a page of our own.
        unsafe {
            let page = libc::mmap(
                core::ptr::null_mut(),
                4096,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(page, libc::MAP_FAILED);
            let word = page.cast::<*const c_void>();
            store(word, 0x1234 as *const c_void).unwrap();
            assert_eq!(*word as usize, 0x1234);
            assert!(!Probe::open().unwrap().writable(page as usize));
            libc::munmap(page, 4096);
        }
    }
}
