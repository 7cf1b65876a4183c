//! The text of a dump: every task of a scheduler, what it does or waits on, since when, and its calls. Line by line:
//!
//! ```text
//! greenrt: dump of 3 tasks at 81234.567891234 s
//! task 268435457 'root': parked, waits on join 268435458 for 0.120 s
//!   stack 8388608 bytes, live from 0x7ffc…
//!   #0 0x7f… gt_join_until+0x1b in libgreenrt.so.1
//! task 268435458 '': running, detached
//! greenrt: end of dump
//! ```

use std::fmt::{Display, Formatter, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use super::aside::aside;
use super::capture::{text, TOLD};
use super::facts::{self, Facts};
use super::stacks;
use super::symbols::Names;
use super::unwind::{Frame, Registers, Walker, FRAMES};
use crate::error::{Error, Result};
use crate::home::{self, OUTSIDE_DUMPING};
use crate::sched::task::State;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sys::clock::{self, NEVER};
use crate::sys::complain;

/// Where the text goes, piece by piece: a dump of a million tasks does not stand in memory at once, and takes none.
struct Out {
    fd: i32,
    text: [u8; ROOM],
    len: usize,
    failed: Option<Error>,
}

const ROOM: usize = 64 * 1024;
/// What is written at once, between two tasks.
const PIECE: usize = ROOM / 2;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.len == ROOM {
                self.flush();
            }
            let (now, later) = rest.split_at(rest.len().min(ROOM - self.len));
            self.text[self.len..self.len + now.len()].copy_from_slice(now);
            self.len += now.len();
            rest = later;
        }
        Ok(())
    }
}

impl Out {
    fn new(fd: i32) -> Out {
        Out { fd, text: [0; ROOM], len: 0, failed: None }
    }

    fn flush(&mut self) {
        let mut rest = &self.text[..self.len];
        while !rest.is_empty() && self.failed.is_none() {
            // SAFETY: the pointer and length are those of a live slice.
            match unsafe { libc::write(self.fd, rest.as_ptr().cast(), rest.len()) } {
                n if n >= 0 => rest = &rest[n as usize..],
                _ => match Error::last() {
                    e if e.errno() == libc::EINTR => {}
                    // A pipe or terminal in non-blocking mode: this thread may wait, the task's may not be told to.
                    e if e.would_block() => wait_writable(self.fd),
                    e => self.failed = Some(e),
                },
            }
        }
        self.len = 0;
    }
}

fn wait_writable(fd: i32) {
    let mut one = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd of this frame.
    unsafe { libc::poll(&mut one, 1, 1000) };
}

/// Writes the tasks of the calling thread's scheduler to a descriptor. `title` begins the first line.
#[inline(never)]
pub fn write(s: &'static Scheduler, fd: i32, title: &str) -> Result<()> {
    // SAFETY: asks only.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(Error::last());
    }
    let here = Registers::here();
    let thread = stacks::of_thread();
    let told = told_here(s);
    let _away = Away::of(s);
    aside(|| {
        let _turn = Turn::take();
        let mut out = Out::new(fd);
        all(s, &Caller { here, thread, told: text(&told) }, title, &mut out);
        out.flush();
        out.failed.map_or(Ok(()), Err)
    })?
}

/// While it lives, the watchdog leaves the scheduler alone: what takes its time is not a task's.
struct Away(&'static Scheduler, u64);

impl Away {
    fn of(s: &'static Scheduler) -> Away {
        let before = s.progress().outside.get();
        s.progress().outside.set(OUTSIDE_DUMPING);
        Away(s, before)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        self.0.progress().outside.set(self.1);
    }
}

/// Who asks for a dump, as only its own thread knows it: its registers, the bounds of the thread's stack, what the host tells
/// of its calls.
struct Caller<'a> {
    here: Option<Registers>,
    thread: (usize, usize),
    told: &'a str,
}

/// What the host tells of the running task, on its own thread. Nothing when there is no memory for it.
fn told_here(s: &Scheduler) -> Vec<u8> {
    let mut told = Vec::new();
    if s.host_traces() && told.try_reserve_exact(TOLD).is_ok() {
        told.resize(TOLD, 0);
        let len = s.host_trace_here(&mut told);
        told.truncate(len);
    }
    told
}

/// The deadlock report, on standard error. False if it could not be written.
pub fn deadlock(s: &'static Scheduler) -> bool {
    complain(b"greenrt: deadlock: every task is parked and nothing can wake one\n");
    write(s, libc::STDERR_FILENO, "deadlock report").is_ok()
}

/// Two dumps do not write at the same time. Holds the number of the process it was taken in: a forked child finds that of
/// a thread it does not have, and goes on.
struct Turn;
static TURN: AtomicU32 = AtomicU32::new(0);

impl Turn {
    fn take() -> Turn {
        let mine = home::forks().wrapping_add(1);
        loop {
            match TURN.compare_exchange(0, mine, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Turn,
                Err(other) if other != mine => {
                    let _ = TURN.compare_exchange(other, 0, Ordering::Relaxed, Ordering::Relaxed);
                }
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TURN.store(0, Ordering::Release);
    }
}

fn all(s: &'static Scheduler, caller: &Caller, title: &str, out: &mut Out) {
    let count = facts::list(s, &mut []);
    let now = clock::coarse();
    let _ = writeln!(out, "greenrt: {title} of {count} tasks at {} s", seconds(now));
    let (mut walker, mut names) = (Walker::default(), Names::new());
    s.each_task(|task| {
        if task.state.get() == State::Done {
            return;
        }
        let mut frames = [Frame { ip: 0, after_call: false }; FRAMES];
        let found = facts::frames(s, task, caller.here, caller.thread, &mut walker, &mut frames);
        head(&facts::of(s, task, caller.thread), facts::high_water(task), now, &mut names, out);
        calls(&frames[..found], &mut names, out);
        if std::ptr::eq(task, s.me()) {
            lines(caller.told, out);
        } else {
            let mut told = [0; TOLD];
            let len = s.host_trace_of(task, &mut told);
            lines(text(&told[..len]), out);
        }
        if out.len > PIECE {
            out.flush();
        }
    });
    let _ = writeln!(out, "greenrt: end of {title}");
}

fn head(f: &Facts, high: usize, now: i64, names: &mut Names, out: &mut impl Write) {
    let name = &f.name[..f.name.iter().position(|&b| b == 0).unwrap_or(f.name.len())];
    let state = if f.state == State::Ready && f.runs { "running" } else { f.state.word() };
    let _ = write!(out, "task {} '{}': {state}", f.id, printable(name));
    if f.state == State::Parked {
        let _ = match f.kind {
            Kind::Other | Kind::Park | Kind::Sleep | Kind::Shutdown | Kind::Offload => {
                write!(out, ", waits on {}", f.kind.word())
            }
            Kind::Read | Kind::Write => write!(out, ", waits on {} of descriptor {}", f.kind.word(), f.object as i32),
            Kind::Join => write!(out, ", waits on join of task {}", f.object as i64),
            Kind::Poll | Kind::Select => write!(out, ", waits on {} of {}", f.kind.word(), f.object),
            Kind::Process => write!(out, ", waits on process {}", f.object as i32),
            _ if f.object == 0 => write!(out, ", waits on {}", f.kind.word()),
            _ => write!(out, ", waits on {} {:#x}", f.kind.word(), f.object),
        };
        let _ = write!(out, " for {} s", seconds((now - f.since).max(0)));
        if f.deadline != NEVER {
            let _ = write!(out, ", {} s left", seconds((f.deadline - now).max(0)));
        }
    }
    for (holds, word) in [(f.cancelled, "cancelled"), (f.detached && !f.root, "detached"), (f.shielded, "shielded")] {
        if holds {
            let _ = write!(out, ", {word}");
        }
    }
    let _ = writeln!(out);
    if f.stack.top != 0 {
        let _ = write!(out, "  stack {} bytes", f.stack.top - f.stack.base);
        if high != 0 {
            let _ = write!(out, ", {high} used");
        }
        if f.stack.pointer != 0 {
            let _ = write!(out, ", {} live from {:#x}", f.stack.top.saturating_sub(f.stack.pointer), f.stack.pointer);
        }
        let _ = writeln!(out);
    }
    if f.entry != 0 {
        let entry = names.function(f.entry);
        let entry = if entry.as_str().is_empty() { "?" } else { entry.as_str() };
        let _ = writeln!(out, "  entry {:#x} {entry}", f.entry);
    }
}

/// The lines of a backtrace.
pub fn calls(frames: &[Frame], names: &mut Names, out: &mut impl Write) {
    for (i, &frame) in frames.iter().enumerate() {
        let _ = writeln!(out, "  #{i} {:#x} {}", frame.ip, names.frame(frame));
    }
}

/// What a host told, as lines of their own.
pub fn lines(told: &str, out: &mut impl Write) {
    let _ = out.write_str(told);
    if !told.is_empty() && !told.ends_with('\n') {
        let _ = writeln!(out);
    }
}

/// A name as one word of a line: what does not print is a dot.
pub fn printable(name: &[u8]) -> impl Display + '_ {
    Printable(name)
}

struct Printable<'a>(&'a [u8]);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                f.write_char(if c.is_control() || c == '\'' { '.' } else { c })?;
            }
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// Nanoseconds as seconds, to the microsecond.
pub fn seconds(ns: i64) -> impl Display {
    Seconds(ns)
}

struct Seconds(i64);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1000)
    }
}
