//! Which signals the runtime has taken, for whom, and what was done about them before.
//!
//! A signal is taken by a handler, not by signalfd(2) or a thread in sigwait(3): those need it blocked on every OS thread of the
//! process, also on those that were there before, and hand the block down to programs that are started. The handler runs on whichever
//! OS thread the kernel chooses, and puts what it is told into the taker's ring. A signal that somebody handles already is not
//! taken. (docs/decisions/0039-signals.md)
//!
//! Invariants:
//! K1  OWNER says whose a signal is; it changes under the lock of TAKEN, and handlers read it.
//! K2  `before` of a signal is there while it has an owner.

use std::mem::MaybeUninit;
use std::ptr;

use super::ring::{Caught, Ring, NUMBERS};
use crate::error::{Error, Result};
use crate::sync::lock::Lock;
use crate::sys::atomic::{AtomicPtr, Ordering};
use crate::sys::check;

/// The taker of each signal, by number (K1).
static OWNER: [AtomicPtr<Ring>; NUMBERS] = [const { AtomicPtr::new(ptr::null_mut()) }; NUMBERS];

struct Taken {
    /// What was done before (K2).
    before: [Option<libc::sigaction>; NUMBERS],
    /// Rings that nobody uses: at most one for each signal that was ever taken.
    spare: [Option<&'static Ring>; NUMBERS],
}

static TAKEN: Lock<Taken> = Lock::new(Taken { before: [const { None }; NUMBERS], spare: [const { None }; NUMBERS] });

/// Numbers of signals, one bit each: number 1 is bit 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Set(pub u64);

impl Set {
    /// The numbers of a set of C's.
    pub fn of(set: &libc::sigset_t) -> Set {
        // SAFETY: a valid set.
        let is_in = |number: i32| unsafe { libc::sigismember(set, number) } == 1;
        Set((1..NUMBERS as i32).filter(|&number| is_in(number)).fold(0, |bits, number| bits | 1 << (number - 1)))
    }

    /// Whether a number is in it.
    pub fn has(self, number: i32) -> bool {
        (1..NUMBERS as i32).contains(&number) && self.0 & 1 << (number - 1) != 0
    }

    /// The numbers.
    pub fn numbers(self) -> impl Iterator<Item = i32> {
        (1..NUMBERS as i32).filter(move |&number| self.has(number))
    }
}

/// Signals that report a fault of the instruction that runs, or cannot be caught: nobody's to take.
const NOBODYS: [i32; 9] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
];

extern "C" fn catch(number: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the address is this thread's for its whole life.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let errno = unsafe { *place };
    let ring = OWNER.get(number as usize).map_or(ptr::null_mut(), |owner| owner.load(Ordering::Acquire));
    // SAFETY: E1: rings are for ever.
    if let Some(ring) = unsafe { ring.as_ref() } {
        // SAFETY: the kernel's.
        ring.put(unsafe { Caught::of(info) });
    }
    // SAFETY: as above.
    unsafe { *place = errno };
}

fn action(number: i32, new: Option<&libc::sigaction>) -> Result<libc::sigaction> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: null or a valid action; a place for the old one, of which zeroes are valid.
    unsafe {
        check(libc::sigaction(number, new, old.as_mut_ptr()) as isize)?;
        Ok(old.assume_init())
    }
}

fn is_ours(action: &libc::sigaction) -> bool {
    action.sa_sigaction == catch as *const () as usize
}

fn is_free(action: &libc::sigaction) -> bool {
    [libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction)
}

/// Takes signals. -EINVAL: none, or one that is nobody's. -EBUSY: one is handled by somebody; then none is taken. -ENOMEM, -EMFILE, -ENFILE.
pub fn take(set: Set) -> Result<&'static Ring> {
    if set.0 == 0 || NOBODYS.iter().any(|&number| set.has(number)) {
        return Err(Error::new(libc::EINVAL));
    }
    let mut taken = TAKEN.lock();
    for number in set.numbers() {
        if !is_free(&action(number, None)?) {
            return Err(Error::new(libc::EBUSY));
        }
    }
    let ring = match taken.spare.iter_mut().find_map(Option::take) {
        Some(ring) => ring,
        None => Ring::new()?,
    };
    for number in set.numbers() {
        if let Err(e) = install(&mut taken, ring, set, number) {
            let done = Set(set.0 & ((1 << (number - 1)) - 1));
            give_back(&mut taken, ring, done);
            return Err(e);
        }
    }
    Ok(ring)
}

fn install(taken: &mut Taken, ring: &'static Ring, set: Set, number: i32) -> Result<()> {
    // SAFETY: zeroes are a valid action; the fields that matter are set.
    let mut ours = unsafe { std::mem::zeroed::<libc::sigaction>() };
    ours.sa_sigaction = catch as *const () as usize;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // One handler of a ring at a time on each OS thread.
    // SAFETY: a valid set, and numbers of signals.
    unsafe {
        libc::sigemptyset(&mut ours.sa_mask);
        for number in set.numbers() {
            libc::sigaddset(&mut ours.sa_mask, number);
        }
    }
    OWNER[number as usize].store(ptr::from_ref(ring).cast_mut(), Ordering::Release);
    let old = action(number, Some(&ours));
    if let Ok(old) = &old {
        if is_free(old) {
            taken.before[number as usize] = Some(*old);
            return Ok(());
        }
        let _ = action(number, Some(old)); // somebody was quicker by a moment
    }
    OWNER[number as usize].store(ptr::null_mut(), Ordering::Release);
    old.and(Err(Error::new(libc::EBUSY)))
}

/// Gives signals back: what was done before is done again, unless somebody else has taken one from us.
pub fn give(ring: &'static Ring, set: Set) {
    give_back(&mut TAKEN.lock(), ring, set);
}

fn give_back(taken: &mut Taken, ring: &'static Ring, set: Set) {
    for number in set.numbers() {
        if let Some(before) = taken.before[number as usize].take() {
            if action(number, None).is_ok_and(|now| is_ours(&now)) {
                let _ = action(number, Some(&before));
            }
        }
        OWNER[number as usize].store(ptr::null_mut(), Ordering::Release);
    }
    while ring.take().is_some() {}
    if let Some(place) = taken.spare.iter_mut().find(|place| place.is_none()) {
        *place = Some(ring);
    }
}

/// Once per process, when the library is loaded.
pub(crate) fn at_load() {
    // SAFETY: the handler stays (the library is linked `nodelete`). Out of memory at load: a child shares its parent's bells.
    unsafe { libc::pthread_atfork(None, None, Some(after_fork_in_child)) };
}

extern "C" fn after_fork_in_child() {
    let mut last = ptr::null_mut();
    for owner in &OWNER {
        let ring = owner.load(Ordering::Relaxed);
        // A ring of several signals is met several times; once more does no harm.
        if ring != last {
            // SAFETY: E1.
            if let Some(ring) = unsafe { ring.as_ref() } {
                ring.after_fork();
            }
            last = ring;
        }
    }
    let taken = TAKEN.lock();
    taken.spare.iter().flatten().for_each(|ring| ring.after_fork());
}
