//! The scheduler of one OS thread, and the one door for blocking.
//!
//! There is no scheduler stack: a task that blocks takes the next ready task and switches straight to it. When nothing
//! is ready it polls the reactor itself, on its own stack.
//!
//! Who may touch what: everything here belongs to the home thread and is reached through [`Scheduler::current`]; what
//! other threads may touch is in [`crate::home`].
//!
//! Invariants:
//! D1  `current` is the record of the task that runs. A task in the ready ring is Ready and stands there once. A task
//!     that waits for a hand-over is Parked, stands in no ring, and its `wake` says Offered or Unstarted.
//! D2  References got from `reactor()`, `timers()`, `stacks()` and `Task::extra()` do not outlive their statement
//!     group: none is held across a switch, a host hook, or another call of the same accessor.
//! D3  All fields are consistent before each switch and each host hook: either may run other tasks or other threads.
//! D4  A record is freed (`reap`) only when its task is Done and another task runs.
//! D5  Only `park`, `yield_now`, `finish` and a hand-over (`hand.rs`) leave the running task.

pub mod back;
mod carry;
pub mod control;
mod deadlock;
mod exit;
pub mod extra;
mod fork;
pub mod guest;
mod hand;
mod hooks;
mod idle;
pub mod jump;
mod listen;
pub mod locals;
mod overflow;
mod park;
mod ready;
mod remote;
pub mod report;
pub mod roots;
mod spawn;
pub mod stats;
pub mod task;
pub mod waits;

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::config::{self, Config};
use crate::context::slab::Pool;
use crate::error::{Error, Result};
use crate::home::{self, Home, Progress};
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;
use crate::sys::thread::Uncancelled;
use crate::sys::vigil::Vigil;
use crate::sys::{clock, current};
use crate::timers::Timers;
pub use carry::WORDS as CARRIED_WORDS;
pub use extra::try_box;
pub use hooks::{notify, Host};
pub use park::Woken;
use ready::Ready;
pub use spawn::{SpawnOptions, Start, MIN_USER_STACK};
use task::{flags, State, Task};

/// How many switches may go by before descriptors, timers and other threads' requests are looked at.
const SWITCHES_PER_POLL: u32 = 256;

/// The scheduler of one OS thread.
pub struct Scheduler {
    current: Cell<*const Task>,
    ready: Ready,
    until_poll: Cell<u32>,
    /// What a watcher on another thread may see of it.
    progress: Progress,
    special: Cell<u8>,
    errno: *mut libc::c_int,
    live: Cell<usize>,

    carrier: carry::Carrier,
    host: Cell<Host>,
    reactor: UnsafeCell<Reactor>,
    timers: UnsafeCell<Timers>,
    stacks: UnsafeCell<Pool>,
    home: &'static Home,
    serial: u64,
    config: Config,
    root: Cell<*const Task>,
    root_record: Pin<Box<UnsafeCell<std::mem::MaybeUninit<Task>>>>,
    _alternate: overflow::AlternateStack,
    _uncancelled: Uncancelled,

    spawned: Cell<u64>,
    remote: Cell<u64>,
    embedded: Cell<bool>,
    emptying: Cell<u8>,
    deadlock_told: Cell<bool>,
    /// Waits that other OS threads may end, with or without a scheduler of theirs.
    shared_waits: Cell<usize>,
    /// Whether it looks into its inbox a little longer before it sleeps.
    vigil: Vigil,
    /// The clock that waits are dated by.
    coarse: Cell<i64>,
    worker: Cell<i32>,
    /// The last of the numbers that [`Scheduler::pick`] chooses by.
    luck: Cell<u32>,
    /// Where the task returns to that left last by way of [`back`].
    left_from: Cell<usize>,
}

/// Held while a scheduler is made, and by a fork: a child does not find one half made.
static MAKING: Mutex<()> = Mutex::new(());
/// What came of [`at_load`]: an errno, 0, or not yet.
static LOADED: AtomicI32 = AtomicI32::new(NOT_YET);
const NOT_YET: i32 = -1;

/// Once per process, when the library is loaded: later would be too late for a fork that happens while the first
/// scheduler is made on another OS thread.
pub(crate) fn at_load() {
    if LOADED.load(Ordering::Acquire) == NOT_YET {
        let done = fork::install().and_then(|()| exit::install());
        LOADED.store(done.err().map_or(0, Error::errno), Ordering::Release);
    }
}

fn making() -> MutexGuard<'static, ()> {
    MAKING.lock().unwrap_or_else(|e| e.into_inner())
}

impl Scheduler {
    /// One of `count`, each as often as the others, without a pattern (Marsaglia, "Xorshift RNGs", 2003).
    #[inline]
    pub fn pick(&self, count: usize) -> usize {
        let mut x = self.luck.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.luck.set(x);
        ((x as u64 * count as u64) >> 32) as usize
    }

    /// The calling OS thread's scheduler, made on first use.
    #[inline(always)]
    pub fn current() -> Result<&'static Scheduler> {
        match Scheduler::existing() {
            Some(s) => Ok(s),
            None => Scheduler::create(),
        }
    }

    /// The calling OS thread's scheduler, if it has one.
    #[inline(always)]
    pub fn existing() -> Option<&'static Scheduler> {
        // SAFETY: null, or a scheduler that this thread made and has not destroyed; it is reached by its home thread
        // only. A caller that destroys it (`shutdown`) does not use the reference afterwards.
        unsafe { current::get().cast::<Scheduler>().as_ref() }
    }

    #[cold]
    fn create() -> Result<&'static Scheduler> {
        let _alone = making();
        at_load(); // for a program that leaves constructors out
        match LOADED.load(Ordering::Acquire) {
            0 => {}
            errno => return Err(Error::new(errno)),
        }
        let config = config::freeze();
        let home = home::move_in()?;
        Scheduler::build(config, home).inspect_err(|_| home.move_out())
    }

    fn build(config: Config, home: &'static Home) -> Result<&'static Scheduler> {
        let no_memory = Error::new(libc::ENOMEM);
        let root = extra::try_box(UnsafeCell::new(std::mem::MaybeUninit::uninit()))?;
        // Its place comes first: nothing fails any more once the slot, which points to the root, is taken.
        let mut place = extra::try_box(std::mem::MaybeUninit::<Scheduler>::uninit())?;
        let scheduler = Scheduler {
            current: Cell::new(std::ptr::null()),
            ready: Ready::new()?,
            until_poll: Cell::new(SWITCHES_PER_POLL),
            progress: Progress::default(),
            special: Cell::new(0),
            // SAFETY: no preconditions; the address is this thread's for its whole life.
            errno: unsafe { libc::__errno_location() },
            live: Cell::new(0),
            carrier: carry::Carrier::none(),
            host: Cell::new(Host::default()),
            reactor: UnsafeCell::new(Reactor::new(home.inbox.bell().descriptor())?),
            timers: UnsafeCell::new(Timers::new(clock::now()).ok_or(no_memory)?),
            stacks: UnsafeCell::new(Pool::new(config.shape)?),
            home,
            serial: home.lodger(),
            config,
            root: Cell::new(std::ptr::null()),
            root_record: Box::into_pin(root),
            _alternate: overflow::AlternateStack::install(config.overflow_handler)?,
            _uncancelled: Uncancelled::hold(),
            spawned: Cell::new(0),
            remote: Cell::new(0),
            embedded: Cell::new(false),
            emptying: Cell::new(0),
            deadlock_told: Cell::new(false),
            shared_waits: Cell::new(0),
            vigil: Vigil::new(),
            coarse: Cell::new(clock::coarse()),
            luck: Cell::new(0x9E37_79B9),
            left_from: Cell::new(0),
            worker: Cell::new(-1),
        };
        let record = scheduler.root_record.get().cast::<Task>();
        // SAFETY: the box is pinned, so the record stays where it is written, as long as the scheduler does.
        let root = unsafe { Task::write(record, None, std::ptr::null_mut(), flags::ROOT | flags::DETACHED) };
        root.seat.this_thread();
        root.set_name(b"root");
        let (slot, id) = home.slots.take(&root.link)?;
        root.slot.set(Some(slot));
        root.id.set(id);
        home.watch.root.store(id as u64, Ordering::Release);
        scheduler.root.set(root);
        scheduler.current.set(root);
        place.write(scheduler);
        let scheduler = Box::into_raw(place).cast::<Scheduler>();
        current::set(scheduler.cast::<c_void>());
        exit::note_thread(scheduler.cast());
        // SAFETY: made by Box just now; freed by `destroy` only.
        let scheduler = unsafe { &*scheduler };
        let (place, reactor) = (std::ptr::from_ref(scheduler).cast(), scheduler.reactor().raw());
        home.watch.begin(place, &scheduler.progress, reactor); // until `destroy` moves out
        Ok(scheduler)
    }

    /// The running task.
    #[inline(always)]
    pub fn me(&self) -> &'static Task {
        // SAFETY: D1; a running task's record is there.
        unsafe { &*self.current.get() }
    }

    /// The root task.
    #[inline]
    pub fn root(&self) -> &'static Task {
        // SAFETY: written by `build` and pinned; or, in a forked child, the task that forked, which does not end.
        unsafe { &*self.root.get() }
    }

    /// Forked child: the task that forked is the root from now on.
    fn root_is(&self, task: &'static Task) {
        self.home.watch.root.store(task.id.get() as u64, Ordering::Release);
        self.root.set(task);
    }

    /// Whether the root task runs.
    #[inline]
    pub fn is_root(&self) -> bool {
        std::ptr::eq(self.current.get(), self.root.get())
    }

    /// The id of the running task.
    #[inline]
    pub fn my_id(&self) -> i64 {
        self.me().id.get()
    }

    #[allow(clippy::mut_from_ref, reason = "home-thread state; D2 keeps the references apart")]
    #[inline(always)]
    pub(crate) fn reactor(&self) -> &mut Reactor {
        // SAFETY: D2, and only the home thread gets here.
        unsafe { &mut *self.reactor.get() }
    }

    #[allow(clippy::mut_from_ref, reason = "home-thread state; D2 keeps the references apart")]
    #[inline(always)]
    fn timers(&self) -> &mut Timers {
        // SAFETY: as above.
        unsafe { &mut *self.timers.get() }
    }

    #[allow(clippy::mut_from_ref, reason = "home-thread state; D2 keeps the references apart")]
    #[inline(always)]
    fn stacks(&self) -> &mut Pool {
        // SAFETY: as above.
        unsafe { &mut *self.stacks.get() }
    }

    /// What wakes a task whose wait node the reactor hands back.
    #[inline(always)]
    pub(crate) fn waker(&self) -> impl FnMut(&crate::wait::WaitNode) + '_ {
        |node| {
            // SAFETY: nodes are made by tasks of this thread that have not ended (W2).
            let task = unsafe { Task::from_opaque(node.task) };
            self.wake(task, task::Wake::Event);
        }
    }

    /// The task behind an id of this home: -ESRCH if there is none, -EXDEV if it lives on another OS thread.
    #[inline]
    pub fn find(&self, id: i64) -> Result<&'static Task> {
        let gone = Error::new(libc::ESRCH);
        let parts = crate::slots::parts(id).ok_or(gone)?;
        if parts.home != self.home.index {
            if home::guests::is_guest(id) {
                return self.find_guest(id);
            }
            return Err(if home::is_alive(id) { Error::new(libc::EXDEV) } else { gone });
        }
        // SAFETY: `find` gives records that are there.
        self.home.slots.find(parts).map(|t| unsafe { Task::from_opaque(t) }).ok_or(gone)
    }

    /// Counts a wait on something that any OS thread may bring about, in or out: only a process without other threads
    /// can call such silence a deadlock.
    pub(crate) fn shared_wait(&self, begins: bool) {
        let now = self.shared_waits.get();
        self.shared_waits.set(if begins { now + 1 } else { now.saturating_sub(1) });
    }

    /// Where a debugger finds the record of the running task.
    pub const CURRENT_AT: usize = std::mem::offset_of!(Scheduler, current);

    /// What it counts on its way.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The number of this scheduler, which no other one of the process has, before or after it.
    #[inline(always)]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Jobs and wakers that may still wake a task of this home from outside.
    pub fn home(&self) -> &'static Home {
        self.home
    }
}
