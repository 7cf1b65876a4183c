//! The Python room: makes builtins for the hot verbs out of CPython's stable-ABI functions, and lets a CPython ride on the
//! host hooks. The only place in the crate that knows a Python object.
//!
//! It is entered through one function, `gt_python_builtins`, called by the Python package through `ctypes.PyDLL`
//! (so the GIL is held). A program that is not Python never gets here, and nothing of CPython is linked.
//!
//! | file | what it holds |
//! |---|---|
//! | api.rs | the table of CPython functions, with the reference-count rule of each position |
//! | gt.rs | the calls into the C face that the room makes |
//! | host.rs | one `Host` per OS thread that runs tasks: the hooks, the pool of workers |
//! | worker.rs | a gt task that runs one Python task after another, with its thread state |
//! | task.rs | the Python type `Task` |
//! | deliver.rs | from -EINTR and -ECANCELED to a Python exception |
//! | signals.rs | signal handlers run in the root task |
//! | builtins.rs | the table of builtins |
//! | patch*.rs | patching in place, and identity |
//!
//! Rules of the room:
//! * GIL held everywhere, except inside gt_ calls that may switch. After such a call anything may have changed: other
//!   tasks ran, and from CPython 3.12 on other OS threads too. So nothing borrowed spans one.
//! * Dropping a reference may run any Python code, which may switch. The same rule holds around [`api::drop_ref`].

pub(crate) mod api;
pub(crate) mod gt;
pub(crate) mod patch;
