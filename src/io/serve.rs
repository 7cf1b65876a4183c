//! The accept loop: a detached task for each connection, as many at a time as wanted, through every shortage.
//!
//! Out of descriptors, buffers or memory the connections stay in the listener's queue, which stays readable: a loop that
//! tried again at once would spin. So it pauses, and goes on early when one of its connections ends.
//!
//! Invariants:
//! V1  A `Serve` is freed by whoever leaves it last: its loop (`looping`) or its last connection (`live`, `first`).
//! V2  A `Connection` is in its Serve's list from its spawn until its cleanup handler has run, which frees it.
//! V3  All of it is the home thread's. In a forked child a connection may be the one task that goes on: the loop, whose
//!     task is not there, is given up unfreed (`forks`).

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use super::{adopt, socket, until_ready, Dir, Manner, Moved};
use crate::error::{Error, Result};
use crate::home;
use crate::reactor::Begin;
use crate::sched::control;
use crate::sched::task::{Task, Wake};
use crate::sched::try_box;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sched::SpawnOptions;
use crate::sched::Woken;
use crate::sys::{self, clock};
use crate::wait::{Note, WaitNode};

/// What is called for each connection.
pub type Handler = unsafe extern "C" fn(fd: libc::c_int, arg: *mut c_void);

/// Wishes; the default asks for nothing.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Connections at a time; 0: no limit.
    pub most: usize,
    /// Stack bytes of the connections' tasks; 0 is the default.
    pub stack_size: usize,
    /// Name of the connections' tasks.
    pub name: Option<&'a [u8]>,
    /// Do not return before the connections have ended.
    pub drain: bool,
}

/// How long to wait for what is short.
const PAUSE: i64 = 10_000_000;

/// One accept loop, shared with its connections.
struct Serve {
    listener: i32,
    life: u32,
    handler: Handler,
    arg: *mut c_void,
    looping: Cell<bool>,
    stopping: Cell<bool>,
    live: Cell<usize>,
    first: Cell<*const Connection>,
    /// The loop's task, while it waits for a connection to end.
    waiter: Cell<Option<&'static Task>>,
    forks: u32,
    next: Cell<*const Serve>,
}

/// One connection.
struct Connection {
    serve: *const Serve,
    fd: i32,
    life: Option<u32>,
    task: Cell<i64>,
    before: Cell<*const Connection>,
    after: Cell<*const Connection>,
}

thread_local! {
    /// The loops that run on this OS thread.
    static LOOPS: Cell<*const Serve> = const { Cell::new(ptr::null()) };
}

/// Accepts connections until stopped; `arg` goes to each call of the handler.
pub fn serve(
    s: &'static Scheduler,
    listener: i32,
    handler: Handler,
    arg: *mut c_void,
    options: &Options,
    deadline: i64,
) -> Result<()> {
    s.check()?;
    if sys::fd::socket_option(listener, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? == 0 {
        return Err(Error::new(libc::EINVAL));
    }
    if !s.reactor().is_owned(listener) {
        adopt::adopt(s, listener)?;
    }
    let serve = Box::into_raw(try_box(Serve {
        listener,
        life: s.reactor().life(listener).unwrap_or_default(),
        handler,
        arg,
        looping: Cell::new(true),
        stopping: Cell::new(false),
        live: Cell::new(0),
        first: Cell::new(ptr::null()),
        waiter: Cell::new(None),
        forks: home::forks(),
        next: Cell::new(LOOPS.get()),
    })?);
    LOOPS.set(serve);
    // SAFETY: V1: it is looping.
    let this = unsafe { &*serve };
    let mut result = accept_all(s, this, options, deadline);
    take_off(serve);
    if options.drain {
        result = drain(s, this, result, deadline);
    }
    this.looping.set(false);
    this.free_if_last();
    result
}

/// Stops the loops of this OS thread that accept from a listener; -ESRCH if there are none.
pub fn stop(s: &'static Scheduler, listener: i32) -> Result<()> {
    let mut found = false;
    let mut at = LOOPS.get();
    while !at.is_null() {
        // SAFETY: V1: those in the list are looping.
        let serve = unsafe { &*at };
        if serve.listener == listener && serve.forks == home::forks() {
            found = true;
            serve.stopping.set(true);
            serve.wake_loop(s);
        }
        at = serve.next.get();
    }
    if !found {
        return Err(Error::new(libc::ESRCH));
    }
    s.reactor().look_again(listener, &mut s.waker());
    Ok(())
}

fn accept_all(s: &'static Scheduler, serve: &Serve, options: &Options, deadline: i64) -> Result<()> {
    loop {
        if serve.stopping.get() {
            return Ok(());
        }
        if options.most > 0 && serve.live.get() >= options.most {
            pause(s, serve, clock::NEVER, deadline)?;
            continue;
        }
        match accept(s, serve, deadline) {
            Ok(fd) => hand_over(s, serve, fd, options, deadline)?,
            Err(e) if e.errno() == libc::EBADF && serve.stopping.get() => return Ok(()),
            Err(e) if short(e) => pause(s, serve, clock::after(PAUSE)?, deadline)?,
            Err(e) if of_the_connection(e) => {}
            Err(e) => return Err(e),
        }
    }
}

/// One connection, owned.
fn accept(s: &'static Scheduler, serve: &Serve, deadline: i64) -> Result<i32> {
    let fd = until_ready(s, serve.listener, Dir::Read, deadline, Manner::Try, |_| {
        if serve.stopping.get() || s.reactor().life(serve.listener) != Some(serve.life) {
            return Err(Error::new(libc::EBADF));
        }
        // SAFETY: no address is asked for.
        unsafe { socket::accept_once(serve.listener, ptr::null_mut(), ptr::null_mut()) }.map(|fd| (fd, Moved::All))
    })?;
    socket::own_new(s, fd, true)
}

/// Out of something that will come back.
fn short(e: Error) -> bool {
    matches!(e.errno(), libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EPERM)
}

/// Errors of the network that accept(2) passes on with the connection it happened to.
fn of_the_connection(e: Error) -> bool {
    matches!(
        e.errno(),
        libc::ENETDOWN
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
    )
}

/// Starts the connection's task; while there is no memory for one, the connection waits. It is closed if that ends
/// with an error.
fn hand_over(s: &'static Scheduler, serve: &Serve, fd: i32, options: &Options, deadline: i64) -> Result<()> {
    let life = s.reactor().life(fd);
    loop {
        let paused = match connection(s, serve, fd, life, options) {
            Ok(()) => return Ok(()),
            Err(e) if matches!(e.errno(), libc::ENOMEM | libc::EAGAIN | libc::ENOSPC) => {
                clock::after(PAUSE).and_then(|until| pause(s, serve, until, deadline))
            }
            Err(e) => Err(e),
        };
        if let Err(e) = paused {
            let _ = adopt::close(s, fd);
            return Err(e);
        }
        if serve.stopping.get() {
            return adopt::close(s, fd);
        }
    }
}

fn connection(s: &'static Scheduler, serve: &Serve, fd: i32, life: Option<u32>, options: &Options) -> Result<()> {
    let (task, before) = (Cell::new(0), Cell::new(ptr::null()));
    let this = try_box(Connection { serve, fd, life, task, before, after: Cell::new(serve.first.get()) })?;
    let wishes =
        SpawnOptions { name: options.name, stack_size: options.stack_size, detached: true, ..SpawnOptions::default() };
    let this = Box::into_raw(this);
    match s.spawn_with(connected, this.cast(), &wishes) {
        Ok(id) => {
            // SAFETY: V2: its task has not run yet; and so is the one behind it in the list.
            unsafe {
                (*this).task.set(id);
                if let Some(after) = (*this).after.get().as_ref() {
                    after.before.set(this);
                }
            }
            serve.first.set(this);
            serve.live.set(serve.live.get() + 1);
            Ok(())
        }
        Err(e) => {
            // SAFETY: nobody got it.
            drop(unsafe { Box::from_raw(this) });
            Err(e)
        }
    }
}

/// The task of a connection.
unsafe extern "C" fn connected(arg: *mut c_void) -> *mut c_void {
    // SAFETY: V2.
    let (fd, handler, arg_of) = unsafe {
        let this = &*arg.cast::<Connection>();
        (this.fd, (*this.serve).handler, (*this.serve).arg)
    };
    let Ok(s) = Scheduler::current() else { return ptr::null_mut() };
    match s.cleanup_push(ended, arg) {
        // SAFETY: the handler and its argument are the program's.
        Ok(()) => unsafe { handler(fd, arg_of) },
        // No memory for the handler's sake: the connection is lost.
        // SAFETY: V2.
        Err(_) => unsafe { ended(arg) },
    }
    ptr::null_mut()
}

/// The end of a connection, however its task ends: closes the descriptor, unless the handler did or gave it back.
unsafe extern "C" fn ended(arg: *mut c_void) {
    let Ok(s) = Scheduler::current() else { return };
    // SAFETY: V2: made by `connection`, and here it is freed.
    let this = unsafe { Box::from_raw(arg.cast::<Connection>()) };
    if this.life.is_some() && s.reactor().life(this.fd) == this.life {
        let _ = adopt::close(s, this.fd);
    }
    // SAFETY: V1: this connection is counted.
    let serve = unsafe { &*this.serve };
    if serve.forks != home::forks() {
        return; // V3
    }
    // SAFETY: V2: its neighbours.
    unsafe {
        match this.before.get().as_ref() {
            Some(before) => before.after.set(this.after.get()),
            None => serve.first.set(this.after.get()),
        }
        if let Some(after) = this.after.get().as_ref() {
            after.before.set(this.before.get());
        }
    }
    serve.live.set(serve.live.get() - 1);
    serve.wake_loop(s);
    serve.free_if_last();
}

impl Serve {
    fn wake_loop(&self, s: &Scheduler) {
        if let Some(task) = self.waiter.get() {
            s.wake(task, Wake::Event);
        }
    }

    /// Frees a loop that nobody is left of.
    fn free_if_last(&self) {
        if !self.looping.get() && self.live.get() == 0 {
            // SAFETY: V1: made by `serve`; the caller does not use it any more.
            drop(unsafe { Box::from_raw(ptr::from_ref(self).cast_mut()) });
        }
    }
}

fn take_off(serve: *const Serve) {
    // SAFETY: V1: those in the list are looping.
    unsafe {
        if LOOPS.get() == serve {
            return LOOPS.set((*serve).next.get());
        }
        let mut at = LOOPS.get();
        while !at.is_null() {
            if (*at).next.get() == serve {
                (*at).next.set((*serve).next.get());
            }
            at = (*at).next.get();
        }
    }
}

/// Waits until a connection ends, the loop is stopped, the listener is closed (-EBADF), or `until`; -ETIMEDOUT after
/// `deadline`.
fn pause(s: &'static Scheduler, serve: &Serve, until: i64, deadline: i64) -> Result<()> {
    s.check()?;
    if s.reactor().life(serve.listener) != Some(serve.life) {
        return Err(Error::new(libc::EBADF));
    }
    // Nobody writes to a listener: this end of it only tells of its closing.
    let node = WaitNode::new(s.me().opaque(), 0);
    // SAFETY: the node lives on this frame and leaves below.
    if unsafe { s.reactor().begin(serve.listener, Dir::Write, &node, false)? } == Begin::Always {
        return Err(Error::new(libc::EBADF));
    }
    serve.waiter.set(Some(s.me()));
    s.waits_on(Kind::Read, serve.listener as usize);
    let woken = s.park(until.min(deadline));
    serve.waiter.set(None);
    match node.note.get() {
        Note::Closed => return Err(Error::new(libc::EBADF)),
        _ => s.reactor().unlink(serve.listener, Dir::Write, &node),
    }
    match s.settle(woken)? {
        Woken::Deadline if clock::passed(deadline) => Err(Error::new(libc::ETIMEDOUT)),
        _ => Ok(()),
    }
}

/// Waits for the connections' end. Those of a loop that was stopped or whose listener was closed get their time; if that
/// or this ends by cancel, interrupt or a deadline, they are cancelled.
fn drain(s: &'static Scheduler, serve: &Serve, mut result: Result<()>, deadline: i64) -> Result<()> {
    let patient = |result: &Result<()>| match result {
        Ok(()) => true,
        Err(e) => !matches!(e.errno(), libc::ECANCELED | libc::EINTR | libc::ETIMEDOUT),
    };
    let mut hurried = false;
    loop {
        if serve.live.get() == 0 {
            break;
        }
        if !patient(&result) && !hurried {
            hurried = true;
            s.shield_push();
            cancel_all(serve);
        }
        serve.waiter.set(Some(s.me()));
        let woken = s.park(if hurried { clock::NEVER } else { deadline });
        serve.waiter.set(None);
        if serve.live.get() == 0 || hurried {
            continue;
        }
        match s.settle(woken) {
            Ok(Woken::Deadline) => result = Err(Error::new(libc::ETIMEDOUT)),
            Ok(_) => {}
            Err(e) => result = Err(e),
        }
    }
    if hurried {
        let _ = s.shield_pop();
    }
    result
}

fn cancel_all(serve: &Serve) {
    let mut at = serve.first.get();
    // SAFETY: V2. Cancelling runs nobody.
    while let Some(connection) = unsafe { at.as_ref() } {
        let _ = control::cancel(connection.task.get());
        at = connection.after.get();
    }
}
