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
    /// Ours: non-blocking, registered once, edge-triggered.
    Owned,
}

/// One descriptor number.
pub struct Entry {
    /// Raised whenever the number changes hands; part of the event data, so that late events miss.
    pub generation: u32,
    /// Ours or somebody else's.
    pub kind: Kind,
    /// Whether the epoll instance knows the descriptor, as far as we know.
    pub registered: bool,
    /// Owned: perhaps a TCP stream; asked at registration.
    pub stream: bool,
    /// Owned and registered: short reads and writes mean "drained" (plain TCP).
    pub short_means_drained: bool,
    /// Owned: directions that may be ready; a cleared bit means that an edge will come first.
    pub ready: u8,
    /// Owned: PRI, ERR, HUP or RDHUP was seen, so short reads prove nothing any more.
    pub marked: bool,
    /// Foreign: directions armed right now.
    pub armed: u8,
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
            stage: 0,
            readers: WaitList::new(),
            writers: WaitList::new(),
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
