//! A bell: what ends an OS thread's sleep in a poll. It is an eventfd(2), which the thread's reactor watches: rung by a write,
//! edge-triggered, never read.

use super::atomic::{AtomicI32, Ordering};
use super::fd;
use crate::error::Result;

const NONE: i32 = -1;

/// A bell. Its descriptor is closed with it.
pub struct Bell(AtomicI32);

impl Bell {
    /// A bell that was not rung. Errors: those of eventfd(2).
    pub fn new() -> Result<Bell> {
        Ok(Bell(AtomicI32::new(make()?)))
    }

    /// A bell of nobody.
    pub fn none() -> Bell {
        Bell(AtomicI32::new(NONE))
    }

    /// Any thread, also a signal handler: rings.
    pub fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: writes 8 bytes of a live array; eventfd(2) takes exactly that. Not by write(2) of the C library, in which a
        // pthread_cancel(3) of a thread without a scheduler would take effect.
        unsafe { libc::syscall(libc::SYS_write, self.descriptor(), one.as_ptr(), one.len()) };
    }

    /// What to watch for EPOLLIN.
    pub fn descriptor(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Forked child: another one in the place of that which the parent hears.
    pub fn renew(&self) -> Result<()> {
        let inherited = self.0.swap(make()?, Ordering::Relaxed);
        let _ = fd::close(inherited);
        Ok(())
    }

    /// Closes the descriptor; nobody rings any more.
    pub fn close(&self) {
        match self.0.swap(NONE, Ordering::Relaxed) {
            NONE => {}
            known => drop(fd::close(known)),
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.close();
    }
}

fn make() -> Result<i32> {
    // SAFETY: eventfd takes no pointers.
    super::check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) } as isize).map(|fd| fd as i32)
}
