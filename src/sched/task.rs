//! The task record: all that the scheduler keeps of one green thread. It sits at the top of the task's own stack.

use std::cell::Cell;
use std::ffi::{c_void, CStr};
use std::mem::{size_of, MaybeUninit};
use std::ptr;
use std::sync::atomic::AtomicPtr;

use super::carry::Carried;
use super::extra::Extra;
use super::waits::Kind;
use crate::context::annotate::Seat;
use crate::context::slab::colour;
use crate::context::{Place, Saved};
use crate::slots::{Link, Slot};
use crate::sys::clock::NEVER;
use crate::timers::{TimerKind, TimerNode};

/// The entry function of a task.
pub type Entry = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// Where a task is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// In the ready queue, or the one that runs.
    Ready,
    /// Waiting for a wake.
    Parked,
    /// Its entry has returned.
    Done,
}

impl State {
    /// The words for reports, in the order of the numbers.
    pub const WORDS: &'static CStr = c"ready,parked,ended";

    /// The word for reports.
    pub fn word(self) -> &'static str {
        State::WORDS.to_str().ok().and_then(|words| words.split(',').nth(self as usize)).unwrap_or("?")
    }
}

/// Why a task was made ready; the first reason stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Wake {
    /// What it waited for has happened, or may have: look again.
    Event,
    /// It was cancelled.
    Cancelled,
    /// It was interrupted.
    Interrupted,
    /// Its deadline or its scope's has passed.
    Deadline,
    /// The host's signal hook wants to run (root only).
    Signal,
    /// Nothing can ever wake anybody (root only).
    Deadlock,
    /// Another task handed over to it.
    Handed,
    /// Not woken: while it is Parked, it waits for a hand-over.
    Offered,
    /// Not woken: it was spawned suspended and has not started.
    Unstarted,
}

/// Bits of [`Task::pending`].
pub mod pending {
    /// Cancelled; sticky.
    pub const CANCEL: u8 = 1;
    /// Interrupt codes wait.
    pub const INTERRUPT: u8 = 2;
}

/// Bits of [`Task::flags`].
pub mod flags {
    /// Nobody will join.
    pub const DETACHED: u8 = 1;
    /// The OS thread's own stack.
    pub const ROOT: u8 = 2;
    /// The stack is the caller's.
    pub const USER_STACK: u8 = 4;
    /// `gt_unpark` came before `gt_park`.
    pub const PERMIT: u8 = 8;
    /// Waits in `gt_park`.
    pub const IN_PARK: u8 = 16;
    /// Waits for what another OS thread may bring about: a nudge makes it look again.
    pub const LISTENING: u8 = 32;
    /// Runs its cleanup handlers: its end has begun.
    pub const ENDING: u8 = 64;
    /// Was ordered by another OS thread; its id is a guest's.
    pub const GUEST: u8 = 128;
}

/// Bytes of a name, its NUL included.
pub const NAME: usize = 32;
/// Operations that may succeed at once before the task lets others run.
pub const BUDGET: u32 = 128;

/// One task.
#[repr(C, align(64))]
pub struct Task {
    /// The saved context while it does not run. First: see [`Task::of_context`].
    pub context: Cell<Saved>,
    /// The host's state while it does not run.
    pub host_state: Cell<*mut c_void>,
    /// The nearest deadline of its open scopes.
    pub scope_deadline: Cell<i64>,
    /// Operations left (see [`BUDGET`]).
    pub budget: Cell<u32>,
    /// Depth of shields.
    pub shield: Cell<u32>,
    /// State.
    pub state: Cell<State>,
    /// Why it was woken last.
    pub wake: Cell<Wake>,
    /// What waits to be delivered.
    pub pending: Cell<u8>,
    /// What it is.
    pub flags: Cell<u8>,
    /// What it waits on: the kind, [`Kind::Other`] when it does not wait.
    pub waits_kind: Cell<Kind>,
    /// Its id.
    pub id: Cell<i64>,
    /// What it waits on: the object.
    pub waits_object: Cell<usize>,
    /// When it parked last, by the scheduler's coarse clock.
    pub since: Cell<i64>,
    /// Its slot.
    pub slot: Cell<Option<&'static Slot>>,
    /// What it runs.
    pub entry: Cell<Option<Entry>>,
    /// The argument; after the end the result.
    pub value: Cell<*mut c_void>,
    /// The task that waits for its end.
    pub joiner: Cell<*const Task>,
    /// The deadline of its present wait.
    pub timer: TimerNode,
    /// Its place in the inbox.
    pub link: Link,
    /// What few tasks have.
    pub extra: Cell<*mut Extra>,
    /// Lowest address of its stack; null for the root.
    pub base: Cell<*mut u8>,
    /// One past the highest.
    pub top: Cell<*mut u8>,
    /// The stack's class.
    pub class: Cell<u16>,
    /// NUL-terminated.
    pub name: Cell<[u8; NAME]>,
    /// Its words of the OS thread, while it does not run and they are carried.
    pub carried: Carried,
    /// What tools know it by; empty without one.
    pub seat: Seat,
}

impl Task {
    /// Writes a new record at `place`.
    ///
    /// # Safety
    /// `place` is writable, aligned for a Task, and used for nothing else.
    #[inline(always)]
    pub unsafe fn write(place: *mut Task, entry: Option<Entry>, arg: *mut c_void, flags: u8) -> &'static Task {
        // SAFETY: by the caller.
        unsafe {
            place.write(Task {
                context: Cell::new(0),
                host_state: Cell::new(ptr::null_mut()),
                scope_deadline: Cell::new(NEVER),
                budget: Cell::new(BUDGET),
                shield: Cell::new(0),
                state: Cell::new(State::Ready),
                wake: Cell::new(Wake::Event),
                pending: Cell::new(0),
                flags: Cell::new(flags),
                waits_kind: Cell::new(Kind::Other),
                id: Cell::new(0),
                waits_object: Cell::new(0),
                since: Cell::new(0),
                slot: Cell::new(None),
                entry: Cell::new(entry),
                value: Cell::new(arg),
                joiner: Cell::new(ptr::null()),
                timer: TimerNode::new(TimerKind::Park),
                link: Link { next: AtomicPtr::new(ptr::null_mut()), task: place as *const () },
                extra: Cell::new(ptr::null_mut()),
                base: Cell::new(ptr::null_mut()),
                top: Cell::new(ptr::null_mut()),
                class: Cell::new(0),
                name: Cell::new([0; NAME]),
                carried: Cell::new(MaybeUninit::uninit()),
                seat: Seat::new(),
            });
            &*place
        }
    }

    /// Where its context is noted.
    #[inline(always)]
    pub fn place_of_context(&self) -> Place {
        ptr::from_ref(self).cast()
    }

    /// The record that a place of a context belongs to.
    ///
    /// # Safety
    /// The place is a record's, which is still there.
    #[inline(always)]
    pub unsafe fn of_context(place: Place) -> &'static Task {
        // SAFETY: by the caller: the word is the first of the record.
        unsafe { &*place.cast::<Task>() }
    }

    /// Where the record goes on a stack: below the colour, aligned.
    #[inline(always)]
    pub fn place(top: *mut u8) -> *mut Task {
        ((top as usize - 64 * (colour(top) + 1) - size_of::<Task>()) & !63) as *mut Task
    }

    /// The slot that a record has from its start to its end.
    #[inline(always)]
    pub fn slot(&self) -> &'static Slot {
        self.slot.get().expect("a started task has a slot")
    }

    /// Whether anything waits to be delivered, shielded or not.
    #[inline(always)]
    pub fn is_disturbed(&self) -> bool {
        self.pending.get() != 0
    }

    /// Whether a flag is set.
    #[inline(always)]
    pub fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    /// Sets a flag.
    #[inline]
    pub fn set(&self, flag: u8) {
        self.flags.set(self.flags.get() | flag);
    }

    /// Clears a flag.
    #[inline]
    pub fn clear(&self, flag: u8) {
        self.flags.set(self.flags.get() & !flag);
    }

    /// The task that an opaque pointer of a wait node or a link means.
    ///
    /// # Safety
    /// The pointer was made from a record that is still there.
    #[inline(always)]
    pub unsafe fn from_opaque(task: *const ()) -> &'static Task {
        // SAFETY: by the caller.
        unsafe { &*task.cast::<Task>() }
    }

    /// The opaque pointer for wait nodes.
    #[inline(always)]
    pub fn opaque(&self) -> *const () {
        ptr::from_ref(self).cast()
    }

    /// Stores a name, cut to fit.
    pub fn set_name(&self, name: &[u8]) {
        let mut stored = [0; NAME];
        let len = name.len().min(NAME - 1);
        stored[..len].copy_from_slice(&name[..len]);
        self.name.set(stored);
    }

    /// The name without its NUL.
    pub fn name(&self) -> ([u8; NAME], usize) {
        let name = self.name.get();
        let len = name.iter().position(|&b| b == 0).unwrap_or(NAME);
        (name, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_and_frames_of_every_colour_share_the_top_page() {
        assert!(size_of::<Task>() <= 384, "{}", size_of::<Task>());
        assert_eq!(std::mem::offset_of!(Task, context), 0);
        // What a park writes shares the first cache line.
        assert!(std::mem::offset_of!(Task, since) + 8 <= 64);
        for page in 256..512 {
            let top = (page * 4096) as *mut u8;
            let place = Task::place(top) as usize;
            assert!(place % 64 == 0 && place + size_of::<Task>() <= top as usize - 64);
            assert!(top as usize - place <= 1024 + 384 + 64, "2.6 KiB of the page are left for frames");
        }
    }
}
