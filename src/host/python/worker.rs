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
use super::follow;
use super::gt;
use super::host::{Host, NAME, POOL};
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
    /// Does it wait for work in a hand-over?
    handed: bool,
    /// Does its gt task have a name of the task's?
    pub named: bool,
    /// Does it have a stack of another size than the pooled ones?
    single: bool,
    /// How often it asked not to be made to give way (`preempt.rs`).
    pub held: u32,
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
            handed: false,
            named: false,
            single: false,
            held: 0,
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
        let worker = employ(host, &(*host).opts, false);
        if worker.is_null() {
            drop_ref(task.cast());
            return false;
        }
        (*worker).task = task;
        (*task).worker = worker;
        true
    }
}

/// As [`start`], with at least `stack_size` bytes of stack: one beyond the usual is for a worker of its own, which is used once.
///
/// # Safety
/// As of [`start`].
pub unsafe fn start_sized(host: *mut Host, task: *mut Task, stack_size: usize) -> bool {
    // SAFETY: as in `start`.
    unsafe {
        if stack_size <= (*host).opts.stack_size {
            return start(host, task);
        }
        let opts = gt::SpawnOpts { stack_size, ..(*host).opts };
        let worker = employ(host, &opts, false);
        if worker.is_null() {
            drop_ref(task.cast());
            return false;
        }
        (*worker).single = true;
        (*worker).task = task;
        (*task).worker = worker;
        true
    }
}

/// A new worker of this thread. NULL: a Python exception is set.
unsafe fn employ(host: *mut Host, opts: &gt::SpawnOpts, handed: bool) -> *mut Worker {
    // SAFETY: as in `start`; the worker lives until its gt task has ended.
    unsafe {
        let worker = Worker::boxed(host);
        (*worker).handed = handed;
        let id = gt::gt_spawn_with(Some(main), worker.cast(), opts);
        if id < 0 {
            drop(Box::from_raw(worker));
            raise_errno(id);
            return null_mut();
        }
        (*worker).id = id;
        (*host).workers.insert(id, worker);
        worker
    }
}

/// Gives a task (whose reference is taken over) to a worker of this thread that runs when it is handed to. False: a Python exception is
/// set and the reference is dropped.
///
/// # Safety
/// As of [`start`].
pub unsafe fn start_handed(host: *mut Host, task: *mut Task) -> bool {
    // SAFETY: as in `start`.
    unsafe {
        let mut worker = (*host).idle_handed;
        if worker.is_null() {
            let mut opts = gt::SpawnOpts { ..(*host).opts };
            opts.flags |= gt::SPAWN_SUSPENDED;
            worker = employ(host, &opts, true);
            if worker.is_null() {
                drop_ref(task.cast());
                return false;
            }
        } else {
            (*host).idle_handed = (*worker).next_idle;
        }
        (*worker).task = task;
        (*task).worker = worker;
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
            let next = run(worker);
            if (*worker).handed {
                // One that ends cannot hand over, so it stays, however many there are.
                (*worker).next_idle = (*host).idle_handed;
                (*host).idle_handed = worker;
                if !wait_to_be_handed_to(worker, next) {
                    break;
                }
                continue;
            }
            if (*worker).single || (*host).idle_count >= POOL || !residue::known() {
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
                    host.idle_count -= usize::from(take_out(&mut host.idle, worker));
                    return false;
                }
            }
        }
    }
}

/// Hands over to `next` unless it is 0, then idle until [`start_handed`] gives it a task and somebody hands over. False: cancelled while
/// idle, and out of the pool.
unsafe fn wait_to_be_handed_to(worker: *mut Worker, next: i64) -> bool {
    // SAFETY: as of `wait_for_work`.
    unsafe {
        let mut rc = if next == 0 { -libc::EBUSY } else { gt::gt_hand_over(next, null_mut(), null_mut()) };
        loop {
            match rc {
                0 => return true,
                // Whoever was to be handed to does not wait any more; or an interrupt that is nobody's.
                rc if rc == -libc::EBUSY || rc == -libc::ESRCH || rc == -libc::EINTR => {
                    let mut code = 0;
                    while gt::gt_interrupt_take(&mut code) == 0 {}
                }
                _ if (*worker).task.is_null() => {
                    take_out(&mut (*(*worker).host).idle_handed, worker);
                    return false;
                }
                _ => return true, // cancelled with a task: its first wait says so
            }
            rc = gt::gt_hand_await(null_mut());
        }
    }
}

/// Takes a worker out of a list; was it there?
unsafe fn take_out(mut link: *mut *mut Worker, worker: *mut Worker) -> bool {
    // SAFETY: a list of live workers of this OS thread.
    unsafe {
        while !(*link).is_null() {
            if *link == worker {
                *link = (*worker).next_idle;
                return true;
            }
            link = &mut (**link).next_idle;
        }
    }
    false
}

/// One Python task, from its function's call to a clean worker. The result is for a worker that is handed to: the gt task that is next.
unsafe fn run(worker: *mut Worker) -> i64 {
    let api = api();
    // SAFETY: GIL held, own state current. `task` is kept alive by the worker's reference until the last line.
    unsafe {
        let task = (*worker).task;
        let context = (api.PyContext_New)();
        let entered = !context.is_null() && (api.PyContext_Enter)(context) == 0;
        (api.PyErr_Clear)();

        let mut result = null_mut();
        if (*task).begin() {
            if (*task).follows {
                follow::follow();
            }
            result = super::stay::call((*task).func, (*task).args, (*task).kwargs);
        }
        let exception = if result.is_null() { take_exception() } else { null_mut() };
        let next = if (*worker).handed && !result.is_null() { (api.PyLong_AsLongLong)(result) } else { 0 };
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
        (*worker).held = 0;
        if (*worker).named {
            (*worker).named = false;
            gt::gt_task_set_name((*worker).id, NAME.as_ptr());
        }
        (*worker).task = null_mut();
        drop_ref(task.cast());
        next
    }
}
