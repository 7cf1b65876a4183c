//! Signals that were caught and not yet received: a bounded queue that a signal handler may fill, with a bell.
//!
//! The handler takes no lock, allocates nothing, and waits for nobody: what finds no room is counted by its number and received
//! as one signal later. The queue is the bounded one of Vyukov (1024cores.net, "Bounded MPMC queue"), in which a slot's turn says
//! who may use it. A handler that was interrupted in the middle holds up those who receive, nobody who fills; it rings the bell
//! when it goes on.
//!
//! Invariants:
//! E1  Rings are never freed and their bells never closed: a handler on another OS thread may be late. It then fills the ring of
//!     whoever has it by then, who passes over numbers that are not its own.
//! E2  A slot's entry belongs to the one filler or receiver whose position its turn names.
//! E3  The bell is rung after each entry; who silences it looks for entries once more.

use std::cell::UnsafeCell;

use crate::error::{Error, Result};
use crate::sys::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use crate::sys::{self, check};

/// Signals that find room.
const ROOM: u32 = 128;
/// One more than the highest number of a signal.
pub const NUMBERS: usize = 65;

/// What is known of a signal.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Caught {
    /// Its number.
    pub number: i32,
    /// si_code
    pub code: i32,
    /// si_pid
    pub pid: i32,
    /// si_uid
    pub uid: u32,
    /// si_value, as a number.
    pub value: i64,
    /// si_status
    pub status: i32,
    /// How many more came for which there was no room.
    pub lost: u32,
}

impl Caught {
    /// From what the kernel says.
    ///
    /// # Safety
    /// A valid siginfo_t of a signal.
    pub unsafe fn of(info: *const libc::siginfo_t) -> Caught {
        // SAFETY: by the caller. All fields are there to be read, whatever they mean; number and code say which are meant.
        let (info, pid, uid, value, status) = unsafe {
            let info = &*info;
            (info, info.si_pid(), info.si_uid(), info.si_value().sival_ptr as i64, info.si_status())
        };
        let child = info.si_signo == libc::SIGCHLD && info.si_code > 0;
        let sent = matches!(info.si_code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL | libc::SI_MESGQ);
        let carries = matches!(info.si_code, libc::SI_QUEUE | libc::SI_TIMER | libc::SI_MESGQ);
        Caught {
            number: info.si_signo,
            code: info.si_code,
            pid: if sent || child { pid } else { 0 },
            uid: if sent || child { uid } else { 0 },
            value: if carries { value } else { 0 },
            status: if child { status } else { 0 },
            lost: 0,
        }
    }
}

struct Slot {
    turn: AtomicU32,
    caught: UnsafeCell<Caught>,
}

/// A queue and its bell.
pub struct Ring {
    slots: [Slot; ROOM as usize],
    head: AtomicU32,
    tail: AtomicU32,
    /// Signals that found no room, by number; and which numbers there are.
    missed: [AtomicU32; NUMBERS],
    which: AtomicU64,
    bell: AtomicI32,
}

// SAFETY: E2; the rest is atomic.
unsafe impl Sync for Ring {}

impl Ring {
    /// A ring for ever (E1). -ENOMEM, -EMFILE, -ENFILE.
    pub fn new() -> Result<&'static Ring> {
        let mut one: Vec<Ring> = Vec::new();
        one.try_reserve_exact(1).map_err(|_| Error::new(libc::ENOMEM))?;
        let slot = |turn| Slot { turn: AtomicU32::new(turn as u32), caught: UnsafeCell::default() };
        one.push(Ring {
            slots: std::array::from_fn(slot),
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            missed: [const { AtomicU32::new(0) }; NUMBERS],
            which: AtomicU64::new(0),
            bell: AtomicI32::new(bell()?),
        });
        Ok(&one.leak()[0])
    }

    /// The descriptor that is readable while there are signals; now and then it is without one.
    pub fn bell(&self) -> i32 {
        self.bell.load(Ordering::Relaxed)
    }

    /// Signal handler: puts a signal in and rings.
    pub fn put(&self, caught: Caught) {
        if !self.fill(caught) {
            let number = caught.number as usize % NUMBERS;
            self.missed[number].fetch_add(1, Ordering::Relaxed);
            self.which.fetch_or(1 << (number % 64), Ordering::Release);
        }
        self.ring();
    }

    fn fill(&self, caught: Caught) -> bool {
        let mut at = self.tail.load(Ordering::Relaxed);
        loop {
            let slot = &self.slots[(at % ROOM) as usize];
            match slot.turn.load(Ordering::Acquire).wrapping_sub(at) as i32 {
                0 => {
                    match self.tail.compare_exchange_weak(at, at.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed)
                    {
                        Ok(_) => {
                            // SAFETY: E2: the exchange gave this filler the position.
                            unsafe { *slot.caught.get() = caught };
                            slot.turn.store(at.wrapping_add(1), Ordering::Release);
                            return true;
                        }
                        Err(now) => at = now,
                    }
                }
                behind if behind < 0 => return false, // full, or about to be emptied
                _ => at = self.tail.load(Ordering::Relaxed),
            }
        }
    }

    /// Takes the oldest signal out; after those, one for each number that found no room.
    pub fn take(&self) -> Option<Caught> {
        let mut silenced = false;
        loop {
            if let Some(caught) = self.drain().or_else(|| self.merged()) {
                return Some(caught);
            }
            if silenced {
                return None;
            }
            self.silence(); // E3
            silenced = true;
        }
    }

    /// Silences the bell when nothing is left.
    pub fn settle(&self) {
        if self.is_empty() {
            self.silence();
            if !self.is_empty() {
                self.ring(); // E3
            }
        }
    }

    fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Acquire);
        let first = self.slots[(head % ROOM) as usize].turn.load(Ordering::Acquire);
        first != head.wrapping_add(1) && self.which.load(Ordering::Acquire) == 0
    }

    fn drain(&self) -> Option<Caught> {
        let mut at = self.head.load(Ordering::Relaxed);
        loop {
            let slot = &self.slots[(at % ROOM) as usize];
            match slot.turn.load(Ordering::Acquire).wrapping_sub(at.wrapping_add(1)) as i32 {
                0 => {
                    match self.head.compare_exchange_weak(at, at.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed)
                    {
                        Ok(_) => {
                            // SAFETY: E2: the exchange gave this receiver the position.
                            let caught = unsafe { *slot.caught.get() };
                            slot.turn.store(at.wrapping_add(ROOM), Ordering::Release);
                            return Some(caught);
                        }
                        Err(now) => at = now,
                    }
                }
                behind if behind < 0 => return None,
                _ => at = self.head.load(Ordering::Relaxed),
            }
        }
    }

    fn merged(&self) -> Option<Caught> {
        loop {
            let which = self.which.load(Ordering::Acquire);
            if which == 0 {
                return None;
            }
            let bit = which.trailing_zeros() as usize;
            if self.which.fetch_and(!(1 << bit), Ordering::AcqRel) & 1 << bit == 0 {
                continue;
            }
            let number = if bit == 0 { NUMBERS - 1 } else { bit };
            match self.missed[number].swap(0, Ordering::AcqRel) {
                0 => continue,
                count => return Some(Caught { number: number as i32, lost: count - 1, ..Caught::default() }),
            }
        }
    }

    fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: writes 8 bytes of a live array; eventfd(2) takes exactly that.
        unsafe { libc::write(self.bell(), one.as_ptr().cast(), one.len()) };
    }

    fn silence(&self) {
        let mut count = [0u8; 8];
        // SAFETY: reads 8 bytes into a live array. The bell does not block.
        unsafe { libc::read(self.bell(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// Forked child: the signals are the parent's, and so is the bell that both have; nobody else is here.
    pub fn after_fork(&self) {
        for (turn, slot) in self.slots.iter().enumerate() {
            slot.turn.store(turn as u32, Ordering::Relaxed);
        }
        self.head.store(0, Ordering::Relaxed);
        self.tail.store(0, Ordering::Relaxed);
        self.which.store(0, Ordering::Relaxed);
        self.missed.iter().for_each(|missed| missed.store(0, Ordering::Relaxed));
        match bell() {
            Ok(fresh) => {
                let _ = sys::fd::replace(self.bell(), fresh);
                let _ = sys::fd::close(fresh);
            }
            Err(_) => {
                sys::complain(b"greenrt: after fork: no descriptor for signals; this child shares its parent's\n")
            }
        }
    }
}

fn bell() -> Result<i32> {
    // SAFETY: eventfd takes no pointers.
    check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) } as isize).map(|fd| fd as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(number: i32, value: i64) -> Caught {
        Caught { number, value, ..Caught::default() }
    }

    #[test]
    fn signals_come_out_in_order_and_what_found_no_room_is_merged() {
        let ring = Ring::new().unwrap();
        for round in 0..3 {
            for i in 0..ROOM as i64 {
                ring.put(signal(10, i));
            }
            for number in [64, 3, 64, 64] {
                ring.put(signal(number, 0));
            }
            for i in 0..ROOM as i64 {
                assert_eq!(ring.take(), Some(signal(10, i)), "round {round}");
            }
            assert_eq!(ring.take(), Some(Caught { number: 64, lost: 2, ..Caught::default() }));
            assert_eq!(ring.take(), Some(Caught { number: 3, ..Caught::default() }));
            assert_eq!(ring.take(), None);
        }
    }

    #[test]
    fn bell_is_readable_while_there_are_signals() {
        let ring = Ring::new().unwrap();
        let heard = || sys::fd::poll_now(ring.bell(), libc::POLLIN).unwrap() != 0;
        assert!(!heard());
        ring.put(signal(10, 1));
        ring.put(signal(10, 2));
        assert!(heard());
        ring.take();
        ring.settle();
        assert!(heard());
        ring.take();
        ring.settle();
        assert!(!heard());
    }

    #[test]
    fn nothing_is_lost_or_doubled_between_threads() {
        const EACH: i64 = 20_000;
        let ring = Ring::new().unwrap();
        let fillers: Vec<_> = (0..2)
            .map(|filler| {
                std::thread::spawn(move || {
                    for i in 0..EACH {
                        ring.put(signal(20 + filler, i));
                    }
                })
            })
            .collect();
        let mut counted = [0; 2];
        let mut last = [-1; 2];
        while counted != [EACH; 2] {
            let Some(caught) = ring.take() else { continue };
            let filler = (caught.number - 20) as usize;
            counted[filler] += 1 + caught.lost as i64;
            if caught.value > 0 {
                assert!(caught.value > last[filler], "in the order of each thread");
                last[filler] = caught.value;
            }
        }
        fillers.into_iter().for_each(|filler| filler.join().unwrap());
        assert_eq!(ring.take(), None);
    }
}
