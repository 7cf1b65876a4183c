//! Section: channels.

use std::ffi::c_void;
use std::ptr;

use super::guard::{guard, invalid, made};
use crate::error::{Error, Result};
use crate::sched::back::wait_and_return;
use crate::sched::Scheduler;
use crate::sync::chan::quick::{Quick, QuickWay};
use crate::sync::chan::{Chan, Patience, Receiving, Sending, Way};
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// A channel: carries items of one size from task to task, first in, first out. Any number of tasks may send, any number
/// receive; those who wait are served in the order they came. An item is bytes: it is copied in and copied out.
///
/// With capacity 0 a channel is unbuffered: a send waits for a receiver, and the item goes straight from the sender's memory
/// into the receiver's. Else up to `capacity` items lie in the channel.
///
/// Functions that say "unless shared: home thread" give -EXDEV when another OS thread calls them for a channel of
/// gt_chan_new(). A send or receive that was done is reported as done, also if the task was cancelled, interrupted or
/// late at the same moment; one that reports an error has moved no item.
///
/// After a fork the child has the items that lay in it and no waiters; it may use a channel that is bound to the forking OS thread.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_chan_t {
    _object: Object<Chan>,
}

fn object(chan: Result<Chan>) -> Result<*mut gt_chan_t> {
    Ok(Object::new(Kind::Chan, chan?)?.cast())
}

/// The channel behind a pointer of C's.
///
/// # Safety
/// `chan` is NULL or from one of the `_new` functions.
#[inline(always)]
unsafe fn get<'a>(chan: *const gt_chan_t) -> Result<&'a Chan> {
    // SAFETY: by the caller.
    unsafe { Object::get(chan.cast(), Kind::Chan) }
}

/// Makes a channel that is bound to the calling OS thread: the tasks of this thread use it without locks. `item_size` is the
/// size of an item in bytes, `capacity` how many items may wait in it.
///
/// Returns NULL with errno
///   EINVAL     item_size is 0
///   EOVERFLOW  item_size times capacity is more than half the address space
///   ENOMEM     out of memory
///
/// Does not switch.
#[no_mangle]
pub extern "C" fn gt_chan_new(item_size: usize, capacity: usize) -> *mut gt_chan_t {
    made(|| object(Chan::bound(item_size, capacity)))
}

/// As gt_chan_new(), for a channel that the tasks of all OS threads may use: each step takes a short lock.
///
/// Any thread.
#[no_mangle]
pub extern "C" fn gt_chan_new_shared(item_size: usize, capacity: usize) -> *mut gt_chan_t {
    made(|| object(Chan::shared(item_size, capacity)))
}

/// Frees a channel; NULL is fine. Items that lie in it are gone.
///
/// Returns 0, or
///   -EINVAL  not a channel, or freed before
///   -EBUSY   a task waits in it
///   -EXDEV   it is bound to another OS thread (one whose scheduler has ended no longer counts)
///
/// Unless shared: home thread. Does not switch.
///
/// # Safety
/// `chan` is NULL or from gt_chan_new() or gt_chan_new_shared(), and nobody begins to use it from now on.
#[no_mangle]
pub unsafe extern "C" fn gt_chan_free(chan: *mut gt_chan_t) -> libc::c_int {
    guard(|| {
        if chan.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe {
            get(chan)?.leave()?;
            Object::free(chan.cast::<Object<Chan>>(), Kind::Chan).map(|()| 0)
        }
    })
}

/// Checks the arguments of a call for one item. Inlined with its `body`: each function has a guard of its own, which the
/// compiler can see through.
#[inline(always)]
unsafe fn one(
    chan: *const gt_chan_t,
    item: *const c_void,
    body: impl FnOnce(&Chan, *mut u8) -> Result<()>,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let chan = unsafe { get(chan)? };
        if item.is_null() {
            return Err(invalid());
        }
        body(chan, item.cast_mut().cast()).map(|()| 0)
    })
}

/// A call for one item that may wait. What most calls come to happens here, outside of any guard ([`crate::sync::chan::quick`]);
/// all the rest is the last thing that is called, and has one.
///
/// # Safety
/// As for gt_chan_send() and gt_chan_recv().
#[inline(always)]
unsafe fn soon<W: QuickWay>(chan: *const gt_chan_t, item: *mut c_void, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    if let (Ok(found), false) = (unsafe { get(chan) }, item.is_null()) {
        // SAFETY: by the caller.
        match unsafe { found.quick::<W>(item.cast()) } {
            Quick::Done => return 0,
            Quick::Spent(s) => return end_turn(s),
            // SAFETY: by the caller.
            Quick::Blocked(s) => unsafe {
                return wait_and_return(s, ptr::from_ref(found).cast(), item, deadline, wait::<W>);
            },
            Quick::Other => {}
        }
    }
    // SAFETY: by the caller.
    unsafe { patiently::<W>(chan, item, deadline) }
}

#[inline(never)]
extern "C" fn end_turn(s: &'static Scheduler) -> libc::c_int {
    guard(|| {
        s.end_turn();
        Ok(0)
    })
}

/// # Safety
/// `chan` is a channel that has just said Blocked; the rest as for gt_chan_send() and gt_chan_recv().
unsafe extern "C" fn wait<W: Way>(
    s: &'static Scheduler,
    chan: *const c_void,
    item: *mut c_void,
    deadline: i64,
) -> libc::c_int {
    // SAFETY: by the caller.
    guard(|| unsafe { (*chan.cast::<Chan>()).wait::<W>(s, item.cast(), deadline) }.map(|()| 0))
}

#[inline(never)]
unsafe extern "C" fn patiently<W: Way>(chan: *const gt_chan_t, item: *mut c_void, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { one(chan, item, |chan, item| chan.one::<W>(item, Patience::Until(deadline))) }
}

/// Checks the arguments of a call for many items, and reports their number.
#[inline]
unsafe fn many(
    chan: *const gt_chan_t,
    items: *const c_void,
    n: usize,
    moved: *mut usize,
    body: impl FnOnce(&Chan, *mut u8) -> (Result<()>, usize),
) -> libc::c_int {
    let mut count = 0;
    let result = guard(|| {
        // SAFETY: by the caller.
        let chan = unsafe { get(chan)? };
        if items.is_null() && n > 0 {
            return Err(invalid());
        }
        let (result, went) = body(chan, items.cast_mut().cast());
        count = went;
        result.map(|()| 0)
    });
    if !moved.is_null() {
        // SAFETY: by the caller.
        unsafe { moved.write(count) };
    }
    result
}

/// Sends an item: to the first task that waits to receive, else into the channel; waits while there is no room.
///
/// Returns 0, or
///   -EINVAL     not a channel, or freed; item is NULL
///   -EXDEV      the channel is bound to another OS thread
///   -EPIPE      the channel is closed, or was closed while the task waited
///   -ECANCELED  the task was cancelled        -EINTR  it was interrupted        -ETIMEDOUT  a deadline scope expired
///   -EDEADLK    nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
///
/// May switch, now and then also when it need not wait. Unless shared: home thread.
///
/// # Safety
/// `chan` is NULL or a channel; `item` is NULL or readable for an item, and stays so until the call returns.
#[no_mangle]
pub unsafe extern "C" fn gt_chan_send(chan: *mut gt_chan_t, item: *const c_void) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { soon::<Sending>(chan, item.cast_mut(), NEVER) }
}

/// As gt_chan_send(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_chan_send().
#[no_mangle]
pub unsafe extern "C" fn gt_chan_send_until(chan: *mut gt_chan_t, item: *const c_void, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { soon::<Sending>(chan, item.cast_mut(), deadline) }
}

/// As gt_chan_send(), without waiting: -EAGAIN where it would. Does not switch. A cancelled task gets -ECANCELED here too.
///
/// # Safety
/// As for gt_chan_send().
#[no_mangle]
pub unsafe extern "C" fn gt_chan_send_try(chan: *mut gt_chan_t, item: *const c_void) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { one(chan, item, |chan, item| chan.one::<Sending>(item, Patience::Try)) }
}

/// Receives an item: the oldest in the channel, else that of the first task that waits to send; waits while there is none.
///
/// Returns 0, or
///   -EINVAL     not a channel, or freed; item is NULL
///   -EXDEV      the channel is bound to another OS thread
///   -EPIPE      the channel is closed and no item is left
///   -ECANCELED  the task was cancelled        -EINTR  it was interrupted        -ETIMEDOUT  a deadline scope expired
///   -EDEADLK    nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
///
/// May switch, now and then also when it need not wait. Unless shared: home thread.
///
/// # Safety
/// `chan` is NULL or a channel; `item` is NULL or writable for an item, and stays so until the call returns.
#[no_mangle]
pub unsafe extern "C" fn gt_chan_recv(chan: *mut gt_chan_t, item: *mut c_void) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { soon::<Receiving>(chan, item, NEVER) }
}

/// As gt_chan_recv(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_chan_recv().
#[no_mangle]
pub unsafe extern "C" fn gt_chan_recv_until(chan: *mut gt_chan_t, item: *mut c_void, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { soon::<Receiving>(chan, item, deadline) }
}

/// As gt_chan_recv(), without waiting: -EAGAIN where it would. Does not switch. A cancelled task gets -ECANCELED here too, unless
/// it has pushed a shield: to take out what is left, say.
///
/// # Safety
/// As for gt_chan_recv().
#[no_mangle]
pub unsafe extern "C" fn gt_chan_recv_try(chan: *mut gt_chan_t, item: *mut c_void) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { one(chan, item, |chan, item| chan.one::<Receiving>(item, Patience::Try)) }
}

/// Sends `n` items that lie one after another at `items`, waiting as often as necessary. Other senders may come in between.
/// `*sent` (may be NULL) becomes the number of items sent, also when the call fails: the rest were not sent.
///
/// Returns 0 when all were sent (n 0 included), or an error of gt_chan_send(); -EINVAL: items is NULL and n is not 0.
/// May switch. Unless shared: home thread.
///
/// # Safety
/// `chan` is NULL or a channel; `items` is NULL or readable for `n` items, and stays so until the call returns; `sent` is
/// NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_chan_send_many(
    chan: *mut gt_chan_t,
    items: *const c_void,
    n: usize,
    sent: *mut usize,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_chan_send_many_until(chan, items, n, sent, NEVER) }
}

/// As gt_chan_send_many(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_chan_send_many().
#[no_mangle]
pub unsafe extern "C" fn gt_chan_send_many_until(
    chan: *mut gt_chan_t,
    items: *const c_void,
    n: usize,
    sent: *mut usize,
    deadline: i64,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { many(chan, items, n, sent, |chan, items| chan.many::<Sending>(items, n, Patience::Until(deadline))) }
}

/// As gt_chan_send_many(), without waiting: -EAGAIN when not all could be sent. Does not switch.
///
/// # Safety
/// As for gt_chan_send_many().
#[no_mangle]
pub unsafe extern "C" fn gt_chan_send_many_try(
    chan: *mut gt_chan_t,
    items: *const c_void,
    n: usize,
    sent: *mut usize,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { many(chan, items, n, sent, |chan, items| chan.many::<Sending>(items, n, Patience::Try)) }
}

/// Receives up to `max` items into `items`: as many as there are without waiting, but waits for the first. `*received` (may
/// be NULL) becomes their number, 0 when the call fails.
///
/// Returns 0 when at least one was received (or max is 0), or an error of gt_chan_recv(); -EINVAL: items is NULL and max is
/// not 0. May switch. Unless shared: home thread.
///
/// # Safety
/// `chan` is NULL or a channel; `items` is NULL or writable for `max` items, and stays so until the call returns; `received`
/// is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_chan_recv_many(
    chan: *mut gt_chan_t,
    items: *mut c_void,
    max: usize,
    received: *mut usize,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_chan_recv_many_until(chan, items, max, received, NEVER) }
}

/// As gt_chan_recv_many(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_chan_recv_many().
#[no_mangle]
pub unsafe extern "C" fn gt_chan_recv_many_until(
    chan: *mut gt_chan_t,
    items: *mut c_void,
    max: usize,
    received: *mut usize,
    deadline: i64,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe {
        many(chan, items, max, received, |chan, items| chan.many::<Receiving>(items, max, Patience::Until(deadline)))
    }
}

/// As gt_chan_recv_many(), without waiting: -EAGAIN when there is none. Does not switch.
///
/// # Safety
/// As for gt_chan_recv_many().
#[no_mangle]
pub unsafe extern "C" fn gt_chan_recv_many_try(
    chan: *mut gt_chan_t,
    items: *mut c_void,
    max: usize,
    received: *mut usize,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { many(chan, items, max, received, |chan, items| chan.many::<Receiving>(items, max, Patience::Try)) }
}

/// Closes a channel: every send, the waiting ones included, is -EPIPE from now on; receivers get what lies in it, then
/// -EPIPE.
///
/// Returns 0, or
///   -EINVAL    not a channel, or freed
///   -EALREADY  it is closed
///   -EXDEV     it is bound to another OS thread
///
/// Unless shared: home thread. Does not switch.
///
/// # Safety
/// `chan` is NULL or a channel.
#[no_mangle]
pub unsafe extern "C" fn gt_chan_close(chan: *mut gt_chan_t) -> libc::c_int {
    // SAFETY: by the caller.
    guard(|| unsafe { get(chan)?.close().map(|()| 0) })
}

fn count(n: usize) -> Result<i64> {
    i64::try_from(n).map_err(|_| Error::new(libc::EOVERFLOW))
}

/// How many items lie in the channel now; or -EINVAL: not a channel; -EXDEV: it is bound to another OS thread.
///
/// Unless shared: home thread. Does not switch.
///
/// # Safety
/// `chan` is NULL or a channel.
#[no_mangle]
pub unsafe extern "C" fn gt_chan_len(chan: *const gt_chan_t) -> i64 {
    // SAFETY: by the caller.
    guard(|| unsafe { count(get(chan)?.len()?) })
}

/// How many items may lie in the channel: what it was made with; or -EINVAL: not a channel.
///
/// Any thread. Does not switch.
///
/// # Safety
/// `chan` is NULL or a channel.
#[no_mangle]
pub unsafe extern "C" fn gt_chan_capacity(chan: *const gt_chan_t) -> i64 {
    // SAFETY: by the caller.
    guard(|| unsafe { count(get(chan)?.capacity()) })
}
