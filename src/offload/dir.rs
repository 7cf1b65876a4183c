//! Directories: read as a whole by one job, so that nothing is half read when a waiter is cancelled.

use std::cell::Cell;
use std::ffi::CStr;

use super::{copied, pool};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sys::{self, check};

/// Room for one getdents64(2).
const ROOM: usize = 32 << 10;
/// A record as the kernel writes it: inode, offset, its own length, kind, and the name with its NUL.
const LENGTH: usize = 16;
const KIND: usize = 18;
const NAME: usize = 19;

/// What was in a directory, and how far it was read.
pub struct Listing {
    records: Vec<u8>,
    at: Cell<usize>,
}

/// A name in a directory.
pub struct Entry<'a> {
    /// The file's number in its file system.
    pub inode: u64,
    /// DT_REG, DT_DIR, ...; DT_UNKNOWN where the file system does not say.
    pub kind: u8,
    /// The name.
    pub name: &'a CStr,
}

/// Reads a directory.
pub fn read(s: &'static Scheduler, path: &CStr, deadline: i64) -> Result<Listing> {
    let path = copied(path)?;
    pool::run(s, deadline, move || {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the path is NUL-terminated.
        let fd = check(unsafe { libc::open(path.as_ptr(), flags) } as isize)? as i32;
        let records = collect(fd);
        let _ = sys::fd::close(fd);
        records.map(|records| Listing { records, at: Cell::new(0) })
    })?
}

fn collect(fd: i32) -> Result<Vec<u8>> {
    let mut records = Vec::new();
    loop {
        records.try_reserve(ROOM).map_err(|_| Error::new(libc::ENOMEM))?;
        let room = records.spare_capacity_mut();
        // SAFETY: the room is writable for its length.
        let n = check(unsafe { libc::syscall(libc::SYS_getdents64, fd, room.as_mut_ptr(), room.len()) } as isize)?;
        if n == 0 {
            return Ok(records);
        }
        let len = records.len() + n;
        // SAFETY: the kernel has filled so much.
        unsafe { records.set_len(len) };
    }
}

impl Listing {
    /// The next name but "." and "..".
    pub fn next_entry(&self) -> Option<Entry<'_>> {
        loop {
            let begin = self.at.get();
            let record = self.records.get(begin..)?;
            let length = u16::from_ne_bytes(record.get(LENGTH..LENGTH + 2)?.try_into().ok()?) as usize;
            let end = begin + length.max(NAME);
            self.at.set(end);
            let dots = matches!(record.get(NAME..)?, [b'.', 0, ..] | [b'.', b'.', 0, ..]);
            if !dots {
                let record = self.records.get(begin..end)?;
                let inode = u64::from_ne_bytes(record[..8].try_into().ok()?);
                return Some(Entry {
                    inode,
                    kind: record[KIND],
                    name: CStr::from_bytes_until_nul(&record[NAME..]).ok()?,
                });
            }
        }
    }
}
