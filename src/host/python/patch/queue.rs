//! `_queue.SimpleQueue`: what `ThreadPoolExecutor` waits on.
//!
//! The items stay in CPython's object. A task that finds the queue empty parks; a put wakes the first one that waits,
//! which then takes an item like anybody else, or waits on when somebody was faster.

use super::super::api::{api, drop_ref, New, Obj, METH_NOARGS};
use super::super::gt::NEVER;
use super::super::host;
use super::call::Args;
use super::seconds::{from_now, seconds, Span};
use super::time::take_turn;
use super::waiters::{self, Outcome, Recheck};
use super::{layout, table};
use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, Ordering};

type NoArgs = unsafe extern "C" fn(Obj, Obj) -> New;

/// The C function of `SimpleQueue.empty`, kept once prepared.
static EMPTY: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Looks up what the replacements need.
///
/// # Safety
/// GIL held.
pub unsafe fn prepare() -> Result<(), String> {
    if !EMPTY.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise; definitions outlive every object (PL2).
    unsafe {
        let object =
            table::attribute(&["_queue", "SimpleQueue", "empty"]).ok_or("there is no _queue.SimpleQueue.empty")?;
        let found = layout::definition(object, c"empty");
        drop_ref(object);
        let found = &*found?;
        if found.flags != METH_NOARGS {
            return Err(format!("_queue.SimpleQueue.empty has the unknown calling convention {:#x}", found.flags));
        }
        EMPTY.store(found.meth.cast_mut(), Ordering::Release);
    }
    Ok(())
}

unsafe fn is_empty(queue: Obj) -> bool {
    // SAFETY: a live SimpleQueue; the function takes no arguments and answers with a bool. GIL held by the caller.
    unsafe {
        let function = core::mem::transmute::<*mut c_void, NoArgs>(EMPTY.load(Ordering::Relaxed));
        let answer = function(queue, core::ptr::null_mut());
        let empty = answer == api().true_;
        drop_ref(answer);
        empty
    }
}

/// `get(block=True, timeout=None)`
///
/// # Safety
/// Called by CPython on a `SimpleQueue`.
pub unsafe fn get(args: &Args) -> New {
    let api = api();
    let queue = args.this;
    // SAFETY: the queue lives as long as the call; the arguments are the caller's.
    unsafe {
        let mut given = [core::ptr::null_mut(); 2];
        if !host::home() || !args.bind(&[c"block", c"timeout"], &mut given) {
            return args.original();
        }
        let [block, timeout] = given;
        let blocks = block.is_null() || block == api.true_ || (api.PyObject_IsTrue)(block) == 1;
        let deadline = match timeout.is_null() || timeout == api.none {
            true => NEVER,
            false => match seconds(timeout) {
                Span::Nanos(nanos) => from_now(nanos),
                // CPython's function raises the error that fits.
                Span::Negative | Span::Bad => return args.original(),
            },
        };
        if !blocks {
            return get_nowait(args);
        }
        // Not empty, GIL held: CPython's function does not wait. An empty queue and a timeout of nothing raise `Empty` there.
        let mut first = true;
        loop {
            if !is_empty(queue) {
                return args.original();
            }
            if !first && deadline <= from_now(0) {
                return no_wait(args);
            }
            first = false;
            match waiters::wait(queue as usize, deadline, Recheck::Never, &|| false, &|| pass_on(queue)) {
                Outcome::Granted => {}
                Outcome::TimedOut => return no_wait(args),
                Outcome::Raised => return core::ptr::null_mut(),
            }
        }
    }
}

/// `get_nowait()`: of an empty queue it may be asked again until whoever fills it has run.
///
/// # Safety
/// Called by CPython on a `SimpleQueue`.
pub unsafe fn get_nowait(args: &Args) -> New {
    // SAFETY: as in `get`.
    unsafe {
        if is_empty(args.this) {
            take_turn();
        }
        args.original()
    }
}

/// A wake that a task could not use goes to the next.
fn pass_on(queue: Obj) {
    waiters::hand_to_task(queue as usize);
}

/// `get(False)`: an item or `Empty`.
unsafe fn no_wait(args: &Args) -> New {
    let api = api();
    // SAFETY: a tuple of our own; the saved function takes (block, timeout).
    unsafe {
        let arguments = (api.PyTuple_New)(1);
        if arguments.is_null() {
            return arguments;
        }
        (api.PyTuple_SetItem)(arguments, 0, super::super::api::new_ref(api.false_));
        let result = super::call::apply(args.row, args.this, arguments, args.class());
        drop_ref(arguments);
        result
    }
}

/// `put(item, ...)` and `put_nowait(item)`: CPython's own, then a waiting task is woken.
///
/// # Safety
/// Called by CPython on a `SimpleQueue`.
pub unsafe fn put(args: &Args) -> New {
    // SAFETY: the call as it came.
    unsafe {
        let result = args.original();
        if !result.is_null() {
            pass_on(args.this);
        }
        result
    }
}
