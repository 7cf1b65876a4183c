//! What one run must not leave on its thread state for the next: a pooled worker hands its `PyThreadState` on.
//!
//! * The thread-state dict. `threading.local` lives there before 3.13, and C extensions keep things in it. asyncio's running loop is
//!   there too up to 3.12, and `_asyncio` caches it by the number of the state, which lives on: so the loop is unset by the function
//!   that knows of the cache, and the object that the cache points to stays. (From 3.13 on it is a field, which asyncio unsets.)
//! * From 3.13 on `threading.local` hangs on two fields of the state instead, both made on first use: a key, and a sentinel whose end
//!   removes the values. Their place is found by watching a fresh state while a first `threading.local` is used; when it
//!   cannot be found, workers are not pooled.
//! * Trace and profile functions.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::api::{api, drop_ref, new_ref, New, Obj, PyObject, State};
use super::host::version;

/// Index of the first of the two words, 0 while unknown.
static LOCAL_AT: AtomicUsize = AtomicUsize::new(0);
static GETTRACE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());
static GETPROFILE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());
/// The key of asyncio's running loop in the dict of a thread state.
static RUNNING_LOOP: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

/// Words of a thread state that are looked at; every version's is larger.
const WORDS: usize = 40;

/// Looks up what [`clear`] needs. False: a Python exception is set.
///
/// # Safety
/// GIL held; called once.
pub unsafe fn make() -> bool {
    let api = api();
    // SAFETY: GIL held; `sys` attributes are borrowed, so references are taken.
    unsafe {
        for (place, name) in [(&GETTRACE, c"gettrace"), (&GETPROFILE, c"getprofile")] {
            let function = (api.PySys_GetObject)(name.as_ptr());
            if function.is_null() {
                super::api::raise(api.PyExc_ImportError, c"sys has lost gettrace or getprofile");
                return false;
            }
            place.store(new_ref(function), Ordering::Relaxed);
        }
        let key = (api.PyUnicode_InternFromString)(c"__asyncio_running_event_loop__".as_ptr());
        RUNNING_LOOP.store(key, Ordering::Relaxed);
        !key.is_null()
    }
}

/// See [`known`].
static KNOWN: AtomicBool = AtomicBool::new(false);

/// Is everything known that a run could leave? If not, its state is used once only.
pub fn known() -> bool {
    KNOWN.load(Ordering::Relaxed)
}

/// Finds the two words of `threading.local` in a fresh thread state. False: a Python exception is set.
///
/// # Safety
/// GIL held.
pub unsafe fn probe() -> bool {
    let api = api();
    if known() {
        return true;
    }
    if version() < 0x030d {
        KNOWN.store(true, Ordering::Relaxed);
        return true;
    }
    // SAFETY: the fresh state is current while it is watched, and only this function uses it.
    unsafe {
        let module = (api.PyImport_ImportModule)(c"_thread".as_ptr());
        if module.is_null() {
            return false;
        }
        let kind = (api.PyObject_GetAttrString)(module, c"_local".as_ptr());
        drop_ref(module);
        if kind.is_null() {
            return false;
        }
        let fresh = (api.PyThreadState_New)((api.PyInterpreterState_Get)());
        if fresh.is_null() {
            drop_ref(kind);
            (api.PyErr_NoMemory)();
            return false;
        }
        let mine = (api.PyThreadState_Swap)(fresh);
        let before: [usize; WORDS] = fresh.cast::<[usize; WORDS]>().read_volatile();
        let local = (api.PyObject_CallNoArgs)(kind);
        if !local.is_null() {
            (api.PyObject_SetAttrString)(local, c"probe".as_ptr(), api.none);
        }
        let after: [usize; WORDS] = fresh.cast::<[usize; WORDS]>().read_volatile();
        (api.PyErr_Clear)();
        let made = |at: usize| before[at] == 0 && after[at] > 0xffff && after[at] % 8 == 0;
        let place = (1..WORDS - 1).find(|&at| {
            made(at) && made(at + 1) && is_local_dummy(after[at] as Obj) && is_local_dummy(after[at + 1] as Obj)
        });
        drop_ref(local);
        if let Some(at) = place {
            LOCAL_AT.store(at, Ordering::Relaxed);
            KNOWN.store(true, Ordering::Relaxed);
        }
        (api.PyThreadState_Clear)(fresh);
        (api.PyThreadState_Swap)(mine);
        (api.PyThreadState_Delete)(fresh);
        drop_ref(kind);
    }
    true
}

/// Is it of the private type that key and sentinel have?
unsafe fn is_local_dummy(object: Obj) -> bool {
    let api = api();
    // SAFETY: a word of the state that just became a pointer, beside another one: an object.
    unsafe {
        let name = (api.PyObject_GetAttrString)(super::api::type_of(object), c"__name__".as_ptr());
        let found = !name.is_null() && (api.PyUnicode_CompareWithASCIIString)(name, c"_localdummy".as_ptr()) == 0;
        drop_ref(name);
        (api.PyErr_Clear)();
        found
    }
}

/// Takes away what the run that just ended left on its state. Drops references: may run any code.
///
/// # Safety
/// GIL held, `state` current, no exception set.
pub unsafe fn clear(state: State) {
    let api = api();
    // SAFETY: the words are owned references of the state, emptied before they are dropped, the key first as CPython
    // itself does; both are made anew on first use.
    unsafe {
        let dict = (api.PyThreadState_GetDict)();
        if !dict.is_null() && (api.PyDict_Size)(dict) > 0 {
            let kept = loop_unset(dict);
            (api.PyDict_Clear)(dict);
            if !kept.is_null() {
                (api.PyDict_SetItem)(dict, RUNNING_LOOP.load(Ordering::Relaxed), kept);
                drop_ref(kept);
            }
        }
        let at = LOCAL_AT.load(Ordering::Relaxed);
        if at != 0 {
            let words = state.cast::<Obj>().add(at);
            let key = words.replace(null_mut());
            drop_ref(words.add(1).replace(null_mut()));
            drop_ref(key);
        }
        reset_tracing();
    }
}

/// Unsets asyncio's running loop of the current state, if it ever had one: a new reference to what stands for "none" in its
/// dict, else NULL. No exception stays set.
unsafe fn loop_unset(dict: Obj) -> New {
    let api = api();
    let key = RUNNING_LOOP.load(Ordering::Relaxed);
    // SAFETY: the dict is the current state's; what it holds is borrowed until it is counted.
    unsafe {
        if (api.PyDict_GetItemWithError)(dict, key).is_null() {
            (api.PyErr_Clear)();
            return null_mut();
        }
        let module = (api.PyImport_ImportModule)(c"_asyncio".as_ptr());
        let unset =
            if module.is_null() { module } else { (api.PyObject_GetAttrString)(module, c"_set_running_loop".as_ptr()) };
        drop_ref(module);
        let done = if unset.is_null() {
            unset
        } else {
            (api.PyObject_VectorcallDict)(unset, [api.none].as_ptr(), 1, null_mut())
        };
        drop_ref(unset);
        let held = if done.is_null() { done } else { (api.PyDict_GetItemWithError)(dict, key) };
        drop_ref(done);
        (api.PyErr_Clear)();
        if held.is_null() {
            return null_mut();
        }
        new_ref(held)
    }
}

/// Ends what `sys.settrace` and `sys.setprofile` left.
unsafe fn reset_tracing() {
    let api = api();
    for (getter, setter) in [(&GETTRACE, c"settrace"), (&GETPROFILE, c"setprofile")] {
        // SAFETY: builtins of `sys`, kept for ever; `sys` attributes are borrowed.
        unsafe {
            let now = (api.PyObject_CallNoArgs)(getter.load(Ordering::Relaxed));
            if !now.is_null() && now != api.none {
                let set = (api.PySys_GetObject)(setter.as_ptr());
                if !set.is_null() {
                    drop_ref((api.PyObject_VectorcallDict)(set, [api.none].as_ptr(), 1, null_mut()));
                }
            }
            drop_ref(now);
            (api.PyErr_Clear)();
        }
    }
}
