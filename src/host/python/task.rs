//! The Python type `Task`: what `greenrt.spawn` gives back.
//!
//! Made with `PyType_FromSpec` and only stable-ABI functions. The instance's layout is ours, behind the object head of two words
//! (checked when the room is opened). A task holds its function and arguments until it ran, then its result or exception.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::api::{api, drop_ref, new_ref, none, raise, raise_errno, New, Obj, PyObject, Ssize};
use super::deliver::{self, raise_object, raise_wake};
use super::gt;
use super::host::{self, Host};
use super::worker::{self, Worker};

/// The instance.
#[repr(C)]
pub struct Task {
    head: [usize; 2],
    /// List of weak references.
    pub weakrefs: Obj,
    /// `__dict__`, made on demand.
    pub dict: Obj,
    /// The function; NULL once it ran.
    pub func: Obj,
    /// Tuple of arguments; NULL once it ran.
    pub args: Obj,
    /// Dict of keyword arguments, or NULL; NULL once it ran.
    pub kwargs: Obj,
    /// What the function returned.
    pub result: Obj,
    /// What it raised, with its traceback; before the start: what it was killed with.
    pub exception: Obj,
    /// The name, NULL until somebody asks or sets.
    pub name: Obj,
    /// `__name__` of the function, kept when the function goes.
    pub stem: Obj,
    /// List of (function, arguments, keywords) to call at the end, or NULL.
    pub links: Obj,
    /// Who runs it; NULL when done.
    pub worker: *mut Worker,
    /// Number of the task in this process.
    pub serial: u64,
    /// Where in its life it is.
    pub stage: Stage,
    /// Is it traced as a new thread is? One of the threading module's sees to that by itself.
    pub follows: bool,
    /// gt tasks parked until it is done. The first one needs no allocation.
    first_waiter: i64,
    more_waiters: Vec<i64>,
}

/// The life of a task.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Spawned, its function not yet called.
    New,
    /// Its function runs or is parked.
    Running,
    /// Result or exception are there.
    Done,
}

static TYPE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());
static EXIT: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());
static NAME: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// The type object, borrowed.
pub fn task_type() -> Obj {
    TYPE.load(Ordering::Relaxed)
}

/// The exception class `TaskExit`, borrowed.
pub fn task_exit() -> Obj {
    EXIT.load(Ordering::Relaxed)
}

/// Keeps what the room makes once. Owned references, never dropped.
pub fn keep(kind: New, exit: New, name: New) {
    NAME.store(name, Ordering::Relaxed);
    TYPE.store(kind, Ordering::Relaxed);
    EXIT.store(exit, Ordering::Relaxed);
}

impl Task {
    /// Takes the waiters out.
    pub fn take_waiters(&mut self) -> (i64, Vec<i64>) {
        (core::mem::take(&mut self.first_waiter), core::mem::take(&mut self.more_waiters))
    }

    /// Frees the list of waiters, when the instance goes.
    pub fn drop_waiters(&mut self) {
        self.more_waiters = Vec::new();
    }

    /// Called on its worker: may the function be called? False: it was killed before, and that exception is set.
    ///
    /// # Safety
    /// GIL held.
    pub unsafe fn begin(&mut self) -> bool {
        self.stage = Stage::Running;
        if self.exception.is_null() {
            return true;
        }
        let exception = core::mem::replace(&mut self.exception, null_mut());
        // SAFETY: an owned reference, dropped after use.
        unsafe {
            raise_object(exception);
            drop_ref(exception);
        }
        false
    }
}

/// Makes a task that is not yet running. References to the parts are taken over, on failure too.
///
/// # Safety
/// GIL held; `args` is a tuple, `kwargs` a dict or NULL.
pub unsafe fn new(func: Obj, args: Obj, kwargs: Obj) -> *mut Task {
    let api = api();
    // SAFETY: the type has our layout; the fresh instance is zeroed behind its head, and zero is a valid value of all
    // fields but the vector, which is written.
    unsafe {
        let task: *mut Task = (api.PyType_GenericAlloc)(task_type(), 0).cast();
        if task.is_null() {
            drop_ref(func);
            drop_ref(args);
            drop_ref(kwargs);
            return null_mut();
        }
        (&raw mut (*task).more_waiters).write(Vec::new());
        (*task).stage = Stage::New;
        (*task).func = func;
        (*task).args = args;
        (*task).kwargs = kwargs;
        (*task).serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        task
    }
}

/// Makes a task and hands it to a worker of this thread. NULL: a Python exception is set. References to the parts are taken over.
///
/// # Safety
/// GIL held; `args` is a tuple, `kwargs` a dict or NULL.
pub unsafe fn spawn(func: Obj, args: Obj, kwargs: Obj) -> New {
    // SAFETY: the caller's promise; the new task has not begun.
    unsafe {
        let made = spawn_sized(func, args, kwargs, 0);
        if let Some(task) = made.cast::<Task>().as_mut() {
            task.follows = true;
        }
        made
    }
}

/// As [`spawn`], with at least `stack_size` bytes of stack.
unsafe fn spawn_sized(func: Obj, args: Obj, kwargs: Obj, stack_size: usize) -> New {
    // SAFETY: the caller's promise; the worker gets a reference of its own.
    unsafe {
        if !host::ensure() {
            drop_ref(func);
            drop_ref(args);
            drop_ref(kwargs);
            return null_mut();
        }
        let task = new(func, args, kwargs);
        if task.is_null() {
            return null_mut();
        }
        new_ref(task.cast());
        if !worker::start_sized(host::here(), task, stack_size) {
            drop_ref(task.cast());
            return null_mut();
        }
        task.cast()
    }
}

/// Starts a task that calls `callable` with no arguments, on at least `stack_size` bytes of stack: the id of its gt task, or -1 with a
/// Python exception set.
///
/// # Safety
/// GIL held, a live callable.
pub unsafe fn spawn_callable(callable: Obj, stack_size: usize) -> i64 {
    let api = api();
    // SAFETY: the caller's promise.
    unsafe {
        let args = (api.PyTuple_New)(0);
        if args.is_null() {
            return -1;
        }
        let task: *mut Task = spawn_sized(new_ref(callable), args, null_mut(), stack_size).cast();
        if task.is_null() {
            return -1;
        }
        let id = (*(*task).worker).id;
        drop_ref(task.cast());
        id
    }
}

/// `__name__` of a callable, NULL (and no exception) when it has none.
pub unsafe fn name_of(func: Obj) -> New {
    let api = api();
    // SAFETY: a live object or NULL; the attribute's name is kept for ever.
    unsafe {
        if func.is_null() {
            return null_mut();
        }
        let name = (api.PyObject_GetAttr)(func, NAME.load(Ordering::Relaxed));
        if name.is_null() {
            (api.PyErr_Clear)();
        }
        name
    }
}

/// The text of a str, or NULL's stand-in.
unsafe fn text_of(text: Obj, otherwise: &str) -> String {
    let mut length: Ssize = 0;
    // SAFETY: a live str or NULL; its UTF-8 lives as long as it does, and is copied.
    unsafe {
        if !text.is_null() {
            let bytes = (api().PyUnicode_AsUTF8AndSize)(text, &mut length);
            if !bytes.is_null() {
                let bytes = core::slice::from_raw_parts(bytes.cast::<u8>(), length as usize);
                return String::from_utf8_lossy(bytes).into_owned();
            }
            (api().PyErr_Clear)();
        }
    }
    otherwise.to_owned()
}

/// The name as a new reference: what was set, else "handler-12" from the function's name and the task's number.
///
/// # Safety
/// GIL held, a live task.
pub unsafe fn name(task: *mut Task) -> New {
    let api = api();
    // SAFETY: live objects.
    unsafe {
        if (*task).name.is_null() {
            let stem = if (*task).stem.is_null() { name_of((*task).func) } else { new_ref((*task).stem) };
            let text = format!("{}-{}", text_of(stem, "task"), (*task).serial);
            drop_ref(stem);
            (*task).name = (api.PyUnicode_FromStringAndSize)(text.as_ptr().cast(), text.len() as Ssize);
            if (*task).name.is_null() {
                return null_mut();
            }
        }
        new_ref((*task).name)
    }
}

/// Gives it another name, which dumps see as well. Of a task on another OS thread they see the old one.
///
/// # Safety
/// GIL held, a live task and a str that can be written as UTF-8.
pub unsafe fn set_name(task: *mut Task, name: Obj) {
    let mut length: Ssize = 0;
    // SAFETY: the caller's promise; the text ends with a NUL and lives as long as the str, and the worker of a task that is not done is alive.
    unsafe {
        let old = core::mem::replace(&mut (*task).name, new_ref(name));
        let worker = (*task).worker;
        if !worker.is_null()
            && gt::gt_task_set_name((*worker).id, (api().PyUnicode_AsUTF8AndSize)(name, &mut length)) == 0
        {
            (*worker).named = true;
        }
        drop_ref(old);
    }
}

/// Parks until the task is done. False: a Python exception is set (the deadline passed, or the waiter was interrupted).
///
/// # Safety
/// GIL held; the caller keeps the task alive.
pub unsafe fn wait_done(task: *mut Task, deadline: i64) -> bool {
    let api = api();
    // SAFETY: every read of the task's fields happens anew after each park.
    unsafe {
        if (*task).stage == Stage::Done {
            return true;
        }
        if !host::ensure() {
            return false;
        }
        let me = gt::gt_self();
        let worker = (*task).worker;
        if !worker.is_null() && (*worker).id == me {
            raise(api.PyExc_RuntimeError, c"a task cannot wait for itself");
            return false;
        }
        if worker.is_null() || (*(*worker).host).root == worker {
            raise(api.PyExc_RuntimeError, c"the root task does not end, so nobody can wait for it");
            return false;
        }
        if (*task).first_waiter == 0 {
            (*task).first_waiter = me;
        } else {
            (*task).more_waiters.push(me);
        }
        let fine = loop {
            let rc = gt::gt_park_until(deadline);
            if (rc == -libc::EINTR || rc == -libc::ECANCELED) && raise_wake(rc) {
                break false;
            }
            if (*task).stage == Stage::Done {
                break true;
            }
            if rc == -libc::ETIMEDOUT {
                raise(api.PyExc_TimeoutError, c"the task is not done yet");
                break false;
            }
            if rc < 0 && rc != -libc::EINTR {
                raise_errno(rc.into());
                break false;
            }
        };
        if (*task).first_waiter == me {
            (*task).first_waiter = 0;
        } else if let Some(at) = (*task).more_waiters.iter().position(|waiter| *waiter == me) {
            (*task).more_waiters.remove(at);
        }
        fine
    }
}

/// The outcome: a new reference to the result, or NULL with the task's exception raised again.
///
/// # Safety
/// GIL held, a done task.
pub unsafe fn outcome(task: *mut Task) -> New {
    let api = api();
    // SAFETY: a done task's result and exception do not change.
    unsafe {
        let exception = (*task).exception;
        if exception.is_null() {
            if (*task).result.is_null() {
                return none();
            }
            return new_ref((*task).result);
        }
        let kind = super::api::type_of(exception);
        let traceback = (api.PyException_GetTraceback)(exception);
        (api.PyErr_Restore)(new_ref(kind), new_ref(exception), traceback);
        null_mut()
    }
}

/// `kill(exc, block)`. False: a Python exception is set.
///
/// # Safety
/// GIL held; the caller keeps the task alive.
pub unsafe fn kill(task: *mut Task, exception: Obj, block: bool) -> bool {
    let api = api();
    // SAFETY: the worker of a task that is not done is alive, and its host too.
    unsafe {
        let kind = if (api.PyObject_IsInstance)(exception, api.type_type) == 1 {
            exception
        } else {
            super::api::type_of(exception)
        };
        if (api.PyType_IsSubtype)(kind, api.PyExc_BaseException) == 0 {
            raise(api.PyExc_TypeError, c"kill() needs an exception, a class or an instance");
            return false;
        }
        match (*task).stage {
            Stage::Done => return true,
            Stage::New => {
                let old = core::mem::replace(&mut (*task).exception, new_ref(exception));
                drop_ref(old);
            }
            Stage::Running => {
                let worker = (*task).worker;
                if worker == host::current() {
                    raise_object(exception);
                    return false;
                }
                let code = host::next_code();
                deliver::arm(worker, code, exception);
                let rc = gt::gt_interrupt((*worker).id, code);
                if rc < 0 {
                    if let Some((_, exception)) = deliver::disarm_at((*worker).host, code) {
                        drop_ref(exception);
                    }
                    raise_errno(rc.into());
                    return false;
                }
            }
        }
        !block || wait_done(task, gt::NEVER)
    }
}

/// The tasks of this OS thread that are not done, the root's own last; a new list.
///
/// # Safety
/// GIL held; `host` is this thread's or NULL.
pub unsafe fn list(host: *mut Host) -> New {
    let api = api();
    // SAFETY: the ids are copied first; a worker may be gone by the time it is looked up.
    unsafe {
        let list = (api.PyList_New)(0);
        if list.is_null() || host.is_null() {
            return list;
        }
        let mut ids: Vec<i64> = (*host).workers.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(worker) = (*host).workers.get(&id).copied() else { continue };
            let task = (*worker).task;
            if !task.is_null() && (api.PyList_Append)(list, task.cast()) < 0 {
                drop_ref(list);
                return null_mut();
            }
        }
        list
    }
}

/// The `Task` of the running worker; on the root it is made when first asked for. A new reference.
///
/// # Safety
/// GIL held.
pub unsafe fn current() -> New {
    let api = api();
    // SAFETY: own host; the root worker keeps its task for ever.
    unsafe {
        if !host::ensure() {
            return null_mut();
        }
        let worker = host::current();
        if worker.is_null() {
            return raise(api.PyExc_RuntimeError, c"this task was not started from Python");
        }
        if (*worker).task.is_null() {
            let task = new(null_mut(), null_mut(), null_mut());
            if task.is_null() {
                return null_mut();
            }
            (*task).stage = Stage::Running;
            (*task).worker = worker;
            (*task).name = (api.PyUnicode_FromString)(c"root".as_ptr());
            (*worker).task = task;
        }
        new_ref((*worker).task.cast())
    }
}

/// Seconds from now, None or NULL for ever, as an absolute deadline. None: a Python exception is set.
///
/// # Safety
/// GIL held.
pub unsafe fn deadline(seconds: Obj) -> Option<i64> {
    let api = api();
    // SAFETY: a live object or NULL.
    unsafe {
        if seconds.is_null() || seconds == api.none {
            return Some(gt::NEVER);
        }
        let value = (api.PyFloat_AsDouble)(seconds);
        if value == -1.0 && !(api.PyErr_Occurred)().is_null() {
            return None;
        }
        if value.is_nan() {
            raise(api.PyExc_ValueError, c"Invalid value NaN (not a number)");
            return None;
        }
        Some(after(value))
    }
}

/// So many seconds from now; saturates at "never".
pub fn after(seconds: f64) -> i64 {
    let nanoseconds = seconds.max(0.0) * 1e9;
    if nanoseconds >= 9.2e18 {
        return gt::NEVER;
    }
    // Rounded up: never early.
    gt::gt_now().saturating_add(nanoseconds.ceil() as i64)
}

/// `<Task handler-12 running>`
///
/// # Safety
/// GIL held, a live task.
pub unsafe fn describe(task: *mut Task) -> New {
    let api = api();
    // SAFETY: live task.
    unsafe {
        let own = name(task);
        if own.is_null() {
            return null_mut();
        }
        let stage = match (*task).stage {
            Stage::New => "not started",
            Stage::Running => "running",
            Stage::Done if !(*task).exception.is_null() => "failed",
            Stage::Done => "done",
        };
        let text = format!("<Task {} {stage}>", text_of(own, "?"));
        drop_ref(own);
        (api.PyUnicode_FromStringAndSize)(text.as_ptr().cast(), text.len() as Ssize)
    }
}
