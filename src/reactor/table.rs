//! The descriptor table: one entry per descriptor number, with its waiters in both directions.

use crate::error::{Error, Result};
use crate::wait::WaitList;

/// A direction of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dir {
    /// Reading, accepting, and urgent data.
    Read,
    /// Writing and connecting.
    Write,
}

impl Dir {
    /// The bit of this direction in an entry's masks.
    pub const fn bit(self) -> u8 {
        match self {
            Dir::Read => 1,
            Dir::Write => 2,
        }
    }

    /// The poll(2) event that a plain read or write waits for.
    pub const fn event(self) -> u32 {
        match self {
            Dir::Read => libc::POLLIN as u32,
            Dir::Write => libc::POLLOUT as u32,
        }
    }
}

/// How much the runtime knows of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Somebody else's: armed for each wait, its flags never changed.
    Foreign,
    /// A socket whose flags are somebody else's, but whose life we follow: registered as an owned one.
    Watched,
    /// Ours: non-blocking, registered once, edge-triggered.
    Owned,
}

impl Kind {
    /// Registered once and for good, edge-triggered, when somebody first waits.
    #[inline]
    pub fn stays(self) -> bool {
        self != Kind::Foreign
    }
}

/// So many reads in vain, and the next is left out.
const LEARNED: u8 = 2;
/// So many reads are left out before one is tried again.
const TRUSTED: u8 = 30;

/// One descriptor number.
pub struct Entry {
    /// Raised whenever the number changes hands; part of the event data, so that late events miss.
    pub generation: u32,
    /// Ours, watched, or somebody else's.
    pub kind: Kind,
    /// Whether the epoll instance knows the descriptor, as far as we know.
    pub registered: bool,
    /// Owned or watched: perhaps a TCP stream; asked at registration.
    pub stream: bool,
    /// The same, registered: short reads and writes mean "drained" (plain TCP).
    pub short_means_drained: bool,
    /// Owned or watched: directions that may be ready; a cleared bit means that an edge will come first. Foreign: a cleared bit
    /// is a guess (see [`Entry::guess`]), and arming, which is level-triggered, corrects a wrong one.
    pub ready: u8,
    /// Owned or watched: PRI, ERR, HUP or RDHUP was seen, so short reads prove nothing any more.
    pub marked: bool,
    /// Foreign: directions armed right now.
    pub armed: u8,
    /// Foreign: the last read was short, and nothing was tried since.
    pub was_short: bool,
    /// Foreign: how many reads behind a short one brought nothing, one after the other; then, how many were left out.
    pub vain: u8,
    /// How often the audit has met the present wait (see `audit.rs`).
    pub stage: u8,
    /// Who waits to read.
    pub readers: WaitList,
    /// Who waits to write.
    pub writers: WaitList,
}

impl Entry {
    const fn new() -> Entry {
        Entry {
            generation: 0,
            kind: Kind::Foreign,
            registered: false,
            stream: false,
            short_means_drained: false,
            ready: 3,
            marked: false,
            armed: 0,
            was_short: false,
            vain: 0,
            stage: 0,
            readers: WaitList::new(),
            writers: WaitList::new(),
        }
    }

    /// Foreign: a short read. Where [`LEARNED`] reads behind short ones found nothing, the next one waits first, which saves a
    /// system call; after [`TRUSTED`] of them one is tried again.
    #[inline]
    pub fn guess(&mut self) {
        if self.was_short {
            self.vain = 0; // there was something behind the one before
        }
        self.was_short = true;
        if self.vain >= LEARNED {
            self.ready &= !Dir::Read.bit();
            self.vain = if self.vain < LEARNED + TRUSTED { self.vain + 1 } else { LEARNED - 1 };
        }
    }

    /// Foreign: a read brought nothing.
    #[inline]
    pub fn tried_in_vain(&mut self) {
        if self.was_short {
            self.was_short = false;
            self.vain = (self.vain + 1).min(LEARNED);
        }
    }

    /// The waiters of a direction.
    #[inline]
    pub fn list(&self, dir: Dir) -> &WaitList {
        match dir {
            Dir::Read => &self.readers,
            Dir::Write => &self.writers,
        }
    }

    /// Whether anybody waits.
    pub fn has_waiters(&self) -> bool {
        !self.readers.is_empty() || !self.writers.is_empty()
    }

    /// Whether somebody waits to transfer in a direction; who waits for urgent data or a hang-up does not count.
    #[inline]
    pub fn is_wanted(&self, dir: Dir) -> bool {
        let mut at = self.list(dir).first();
        while !at.is_null() {
            // SAFETY: W2: linked nodes are alive, and the list is not changed here.
            let node = unsafe { &*at };
            if node.wants & dir.event() != 0 {
                return true;
            }
            // SAFETY: as above.
            at = unsafe { node.next() };
        }
        false
    }

    /// Starts a new life for the number.
    pub fn renew(&mut self, kind: Kind) {
        self.generation = self.generation.wrapping_add(1);
        self.kind = kind;
        self.registered = false;
        self.stream = false;
        self.short_means_drained = false;
        self.ready = 3;
        self.marked = false;
        self.armed = 0;
        self.was_short = false;
        self.vain = 0;
        self.stage = 0;
    }
}

/// All entries, indexed by descriptor number.
#[derive(Default)]
pub struct Table {
    entries: Vec<Entry>,
}

impl Table {
    /// The entry of a number, if the table reaches that far.
    #[inline]
    pub fn get(&mut self, fd: i32) -> Option<&mut Entry> {
        self.entries.get_mut(fd as usize)
    }

    /// The entry of an *open* descriptor, made if need be.
    pub fn ensure(&mut self, fd: i32) -> Result<&mut Entry> {
        if fd < 0 {
            return Err(Error::new(libc::EBADF));
        }
        let fd = fd as usize;
        if fd >= self.entries.len() {
            let want = (fd + 1).next_power_of_two().max(64);
            self.entries.try_reserve_exact(want - self.entries.len()).map_err(|_| Error::new(libc::ENOMEM))?;
            self.entries.resize_with(want, Entry::new);
        }
        Ok(&mut self.entries[fd])
    }

    /// All entries with their numbers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (i32, &mut Entry)> {
        self.entries.iter_mut().enumerate().map(|(fd, e)| (fd as i32, e))
    }

    /// How far the table reaches.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(entry: &Entry) -> bool {
        entry.ready & Dir::Read.bit() != 0
    }

    /// A short read, a try in vain if one is made, and the event that ends the wait.
    fn round(entry: &mut Entry) -> bool {
        entry.guess();
        let tried = tries(entry);
        if tried {
            entry.tried_in_vain();
        }
        entry.ready = 3;
        entry.was_short = false;
        tried
    }

    #[test]
    fn reads_behind_short_ones_are_left_out_once_they_were_in_vain() {
        let mut entry = Entry::new();
        let tried = (0..200).filter(|_| round(&mut entry)).count();
        assert!((3..=10).contains(&tried), "tried {tried} times in 200 rounds");
    }

    #[test]
    fn a_read_behind_a_short_one_that_finds_something_is_tried_again() {
        let mut entry = Entry::new();
        for _ in 0..200 {
            entry.guess();
            assert!(tries(&entry));
        }
        entry.tried_in_vain();
        entry.guess();
        assert!(tries(&entry), "once is not enough");
    }
}
