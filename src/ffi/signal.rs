//! Section: signals.

use super::guard::{guard, guard_errno, invalid, made};
use crate::error::Result;
use crate::process::signals::{Caught, Signals};
use crate::process::sigwait;
use crate::sched::Scheduler;
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// A channel of signals. It catches the signals of a set, by a handler of the library's, and tasks of any OS thread receive them in
/// the order in which they came.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_signals_t {
    _object: Object<Signals>,
}

/// What gt_signals_recv() and gt_signal_wait() tell of a signal. The members are those of sigaction(2)'s siginfo_t; what does not
/// belong to a signal is 0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_signal_info_t {
    /// sizeof(gt_signal_info_t), set by the caller
    pub size: usize,
    /// Its number.
    pub number: libc::c_int,
    /// si_code: SI_USER, SI_QUEUE, CLD_EXITED, ...
    pub code: libc::c_int,
    /// Who sent it; of SIGCHLD the child.
    pub pid: libc::pid_t,
    /// The sender's user.
    pub uid: libc::uid_t,
    /// What sigqueue(3) sent: the pointer, in whose low half lies the int.
    pub value: i64,
    /// Of SIGCHLD: the exit status, or the signal that ended or stopped the child.
    pub status: libc::c_int,
    /// How many more signals of this number this one stands for: there was no room for them.
    pub lost: u32,
}

/// # Safety
/// As for [`Object::get`].
unsafe fn of<'a>(signals: *mut gt_signals_t) -> Result<&'a Signals> {
    // SAFETY: by the caller.
    unsafe { Object::get(signals.cast::<Object<Signals>>(), Kind::Signals) }
}

/// Takes the signals of a set for a new channel: they are caught from now on, on whichever OS thread does not block them. (One that
/// every OS thread blocks stays pending; the threads of the pool block all.) Masks stay as they are, and programs that are
/// started find nothing changed. Signals that come while nobody receives wait: 128 of them, each with what is known of it; of those
/// that find no room, one of each number, which says how many it stands for. System calls of other code are restarted
/// (SA_RESTART), except those that never are, such as poll(2): see signal(7).
///
/// Only a signal with the default action or none (SIG_IGN) is taken; a host that handles it keeps it. While SIGCHLD is taken, children
/// have to be waited for also where it was ignored before.
///
/// A forked child has the channel too, without the signals that wait in it, and gets its own. A program that is started by
/// exec(3) has the default action.
///
/// Returns the channel; NULL with errno set:
///   EINVAL  set is NULL or empty, or has SIGKILL, SIGSTOP, or one that reports a fault: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
///           SIGTRAP, SIGSYS
///   EBUSY   a signal of the set has a handler: another channel's, gt_dump_on_signal()'s, the host's; none was taken
///   EMFILE  no descriptors are left
///   ENOMEM
/// Any thread; does not switch.
///
/// # Safety
/// `set` is NULL or valid.
#[no_mangle]
pub unsafe extern "C" fn gt_signals_new(set: *const libc::sigset_t) -> *mut gt_signals_t {
    made(|| {
        // SAFETY: by the caller.
        let set = unsafe { set.as_ref() }.ok_or(invalid())?;
        Object::new(Kind::Signals, Signals::new(set)?).map(|signals| signals.cast())
    })
}

/// Frees a channel; NULL is fine. The actions from before gt_signals_new() are back, except where somebody has put another one
/// in place of the library's: that stays. Signals that were not received are dropped.
///
/// Returns 0, or
///   -EBUSY   a task waits for a signal; nothing was freed
///   -EINVAL  signals was freed before, or is no channel of signals
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `signals` is NULL or from gt_signals_new().
#[no_mangle]
pub unsafe extern "C" fn gt_signals_free(signals: *mut gt_signals_t) -> libc::c_int {
    guard_errno(|| {
        if signals.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { of(signals)?.may_free()? };
        // SAFETY: by the caller.
        unsafe { Object::free(signals.cast::<Object<Signals>>(), Kind::Signals).map(|()| 0) }
    })
}

/// Receives a signal, letting other tasks run until there is one. Several tasks and OS threads may receive: each signal goes to
/// one of them. `info` may be NULL. To wait is no deadlock: a signal may always come.
///
/// Returns the signal's number, or
///   -EINVAL     signals is NULL or was freed; info is too small
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread.
///
/// # Safety
/// `signals` is NULL or from gt_signals_new(); `info` is NULL, or valid for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_signals_recv(signals: *mut gt_signals_t, info: *mut gt_signal_info_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_signals_recv_until(signals, info, NEVER) }
}

/// As gt_signals_recv(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: look once.
///
/// # Safety
/// As for gt_signals_recv().
#[no_mangle]
pub unsafe extern "C" fn gt_signals_recv_until(
    signals: *mut gt_signals_t,
    info: *mut gt_signal_info_t,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let signals = unsafe { of(signals)? };
        // SAFETY: by the caller.
        let room = unsafe { room(info)? };
        let caught = signals.recv(Scheduler::current()?, deadline)?;
        // SAFETY: by the caller.
        unsafe { tell(info, room, &caught) };
        Ok(caught.number)
    })
}

/// The descriptor of a channel of signals, for gt_select(), gt_poll() or another loop: it is readable while signals wait, and
/// perhaps once more when they have been received. Do not read it, close it, or adopt it.
///
/// Returns the descriptor, or -EINVAL: signals is NULL or was freed. Any thread; does not switch.
///
/// # Safety
/// `signals` is NULL or from gt_signals_new().
#[no_mangle]
pub unsafe extern "C" fn gt_signals_fd(signals: *mut gt_signals_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(signals) }.map(Signals::descriptor)
    })
}

/// Waits for one of the signals of a set, and takes it: sigwaitinfo(2) for tasks. As there, the program blocks them, on every OS
/// thread (pthread_sigmask(3), before it starts others), so that they stay pending until somebody waits; signals sent to one OS
/// thread are seen by tasks of that thread only. `info` may be NULL. gt_signals_new() needs no blocked signals.
///
/// Returns the signal's number, or
///   -EINVAL     set is NULL or empty; a signal of it is not blocked on this OS thread; info is too small
///   -EMFILE     no descriptors are left
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread. To wait is no deadlock.
///
/// # Safety
/// `set` is NULL or valid; `info` is NULL, or valid for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_signal_wait(set: *const libc::sigset_t, info: *mut gt_signal_info_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_signal_wait_until(set, info, NEVER) }
}

/// As gt_signal_wait(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: look once.
///
/// # Safety
/// As for gt_signal_wait().
#[no_mangle]
pub unsafe extern "C" fn gt_signal_wait_until(
    set: *const libc::sigset_t,
    info: *mut gt_signal_info_t,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller. A copy: the caller's may change while others run.
        let set = *unsafe { set.as_ref() }.ok_or(invalid())?;
        // SAFETY: by the caller.
        let room = unsafe { room(info)? };
        let caught = sigwait::wait(Scheduler::current()?, &set, deadline)?;
        // SAFETY: by the caller.
        unsafe { tell(info, room, &caught) };
        Ok(caught.number)
    })
}

/// How many bytes of a gt_signal_info_t the caller has; 0: none is wanted.
///
/// # Safety
/// NULL, or readable for the bytes its first member says.
unsafe fn room(info: *mut gt_signal_info_t) -> Result<usize> {
    if info.is_null() {
        return Ok(0);
    }
    // SAFETY: not NULL, so its first member is readable.
    let size = unsafe { (*info).size };
    if size < std::mem::size_of::<usize>() * 2 {
        return Err(invalid());
    }
    Ok(size.min(std::mem::size_of::<gt_signal_info_t>()))
}

/// # Safety
/// `info` is writable for `room` bytes.
unsafe fn tell(info: *mut gt_signal_info_t, room: usize, caught: &Caught) {
    if room == 0 {
        return;
    }
    let told = gt_signal_info_t {
        // SAFETY: by the caller.
        size: unsafe { (*info).size },
        number: caught.number,
        code: caught.code,
        pid: caught.pid,
        uid: caught.uid,
        value: caught.value,
        status: caught.status,
        lost: caught.lost,
    };
    // SAFETY: by the caller; both are at least that long.
    unsafe { std::ptr::from_ref(&told).cast::<u8>().copy_to_nonoverlapping(info.cast(), room) };
}
