//! The watchdog: an OS thread that reports tasks which hold their thread and do not switch.
//!
//! It looks from outside, some times per limit, at what each scheduler counts anyway (`home::Progress`): the schedulers
//! know nothing of it. Where nothing was counted for the length of the limit, and the thread neither sleeps in a poll nor
//! is [`outside`](crate::home::Progress::outside), it asks the thread where it stands (`capture.rs`) and reports.
//!
//! A hold is reported once it has lasted the limit, and again at twice, four times, eight times that. Time in which this
//! thread itself did not get to run counts for nobody: the process was stopped, or the machine had no time for it.

use std::ffi::c_void;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use super::aside::STACK;
use super::capture::{self, Signal, Thread};
use super::dump::{calls, lines, printable, seconds};
use super::symbols::{Names, Text};
use super::unwind::{Frame, Walker, FRAMES};
use crate::error::{Error, Result};
use crate::home::{self, Progress, Watched, INSIDE};
use crate::sched::report::WATCHERS;
use crate::sched::task::NAME;
use crate::sched::try_box;
use crate::sys::sync::{Mutex, MutexGuard};
use crate::sys::thread::{self, End, Signals};
use crate::sys::{clock, futex};

/// The limits that a watchdog takes: a millisecond to a day.
pub const LIMITS: std::ops::RangeInclusive<i64> = 1_000_000..=86_400_000_000_000;
/// Looks for each limit.
const LOOKS: i64 = 4;

/// What is told of a hold.
pub struct Report<'a> {
    /// The task; 0 when its thread did not say.
    pub task: i64,
    /// Its name.
    pub name: [u8; NAME],
    /// Its entry; 0 for the root.
    pub entry: usize,
    /// How long it has held its thread, at least.
    pub held: i64,
    /// For how much of that its thread was on a processor.
    pub ran: i64,
    /// The how-manieth report of this hold it is.
    pub count: u32,
    /// Its OS thread.
    pub thread: i32,
    /// Its calls, innermost first.
    pub addresses: &'a [usize],
    /// What its host told of its own calls.
    pub host: &'a str,
    /// All that as lines of text.
    pub text: &'a str,
}

/// Who is told.
pub type Tell = Box<dyn Fn(&Report)>;

/// Whether a watchdog runs.
enum Stage {
    Off,
    Running(thread::Thread),
    Stopping,
}

static STAGE: Mutex<Stage> = Mutex::new(Stage::Off);
/// Changes when the thread is to end.
static END: AtomicU32 = AtomicU32::new(0);

fn stage() -> MutexGuard<'static, Stage> {
    STAGE.lock().unwrap_or_else(|e| e.into_inner())
}

struct Watchdog {
    limit: i64,
    tell: Tell,
    signal: Signal,
    holds: Vec<Hold>,
    looked: i64,
    began: u32,
}

/// What was seen of one home.
#[derive(Clone, Copy)]
struct Hold {
    home: u32,
    lodger: u64,
    mark: Mark,
    since: i64,
    /// What its thread had used of a processor then.
    ran: i64,
    count: u32,
}

/// A look at what a scheduler counts.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    switches: u64,
    polls: u64,
    alone: u64,
}

impl Mark {
    fn of(progress: &Progress) -> Mark {
        Mark { switches: progress.switches.get(), polls: progress.polls.get(), alone: progress.alone.get() }
    }
}

/// Starts the watchdog. Errors: -EINVAL (the limit), -EALREADY (one runs), -EBUSY (no signal to be had), -EAGAIN (no
/// thread), -ENOMEM.
pub fn start(limit: i64, tell: Tell) -> Result<()> {
    if !LIMITS.contains(&limit) {
        return Err(Error::new(libc::EINVAL));
    }
    let mut stage = stage();
    if !matches!(*stage, Stage::Off) {
        return Err(Error::new(libc::EALREADY));
    }
    let mut signal = Signal::default();
    signal.get()?;
    let (looked, began) = (clock::real(), END.load(Ordering::Relaxed));
    let watchdog = try_box(Watchdog { limit, tell, signal, holds: Vec::new(), looked, began })?;
    let place = Box::into_raw(watchdog);
    // SAFETY: the box is the thread's from here on; if there is none, it is taken back.
    match unsafe { thread::start(run, place.cast(), STACK, End::Joined, Signals::Blocked) } {
        Ok(thread) => {
            WATCHERS.store(1, Ordering::Relaxed);
            *stage = Stage::Running(thread);
            Ok(())
        }
        Err(e) => {
            // SAFETY: made above, and nobody else has it.
            unsafe { Box::from_raw(place) }.signal.give_back();
            Err(e)
        }
    }
}

/// Stops it, and waits until it has ended. Errors: -ESRCH (none runs), -EALREADY (another call stops it), -EDEADLK (called
/// by its own thread).
pub fn stop() -> Result<()> {
    let thread = {
        let mut stage = stage();
        match std::mem::replace(&mut *stage, Stage::Stopping) {
            Stage::Off => {
                *stage = Stage::Off;
                return Err(Error::new(libc::ESRCH));
            }
            Stage::Stopping => return Err(Error::new(libc::EALREADY)),
            Stage::Running(thread) if thread.is_this() => {
                *stage = Stage::Running(thread);
                return Err(Error::new(libc::EDEADLK));
            }
            Stage::Running(thread) => thread,
        }
    };
    END.fetch_add(1, Ordering::Release);
    futex::wake_one(&END);
    thread.join();
    WATCHERS.store(0, Ordering::Relaxed);
    *stage() = Stage::Off;
    Ok(())
}

extern "C" fn run(watchdog: *mut c_void) -> *mut c_void {
    thread::name(c"gt-watchdog");
    // SAFETY: `start` hands it over.
    let mut watchdog = unsafe { Box::from_raw(watchdog.cast::<Watchdog>()) };
    let forks = home::forks();
    // A panic ends the watch, not the program.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watchdog.watch()));
    if home::forks() != forks {
        // Who was told has forked and come back: this is the only thread of the child, and has nothing left to do.
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    watchdog.signal.give_back();
    std::ptr::null_mut()
}

impl Watchdog {
    fn watch(&mut self) {
        let pause = self.limit / LOOKS;
        let forks = home::forks();
        while END.load(Ordering::Acquire) == self.began && home::forks() == forks {
            futex::wait_for(&END, self.began, pause);
            let now = clock::real();
            self.forgive(now - self.looked - pause, pause);
            self.looked = now;
            let mut due = [None; DUE];
            self.look(now, &mut due);
            due.into_iter().flatten().for_each(|d| self.examine(d));
        }
    }

    /// This thread came later than it wanted. A little is the machine's way; more is time in which nobody ran.
    fn forgive(&mut self, late: i64, pause: i64) {
        if late > pause {
            self.holds.iter_mut().for_each(|h| h.since += late);
        }
    }

    /// Looks at every home, and says which are to be examined.
    fn look(&mut self, now: i64, due: &mut [Option<Due>; DUE]) {
        let (holds, limit) = (&mut self.holds, self.limit);
        let mut count = 0;
        home::each_watched(|w| {
            let (home, lodger, mark) = (w.home.index, w.home.lodger(), Mark::of(w.progress));
            let fresh = || Hold { home, lodger, mark, since: now, ran: processor_time(w.handle), count: 0 };
            let Some(hold) = holds.iter_mut().find(|h| h.home == home) else {
                if holds.try_reserve(1).is_ok() {
                    holds.push(fresh());
                }
                return;
            };
            let away = w.home.inbox.is_asleep() || w.progress.outside.get() != INSIDE;
            if away || hold.lodger != lodger || hold.mark != mark {
                *hold = fresh();
                return;
            }
            let next = limit.saturating_mul(1 << hold.count.min(62));
            if now - hold.since >= next && count < DUE {
                hold.count += 1;
                let ran = processor_time(w.handle) - hold.ran;
                let thread = Thread { id: w.thread, stack: bounds(&w) };
                due[count] = Some(Due { hold: *hold, held: now - hold.since, ran, thread });
                count += 1;
            }
        });
    }

    /// Asks the thread of a hold, and reports if it holds still.
    fn examine(&mut self, due: Due) {
        let Ok(signal) = self.signal.get() else { return };
        let gone = || !holds_still(&due.hold);
        let seen = capture::ask(due.thread, signal, gone);
        if gone() || seen.is_some_and(|s| s.switches != due.hold.mark.switches) {
            return;
        }
        let mut frames = [Frame { ip: 0, after_call: false }; FRAMES];
        let (from, found) = match seen.and_then(|s| s.calls()) {
            Some((from, view)) => (seen, Walker::default().walk(from, view, &mut frames)),
            None => (seen, 0),
        };
        let frames = &frames[..found];
        let addresses: [usize; FRAMES] = std::array::from_fn(|i| frames.get(i).map_or(0, |f| f.ip));
        let mut report = Report {
            task: from.map_or(0, |s| s.task),
            name: from.map_or([0; NAME], |s| s.name),
            entry: from.map_or(0, |s| s.entry),
            held: due.held,
            ran: due.ran.clamp(0, due.held),
            count: due.hold.count,
            thread: due.thread.id,
            addresses: &addresses[..found],
            host: from.map_or("", |s| s.told()),
            text: "",
        };
        let text = text(&report, frames);
        report.text = text.as_str();
        (self.tell)(&report);
    }
}

/// Threads that are examined after one look; if there are more, the rest has its turn after the next.
const DUE: usize = 16;

#[derive(Clone, Copy)]
struct Due {
    hold: Hold,
    held: i64,
    ran: i64,
    thread: Thread,
}

fn holds_still(hold: &Hold) -> bool {
    let mut still = false;
    home::each_watched(|w| {
        let away = w.home.inbox.is_asleep() || w.progress.outside.get() != INSIDE;
        still |=
            w.home.index == hold.home && w.home.lodger() == hold.lodger && Mark::of(w.progress) == hold.mark && !away;
    });
    still
}

/// Processor time of a thread that is there.
fn processor_time(thread: libc::pthread_t) -> i64 {
    let (mut which, mut ts) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: the thread is there (H4); both places are writable.
    unsafe {
        if libc::pthread_getcpuclockid(thread, &mut which) != 0 || libc::clock_gettime(which, &mut ts) != 0 {
            return 0;
        }
    }
    ts.tv_sec * 1_000_000_000 + ts.tv_nsec
}

/// The bounds of a thread's own stack.
fn bounds(w: &Watched) -> (usize, usize) {
    // SAFETY: the thread is there (H4).
    unsafe { super::stacks::of_handle(w.handle) }
}

fn text(r: &Report, frames: &[Frame]) -> Text {
    let mut out = Text::default();
    let name = &r.name[..r.name.iter().position(|&b| b == 0).unwrap_or(NAME)];
    let _ = match r.task {
        0 => write!(out, "greenrt: watchdog: a task of OS thread {}", r.thread),
        id => write!(out, "greenrt: watchdog: task {id} '{}' of OS thread {}", printable(name), r.thread),
    };
    let (held, ran) = (seconds(r.held), seconds(r.ran));
    let _ = writeln!(out, " has not switched for {held} s, {ran} s of that on a processor");
    let mut names = Names::new();
    if r.entry != 0 {
        let entry = names.function(r.entry);
        let _ =
            writeln!(out, "  entry {:#x} {}", r.entry, if entry.as_str().is_empty() { "?" } else { entry.as_str() });
    }
    if frames.is_empty() {
        let _ = writeln!(out, "  where it stands is not known: the thread did not take the signal");
    }
    calls(frames, &mut names, &mut out);
    lines(r.host, &mut out);
    out
}

struct Held(std::cell::UnsafeCell<Option<MutexGuard<'static, Stage>>>);
// SAFETY: written with the lock held, by the forking thread.
unsafe impl Sync for Held {}
static HELD: Held = Held(std::cell::UnsafeCell::new(None));

extern "C" fn before_fork() {
    let guard = stage();
    // SAFETY: the lock is held by this thread.
    unsafe { *HELD.0.get() = Some(guard) };
}

extern "C" fn after_fork_in_parent() {
    // SAFETY: set by `before_fork` on this thread.
    unsafe { *HELD.0.get() = None };
}

/// The thread does not exist in the child.
extern "C" fn after_fork_in_child() {
    capture::after_fork();
    WATCHERS.store(0, Ordering::Relaxed);
    // SAFETY: set by `before_fork` on the thread that this one is a copy of.
    if let Some(mut stage) = unsafe { (*HELD.0.get()).take() } {
        *stage = Stage::Off;
    }
}

/// Once per process, when the library is loaded.
pub fn at_load() {
    // SAFETY: the handlers stay (the library is linked `nodelete`). Out of memory at load: a child cannot start one.
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child)) };
}
