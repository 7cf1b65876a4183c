//! Homes: the part of a scheduler that other OS threads may touch, and the register of all of them.
//!
//! A wake from another thread sets a request bit in the task's slot, links the task record into its home's inbox
//! (Treiber's stack, IBM RJ 5118, 1986) and rings the home's bell, an eventfd, if the home sleeps. Nothing is
//! allocated. Interrupt codes need room and go by mail.
//!
//! Invariants:
//! H1  A home is never freed and its bell never closed (a forked child gets a new one): a late ring hits nothing else.
//! H2  A home belongs to one OS thread at a time; `in_use` says whether to any.
//! H3  Sleep: the home sets `asleep`, then looks into the inbox; a sender links first, then looks at `asleep`. Both in
//!     one total order (SeqCst), so one of them sees the other.
//! H4  While the register's lock is held, no home is left: a scheduler that has told `watch` of itself is there, and so is
//!     its OS thread.

pub mod guests;

use crate::sys::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use once_cell::sync::Lazy;

use crate::error::{Error, Result};
use crate::slots::{self, Link, Parts, Slots};
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;

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
    asleep: AtomicBool,
    bell: AtomicI32,
    inbox: AtomicPtr<Link>,
    mail: Mutex<Vec<(i64, i32)>>,
    /// Wakers of its tasks that exist outside: while there are any, silence is no deadlock.
    pub wakers: Tally,
    /// Jobs of its tasks that run on other threads.
    pub jobs: Tally,
    /// What a watcher on another thread may look at.
    pub watch: Watch,
}

/// A count of things that outside code holds for one scheduler. Homes pass from scheduler to scheduler, so it has an
/// epoch (high half): what comes back after its scheduler has gone is not counted out of the next one's.
#[derive(Default)]
pub struct Tally(AtomicU64);

impl Tally {
    /// Any thread: counts one in; the answer goes into [`Tally::leave`].
    pub fn enter(&self) -> u32 {
        (self.0.fetch_add(1, Ordering::SeqCst) >> 32) as u32
    }

    /// Any thread: counts one out that came in at that epoch. Whether it was the last.
    fn leave(&self, epoch: u32) -> bool {
        let out = |now: u64| ((now >> 32) as u32 == epoch).then(|| now - 1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, out).is_ok_and(|was| was as u32 == 1)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst) as u32 as usize
    }

    /// Home thread: nothing is held for the scheduler that begins.
    fn begin(&self) {
        let next = |now: u64| Some(((now >> 32) + 1) << 32);
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
    }
}

/// What other threads may know of a home without asking it.
#[derive(Default)]
pub struct Watch {
    /// The id of its root task; 0 while nobody lives here.
    pub root: AtomicU64,
    /// Its OS thread, as the kernel and as the C library call it.
    thread: AtomicI32,
    handle: AtomicUsize,
    /// What its scheduler counts; null while nobody lives here.
    progress: AtomicPtr<Progress>,
    /// Its scheduler; null while nobody lives here (M5 of `sched::roots`).
    scheduler: AtomicPtr<()>,
}

/// A number that one thread writes and others may read.
#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Its value.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The writing thread: another value.
    #[inline(always)]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// What a scheduler counts on its way: while nothing of this changes, no task of it has passed through the scheduler.
/// Part of the scheduler; written by the home thread.
#[derive(Default)]
pub struct Progress {
    /// Switches.
    pub switches: Count,
    /// Polls of the reactor.
    pub polls: Count,
    /// Yields with nobody else ready.
    pub alone: Count,
    /// The thread is somewhere else for a reason: OUTSIDE_*.
    pub outside: Count,
}

/// A value of [`Progress::outside`]: the thread runs its own code.
pub const INSIDE: u64 = 0;
/// Gave its host's lock up for a sleep, and may be waiting to get it back.
pub const OUTSIDE_RELEASED: u64 = 1;
/// Another event loop drives the scheduler, and has the thread.
pub const OUTSIDE_EMBEDDED: u64 = 2;

impl Watch {
    /// Home thread: this is the home's OS thread.
    fn this_thread(&self) {
        // SAFETY: neither has preconditions.
        let (thread, handle) = unsafe { (libc::gettid(), libc::pthread_self()) };
        self.thread.store(thread, Ordering::Relaxed);
        self.handle.store(handle as usize, Ordering::Relaxed);
    }

    /// Home thread: from now on the home is watched. What is handed over stays until [`Home::move_out`].
    pub fn begin(&self, scheduler: *const (), progress: *const Progress) {
        self.this_thread();
        self.scheduler.store(scheduler.cast_mut(), Ordering::Release);
        self.progress.store(progress.cast_mut(), Ordering::Release);
    }

    /// The scheduler; null while nobody lives here.
    pub fn scheduler(&self) -> *const () {
        self.scheduler.load(Ordering::Acquire)
    }

    /// Its OS thread, as the C library calls it.
    pub fn handle(&self) -> usize {
        self.handle.load(Ordering::Acquire)
    }
}

/// A home whose thread is there, under the register's lock.
pub struct Watched<'a> {
    /// The home.
    pub home: &'static Home,
    /// What its scheduler counts.
    pub progress: &'a Progress,
    /// Its OS thread's number, for the kernel.
    pub thread: i32,
    /// Its OS thread's handle, for the C library.
    pub handle: libc::pthread_t,
}

/// Any thread: calls `f` for each home with a scheduler. None of them ends meanwhile, so `f` is short and takes no lock of ours.
pub fn each_watched(mut f: impl FnMut(Watched)) {
    let _guard = lock();
    for place in REGISTER.iter().take(GUESTS) {
        let known = place.load(Ordering::Acquire);
        if known.is_null() || known == ABANDONED {
            continue;
        }
        // SAFETY: H1.
        let home = unsafe { &*known };
        // SAFETY: H4: the lock is held.
        if let Some(progress) = unsafe { home.watch.progress.load(Ordering::Acquire).as_ref() } {
            let thread = home.watch.thread.load(Ordering::Relaxed);
            let handle = home.watch.handle.load(Ordering::Relaxed) as libc::pthread_t;
            f(Watched { home, progress, thread, handle });
        }
    }
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

fn bell() -> Result<i32> {
    // SAFETY: eventfd takes no pointers.
    crate::sys::check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) } as isize).map(|fd| fd as i32)
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
                let bell = bell()?;
                let home = Home::build(index, bell).inspect_err(|_| {
                    let _ = crate::sys::fd::close(bell);
                })?;
                place.store(std::ptr::from_ref(home).cast_mut(), Ordering::Release);
                home
            }
        };
        home.in_use.store(true, Ordering::Release);
        home.lodger.store(LODGERS.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Release);
        home.asleep.store(false, Ordering::SeqCst);
        home.wakers.begin();
        home.jobs.begin();
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
    fn build(index: usize, bell: i32) -> Result<&'static Home> {
        let home = Home {
            index: index as u32,
            slots: Slots::new(index as u32).ok_or(Error::new(libc::ENOMEM))?,
            in_use: AtomicBool::new(false),
            lodger: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            bell: AtomicI32::new(bell),
            inbox: AtomicPtr::default(),
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
            unsafe { home.ok_or(Error::new(libc::ESRCH))?.post(link) };
        }
        Ok(())
    }

    /// Any thread: puts a link into the inbox and wakes the home if it sleeps.
    ///
    /// # Safety
    /// The link is in no inbox, and stays until the home has taken it out.
    pub unsafe fn post(&self, link: *mut Link) {
        let mut head = self.inbox.load(Ordering::Relaxed);
        loop {
            // SAFETY: by the caller.
            unsafe { (*link).next.store(head, Ordering::Relaxed) };
            match self.inbox.compare_exchange_weak(head, link, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        self.ring();
    }

    /// Any thread: the number of the scheduler that lives here; 0 if none does. Numbers never repeat.
    pub fn lodger(&self) -> u64 {
        self.lodger.load(Ordering::Acquire)
    }

    /// Any thread: whether the home's OS thread sleeps in a poll; only a hint.
    pub fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Wakes the home's OS thread if it sleeps in a poll.
    fn ring(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            let one = 1u64.to_ne_bytes();
            // SAFETY: writes 8 bytes of a live array; eventfd(2) takes exactly that.
            unsafe { libc::write(self.bell(), one.as_ptr().cast(), one.len()) };
        }
    }

    /// Whether wakers or jobs may bring news.
    pub fn expects(&self) -> bool {
        self.jobs.count() > 0 || self.wakers.count() > 0
    }

    /// Any thread: a job is over that was begun in that epoch. A home that sleeps learns it with the last one: from then on
    /// its silence may be a deadlock. As with H3, the leaver counts first and then looks at `asleep`.
    pub fn job_is_over(&self, epoch: u32) {
        if self.jobs.leave(epoch) {
            self.ring();
        }
    }

    /// Any thread: as [`Home::job_is_over`], for a waker that was made in that epoch.
    pub fn waker_is_gone(&self, epoch: u32) {
        if self.wakers.leave(epoch) {
            self.ring();
        }
    }

    /// The eventfd that ends the home's sleep.
    pub fn bell(&self) -> i32 {
        self.bell.load(Ordering::Relaxed)
    }

    /// Home thread: announces sleep; false if there is mail or a request, so do not sleep (H3).
    #[inline]
    pub fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        if self.has_post() {
            self.asleep.store(false, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// Home thread: the sleep is over.
    #[inline]
    pub fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether requests wait in the inbox.
    #[inline]
    pub fn has_post(&self) -> bool {
        !self.inbox.load(Ordering::SeqCst).is_null()
    }

    /// Home thread: empties the inbox, oldest request first.
    pub fn drain(&self, mut each: impl FnMut(*const ())) {
        let mut at = self.inbox.swap(std::ptr::null_mut(), Ordering::AcqRel);
        let mut ordered: *mut Link = std::ptr::null_mut();
        while !at.is_null() {
            // SAFETY: L2: linked records stay until `collect` clears QUEUED, which `each` does after this loop.
            unsafe {
                let next = (*at).next.load(Ordering::Relaxed);
                (*at).next.store(ordered, Ordering::Relaxed);
                ordered = at;
                at = next;
            }
        }
        while !ordered.is_null() {
            // SAFETY: as above; the link to the next is read before `each` gives this record free.
            let (task, next) = unsafe { ((*ordered).task, (*ordered).next.load(Ordering::Relaxed)) };
            ordered = next;
            each(task);
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
        self.inbox.store(std::ptr::null_mut(), Ordering::SeqCst);
        self.take_mail();
        self.watch.root.store(0, Ordering::Release);
        self.watch.progress.store(std::ptr::null_mut(), Ordering::Release);
        self.watch.scheduler.store(std::ptr::null_mut(), Ordering::Release);
        self.lodger.store(0, Ordering::Release);
        self.in_use.store(false, Ordering::Release);
        IN_USE.fetch_sub(1, Ordering::SeqCst);
    }

    /// Forked child: a fresh bell, an empty inbox, and no other home but this one.
    pub fn after_fork(&'static self) -> Result<()> {
        let inherited = self.bell.swap(bell()?, Ordering::Relaxed);
        let _ = crate::sys::fd::close(inherited);
        self.inbox.store(std::ptr::null_mut(), Ordering::Relaxed);
        self.asleep.store(false, Ordering::Relaxed);
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
        let bell = unsafe { (*known).bell() };
        let _ = crate::sys::fd::close(bell);
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
