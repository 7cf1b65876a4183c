//! Section: the watchdog. Reports tasks that hold their OS thread.

use std::ffi::c_void;

use super::guard::guard_errno;
use crate::debug::watchdog::{self, Report, Tell};
use crate::error::{Error, Result};
use crate::sched::try_box;
use crate::sys::complain;

/// A task that has not switched for too long.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_watchdog_report_t {
    /// sizeof(gt_watchdog_report_t)
    pub size: usize,
    /// The task; 0 when its thread did not say: it blocks the signal, or waits in the kernel for what no signal interrupts.
    pub task: i64,
    /// How long it has held its thread (ns), at least.
    pub held: i64,
    /// For how much of that the thread was on a processor: nearly all in a busy loop, nothing in a call that blocks.
    pub ran: i64,
    /// Its entry function; NULL for the root.
    pub entry: *const c_void,
    /// Code addresses of its calls, innermost first: valid until the callback returns.
    pub addresses: *const *const c_void,
    /// How many they are.
    pub address_count: usize,
    /// All of this as text of some lines, with names: valid until the callback returns.
    pub text: *const libc::c_char,
    /// 1 for the first report of a hold, 2 for the next one.
    pub count: u32,
    /// Its OS thread, as gettid(2) calls it.
    pub thread: i32,
    /// Its name, "" without one.
    pub name: [libc::c_char; 32],
    /// What its host told of its own calls (gt_host_t, trace), "" without: valid until the callback returns.
    pub host: *const libc::c_char,
}

/// Is told of a task that has not switched; on the watchdog's own OS thread, which has no scheduler.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_watchdog_fn_t = Option<unsafe extern "C" fn(report: *const gt_watchdog_report_t, arg: *mut c_void)>;

struct Callback {
    function: unsafe extern "C" fn(*const gt_watchdog_report_t, *mut c_void),
    arg: *mut c_void,
}

/// Starts the watchdog: an OS thread that reports each task which has not switched for `ns` nanoseconds (a millisecond to a
/// day), on any OS thread of the process: to `report`, or on standard error if it is NULL. A task is reported when it has
/// held its thread that long or up to a quarter more, and again at twice, four times, eight times `ns`. The program is not
/// slowed down meanwhile: the watchdog looks from outside at what the schedulers count.
///
/// A report has the task's calls. Its thread is interrupted for that by a signal, for some microseconds: SIGURG, which
/// nobody else sends by itself, or where the program has an action of its own for that, one of the real-time signals that
/// has none. A call that blocks there and that handlers interrupt (poll(2), nanosleep(2): signal(7)) ends with EINTR then.
/// The innermost 128 KiB of the stack are looked at.
///
/// Not reported: a scheduler that sleeps because nothing is ready; a thread that has given up its host's lock for that (see
/// gt_host_t) or waits to get it back; time between gt_turn() calls. Time in which the whole process stood still (stopped,
/// in a debugger, no processor to be had) counts for nobody, as far as the watchdog's own thread stood still with it; a
/// debugger that stops one thread and not the others cannot be told from a task that holds it.
///
/// `report` may call what any thread may: gt_interrupt(), gt_cancel() of the task, for instance.
///
/// Returns 0, or
///   -EINVAL    ns is out of range
///   -EALREADY  a watchdog runs, or is being stopped
///   -EBUSY     the program has actions of its own for all signals that could be used
///   -EAGAIN    no OS thread to be had
///   -ENOMEM    out of memory
///
/// Any thread; does not switch. Process-wide; a forked child has none, and may start its own.
///
/// # Safety
/// `report` is NULL or callable with `arg` from another thread until gt_watchdog_stop() has returned.
#[no_mangle]
pub unsafe extern "C" fn gt_watchdog_start(ns: i64, report: gt_watchdog_fn_t, arg: *mut c_void) -> libc::c_int {
    guard_errno(|| {
        let tell: Tell = match report {
            None => try_box(|r: &Report| complain(r.text.as_bytes()))?,
            Some(function) => {
                let callback = Callback { function, arg };
                try_box(move |r: &Report| call(&callback, r))?
            }
        };
        watchdog::start(ns, tell).map(|()| 0)
    })
}

/// Stops the watchdog. A report that is under way is finished first: hold nothing that its callback waits for.
///
/// Returns 0, or
///   -ESRCH     no watchdog runs
///   -EALREADY  another call stops it
///   -EDEADLK   called by its own callback
///
/// Any thread, which stands still meanwhile; does not switch.
#[no_mangle]
pub extern "C" fn gt_watchdog_stop() -> libc::c_int {
    guard_errno(|| watchdog::stop().map(|()| 0))
}

fn call(callback: &Callback, r: &Report) {
    let (Ok(text), Ok(host)) = (terminated(r.text), terminated(r.host)) else { return };
    let report = gt_watchdog_report_t {
        size: std::mem::size_of::<gt_watchdog_report_t>(),
        task: r.task,
        held: r.held,
        ran: r.ran,
        entry: r.entry as *const c_void,
        addresses: r.addresses.as_ptr().cast(),
        address_count: r.addresses.len(),
        text: text.as_ptr().cast(),
        count: r.count,
        thread: r.thread,
        name: r.name.map(|b| b as libc::c_char),
        host: host.as_ptr().cast(),
    };
    // SAFETY: who started the watchdog promised that it can be called.
    unsafe { (callback.function)(&report, callback.arg) };
}

/// The text for C: without NULs inside, with one at the end.
fn terminated(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(text.len() + 1).map_err(|_| Error::new(libc::ENOMEM))?;
    bytes.extend(text.bytes().filter(|&b| b != 0));
    bytes.push(0);
    Ok(bytes)
}
