//! Words of the OS thread that follow the tasks, as errno does: state that a language's runtime keeps for each OS thread and
//! that belongs to what runs there, such as the exceptions that C++ is handling.
//!
//! Only a scheduler that was asked pays: the words change on arrival, behind the test that the host's hooks stand behind
//! too. Invariant:
//! D6  While the places are not null, `carried` of every task but the running one is written, and a new task's is `initial`.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr;

use super::task::Task;
use super::Scheduler;
use crate::error::{Error, Result};

/// The most words.
pub const WORDS: usize = 2;

/// What a task has of them while it does not run; written while its scheduler carries (D6).
pub type Carried = Cell<MaybeUninit<[usize; WORDS]>>;

/// Where the words are.
pub(super) struct Carrier {
    /// Each aligned for a word; null: nowhere. A second word that nobody has is `spare`.
    places: [Cell<*mut usize>; WORDS],
    spare: Cell<usize>,
    /// What a new task finds.
    initial: Cell<[usize; WORDS]>,
}

impl Carrier {
    pub(super) const fn none() -> Carrier {
        Carrier {
            places: [Cell::new(ptr::null_mut()), Cell::new(ptr::null_mut())],
            spare: Cell::new(0),
            initial: Cell::new([0; WORDS]),
        }
    }
}

impl Scheduler {
    /// Has `words` words at `place`, 1 or 2, follow the tasks from now on; a null `place` ends it. What is there now is the
    /// running task's, others find `initial`. -EBUSY: other words do already.
    ///
    /// # Safety
    /// `place` is null, or aligned and readable and writable until this is ended, or the scheduler.
    #[inline]
    pub unsafe fn carry(&self, place: *mut usize, words: usize, initial: [usize; WORDS]) -> Result<()> {
        let [first, second] = &self.carrier.places;
        let other = match words {
            _ if place.is_null() => place,
            WORDS => place.wrapping_add(1),
            _ => self.carrier.spare.as_ptr(), // a scheduler stays where it is
        };
        let again = (first.get(), second.get()) == (place, other);
        if !again && !place.is_null() && !first.get().is_null() {
            return Err(Error::new(libc::EBUSY));
        }
        self.carrier.initial.set(initial);
        if again {
            return Ok(());
        }
        if !place.is_null() {
            self.each_task(|task| self.carries_initial(task));
        }
        first.set(place);
        second.set(other);
        self.set_carrying(!place.is_null());
        Ok(())
    }

    /// On arrival from `left`: its words into its record, the running task's words into their place.
    #[inline(always)]
    pub(super) fn carry_over(&self, left: &Task) {
        let [first, second] = &self.carrier.places;
        // SAFETY: D6: the places are there, and the running task's record was written.
        unsafe {
            let incoming = self.me().carried.get().assume_init();
            left.carried.set(MaybeUninit::new([*first.get(), *second.get()]));
            *first.get() = incoming[0];
            *second.get() = incoming[1];
        }
    }

    /// For a task that has not run since the words are carried.
    #[inline(always)]
    pub(super) fn carries_initial(&self, task: &Task) {
        task.carried.set(MaybeUninit::new(self.carrier.initial.get()));
    }
}
