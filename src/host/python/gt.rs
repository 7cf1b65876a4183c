//! The calls into the C face that this room makes, gathered so that its wall towards the runtime is one list. The room
//! sees what `greenrt.h` shows, no more.

use core::ffi::{c_char, c_int, c_void};

/// `gt_host_t`
#[repr(C)]
pub struct Host {
    pub size: usize,
    pub ctx: *mut c_void,
    pub state_new: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    pub swap: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    pub state_clear: Option<unsafe extern "C" fn(*mut c_void)>,
    pub state_free: Option<unsafe extern "C" fn(*mut c_void)>,
    pub release: Option<unsafe extern "C" fn() -> *mut c_void>,
    pub acquire: Option<unsafe extern "C" fn(*mut c_void)>,
    pub stack_bounds: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> c_int>,
    pub interrupted: Option<unsafe extern "C" fn() -> c_int>,
    pub tls_key: *const u32,
}

/// `gt_spawn_opts_t`
#[repr(C)]
pub struct SpawnOpts {
    pub size: usize,
    pub name: *const c_char,
    pub stack_size: usize,
    pub stack: *mut c_void,
    pub guard_size: usize,
    pub priority: i32,
    pub flags: u32,
}

pub type Entry = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// `GT_NEVER`
pub const NEVER: i64 = i64::MAX;
/// `GT_SPAWN_DETACHED`
pub const SPAWN_DETACHED: u32 = 1;

extern "C" {
    pub fn gt_now() -> i64;
    pub fn gt_yield() -> c_int;
    pub fn gt_sleep_until(deadline: i64) -> c_int;
    pub fn gt_park_until(deadline: i64) -> c_int;
    pub fn gt_unpark(task: i64) -> c_int;
    pub fn gt_self() -> i64;
    pub fn gt_spawn_with(entry: Option<Entry>, arg: *mut c_void, opts: *const SpawnOpts) -> i64;
    pub fn gt_interrupt(task: i64, code: c_int) -> c_int;
    pub fn gt_interrupt_at(task: i64, code: c_int, deadline: i64) -> c_int;
    pub fn gt_interrupt_take(code: *mut c_int) -> c_int;
    pub fn gt_interrupt_withdraw(task: i64, code: c_int) -> c_int;
    pub fn gt_task_set_name(task: i64, name: *const c_char) -> c_int;
    pub fn gt_host_set(host: *const Host) -> c_int;
    pub fn gt_wait_fd_until(fd: c_int, events: c_int, deadline: i64) -> c_int;
    pub fn gt_shield_push() -> c_int;
    pub fn gt_shield_pop() -> c_int;
    pub fn gt_recv_until(fd: c_int, buf: *mut c_void, len: usize, flags: c_int, deadline: i64) -> isize;
    pub fn gt_send_until(fd: c_int, buf: *const c_void, len: usize, flags: c_int, deadline: i64) -> isize;
    pub fn gt_send_all_until(
        fd: c_int,
        buf: *const c_void,
        len: usize,
        flags: c_int,
        sent: *mut usize,
        deadline: i64,
    ) -> c_int;
    pub fn gt_poll_until(fds: *mut libc::pollfd, nfds: libc::nfds_t, deadline: i64) -> c_int;
    pub fn gt_close(fd: c_int) -> c_int;
}
