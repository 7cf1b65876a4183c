//! greenrt: a green-thread runtime behind a C ABI.
//!
//! The public face is the C header `include/greenrt.h`, generated from [`ffi`]. Inside, the house has floors; a file
//! imports from the floors below and from its own folder, never upward (`tests/layering.rs` checks it):
//!
//! ```text
//! 4  ffi/ (the C face)   host/python/ (a room for CPython, entered only when Python asks)
//!    http/ (requests and answers, on what of io/ and offload/ has a public name)
//! 3  io/ (descriptors)   offload/ (blocking calls on other threads)   sync/ (locks, channels)   select/
//!    structure/ (scopes, generators)   fleet/ (workers)   process/ (children, signals)   debug/ (dumps, watchdog)
//! 2  sched/ (tasks, park and wake, hooks, fork)
//! 1  websocket/ (frames)   context/ (stacks, the switch)   reactor/   timers   home, slots (what other threads may touch)   config
//! 0  error   wait (lists of waiters)   sys/ (libc)
//! ```
//!
//! `docs/ARCHITECTURE.md` walks one `gt_recv` through them.

mod config;
mod context;
mod debug;
mod error;
pub mod ffi;
mod fleet;
mod home;
mod host;
mod http;
mod io;
mod offload;
mod process;
mod reactor;
mod sched;
mod select;
mod slots;
mod structure;
mod sync;
mod sys;
mod timers;
mod wait;
mod websocket;

/// What must be in place before the first fork of the process.
extern "C" fn at_load() {
    sched::at_load();
    debug::at_load();
    offload::pool::at_load();
    fleet::at_load();
    process::at_load();
}

#[used]
#[cfg_attr(not(target_vendor = "apple"), link_section = ".init_array")]
#[cfg_attr(target_vendor = "apple", link_section = "__DATA,__mod_init_func")]
static AT_LOAD: extern "C" fn() = at_load;

#[cfg(feature = "global-alloc")]
#[global_allocator]
static ALLOCATOR: config::Configured = config::Configured;
