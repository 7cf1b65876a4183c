//! Section: hand-over and generators.

use std::ffi::c_void;
use std::mem;
use std::ptr;

use super::guard::{guard, invalid, made};
use super::task::{gt_spawn_opts_t, wishes};
use crate::error::Result;
use crate::sched::{Scheduler, SpawnOptions};
use crate::structure::generator::{Body, Generator, Next};
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// Hands the thread to `task` at once, ahead of all that are ready, with a value; the caller waits until some task hands
/// over to it in turn. `task` waits in gt_hand_over() itself, and gets `value` there; or it was spawned with
/// GT_SPAWN_SUSPENDED and starts now, with the argument of its spawn (`value` is not used). `received` (may be NULL) gets
/// the value that is handed back. One switch each way: coroutines are built on this.
///
/// A task that ends does not hand over: whoever waits for it must be handed to before, or waits on.
///
/// Returns 0, or
///   -ESRCH      no such task, or it has ended
///   -EDEADLK    `task` is the caller; or nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
///   -EBUSY      it does not wait for a hand-over: it is ready, or waits for something else, or was cancelled meanwhile
///   -EXDEV      it lives on another OS thread
///   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
///   -ETIMEDOUT  a deadline scope of the caller expired
/// After -ECANCELED on entry, and the errors above it, `task` was not touched; a cancel, interrupt or deadline that comes
/// later finds the value handed over.
///
/// Switches. The home thread of `task`.
///
/// # Safety
/// `received` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_hand_over(task: i64, value: *mut c_void, received: *mut *mut c_void) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_hand_over_until(task, value, received, NEVER) }
}

/// As gt_hand_over(); the caller waits at most until `deadline` (absolute ns), then -ETIMEDOUT: the value was handed over,
/// and nothing came back yet.
///
/// # Safety
/// As for gt_hand_over().
#[no_mangle]
pub unsafe extern "C" fn gt_hand_over_until(
    task: i64,
    value: *mut c_void,
    received: *mut *mut c_void,
    deadline: i64,
) -> libc::c_int {
    guard(|| {
        let back = Scheduler::current()?.hand_over(task, value, deadline)?;
        if !received.is_null() {
            // SAFETY: writable by the caller.
            unsafe { *received = back };
        }
        Ok(0)
    })
}

/// Waits until some task hands over to the caller (gt_hand_over), without handing over first: for a task that has nobody to
/// hand to yet, or whose wait in gt_hand_over() was interrupted and is to go on. `received` (may be NULL) gets the value.
///
/// Returns 0, or
///   -EDEADLK    nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
///   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
///   -ETIMEDOUT  a deadline scope of the caller expired
///
/// Switches.
///
/// # Safety
/// `received` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_hand_await(received: *mut *mut c_void) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_hand_await_until(received, NEVER) }
}

/// As gt_hand_await(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_hand_await().
#[no_mangle]
pub unsafe extern "C" fn gt_hand_await_until(received: *mut *mut c_void, deadline: i64) -> libc::c_int {
    guard(|| {
        let value = Scheduler::current()?.hand_await(deadline)?;
        if !received.is_null() {
            // SAFETY: writable by the caller.
            unsafe { *received = value };
        }
        Ok(0)
    })
}

/// A body that gives values, one each time it is asked, on a stack of its own. After a fork the child can only free it.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_generator_t {
    _object: Object<Generator>,
}

/// A generator's body. It calls gt_generator_yield() for each value. Its result is 0 or more at the end, or negative for an
/// error (-errno, or a code of the program's own), which gt_generator_next() returns.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_generator_body_t =
    Option<unsafe extern "C" fn(generator: *mut gt_generator_t, arg: *mut c_void) -> libc::c_int>;

/// # Safety
/// NULL, or from gt_generator_new(), and not freed while the answer is used.
#[inline(always)]
unsafe fn generator<'a>(generator: *const gt_generator_t) -> Result<&'a Generator> {
    // SAFETY: by the caller.
    unsafe { Object::get(generator.cast::<Object<Generator>>(), Kind::Generator) }
}

/// Makes a generator that runs `body(generator, arg)`. The body starts with the first gt_generator_next(). The generator
/// belongs to this OS thread; any task of it may ask, each time another one.
///
/// Returns the generator; NULL with errno set: EINVAL (body is NULL), ENOMEM, ENOSPC, EAGAIN (as of gt_spawn). Does not switch.
///
/// # Safety
/// `body` must be callable with `arg`.
#[no_mangle]
pub unsafe extern "C" fn gt_generator_new(body: gt_generator_body_t, arg: *mut c_void) -> *mut gt_generator_t {
    // SAFETY: by the caller.
    unsafe { gt_generator_new_with(body, arg, ptr::null()) }
}

/// As gt_generator_new(), with the wishes of gt_spawn_with() for the body's task; `opts` may be NULL. Also EINVAL and E2BIG
/// for those; flags must be 0.
///
/// # Safety
/// As for gt_generator_new() and gt_spawn_with().
#[no_mangle]
pub unsafe extern "C" fn gt_generator_new_with(
    body: gt_generator_body_t,
    arg: *mut c_void,
    opts: *const gt_spawn_opts_t,
) -> *mut gt_generator_t {
    made(|| {
        let body = body.ok_or(invalid())?;
        let options = match opts.is_null() {
            true => SpawnOptions::default(),
            // SAFETY: by the caller.
            false => unsafe { wishes(opts)? },
        };
        if options.detached || options.suspended {
            return Err(invalid());
        }
        // SAFETY: the two types differ in what the first pointer points to; the room below does not look behind it.
        let body = unsafe {
            mem::transmute::<unsafe extern "C" fn(*mut gt_generator_t, *mut c_void) -> libc::c_int, Body>(body)
        };
        Generator::make(Scheduler::current()?, body, arg, &options).map(|g| g.cast())
    })
}

/// Asks for the next value: runs the body until it yields one, and stores it in `value` (may be NULL). If the body blocks,
/// the caller waits for it.
///
/// Returns 1; 0 when the body has ended, and ever after; a negative result of the body, each time; or
///   -EDEADLK    the caller is the body itself, or what the body asks; or nothing can ever wake the waiting tasks (root
///               task, GT_DEADLOCK_ERROR)
///   -EBUSY      another task is asking
///   -EINVAL     no generator: NULL or freed
///   -EXDEV      it belongs to another OS thread
///   -EOWNERDEAD  its OS thread has ended before it, or this is a forked child
///   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
///   -ETIMEDOUT  a deadline scope of the caller expired
/// After the last three the body goes on, and the value it comes to is kept for whoever asks next.
///
/// Switches: a value costs two.
///
/// # Safety
/// `generator` is NULL or came from gt_generator_new(); `value` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_generator_next(generator: *mut gt_generator_t, value: *mut *mut c_void) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_generator_next_until(generator, value, NEVER) }
}

/// As gt_generator_next(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_generator_next().
#[no_mangle]
pub unsafe extern "C" fn gt_generator_next_until(
    generator: *mut gt_generator_t,
    value: *mut *mut c_void,
    deadline: i64,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let next = unsafe { self::generator(generator)? }.next(Scheduler::current()?, deadline)?;
        match next {
            Next::Value(given) => {
                if !value.is_null() {
                    // SAFETY: writable by the caller.
                    unsafe { *value = given };
                }
                Ok(1)
            }
            Next::End(code) => Ok(code),
        }
    })
}

/// Gives a value to who asks, and waits until the next one is asked for. Called by the body, from any depth of calls.
///
/// Returns 0, or
///   -ECANCELED  the generator is being freed (also under a shield), or its task was cancelled: the body should return
///   -EINTR      the body's task was interrupted; the value was given
///   -ETIMEDOUT  a deadline scope of the body expired; the value was given
///   -EPERM      the caller is not the body
///   -EINVAL     no generator
///
/// Switches. The generator's body only.
///
/// # Safety
/// `generator` is NULL or came from gt_generator_new().
#[no_mangle]
pub unsafe extern "C" fn gt_generator_yield(generator: *mut gt_generator_t, value: *mut c_void) -> libc::c_int {
    // SAFETY: by the caller.
    guard(|| unsafe { self::generator(generator)? }.give(Scheduler::current()?, value).map(|()| 0))
}

/// Frees a generator, at its end or before. A body that has not ended is cancelled and finished first: its
/// gt_generator_yield(), and whatever else it waits in, returns -ECANCELED, its cleanup handlers and destructors run, and
/// the caller waits for that, under a shield. A body that never started does not start. NULL is fine.
///
/// Returns 0, or
///   -EBUSY    a task is asking; nothing was freed
///   -EDEADLK  called from within the body; or nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
///   -EINVAL   no generator: freed already
///   -EXDEV    it belongs to another OS thread
///
/// Switches if the body has not ended.
///
/// # Safety
/// `generator` is NULL or came from gt_generator_new().
#[no_mangle]
pub unsafe extern "C" fn gt_generator_free(generator: *mut gt_generator_t) -> libc::c_int {
    guard(|| {
        if generator.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { self::generator(generator)? }.close(Scheduler::current()?)?;
        // SAFETY: by the caller; its body has ended.
        unsafe { Object::free(generator.cast::<Object<Generator>>(), Kind::Generator)? };
        Ok(0)
    })
}
