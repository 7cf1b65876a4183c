//! New processes: posix_spawn(3) on a pool thread, since it stops its thread until the program is found and loaded.
//!
//! The job has copies of everything, descriptors too: the caller may be cancelled, and may have closed its own, before a thread
//! comes to it. The copies have numbers above all that the child shall have, so that setting those up in turn overwrites
//! none that is still needed. A child that was started when its waiter had left would be nobody's: the job kills it and takes
//! its status.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr;

use crate::error::{Error, Result};
use crate::io::{adopt, pipe};
use crate::offload::pool;
use crate::sched::Scheduler;
use crate::sys::{self, check};

/// What a number of the child stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A descriptor of this process.
    Descriptor(i32),
    /// A pipe that the child reads from.
    Reads,
    /// A pipe that the child writes into.
    Writes,
    /// /dev/null
    Null,
    /// Nothing: it is not open.
    Closed,
}

/// What the child is like.
pub struct Wishes<'a> {
    /// The program: a path, or a name that is looked for in PATH.
    pub file: &'a CStr,
    /// Its arguments.
    pub argv: Strings,
    /// Its environment.
    pub env: Strings,
    /// Its directory, if it is another one.
    pub cwd: Option<&'a CStr>,
    /// Its numbers of descriptors; others are as exec(3) leaves them.
    pub fds: &'a [(i32, Source)],
    /// Leads a process group of its own.
    pub group: bool,
    /// Leads a session of its own.
    pub session: bool,
    /// Blocks no signals and ignores none.
    pub signals: bool,
}

/// A copy of a list of texts as C has them.
pub struct Strings {
    _bytes: Vec<u8>,
    pointers: Vec<*mut libc::c_char>,
}

// SAFETY: plain memory; the pointers are into `_bytes`, which moves with them and is not changed.
unsafe impl Send for Strings {}

impl Strings {
    /// Copies a list that ends in a null pointer; null is an empty one. -ENOMEM.
    ///
    /// # Safety
    /// Null, or pointers to NUL-terminated texts up to a null pointer.
    pub unsafe fn copy(list: *const *mut libc::c_char) -> Result<Strings> {
        let no_memory = |_| Error::new(libc::ENOMEM);
        let (mut count, mut size) = (0, 0);
        // SAFETY: by the caller.
        let text = |i| unsafe { CStr::from_ptr(*list.add(i)) };
        // SAFETY: by the caller.
        while !list.is_null() && unsafe { !(*list.add(count)).is_null() } {
            size += text(count).to_bytes_with_nul().len();
            count += 1;
        }
        let mut bytes: Vec<u8> = Vec::new();
        let mut pointers = Vec::new();
        bytes.try_reserve_exact(size).map_err(no_memory)?;
        pointers.try_reserve_exact(count + 1).map_err(no_memory)?;
        for i in 0..count {
            // SAFETY: the room for all was reserved: the bytes stay where they are.
            pointers.push(unsafe { bytes.as_mut_ptr().add(bytes.len()) }.cast());
            bytes.extend_from_slice(text(i).to_bytes_with_nul());
        }
        pointers.push(ptr::null_mut());
        Ok(Strings { _bytes: bytes, pointers })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pointers.len() < 2
    }
}

/// A descriptor that is closed when it is dropped.
struct Held(i32);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = sys::fd::close(self.0);
    }
}

/// One descriptor of the child, ready to be set up.
enum Place {
    Copy { from: Held, to: i32 },
    Null(i32),
    Closed(i32),
}

/// All that the job needs.
struct Order {
    file: std::ffi::CString,
    argv: Strings,
    env: Strings,
    cwd: Option<std::ffi::CString>,
    places: Vec<Place>,
    mask: libc::sigset_t,
    flags: i32,
}

// SAFETY: a set of signals is plain memory; the rest is Send.
unsafe impl Send for Order {}

/// A child that nobody knows of yet.
struct Child(libc::pid_t);

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: it is this process's child, and nobody else has its number to take its status.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            while libc::waitpid(self.0, ptr::null_mut(), 0) < 0 && Error::last().errno() == libc::EINTR {}
        }
    }
}

/// Starts a program. The ends of pipes that stay here are owned, and given to `ends` with their places in `wishes.fds`.
pub fn spawn(
    s: &'static Scheduler,
    wishes: Wishes<'_>,
    deadline: i64,
    mut ends: impl FnMut(usize, i32),
) -> Result<libc::pid_t> {
    s.check()?;
    let mut mine = Ends(s, Vec::new());
    let order = order(s, wishes, &mut mine)?;
    let child = pool::run(s, deadline, move || start(&order).map(Child))??;
    for (at, fd) in mine.1.drain(..) {
        ends(at, fd);
    }
    let pid = child.0;
    std::mem::forget(child);
    Ok(pid)
}

/// This process's ends of pipes, closed unless they are taken out.
struct Ends(&'static Scheduler, Vec<(usize, i32)>);

impl Drop for Ends {
    fn drop(&mut self) {
        for &(_, fd) in &self.1 {
            let _ = adopt::close(self.0, fd);
        }
    }
}

fn order(s: &'static Scheduler, wishes: Wishes<'_>, mine: &mut Ends) -> Result<Order> {
    let no_memory = |_| Error::new(libc::ENOMEM);
    let above = wishes.fds.iter().map(|&(to, _)| to).max().unwrap_or(-1).saturating_add(1).max(3);
    let mut places = Vec::new();
    places.try_reserve_exact(wishes.fds.len()).map_err(no_memory)?;
    mine.1.try_reserve_exact(wishes.fds.len()).map_err(no_memory)?;
    for (at, &(to, source)) in wishes.fds.iter().enumerate() {
        places.push(match source {
            Source::Descriptor(fd) => Place::Copy { from: copy(fd, above)?, to },
            Source::Null => Place::Null(to),
            Source::Closed => Place::Closed(to),
            Source::Reads | Source::Writes => {
                let fds = pipe::raw(libc::O_CLOEXEC)?;
                let (read, write) = (Held(fds[0]), Held(fds[1]));
                let (theirs, ours) = if source == Source::Reads { (read, write) } else { (write, read) };
                adopt::adopt(s, ours.0)?;
                mine.1.push((at, ours.0));
                std::mem::forget(ours);
                Place::Copy { from: copy(theirs.0, above)?, to }
            }
        });
    }
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    let mut flags = libc::POSIX_SPAWN_SETSIGMASK;
    flags |= if wishes.group { libc::POSIX_SPAWN_SETPGROUP } else { 0 };
    flags |= if wishes.session { libc::POSIX_SPAWN_SETSID as i32 } else { 0 };
    flags |= if wishes.signals { libc::POSIX_SPAWN_SETSIGDEF } else { 0 };
    // SAFETY: asks for the mask of this thread (the job's thread blocks everything), or empties it; then it is written.
    let mask = unsafe {
        libc::sigemptyset(mask.as_mut_ptr());
        if !wishes.signals {
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr());
        }
        mask.assume_init()
    };
    let cwd = wishes.cwd.map(crate::offload::copied).transpose()?;
    Ok(Order {
        file: crate::offload::copied(wishes.file)?,
        argv: wishes.argv,
        env: wishes.env,
        cwd,
        places,
        mask,
        flags,
    })
}

/// A copy of a descriptor with a number of at least `above`.
fn copy(fd: i32, above: i32) -> Result<Held> {
    // SAFETY: fcntl with this command takes no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, above) } as isize).map(|fd| Held(fd as i32))
}

/// Turns the convention of posix_spawn(3) into a result.
fn told(result: i32) -> Result<()> {
    match result {
        0 => Ok(()),
        e => Err(Error::new(e)),
    }
}

/// The parts of posix_spawn(3), destroyed when dropped.
struct Parts {
    actions: libc::posix_spawn_file_actions_t,
    attributes: libc::posix_spawnattr_t,
}

impl Drop for Parts {
    fn drop(&mut self) {
        // SAFETY: both were initialised.
        unsafe {
            libc::posix_spawn_file_actions_destroy(&mut self.actions);
            libc::posix_spawnattr_destroy(&mut self.attributes);
        }
    }
}

impl Parts {
    fn new() -> Result<Parts> {
        // SAFETY: plain structs, initialised by the calls.
        let (mut actions, mut attributes) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: valid places.
        unsafe {
            told(libc::posix_spawn_file_actions_init(&mut actions))?;
            told(libc::posix_spawnattr_init(&mut attributes)).inspect_err(|_| {
                libc::posix_spawn_file_actions_destroy(&mut actions);
            })?;
        }
        Ok(Parts { actions, attributes })
    }
}

/// The job.
fn start(order: &Order) -> Result<libc::pid_t> {
    let mut parts = Parts::new()?;
    let actions = &mut parts.actions;
    if let Some(cwd) = &order.cwd {
        // SAFETY: initialised; the path is NUL-terminated and copied.
        told(unsafe { libc::posix_spawn_file_actions_addchdir_np(actions, cwd.as_ptr()) })?;
    }
    for place in &order.places {
        // SAFETY: initialised; the path is NUL-terminated.
        told(unsafe {
            match place {
                Place::Copy { from, to } => libc::posix_spawn_file_actions_adddup2(actions, from.0, *to),
                Place::Null(to) => {
                    let null = c"/dev/null".as_ptr();
                    libc::posix_spawn_file_actions_addopen(actions, *to, null, libc::O_RDWR, 0)
                }
                Place::Closed(to) => libc::posix_spawn_file_actions_addclose(actions, *to),
            }
        })?;
    }
    let mut pid = 0;
    // SAFETY: everything is initialised and valid; the lists end in null pointers.
    told(unsafe {
        let attributes = &mut parts.attributes;
        let mut all = MaybeUninit::zeroed();
        libc::sigfillset(all.as_mut_ptr());
        libc::posix_spawnattr_setsigdefault(attributes, all.as_ptr());
        libc::posix_spawnattr_setsigmask(attributes, &order.mask);
        libc::posix_spawnattr_setpgroup(attributes, 0);
        libc::posix_spawnattr_setflags(attributes, order.flags as libc::c_short);
        let (argv, env) = (order.argv.pointers.as_ptr(), order.env.pointers.as_ptr());
        libc::posix_spawnp(&mut pid, order.file.as_ptr(), &parts.actions, attributes, argv, env)
    })?;
    Ok(pid)
}
