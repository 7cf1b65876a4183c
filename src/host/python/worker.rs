//! A [`Worker`] is a gt task that runs one Python task after another.
//!
//! Starting a gt task with a fresh thread state costs about 10 us on CPython 3.11 and later (the first Python frame maps a chunk), so a finished
//! worker goes to a pool with its stack and thread state, and the next spawn wakes it. What one run could leave behind for
//! the next is taken away: its context, the thread-state dict (`threading.local` lives there), trace functions,
//! interrupts that were armed or delivered but not read.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

use super::api::{api, drop_ref, raise_errno, State};
use super::deliver::{self, take_exception};
use super::ending;
use super::gt;
use super::host::{Host, POOL};
use super::patch;
use super::residue;
use super::task::Task;

/// A gt task of ours, or the root.
pub struct Worker {
    /// The gt task.
    pub id: i64,
    /// Its `PyThreadState`.
    pub state: State,
    /// The host of its OS thread.
    pub host: *mut Host,
    /// What it runs; a reference is owned. NULL while idle.
    pub task: *mut Task,
    /// Codes of the exceptions armed for it.
    pub codes: Vec<c_int>,
    next_idle: *mut Worker,
}

impl Worker {
    /// A worker not yet running, leaked: freed by itself at its end.
    pub fn boxed(host: *mut Host) -> *mut Worker {
        Box::into_raw(Box::new(Worker {
            id: 0,
            state: null_mut(),
            host,
            task: null_mut(),
            codes: Vec::new(),
            next_idle: null_mut(),
        }))
    }
}

/// Gives a task (whose reference is taken over) to a worker of this thread: an idle one, or a new one. False: a Python exception is
/// set and the reference is dropped.
///
/// # Safety
/// GIL held; `host` is this thread's.
pub unsafe fn start(host: *mut Host, task: *mut Task) -> bool {
    // SAFETY: own host; no borrow spans a call that may run Python or switch.
    unsafe {
        let worker = (*host).idle;
        if !worker.is_null() {
            (*host).idle = (*worker).next_idle;
            (*host).idle_count -= 1;
            (*worker).task = task;
            (*task).worker = worker;
            gt::gt_unpark((*worker).id);
            return true;
        }
        let worker = Worker::boxed(host);
        (*worker).task = task;
        let id = gt::gt_spawn_with(Some(main), worker.cast(), &(*host).opts);
        if id < 0 {
            drop(Box::from_raw(worker));
            drop_ref(task.cast());
            raise_errno(id);
            return false;
        }
        (*worker).id = id;
        (*task).worker = worker;
        (*host).workers.insert(id, worker);
        true
    }
}

/// The entry of every worker's gt task.
unsafe extern "C" fn main(arg: *mut c_void) -> *mut c_void {
    let worker: *mut Worker = arg.cast();
    // SAFETY: the worker was made for this gt task; its state is current and the GIL held (the swap hook did both).
    unsafe {
        (*worker).state = (api().PyThreadState_Get)();
        patch::ident::stamp((*worker).state, (*worker).id as u64);
        let host = (*worker).host;
        loop {
            run(worker);
            if (*host).idle_count >= POOL || !residue::known() {
                break;
            }
            (*worker).next_idle = (*host).idle;
            (*host).idle = worker;
            (*host).idle_count += 1;
            if !wait_for_work(worker) {
                break;
            }
        }
        (*host).workers.remove(&(*worker).id);
        drop(Box::from_raw(worker));
    }
    null_mut()
}

/// Idle until [`start`] gives it a task. False: cancelled while idle, and out of the pool.
unsafe fn wait_for_work(worker: *mut Worker) -> bool {
    // SAFETY: own worker; an idle worker is only changed by `start`, on this OS thread.
    unsafe {
        loop {
            let rc = gt::gt_park_until(gt::NEVER);
            if !(*worker).task.is_null() {
                return true;
            }
            match rc {
                0 => {}
                rc if rc == -libc::EINTR => {
                    let mut code = 0;
                    while gt::gt_interrupt_take(&mut code) == 0 {}
                }
                _ => {
                    let host = &mut *(*worker).host;
                    let mut link: *mut *mut Worker = &mut host.idle;
                    while !(*link).is_null() {
                        if *link == worker {
                            *link = (*worker).next_idle;
                            host.idle_count -= 1;
                            break;
                        }
                        link = &mut (**link).next_idle;
                    }
                    return false;
                }
            }
        }
    }
}

/// One Python task, from its function's call to a clean worker.
unsafe fn run(worker: *mut Worker) {
    let api = api();
    // SAFETY: GIL held, own state current. `task` is kept alive by the worker's reference until the last line.
    unsafe {
        let task = (*worker).task;
        let context = (api.PyContext_New)();
        let entered = !context.is_null() && (api.PyContext_Enter)(context) == 0;
        (api.PyErr_Clear)();

        let mut result = null_mut();
        if (*task).begin() {
            result = super::stay::call((*task).func, (*task).args, (*task).kwargs);
        }
        let exception = if result.is_null() { take_exception() } else { null_mut() };
        if !exception.is_null() {
            patch::fork::entry_failed(exception);
        }

        deliver::withdraw_all(worker);
        ending::finish(task, result, exception);

        if entered && (api.PyContext_Exit)(context) < 0 {
            (api.PyErr_Clear)();
        }
        drop_ref(context);
        residue::clear((*worker).state);
        patch::run_finished();
        // Destructors above may have armed something on this worker.
        deliver::withdraw_all(worker);
        patch::fork::entry_returned();
        (*worker).task = null_mut();
        drop_ref(task.cast());
    }
}
