//! Is the running task between two bytecodes? CPython looks for signals there, but also in the middle of C functions.
//!
//! Mostly the current instruction tells: at the way back of a loop or the beginning of a call no C code is being called. 3.11 fuses a
//! comparison with the jump behind it and does not look at that jump any more; a loop such as `while time() < until: pass` then has no other
//! boundaries than those behind its calls, where the instruction is the call's, as it is inside of the call. There the C stack tells. The
//! interpreter loop's frame is known (`cframe` of the thread state lies in it), and it calls out of one place when it looks for
//! signals: the return address below that frame is always the same one, and another one when it calls a C function. What lies there at
//! boundaries that the instruction proves is learned, and compared.

use core::cell::UnsafeCell;
use core::ffi::{c_long, CStr};

use super::api::{api, drop_ref, Obj, Ssize, State};
use super::host;

/// A word below the interpreter loop's frame: how many words below, and what.
type Word = (usize, u64);

/// What is known of this interpreter.
struct Known {
    /// Opcodes that prove a boundary.
    instructions: [bool; 256],
    /// Where the files of this package begin.
    package: Vec<u8>,
    /// Where the interpreter's code lies, 3.11.
    text: (u64, u64),
    /// Index of `cframe` in a thread state, 3.11.
    cframe: usize,
    /// Return addresses between the interpreter loop and us, and how far that is.
    learned: Vec<Word>,
    distance: usize,
    samples: usize,
}

struct Place(UnsafeCell<Known>);
// SAFETY: touched under the GIL only.
unsafe impl Sync for Place {}
static KNOWN: Place = Place(UnsafeCell::new(Known {
    instructions: [false; 256],
    package: Vec::new(),
    text: (0, 0),
    cframe: 0,
    learned: Vec::new(),
    distance: 0,
    samples: 0,
}));

/// This many proven boundaries are looked at before the stack's word is taken.
const SAMPLES: usize = 8;

/// Does this interpreter need the stack's word?
fn asks_stack() -> bool {
    host::version() == 0x030b
}

/// Whether all is known that is needed. Up to then, [`at_boundary`] learns.
///
/// # Safety
/// GIL held.
pub unsafe fn ready() -> bool {
    // SAFETY: the caller's promise.
    !asks_stack() || unsafe { (*KNOWN.0.get()).samples } >= SAMPLES
}

/// Sets up for this interpreter: the instructions that prove a boundary, the folder of this package.
///
/// # Safety
/// GIL held.
pub unsafe fn prepare(instructions: &[u8], package: &[u8]) -> Result<(), String> {
    // SAFETY: the caller's promise; words of a live state.
    unsafe {
        let known = &mut *KNOWN.0.get();
        for (place, byte) in known.instructions.iter_mut().zip(instructions) {
            *place = *byte != 0;
        }
        known.package = package.to_vec();
        if !asks_stack() || known.cframe != 0 {
            return Ok(());
        }
        let marker = 0u64;
        let here = (&raw const marker) as u64;
        let state = (api().PyThreadState_Get)().cast::<u64>();
        let mut found = (2..24).filter(|&at| (here..here + (64 << 10)).contains(&*state.add(at)));
        let (Some(at), None) = (found.next(), found.next()) else {
            return Err("preempt(): the interpreter loop's frame is not found".to_string());
        };
        known.text = code_of(api().PyErr_CheckSignals as usize as u64).ok_or("preempt(): no /proc/self/maps")?;
        known.cframe = at;
    }
    Ok(())
}

/// The mapping that an address of code lies in.
fn code_of(address: u64) -> Option<(u64, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let (low, rest) = line.split_once('-')?;
        let high = rest.split(' ').next()?;
        let (low, high) = (u64::from_str_radix(low, 16).ok()?, u64::from_str_radix(high, 16).ok()?);
        (low..high).contains(&address).then_some((low, high))
    })
}

/// An int attribute, or None.
unsafe fn number_of(object: Obj, name: &CStr) -> Option<c_long> {
    let api = api();
    // SAFETY: GIL held, a live object.
    unsafe {
        let value = (api.PyObject_GetAttrString)(object, name.as_ptr());
        let number = if value.is_null() { -2 } else { (api.PyLong_AsLong)(value) };
        drop_ref(value);
        (api.PyErr_Clear)();
        (number >= -1).then_some(number)
    }
}

/// Is the frame between two bytecodes, and its code not greenrt's own?
///
/// # Safety
/// GIL held, called by a signal handler's C function and from there only; `frame` is a frame or None.
#[inline(never)]
pub unsafe fn at_boundary(frame: Obj) -> bool {
    let api = api();
    let marker = 0u64;
    // SAFETY: the caller's promise.
    unsafe {
        let known = &mut *KNOWN.0.get();
        let Some(last) = number_of(frame, c"f_lasti") else { return false };
        let code = (api.PyFrame_GetCode)(frame);
        let mut fits = last < 0; // up to 3.10: at its very beginning
        if !fits {
            let bytes = (api.PyObject_GetAttrString)(code, c"co_code".as_ptr());
            if !bytes.is_null() && (api.PyObject_Size)(bytes) > last as Ssize {
                let instruction = *(api.PyBytes_AsString)(bytes).add(last as usize).cast::<u8>();
                fits = known.instructions[instruction as usize];
            }
            drop_ref(bytes);
        }
        if known.cframe != 0 {
            let here = (&raw const marker) as usize;
            if fits {
                known.learn((api.PyThreadState_Get)(), here);
            } else {
                fits = known.recognizes((api.PyThreadState_Get)(), here);
            }
        }
        if fits {
            let file = (api.PyObject_GetAttrString)(code, c"co_filename".as_ptr());
            let mut length = 0;
            let text =
                if file.is_null() { core::ptr::null() } else { (api.PyUnicode_AsUTF8AndSize)(file, &mut length) };
            if !text.is_null() {
                let text = core::slice::from_raw_parts(text.cast::<u8>(), length as usize);
                fits = !text.starts_with(&known.package);
            }
            drop_ref(file);
        }
        drop_ref(code);
        (api.PyErr_Clear)();
        fits
    }
}

impl Known {
    /// The end of the interpreter loop's frame, if it is near.
    unsafe fn frame(&self, state: State, here: usize) -> Option<usize> {
        // SAFETY: a live state; the index was found in it.
        let frame = unsafe { *state.cast::<usize>().add(self.cframe) };
        (here..here + (8 << 10)).contains(&frame).then_some(frame)
    }

    /// At a proven boundary: what lies on the stack there, and everywhere where it lay so far.
    unsafe fn learn(&mut self, state: State, here: usize) {
        // SAFETY: words of this thread's own stack, between two frames that are on it.
        unsafe {
            let Some(frame) = self.frame(state, here) else { return };
            let word = |below: usize| *(frame as *const u64).sub(below);
            if self.samples == 0 || self.distance != frame - here {
                let all = (1..(frame - here) / 8).map(|below| (below, word(below)));
                self.learned = all.filter(|(_, value)| (self.text.0..self.text.1).contains(value)).collect();
                (self.distance, self.samples) = (frame - here, 1);
                return;
            }
            self.learned.retain(|&(below, value)| word(below) == value);
            self.samples = self.samples.saturating_add(1);
        }
    }

    /// Does the stack look as it does at proven boundaries?
    unsafe fn recognizes(&self, state: State, here: usize) -> bool {
        // SAFETY: as in `learn`.
        unsafe {
            let Some(frame) = self.frame(state, here) else { return false };
            self.samples >= SAMPLES
                && !self.learned.is_empty()
                && self.distance == frame - here
                && self.learned.iter().all(|&(below, value)| *(frame as *const u64).sub(below) == value)
        }
    }
}
