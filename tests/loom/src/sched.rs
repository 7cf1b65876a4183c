#[path = "../../../src/sched/listen.rs"]
mod listen;
#[path = "../../../src/sched/waits.rs"]
pub mod waits;

/// How a wait ended.
pub mod park {
    /// See `src/sched/park.rs`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Woken {
        /// Look again.
        Event,
        /// Late.
        Deadline,
        /// Cancelled.
        Disturbed,
    }
}

/// The record of a task.
pub mod task {
    use std::cell::Cell;

    use loom::cell::UnsafeCell;

    use super::waits::Kind;
    use crate::slots::{Link, Slot};

    /// Why a task was woken.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Wake {
        /// Look again.
        Event,
        /// Cancelled.
        Cancelled,
    }

    /// Bits of the flags.
    pub mod flags {
        /// Wants NUDGE.
        pub const LISTENING: u8 = 1;
    }

    /// A task: what the files compiled here know of it.
    #[repr(C)]
    pub struct Task {
        /// Its way through the inbox.
        pub link: Link,
        slot: Cell<Option<&'static Slot>>,
        /// Its id.
        pub id: Cell<i64>,
        /// What it waits on.
        pub waits_kind: Cell<Kind>,
        /// The object of that.
        pub waits_object: Cell<usize>,
        /// Whether it was cancelled.
        pub cancelled: Cell<bool>,
        /// Whether it has a permit.
        pub permit: Cell<bool>,
        /// Why it was woken; none while it is parked.
        pub woken: Cell<Option<Wake>>,
        flags: Cell<u8>,
        /// Touched by whoever follows the link, and by the end: the model sees a link that is followed too late.
        pub record: UnsafeCell<u32>,
    }

    impl Task {
        /// A task that has no slot yet. It lies at that place.
        pub fn new(place: *const Task) -> Task {
            Task {
                link: Link { next: Default::default(), task: place.cast() },
                slot: Cell::new(None),
                id: Cell::new(0),
                waits_kind: Cell::new(Kind::Other),
                waits_object: Cell::new(0),
                cancelled: Cell::new(false),
                permit: Cell::new(false),
                woken: Cell::new(None),
                flags: Cell::new(0),
                record: UnsafeCell::new(0),
            }
        }

        /// It has that slot.
        pub fn live(&self, slot: &'static Slot, id: i64) {
            self.slot.set(Some(slot));
            self.id.set(id);
        }

        /// Its slot.
        pub fn slot(&self) -> &'static Slot {
            self.slot.get().expect("a task that lives")
        }

        /// Sets flags.
        pub fn set(&self, flags: u8) {
            self.flags.set(self.flags.get() | flags);
        }

        /// Clears flags.
        pub fn clear(&self, flags: u8) {
            self.flags.set(self.flags.get() & !flags);
        }

        /// Whether flags are set.
        pub fn has(&self, flags: u8) -> bool {
            self.flags.get() & flags != 0
        }
    }
}

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::home::{self, Home};
use crate::slots;
use park::Woken;
use task::{flags, Task, Wake};

/// A scheduler whose only task is its thread's own.
pub struct Scheduler {
    home: &'static Home,
    root: *const Task,
    coarse: Cell<i64>,
}

// SAFETY: used by the thread that made it; kept in a list only to be freed.
unsafe impl Send for Scheduler {}
// SAFETY: as above.
unsafe impl Sync for Scheduler {}

loom::thread_local! {
    static CURRENT: Cell<Option<&'static Scheduler>> = Cell::new(None);
}

static MADE: Mutex<Vec<&'static Scheduler>> = Mutex::new(Vec::new());

/// A task that [`forget_all`] frees.
struct Kept(*const Task);
// SAFETY: freed only.
unsafe impl Send for Kept {}
static TASKS: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// A new task of a home.
pub fn task_at(home: &'static Home) -> &'static Task {
    let mut room = Box::<Task>::new_uninit();
    let place = room.as_mut_ptr().cast_const();
    room.write(Task::new(place));
    // SAFETY: written just now, and freed at the end of the execution.
    let task: &'static Task = unsafe { &*Box::into_raw(room).cast_const().cast::<Task>() };
    TASKS.lock().unwrap().push(Kept(task));
    let (slot, id) = home.slots.take(&task.link).expect("there is a slot");
    task.live(slot, id);
    task
}

/// The end of an execution.
pub fn forget_all() {
    for scheduler in std::mem::take(&mut *MADE.lock().unwrap()) {
        // SAFETY: made by `make`, and the execution's threads have ended.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(scheduler).cast_mut()) });
    }
    for Kept(task) in std::mem::take(&mut *TASKS.lock().unwrap()) {
        // SAFETY: made by `task_at`.
        drop(unsafe { Box::from_raw(task.cast_mut()) });
    }
}

/// A scheduler for a thread that begins, and that thread's task.
pub fn make() -> &'static Scheduler {
    let home = home::make();
    let root = task_at(home);
    let scheduler: &'static Scheduler = Box::leak(Box::new(Scheduler { home, root, coarse: Cell::new(0) }));
    MADE.lock().unwrap().push(scheduler);
    scheduler
}

impl Scheduler {
    /// The calling thread has this one.
    pub fn enter(&'static self) -> &'static Scheduler {
        CURRENT.with(|c| c.set(Some(self)));
        self
    }

    /// The calling thread's.
    pub fn existing() -> Option<&'static Scheduler> {
        CURRENT.with(|c| c.get())
    }

    /// No job has one.
    pub fn shutdown(&self, _deadline: i64) -> Result<()> {
        Ok(())
    }

    /// Its home.
    pub fn home(&self) -> &'static Home {
        self.home
    }

    /// Its task.
    pub fn me(&self) -> &'static Task {
        // SAFETY: freed at the end of the execution.
        unsafe { &*self.root }
    }

    /// Its task's id.
    pub fn my_id(&self) -> i64 {
        self.me().id.get()
    }

    /// Cancel comes first.
    pub fn check(&self) -> Result<()> {
        match self.me().cancelled.get() {
            true => Err(Error::new(libc::ECANCELED)),
            false => Ok(()),
        }
    }

    /// Not counted here.
    pub fn shared_wait(&self, _begins: bool) {}

    /// No interrupts here.
    fn delivered_interrupts(&self) -> usize {
        0
    }

    fn keep_interrupts(&self, _count: usize) {}

    /// No cleanup handlers here.
    pub fn cleanup_push(&self, _function: unsafe extern "C" fn(*mut c_void), _arg: *mut c_void) -> Result<()> {
        Ok(())
    }

    /// See [`Scheduler::cleanup_push`].
    pub fn cleanup_pop(&self) -> Result<()> {
        Ok(())
    }

    /// Makes its task ready, if it is parked.
    pub fn wake(&self, task: &Task, why: Wake) -> bool {
        let parked = task.woken.get().is_none();
        if parked {
            task.woken.set(Some(why));
        }
        parked
    }

    fn park(&self, _deadline: i64) -> Woken {
        let me = self.me();
        if me.cancelled.get() {
            return Woken::Disturbed;
        }
        me.woken.set(None);
        while me.woken.get().is_none() {
            self.idle();
        }
        match me.woken.get() {
            Some(Wake::Cancelled) => Woken::Disturbed,
            _ => Woken::Event,
        }
    }

    fn settle(&self, woken: Woken) -> Result<Woken> {
        match woken {
            Woken::Disturbed => Err(Error::new(libc::ECANCELED)),
            other => Ok(other),
        }
    }

    /// Sleeps until the bell rings, unless there is post: `idle` and `wait_and_dispatch` of `src/sched/idle.rs`.
    pub fn idle(&self) {
        if self.home.inbox.fall_asleep() {
            self.home.inbox.bell().hear();
            self.home.inbox.wake_up();
        }
        self.read_post();
    }

    /// Carries out what was asked: `src/sched/remote.rs`.
    pub fn read_post(&self) {
        if !self.home.inbox.has_post() {
            return;
        }
        self.home.inbox.drain(|task| {
            // SAFETY: L2: a queued task has not ended.
            let task = unsafe { &*task.cast::<Task>() };
            task.record.with(|_| ());
            let asked = task.slot().collect();
            if asked & slots::UNPARK != 0 {
                task.permit.set(true);
                self.wake(task, Wake::Event);
            }
            if asked & slots::NUDGE != 0 && task.has(flags::LISTENING) {
                self.wake(task, Wake::Event);
            }
            if asked & slots::CANCEL != 0 {
                task.cancelled.set(true);
                self.wake(task, Wake::Cancelled);
            }
        });
    }

    /// Waits for the permit, as `gt_park` does.
    pub fn wait_for_permit(&self) {
        let me = self.me();
        while !me.permit.replace(false) {
            self.park(i64::MAX);
        }
    }
}
