//! Homes: the part of a scheduler that other OS threads may touch, and the register of all of them.
//!
//! A wake from another thread sets a request bit in the task's slot, links the task record into its home's inbox and rings
//! the home's bell if the home sleeps. Nothing is allocated. Interrupt codes need room and go by mail.
//!
//! Invariants:
//! H1  A home is never freed and its bell never closed (a forked child gets a new one): a late ring hits nothing else.
//! H2  A home belongs to one OS thread at a time; `in_use` says whether to any.
//! H3  Sleep: see `inbox.rs`.
//! H4  While the register's lock is held, no home is left: a scheduler that has told `watch` of itself is there, and so is
//!     its OS thread.

pub mod guests;
pub mod inbox;
pub mod quiet;
mod tally;
mod watch;

use crate::sys::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use once_cell::sync::Lazy;

use crate::error::{Error, Result};
use crate::slots::{self, Parts, Slots};
use crate::sys::bell::Bell;
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;
use inbox::Inbox;
pub use tally::Tally;
pub use watch::{each_watched, Progress, Watch, Watched, INSIDE, OUTSIDE_DUMPING, OUTSIDE_EMBEDDED, OUTSIDE_RELEASED};

/// Places in the register: 2,047 schedulers at a time, and the guests.
const MAX_HOMES: usize = 2048;
/// The last place in the register: the home of [`guests`], which no scheduler lives in.
const GUESTS: usize = MAX_HOMES - 1;

/// The shared part of one scheduler.
pub struct Home {
    /// Its place in the register.
    pub index: u32,
    /// Its tasks' slots.
    pub slots: Slots,
    in_use: AtomicBool,
    /// Which scheduler of the process lives here, counted from 1; 0: none.
    lodger: AtomicU64,
    /// What other threads ask of its tasks.
    pub inbox: Inbox,
    mail: Mutex<Vec<(i64, i32)>>,
    /// Wakers of its tasks that exist outside: while there are any, silence is no deadlock.
    pub wakers: Tally,
    /// Jobs of its tasks that run on other threads.
    pub jobs: Tally,
    /// What a watcher on another thread may look at.
    pub watch: Watch,
}

static REGISTER: [AtomicPtr<Home>; MAX_HOMES] = [const { AtomicPtr::new(std::ptr::null_mut()) }; MAX_HOMES];
/// Stands in the register of a forked child for the homes of the parent's other threads: no scheduler takes their place,
/// or ids of theirs would be given again (L3).
const ABANDONED: *mut Home = std::ptr::without_provenance_mut(1);
/// Forks that lie between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// Schedulers ever made.
static LODGERS: AtomicU64 = AtomicU64::new(0);
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static REGISTER_LOCK: Lazy<Mutex<()>> = Lazy::new(Mutex::default);

/// How many schedulers there are in this process.
pub fn count() -> usize {
    IN_USE.load(Ordering::SeqCst)
}

/// How many forks lie between the first process and this one: who kept the number from before knows that the tasks of
/// then, the one that forked excepted, do not exist here.
#[inline]
pub fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

fn lock() -> MutexGuard<'static, ()> {
    REGISTER_LOCK.lock().unwrap_or_else(|e| e.into_inner())
}

/// The homes that a scheduler lives in; with the register's lock held, they stay so.
fn inhabited() -> impl Iterator<Item = &'static Home> {
    REGISTER.iter().take(GUESTS).filter_map(|place| match place.load(Ordering::Acquire) {
        ABANDONED => None,
        // SAFETY: H1.
        known => unsafe { known.as_ref() }.filter(|home| home.in_use.load(Ordering::Acquire)),
    })
}

/// Finds a home for a new scheduler: one that was left, or a new one.
pub fn move_in() -> Result<&'static Home> {
    let _guard = lock();
    for (index, place) in REGISTER.iter().enumerate().take(GUESTS) {
        let known = place.load(Ordering::Acquire);
        if known == ABANDONED {
            continue;
        }
        // SAFETY: H1.
        let home = match unsafe { known.as_ref() } {
            Some(home) if home.in_use.load(Ordering::Acquire) => continue,
            Some(home) => home,
            None => {
                let home = Home::build(index, Bell::new()?)?;
                place.store(std::ptr::from_ref(home).cast_mut(), Ordering::Release);
                home
            }
        };
        home.in_use.store(true, Ordering::Release);
        home.lodger.store(LODGERS.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Release);
        home.inbox.wake_up();
        home.wakers.begin();
        home.jobs.begin();
        home.watch.moved_in();
        IN_USE.fetch_add(1, Ordering::SeqCst);
        return Ok(home);
    }
    Err(Error::new(libc::EAGAIN))
}

/// The home that an id names, if there is one.
fn of(p: Parts) -> Result<&'static Home> {
    let known = REGISTER.get(p.home as usize).map_or(std::ptr::null_mut(), |h| h.load(Ordering::Acquire));
    if known == ABANDONED {
        return Err(Error::new(libc::ESRCH));
    }
    // SAFETY: H1.
    unsafe { known.as_ref() }.ok_or(Error::new(libc::ESRCH))
}

/// Any thread: whether an id means a live task of any home.
pub fn is_alive(id: i64) -> bool {
    slots::parts(id).is_some_and(|p| of(p).is_ok_and(|h| h.slots.is_alive(p)))
}

/// Any thread: the home that a task's wakers are counted at.
pub fn of_task(id: i64) -> Option<&'static Home> {
    slots::parts(id).and_then(|p| of(p).ok())
}

/// Any thread: leaves a request with a task (see the request bits of [`slots`]).
pub fn request(id: i64, what: u64) -> Result<()> {
    let p = slots::parts(id).ok_or(Error::new(libc::ESRCH))?;
    of(p)?.deliver(p, what)
}

/// Any thread, also a signal handler: asks every scheduler of the process for a dump. How many were asked.
pub fn ask_for_dumps() -> usize {
    let roots = REGISTER.iter().filter_map(|place| match place.load(Ordering::Acquire) {
        ABANDONED => None,
        // SAFETY: H1.
        known => unsafe { known.as_ref() }.map(|home| home.watch.root.load(Ordering::Acquire) as i64),
    });
    roots.filter(|&root| root != 0 && request(root, slots::DUMP).is_ok()).count()
}

/// While all other threads are stopped, wherever they were: calls `f` with each home that a scheduler lives in. No lock, no
/// allocation.
pub fn peek(mut f: impl FnMut(&'static Home)) {
    for place in REGISTER.iter().take(GUESTS) {
        let known = place.load(Ordering::Acquire);
        if known == ABANDONED {
            continue;
        }
        // SAFETY: H1.
        match unsafe { known.as_ref() } {
            Some(home) if home.lodger() != 0 => f(home),
            Some(_) => {}
            None => return, // places are taken in order
        }
    }
}

/// Any thread: mails an interrupt code to a task.
pub fn mail(id: i64, code: i32) -> Result<()> {
    let p = slots::parts(id).ok_or(Error::new(libc::ESRCH))?;
    let home = of(p)?;
    {
        let mut mail = home.mail.lock().unwrap_or_else(|e| e.into_inner());
        if !home.slots.is_alive(p) {
            return Err(Error::new(libc::ESRCH));
        }
        mail.try_reserve(1).map_err(|_| Error::new(libc::ENOMEM))?;
        mail.push((id, code));
    }
    home.deliver(p, slots::MAIL)
}

impl Home {
    fn build(index: usize, bell: Bell) -> Result<&'static Home> {
        let home = Home {
            index: index as u32,
            slots: Slots::new(index as u32).ok_or(Error::new(libc::ENOMEM))?,
            in_use: AtomicBool::new(false),
            lodger: AtomicU64::new(0),
            inbox: Inbox::new(bell),
            mail: Mutex::default(),
            wakers: Tally::default(),
            jobs: Tally::default(),
            watch: Watch::default(),
        };
        let mut one = Vec::new();
        one.try_reserve_exact(1).map_err(|_| Error::new(libc::ENOMEM))?;
        one.push(home);
        Ok(&one.leak()[0])
    }

    fn deliver(&self, p: Parts, what: u64) -> Result<()> {
        if let Some(link) = self.slots.request(p, what)? {
            let home = if self.index as usize == GUESTS { guests::owner(p) } else { Some(self) };
            // SAFETY: L2: QUEUED was set by us, so the record stays until the home has seen the link. G2: a guest that can
            // be queued has an owner.
            unsafe { home.ok_or(Error::new(libc::ESRCH))?.inbox.post(link) };
        }
        Ok(())
    }

    /// Any thread: the number of the scheduler that lives here; 0 if none does. Numbers never repeat.
    pub fn lodger(&self) -> u64 {
        self.lodger.load(Ordering::Acquire)
    }

    /// Whether wakers or jobs may bring news.
    pub fn expects(&self) -> bool {
        self.jobs.count() > 0 || self.wakers.count() > 0
    }

    /// Any thread: a job is over that was begun in that epoch. A home that sleeps learns it with the last one: from then on
    /// its silence may be a deadlock. As with H3, the leaver counts first and then looks at `asleep`.
    pub fn job_is_over(&self, epoch: u32) {
        if self.jobs.leave(epoch) {
            self.inbox.ring();
        }
    }

    /// Any thread: as [`Home::job_is_over`], for a waker that was made in that epoch.
    pub fn waker_is_gone(&self, epoch: u32) {
        if self.wakers.leave(epoch) {
            self.inbox.ring();
        }
    }

    /// Takes the mail that `mine` says is its.
    pub fn take_mail_of(&self, mine: impl Fn(i64) -> bool) -> Vec<(i64, i32)> {
        let mut mail = self.mail.lock().unwrap_or_else(|e| e.into_inner());
        let mut taken = Vec::new();
        if taken.try_reserve(mail.len()).is_ok() {
            mail.retain(|&(id, code)| {
                !mine(id) || {
                    taken.push((id, code));
                    false
                }
            });
        }
        taken
    }

    /// Home thread: takes all mail.
    pub fn take_mail(&self) -> Vec<(i64, i32)> {
        std::mem::take(&mut *self.mail.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Home thread: leaves the home. Requests to its former tasks fail from now on, as their slots are free.
    pub fn move_out(&self) {
        let _guard = lock();
        self.inbox.forget();
        self.take_mail();
        self.watch.end();
        self.lodger.store(0, Ordering::Release);
        self.in_use.store(false, Ordering::Release);
        IN_USE.fetch_sub(1, Ordering::SeqCst);
    }

    /// Forked child: a fresh bell, an empty inbox, and no other home but this one.
    pub fn after_fork(&'static self) -> Result<()> {
        self.inbox.after_fork()?;
        self.wakers.begin();
        self.jobs.begin();
        self.watch.this_thread();
        self.take_mail();
        forget_others(Some(self));
        Ok(())
    }
}

/// Forked child: the threads of the other homes do not exist here. Their ids turn stale, and their places are not reused.
pub fn forget_others(keep: Option<&Home>) {
    FORKS.fetch_add(1, Ordering::Relaxed);
    for place in REGISTER.iter().take(GUESTS) {
        let known = place.load(Ordering::Relaxed);
        if known.is_null() || known == ABANDONED || keep.is_some_and(|k| std::ptr::eq(k, known)) {
            continue;
        }
        // SAFETY: H1.
        unsafe { (*known).inbox.bell().close() };
        place.store(ABANDONED, Ordering::Relaxed);
    }
    IN_USE.store(keep.is_some() as usize, Ordering::Relaxed);
}

/// What [`fork_lock`] holds.
pub struct ForkGuard {
    _register: MutexGuard<'static, ()>,
    _guests: MutexGuard<'static, ()>,
    _mail: Option<MutexGuard<'static, Vec<(i64, i32)>>>,
}

/// Around fork(2): no other thread is inside the register, or in the mailbox that the child keeps.
pub fn fork_lock(keep: Option<&'static Home>) -> ForkGuard {
    ForkGuard {
        _register: lock(),
        _guests: guests::lock(),
        _mail: keep.map(|h| h.mail.lock().unwrap_or_else(|e| e.into_inner())),
    }
}

/// Where a debugger finds things.
pub mod layout {
    use std::mem::offset_of;

    use super::{Home, Watch};

    /// The register: an address for each place, 0 and 1 for none.
    pub const REGISTER: *const () = (&raw const super::REGISTER).cast();
    /// The place of the guests' home in it; those before are schedulers'.
    pub const GUESTS: usize = super::GUESTS;
    /// Whether a scheduler lives there.
    pub const IN_USE: usize = offset_of!(Home, in_use);
    /// Its OS thread.
    pub const THREAD: usize = offset_of!(Home, watch) + Watch::THREAD_AT;
    /// The address of its scheduler.
    pub const SCHEDULER: usize = offset_of!(Home, watch) + Watch::SCHEDULER_AT;
    /// Its slots.
    pub const SLOTS: usize = offset_of!(Home, slots);
}
