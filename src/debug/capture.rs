//! Where an OS thread stands that nobody can ask: a signal makes it say so itself.
//!
//! The handler notes the registers that it interrupted, which task they are of, and a copy of the innermost part of its
//! stack, has the host tell of its own calls, and is done: microseconds. Who asked walks the copy at leisure, on a thread of its own. So the handler takes no
//! lock, not the loader's either, and it does not matter what the thread holds while it stands there.
//!
//! The signal is SIGURG: nobody sends it by itself unless a program asked for it (fcntl(2), F_SETOWN), its default action is
//! to be ignored, so one that comes late does no harm, and gdb passes it on in silence. Where the program has an action of its
//! own for it, the last free one of the real-time signals is taken.
//!
//! Invariants:
//! A1  `seen` and the copy belong to the handler of the asked thread while `stage` is TAKEN, else to the asking thread.
//! A2  One thread asks at a time: the watchdog.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

use super::unwind::{Registers, View};
use crate::error::{Error, Result};
use crate::sched::task::NAME;
use crate::sched::Scheduler;
use crate::sys::{clock, futex};

/// Bytes of a stack that are copied, from its innermost end.
const COPY: usize = 128 * 1024;
/// Bytes of what a host tells of its own calls.
pub const TOLD: usize = 16 * 1024;
/// Bytes below the stack pointer that are still the interrupted function's (System V psABI for AMD64, 3.2.2, the red zone): on its way
/// out, the registers that its callers want back are said to be there.
const RED_ZONE: usize = 128;
/// How long a thread is waited for that does not take the signal: it blocks it, or does not get to run.
const PATIENCE: i64 = 1_000_000_000;

const IDLE: u32 = 0;
const ASKED: u32 = 1;
const TAKEN: u32 = 2;
const DONE: u32 = 3;

/// What the handler noted.
#[derive(Clone, Copy)]
pub struct Seen {
    /// The task that runs.
    pub task: i64,
    /// Its name.
    pub name: [u8; NAME],
    /// Its entry; 0 for the root.
    pub entry: usize,
    /// Switches of its scheduler.
    pub switches: u64,
    registers: Option<Registers>,
    from: usize,
    copied: usize,
    told: usize,
}

const NOTHING: Seen =
    Seen { task: 0, name: [0; NAME], entry: 0, switches: 0, registers: None, from: 0, copied: 0, told: 0 };

struct Request {
    stage: AtomicU32,
    thread: AtomicI32,
    /// The bounds of the thread's own stack.
    low: AtomicUsize,
    high: AtomicUsize,
    seen: UnsafeCell<Seen>,
    copy: UnsafeCell<[u8; COPY]>,
    told: UnsafeCell<[u8; TOLD]>,
}

// SAFETY: A1.
unsafe impl Sync for Request {}

static REQUEST: Request = Request {
    stage: AtomicU32::new(IDLE),
    thread: AtomicI32::new(0),
    low: AtomicUsize::new(0),
    high: AtomicUsize::new(0),
    seen: UnsafeCell::new(NOTHING),
    copy: UnsafeCell::new([0; COPY]),
    told: UnsafeCell::new([0; TOLD]),
};

extern "C" fn asked(_signal: i32, _info: *mut libc::siginfo_t, context: *mut c_void) {
    let r = &REQUEST;
    // SAFETY: no preconditions.
    let mine = r.thread.load(Ordering::Acquire) == unsafe { libc::gettid() };
    if !mine || r.stage.compare_exchange(ASKED, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return;
    }
    // SAFETY: A1; the kernel hands a context to an SA_SIGINFO handler.
    unsafe { *r.seen.get() = note(context) };
    r.stage.store(DONE, Ordering::Release);
    futex::wake_one(&r.stage);
}

/// # Safety
/// In the handler, with its third argument; A1.
unsafe fn note(context: *const c_void) -> Seen {
    // SAFETY: by the caller.
    let mut seen = Seen { registers: unsafe { Registers::of_signal(context) }, ..NOTHING };
    let Some(s) = Scheduler::existing() else { return seen };
    let task = s.me();
    seen.task = task.id.get();
    seen.name = task.name.get();
    seen.entry = task.entry.get().map_or(0, |e| e as usize);
    seen.switches = s.progress().switches.get();
    // SAFETY: A1.
    seen.told = s.host_trace_here(unsafe { &mut *REQUEST.told.get() });
    let Some(sp) = seen.registers.map(|r| r.sp()) else { return seen };
    let (low, high) = match task.base.get() as usize {
        0 => (REQUEST.low.load(Ordering::Relaxed), REQUEST.high.load(Ordering::Relaxed)),
        base => (base, std::ptr::from_ref(task) as usize),
    };
    // In the middle of a switch, or in a handler on a stack of its own: where the frames end is not known.
    if (low..high).contains(&sp) {
        seen.from = (sp - RED_ZONE).max(low);
        seen.copied = (high - seen.from).min(COPY);
        // SAFETY: inside the stack of this thread; the place is as long, and ours (A1).
        unsafe { copy(REQUEST.copy.get().cast(), seen.from as *const u8, seen.copied) };
    }
    seen
}

/// Copies bytes that may be marked as not to be read, by tools that watch memory: they are between the variables of frames.
///
/// # Safety
/// Both are mapped for `len` bytes, and `to` is the caller's.
unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: by the caller; the direction flag is clear by the calling convention.
    unsafe {
        std::arch::asm!("rep movsb", inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: by the caller.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, len)
    };
}

/// A thread that can be asked.
#[derive(Clone, Copy)]
pub struct Thread {
    /// Its number.
    pub id: i32,
    /// The bounds of its own stack.
    pub stack: (usize, usize),
}

/// Has a thread of this process say where it stands; None if it does not in a second, or is gone. `unless` says that
/// nobody wants to know any more. For one thread only (A2).
pub fn ask(thread: Thread, signal: i32, unless: impl Fn() -> bool) -> Option<Seen> {
    let r = &REQUEST;
    r.low.store(thread.stack.0, Ordering::Relaxed);
    r.high.store(thread.stack.1, Ordering::Relaxed);
    r.thread.store(thread.id, Ordering::Relaxed);
    r.stage.store(ASKED, Ordering::Release);
    // SAFETY: a signal that we handle, to a thread of this process if it is still there.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread.id, signal) } == 0;
    let until = clock::real() + PATIENCE;
    while sent && r.stage.load(Ordering::Acquire) == ASKED && clock::real() < until && !unless() {
        futex::wait_for(&r.stage, ASKED, PATIENCE / 20);
    }
    if r.stage.compare_exchange(ASKED, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
        return None;
    }
    while r.stage.load(Ordering::Acquire) != DONE {
        std::thread::yield_now(); // its handler runs
    }
    // SAFETY: A1.
    let seen = unsafe { *r.seen.get() };
    r.stage.store(IDLE, Ordering::Relaxed);
    Some(seen)
}

/// Forked child: nobody asks.
pub fn after_fork() {
    REQUEST.stage.store(IDLE, Ordering::Relaxed);
}

impl Seen {
    /// Where to begin a walk, and the copy to walk on; valid until the next [`ask`].
    pub fn calls(&self) -> Option<(Registers, View)> {
        self.registers.map(|r| (r, View { address: self.from, at: REQUEST.copy.get().cast(), len: self.copied }))
    }

    /// What its host told of its own calls; valid until the next [`ask`].
    pub fn told(&self) -> &'static str {
        // SAFETY: A1: written before DONE was seen, and by nobody until the thread is asked again.
        text(unsafe { &(&*REQUEST.told.get())[..self.told] })
    }
}

/// A host's lines: what is text of them.
pub fn text(told: &[u8]) -> &str {
    told.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// The signal that threads are asked with.
#[derive(Default)]
pub struct Signal(Option<i32>);

impl Signal {
    /// One whose action is ours now: the same as the last time, unless the program has put its own there. -EBUSY: it has
    /// for every one that could be.
    pub fn get(&mut self) -> Result<i32> {
        if let Some(signal) = self.0.filter(|&s| action(s).is_ok_and(|a| a == asked as *const () as usize)) {
            return Ok(signal);
        }
        let mut candidates = std::iter::once(libc::SIGURG).chain((libc::SIGRTMIN()..=libc::SIGRTMAX()).rev());
        let ours = asked as *const () as usize;
        let free = candidates.find(|&s| action(s).is_ok_and(|a| a == ours || a == libc::SIG_DFL && install(s).is_ok()));
        self.0 = free;
        free.ok_or(Error::new(libc::EBUSY))
    }

    /// Gives the signal back. A real-time one is kept for good: its default action would end the process if it came late.
    pub fn give_back(&mut self) {
        let ours = |s: &i32| action(*s).is_ok_and(|a| a == asked as *const () as usize);
        if let Some(signal) = self.0.take().filter(|&s| s == libc::SIGURG).filter(ours) {
            // SAFETY: an all-zero action is the default one.
            unsafe { libc::sigaction(signal, MaybeUninit::zeroed().as_ptr(), std::ptr::null_mut()) };
        }
    }
}

/// The handler of a signal.
fn action(signal: i32) -> Result<usize> {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only.
    let told = unsafe { libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) };
    // SAFETY: zeroed, or filled in.
    crate::sys::check(told as isize).map(|_| unsafe { now.assume_init() }.sa_sigaction)
}

fn install(signal: i32) -> Result<()> {
    let mut ours = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: an all-zero sigaction is valid; the fields that matter are set; the handler has the SA_SIGINFO shape.
    unsafe {
        let a = ours.assume_init_mut();
        a.sa_sigaction = asked as *const () as usize;
        a.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigfillset(&mut a.sa_mask);
        crate::sys::check(libc::sigaction(signal, ours.as_ptr(), std::ptr::null_mut()) as isize).map(drop)
    }
}
