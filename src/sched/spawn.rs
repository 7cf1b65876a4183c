//! The life of a task: spawn, first entry, end, join, reap.

use std::ffi::c_void;
use std::ptr;

use super::extra::{Cleanup, Ended};
use super::roots::keep;
use super::task::{flags, pending, Entry, State, Task, Wake};
use super::waits::Kind;
use super::Scheduler;
use crate::context::{self, annotate, slab::Shape, Transfer};
use crate::error::{Error, Result};
use crate::slots::Slot;

/// What `gt_spawn_with` may ask for; the default asks for nothing.
#[derive(Default)]
pub struct SpawnOptions<'a> {
    /// The task's name.
    pub name: Option<&'a [u8]>,
    /// Stack bytes; 0 is the default.
    pub stack_size: usize,
    /// Guard bytes; 0 is the default.
    pub guard_size: usize,
    /// The caller's own stack (lowest address) of `stack_size` bytes.
    pub stack: Option<*mut u8>,
    /// Nobody will join.
    pub detached: bool,
    /// Waits for a hand-over before it starts.
    pub suspended: bool,
}

/// When a task that belongs to a structure begins to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// In its turn.
    Ready,
    /// When somebody hands over to it.
    Suspended,
}

/// The smallest stack of the caller's own.
pub const MIN_USER_STACK: usize = crate::context::slab::MIN_STACK;

impl Scheduler {
    /// Makes a task ready to run. It runs when the caller blocks.
    #[inline(always)]
    pub fn spawn(&self, entry: Entry, arg: *mut c_void) -> Result<i64> {
        Ok(self.spawn_on(self.config.shape, entry, arg, 0)?.id.get())
    }

    /// As [`Scheduler::spawn`], with wishes.
    pub fn spawn_with(&self, entry: Entry, arg: *mut c_void, options: &SpawnOptions) -> Result<i64> {
        let flags = if options.detached { flags::DETACHED } else { 0 };
        let task = match options.stack {
            Some(base) => self.spawn_on_user_stack(base, options.stack_size, entry, arg, flags)?,
            None => {
                let shape = Shape::new(options.stack_size, options.guard_size, self.config.shape)?;
                self.spawn_on(shape, entry, arg, flags)?
            }
        };
        if let Some(name) = options.name {
            task.set_name(name);
        }
        if options.suspended {
            self.suspend(task);
        }
        Ok(task.id.get())
    }

    /// A task that belongs to a structure above: nobody joins it, and `ended` follows its end. On an error `ended` is not
    /// called.
    pub fn spawn_followed(
        &self,
        entry: Entry,
        arg: *mut c_void,
        options: &SpawnOptions,
        ended: Ended,
        start: Start,
    ) -> Result<&'static Task> {
        let task = match options.stack {
            Some(base) => self.place_on_user_stack(base, options.stack_size, entry, arg, flags::DETACHED)?,
            None => {
                let shape = Shape::new(options.stack_size, options.guard_size, self.config.shape)?;
                self.place(shape, entry, arg, flags::DETACHED)?
            }
        };
        // SAFETY: D2: the reference ends with the statement.
        let followed = unsafe { task.extra_or_new() }.map(|extra| extra.ended = Some(ended));
        if let Err(e) = followed.and_then(|()| self.start(task, arg)) {
            task.drop_extra();
            if options.stack.is_none() {
                // SAFETY: the task never ran.
                unsafe { self.stacks().give(task.class.get(), task.top.get()) };
            }
            return Err(e);
        }
        if let Some(name) = options.name {
            task.set_name(name);
        }
        if start == Start::Suspended {
            self.suspend(task);
        }
        Ok(task)
    }

    /// A task that was made just now does not start before somebody hands over to it, or cancels or interrupts it.
    fn suspend(&self, task: &'static Task) {
        if self.ready.take_last(task) {
            task.state.set(State::Parked);
            task.wake.set(Wake::Unstarted);
            task.since.set(self.coarse.get());
            task.waits_kind.set(Kind::HandOver);
        }
    }

    #[inline(always)]
    fn spawn_on(&self, shape: Shape, entry: Entry, arg: *mut c_void, flags: u8) -> Result<&'static Task> {
        let task = self.place(shape, entry, arg, flags)?;
        if let Err(e) = self.start(task, arg) {
            // SAFETY: the task never ran.
            unsafe { self.stacks().give(task.class.get(), task.top.get()) };
            return Err(e);
        }
        Ok(task)
    }

    /// A record on a stack of the pool, with room in the ready ring.
    #[inline(always)]
    pub(super) fn place(&self, shape: Shape, entry: Entry, arg: *mut c_void, flags: u8) -> Result<&'static Task> {
        self.ready.reserve(self.live.get() + 2)?;
        let usual = if shape == self.config.shape { self.stacks().take_usual() } else { ptr::null_mut() };
        let (top, class) = if usual.is_null() { self.stacks().take(shape)? } else { (usual, 0) };
        // SAFETY: the stack is unused and its top is writable; the place is aligned and inside.
        let task = unsafe { Task::write(Task::place(top), Some(entry), arg, flags) };
        task.base.set(top.wrapping_sub(shape.size));
        task.top.set(top);
        task.class.set(class);
        Ok(task)
    }

    #[cold]
    fn spawn_on_user_stack(
        &self,
        base: *mut u8,
        size: usize,
        entry: Entry,
        arg: *mut c_void,
        flags: u8,
    ) -> Result<&'static Task> {
        let task = self.place_on_user_stack(base, size, entry, arg, flags)?;
        self.start(task, arg).inspect_err(|_| annotate::stack_gone(base, base.wrapping_add(size)))?;
        Ok(task)
    }

    pub(super) fn place_on_user_stack(
        &self,
        base: *mut u8,
        size: usize,
        entry: Entry,
        arg: *mut c_void,
        flags: u8,
    ) -> Result<&'static Task> {
        if size < MIN_USER_STACK || base.addr().checked_add(size).is_none() {
            return Err(Error::new(libc::EINVAL));
        }
        self.ready.reserve(self.live.get() + 2)?;
        annotate::stack_made(base, base.wrapping_add(size));
        annotate::open(base, base.wrapping_add(size));
        // SAFETY: the caller of the C function promises a writable block of that size, unused until the task is joined.
        let task = unsafe { Task::write(Task::place(base.add(size)), Some(entry), arg, flags | flags::USER_STACK) };
        task.base.set(base);
        task.top.set(base.wrapping_add(size));
        Ok(task)
    }

    #[inline(always)]
    fn start(&self, task: &'static Task, arg: *mut c_void) -> Result<()> {
        let (slot, id) = self.home.slots.take(&task.link)?;
        keep(arg);
        self.begin(task, slot, id).inspect_err(|_| {
            slot.kill();
            self.home.slots.free(slot, id);
        })
    }

    /// Starts a task that has an id.
    #[inline(always)]
    pub(super) fn begin(&self, task: &'static Task, slot: &'static Slot, id: i64) -> Result<()> {
        task.slot.set(Some(slot));
        task.id.set(id);
        if self.follows() {
            self.carries_initial(task);
            self.host_new_state(task)?;
        }
        // SAFETY: C2: the stack stays until the task is reaped; below the record it is free. `first` never returns.
        task.context.set(unsafe { context::make(task.base.get(), ptr::from_ref(task).cast_mut().cast(), first) });
        task.seat.begin();
        if self.emptying.get() == super::exit::CANCEL {
            task.pending.set(pending::CANCEL);
        }
        self.live.set(self.live.get() + 1);
        self.spawned.set(self.spawned.get() + 1);
        self.ready.push(task);
        Ok(())
    }

    /// Ends the running task. Its cleanup handlers run first, shielded; then nothing of its stack runs again.
    #[inline(never)]
    pub fn finish(&self, result: *mut c_void) -> ! {
        self.finish_here(result)
    }

    /// [`Scheduler::finish`], without a call on the way out: a call that never returns would put the return predictor
    /// of whoever runs next out of step.
    #[inline(always)]
    fn finish_here(&self, result: *mut c_void) -> ! {
        let me = self.me();
        if me.flags.get() & flags::ROOT != 0 || !me.extra.get().is_null() || self.hooked() {
            self.wind_up(me, result);
        }
        let slot = me.slot();
        if !slot.kill() {
            self.kill_later(me, slot);
        }
        me.value.set(result);
        me.state.set(State::Done);
        self.live.set(self.live.get() - 1);
        if me.has(flags::DETACHED) {
            self.note_detached_end();
            if me.has(flags::GUEST) && self.ready.is_empty() {
                // Its end is told when its stack is free, which takes a switch: the root, woken for nothing, looks again.
                self.wake(self.root(), Wake::Event);
            }
        }
        let joiner = me.joiner.get();
        if !joiner.is_null() {
            // SAFETY: a joiner clears its mark before it goes on or ends.
            self.wake(unsafe { &*joiner }, Wake::Event);
        }
        if self.emptying.get() != 0 && self.live.get() == 0 {
            self.wake(self.root(), Wake::Event);
        }
        self.switch_for_good(me)
    }

    /// A request of another thread is on its way to a task that ends: lets it arrive.
    #[cold]
    #[inline(never)]
    fn kill_later(&self, me: &'static Task, slot: &'static Slot) {
        loop {
            self.read_post();
            me.drop_extra(); // where an interrupt code went that nobody will take
            std::hint::spin_loop();
            if slot.kill() {
                return;
            }
        }
    }

    /// What few tasks need at their end.
    #[cold]
    fn wind_up(&self, me: &'static Task, result: *mut c_void) {
        me.shield.set(me.shield.get() + 1);
        me.set(flags::ENDING);
        self.run_cleanups();
        for _ in 0..super::locals::ROUNDS {
            // A destructor may have pushed handlers, and a handler may have set slots.
            if !self.destroy_locals() {
                break;
            }
            self.run_cleanups();
        }
        if me.has(flags::ROOT) {
            // A forked child, whose root task this became: its return ends the process, as main's would.
            // SAFETY: exit has no preconditions here.
            unsafe { libc::exit(0) }
        }
        if self.hooked() {
            self.host_clear_state(me);
        }
        self.drop_timed_interrupts(me);
        // SAFETY: D2: the reference ends with the statement.
        let ended = unsafe { me.extra() }.and_then(|e| e.ended.take());
        me.drop_extra();
        if let Some(ended) = ended {
            // SAFETY: who had the task made keeps the argument until this call, and is called once.
            unsafe { (ended.function)(ended.arg, result) };
        }
    }

    /// Runs the cleanup handlers of the running task, innermost first, those included that they push.
    fn run_cleanups(&self) {
        while let Some(cleanup) = self.pop_cleanup() {
            // SAFETY: the handler and its argument are the program's; it was told when they are called.
            unsafe { (cleanup.function)(cleanup.arg) };
        }
    }

    /// Waits for a task's end and returns its result.
    #[inline(always)]
    pub fn join(&self, id: i64, deadline: i64) -> Result<*mut c_void> {
        self.check()?;
        let task = self.find(id)?;
        let me = self.me();
        if ptr::eq(task, me) {
            return Err(Error::new(libc::EDEADLK));
        }
        if task.has(flags::DETACHED) || !task.joiner.get().is_null() {
            return Err(Error::new(libc::EINVAL));
        }
        while task.state.get() != State::Done {
            task.joiner.set(me);
            self.waits_on(Kind::Join, id as usize);
            let woken = self.park(deadline);
            task.joiner.set(ptr::null());
            if task.state.get() == State::Done {
                break;
            }
            if let super::Woken::Deadline = self.settle(woken)? {
                return Err(Error::new(libc::ETIMEDOUT));
            }
        }
        let result = task.value.get();
        self.reap(task);
        Ok(result)
    }

    /// Whether a task of this thread has ended and can be joined by the caller. Errors as of [`Scheduler::join`].
    pub fn joinable(&self, id: i64) -> Result<bool> {
        let task = self.find(id)?;
        let me = self.me();
        if ptr::eq(task, me) {
            return Err(Error::new(libc::EDEADLK));
        }
        let joiner = task.joiner.get();
        if task.has(flags::DETACHED) || !joiner.is_null() && !ptr::eq(joiner, me) {
            return Err(Error::new(libc::EINVAL));
        }
        Ok(task.state.get() == State::Done)
    }

    /// The caller is woken at the end of a task, which nobody else joins until [`Scheduler::unfollow`].
    pub fn follow(&self, id: i64) -> Result<()> {
        self.joinable(id)?;
        self.find(id)?.joiner.set(self.me());
        Ok(())
    }

    /// Leaves the task to others.
    pub fn unfollow(&self, id: i64) {
        if let Ok(task) = self.find(id) {
            task.joiner.set(ptr::null());
        }
    }

    /// Gives up the right to join: the task is freed when it ends, or now.
    pub fn detach(&self, id: i64) -> Result<()> {
        let task = self.find(id)?;
        if task.has(flags::DETACHED) || !task.joiner.get().is_null() {
            return Err(Error::new(libc::EINVAL));
        }
        if task.state.get() == State::Done {
            self.reap(task);
        } else {
            task.set(flags::DETACHED);
        }
        Ok(())
    }

    /// Frees a task that is Done (D4).
    #[inline(always)]
    pub(super) fn reap(&self, task: &'static Task) {
        if task.flags.get() & (flags::USER_STACK | flags::GUEST) != 0 {
            return self.reap_specially(task);
        }
        self.home.slots.free(task.slot(), task.id.get());
        task.seat.end();
        // SAFETY: D4: it is Done, and the one that runs is another.
        unsafe { self.stacks().give(task.class.get(), task.top.get()) };
    }

    #[cold]
    fn reap_specially(&self, task: &'static Task) {
        let (id, slot, value) = (task.id.get(), task.slot(), task.value.get());
        let guest = task.has(flags::GUEST);
        match guest {
            true => slot.unsettle(), // M4
            false => self.home.slots.free(slot, id),
        }
        task.seat.end();
        if task.has(flags::USER_STACK) {
            annotate::stack_gone(task.base.get(), task.top.get());
            annotate::open(task.base.get(), task.top.get());
        } else {
            // SAFETY: D4.
            unsafe { self.stacks().give(task.class.get(), task.top.get()) };
        }
        if guest {
            super::guest::ended(id, Ok(value));
        }
    }

    fn pop_cleanup(&self) -> Option<Cleanup> {
        // SAFETY: D2: the reference ends with the statement.
        unsafe { self.me().extra() }?.cleanups.pop()
    }
}

/// Where a task's stack begins.
extern "C" fn first(t: Transfer) -> ! {
    annotate::entered();
    let Some(scheduler) = Scheduler::existing() else {
        crate::sys::complain(b"greenrt: invariant C3 broken: a task was resumed on an OS thread without a scheduler\n");
        std::process::abort();
    };
    // SAFETY: tasks leave by `context::switch` only.
    scheduler.arrived(unsafe { context::arrival(t) });
    let me = scheduler.me();
    let entry = me.entry.get().expect("only the root has no entry");
    // SAFETY: the entry and its argument are the program's.
    let result = unsafe { entry(me.value.get()) };
    // Asked once more: in a forked child this task is the root, and may have shut the scheduler down, or made another.
    match Scheduler::existing() {
        Some(scheduler) => scheduler.finish_here(result),
        // SAFETY: a root's end is the process's; exit has no preconditions here.
        None => unsafe { libc::exit(0) },
    }
}
