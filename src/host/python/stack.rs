//! How much stack a Python task gets.
//!
//! CPython's own limits (recursion, nesting of the parser, C recursion) assume a thread's stack of 8 MiB, so that much is reserved;
//! it is address space, memory is used as it is touched. `GREENRT_STACK` asks for another size ("8M", "512K", bytes). A
//! smaller one lowers the interpreter's own limit for C recursion, at least in proportion, where there is one (3.12, 3.13).

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::api::{api, State};
use super::host::version;

const MIB: usize = 1 << 20;
/// What CPython's limits are made for.
const FULL: usize = 8 * MIB;
/// Ordinary code of the standard library overflows anything less.
const LEAST: usize = MIB / 2;
pub const MOST: usize = 1024 * MIB;
/// C frames of up to 262 KB exist in CPython (decimal), 33 to 50 KB are common: a guard of one page would be stepped over.
const GUARD: usize = 64 << 10;

/// What one step of C recursion may take: nested `sorted(key=)` takes two steps and 5.2 KB a level. With the full stack the limit for
/// Python frames comes first.
const WORST: i64 = 3 << 10;

/// The shape of the stack_bounds hook.
pub type BoundsHook = unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> c_int;

/// Stack and guard size of Python tasks in bytes, or why not.
pub fn sizes() -> Result<(usize, usize), String> {
    let Ok(text) = std::env::var("GREENRT_STACK") else {
        return Ok((FULL, GUARD));
    };
    let text = text.trim();
    if text.is_empty() {
        return Ok((FULL, GUARD));
    }
    let (digits, unit) = match text.as_bytes()[text.len() - 1] {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], MIB),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let size = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    match size {
        Some(size) if (LEAST..=MOST).contains(&size) => Ok((size, GUARD)),
        Some(_) => Err(format!("GREENRT_STACK={text}: a Python task needs between 512K and 1G of stack")),
        None => Err(format!("GREENRT_STACK={text}: not a size, write for example 8M, 512K or 1048576")),
    }
}

/// The stack_bounds hook that this interpreter needs, if it needs one.
pub fn bounds_hook(stack_size: usize) -> Option<BoundsHook> {
    if let Some(protect) = api().PyUnstable_ThreadState_SetStackProtection {
        return Some(protect);
    }
    if version() >= 0x030c && stack_size < FULL {
        return Some(lower_c_recursion);
    }
    None
}

/// Where `c_recursion_remaining` lies in a thread state, 0 while unknown.
static OFFSET: AtomicUsize = AtomicUsize::new(0);

/// The stack_bounds hook of 3.12 and 3.13: less stack, less C recursion. Called on a fresh state.
unsafe extern "C" fn lower_c_recursion(state: State, _base: *mut c_void, size: usize) -> c_int {
    let words = state.cast::<c_int>();
    let mut index = OFFSET.load(Ordering::Relaxed);
    // SAFETY: a thread state is larger than the 80 words looked at, and those are plain integers or halves of pointers.
    unsafe {
        if index == 0 {
            // py_recursion_remaining, py_recursion_limit, c_recursion_remaining, recursion_headroom
            let limit = (api().Py_GetRecursionLimit)();
            index = (2..80)
                .find(|&at| {
                    *words.add(at - 2) == limit
                        && *words.add(at - 1) == limit
                        && (100..=100_000).contains(&*words.add(at))
                        && *words.add(at + 1) == 0
                })
                .unwrap_or(0);
            if index == 0 {
                return -libc::ENOTSUP;
            }
            OFFSET.store(index, Ordering::Relaxed);
        }
        let full = i64::from(*words.add(index));
        // Both sizes are below 2^30, the limit below 2^17: no overflow, and the result fits.
        let share = full * size.min(FULL) as i64 / FULL as i64;
        let room = size as i64 / WORST;
        *words.add(index) = share.min(room).max(60) as c_int;
    }
    0
}
