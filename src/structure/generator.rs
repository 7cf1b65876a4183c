//! Generators: a task that runs only while somebody asks it for its next value. Asking hands over to the body, and its
//! yield hands back: two switches a value.
//!
//! The body may also block on its own (sleep, receive); whoever asks waits for it like for any task. An asker that gives up
//! (cancelled, late) loses nothing: the value stays until the next one asks.
//!
//! Invariants:
//! Y1  `task` is the body's record from the start until `ended`, and null afterwards.
//! Y2  `consumer` is null or a task that waits in `next` or `close` of this generator.
//! Y3  A generator is touched by its home thread only (`Owner::ask`), and freed only after `ended`.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use super::{belongs_to, Owner, Tasks};
use crate::error::{Error, Result};
use crate::sched::extra::{Ended, Structure};
use crate::sched::task::{Task, Wake};
use crate::sched::waits::Kind as Waits;
use crate::sched::{Scheduler, SpawnOptions, Start, Woken};
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// The body: gets the generator and the argument; negative is an error.
pub type Body = unsafe extern "C" fn(generator: *mut c_void, arg: *mut c_void) -> libc::c_int;

/// A generator.
pub struct Generator {
    owner: Owner,
    task: Cell<*const Task>,
    body: Body,
    arg: *mut c_void,
    consumer: Cell<*const Task>,
    value: Cell<*mut c_void>,
    /// `value` was yielded and not taken.
    full: Cell<bool>,
    closing: Cell<bool>,
    /// What the body came to.
    end: Cell<Option<i32>>,
}

/// What asking brought.
pub enum Next {
    /// A value.
    Value(*mut c_void),
    /// The body has ended, with this.
    End(i32),
}

impl Generator {
    /// Makes a generator; its body starts when it is asked first.
    pub fn make(s: &Scheduler, body: Body, arg: *mut c_void, options: &SpawnOptions) -> Result<*mut Object<Generator>> {
        let generator = Generator {
            owner: Owner::new(s),
            task: Cell::new(ptr::null()),
            body,
            arg,
            consumer: Cell::new(ptr::null()),
            value: Cell::new(ptr::null_mut()),
            full: Cell::new(false),
            closing: Cell::new(false),
            end: Cell::new(None),
        };
        let object = Object::new(Kind::Generator, generator)?;
        let ended = Ended { structure: Structure::Generator, function: ended, arg: object.cast() };
        match s.spawn_followed(run, object.cast(), options, ended, Start::Suspended) {
            Ok(task) => {
                // SAFETY: made just now; nobody else has it.
                unsafe { Object::get(object, Kind::Generator)? }.task.set(task);
                Ok(object)
            }
            Err(e) => {
                // SAFETY: as above.
                unsafe { Object::free(object, Kind::Generator)? };
                Err(e)
            }
        }
    }

    fn enter(&self, s: &Scheduler) -> Result<()> {
        if self.owner.ask(s)? == Tasks::Gone {
            self.task.set(ptr::null());
            self.consumer.set(ptr::null());
            if self.end.get().is_none() {
                self.end.set(Some(-libc::EOWNERDEAD));
            }
        }
        Ok(())
    }

    /// Runs the body up to its next value or its end. -EDEADLK: from within its own body, or from what that asks; -EBUSY:
    /// another task asks; -EXDEV; and what ends waits.
    #[inline]
    pub fn next(&self, s: &Scheduler, deadline: i64) -> Result<Next> {
        self.enter(s)?;
        s.check()?;
        let me = s.me();
        if !self.consumer.get().is_null() || ptr::eq(self.task.get(), me) {
            return Err(self.in_use(me));
        }
        loop {
            if self.full.replace(false) {
                return Ok(Next::Value(self.value.get()));
            }
            if let Some(code) = self.end.get() {
                return Ok(Next::End(code));
            }
            self.consumer.set(me);
            s.waits_on(Waits::HandOver, ptr::from_ref(self) as usize);
            // SAFETY: Y1: it has not ended.
            let task = unsafe { &*self.task.get() };
            let woken = match task.is_offered() {
                true => s.transfer(task, deadline),
                false => s.await_hand_over(deadline),
            };
            self.consumer.set(ptr::null());
            if self.full.get() || self.end.get().is_some() {
                continue;
            }
            if let Woken::Deadline = s.settle(woken)? {
                return Err(Error::new(libc::ETIMEDOUT));
            }
        }
    }

    /// The body gives a value; returns when the next one is asked for. -EPERM: the caller is not the body; -ECANCELED: the
    /// generator is being freed, or its task was cancelled; and what ends waits.
    #[inline]
    pub fn give(&self, s: &Scheduler, value: *mut c_void) -> Result<()> {
        self.enter(s)?;
        let me = s.me();
        if !ptr::eq(self.task.get(), me) {
            return Err(Error::new(libc::EPERM));
        }
        if !self.closing.get() {
            s.check()?;
        }
        // An interrupted yield came back before its value was taken.
        while self.full.get() && !self.closing.get() {
            self.rest(s, s.await_hand_over(NEVER))?;
        }
        if self.closing.get() {
            return Err(Error::new(libc::ECANCELED));
        }
        self.value.set(value);
        self.full.set(true);
        // SAFETY: Y2.
        let mut woken = match unsafe { self.consumer.get().as_ref() } {
            Some(consumer) if consumer.is_offered() => s.transfer(consumer, NEVER),
            _ => s.await_hand_over(NEVER),
        };
        while !self.closing.get() {
            if me.wake.get() == Wake::Handed {
                return Ok(());
            }
            s.settle(woken)?;
            woken = s.await_hand_over(NEVER);
        }
        Err(Error::new(libc::ECANCELED))
    }

    fn rest(&self, s: &Scheduler, woken: Woken) -> Result<()> {
        if s.me().wake.get() != Wake::Handed && !self.closing.get() {
            s.settle(woken)?;
        }
        Ok(())
    }

    /// Ends the body, if it has not ended: its waits give -ECANCELED until it returns. One that has not started never
    /// does. -EDEADLK: from within the body; -EBUSY: a task asks; -EXDEV.
    pub fn close(&self, s: &Scheduler) -> Result<()> {
        self.enter(s)?;
        let me = s.me();
        if !self.consumer.get().is_null() || ptr::eq(self.task.get(), me) {
            return Err(self.in_use(me));
        }
        if self.end.get().is_some() {
            return Ok(());
        }
        self.closing.set(true);
        // SAFETY: Y1: it has not ended.
        let task = unsafe { &*self.task.get() };
        let _ = s.cancel_here(task);
        if task.is_offered() {
            // Shielded: it hears of the end from `closing`.
            s.wake(task, Wake::Handed);
        }
        self.consumer.set(me);
        s.shield_push();
        let waited = self.wait_for_end(s);
        // The shield was pushed above.
        let _ = s.shield_pop();
        self.consumer.set(ptr::null());
        waited
    }

    fn wait_for_end(&self, s: &Scheduler) -> Result<()> {
        while self.end.get().is_none() {
            s.waits_on(Waits::HandOver, ptr::from_ref(self) as usize);
            let woken = s.park(NEVER);
            if self.end.get().is_none() {
                s.settle(woken)?;
            }
        }
        Ok(())
    }

    /// -EDEADLK if the caller runs, at whatever depth, on behalf of this generator; else -EBUSY.
    #[cold]
    fn in_use(&self, me: &Task) -> Error {
        let mut task = ptr::from_ref(me);
        // SAFETY: Y2: a consumer waits, so its record is there. A chain of askers has no circle: this refuses to close it.
        while let Some(asker) = unsafe { task.as_ref() } {
            let Some(generator) = Generator::run_by(asker) else { break };
            if ptr::eq(generator, self) {
                return Error::new(libc::EDEADLK);
            }
            task = generator.consumer.get();
        }
        Error::new(libc::EBUSY)
    }

    /// The generator whose body a task runs.
    fn run_by(task: &Task) -> Option<&Generator> {
        let object = belongs_to(task, Structure::Generator)?;
        // SAFETY: Y3: its body has not ended.
        unsafe { Object::get(object.cast::<Object<Generator>>(), Kind::Generator) }.ok()
    }
}

/// The body's task.
unsafe extern "C" fn run(object: *mut c_void) -> *mut c_void {
    // SAFETY: Y3: its body has not ended.
    let Ok(generator) = (unsafe { Object::get(object.cast::<Object<Generator>>(), Kind::Generator) }) else {
        return ptr::null_mut();
    };
    if generator.closing.get() {
        return ptr::null_mut();
    }
    // SAFETY: the program's.
    let code = unsafe { (generator.body)(object, generator.arg) };
    ptr::without_provenance_mut(code as isize as usize)
}

/// The body's end, by its return or by `gt_exit`.
unsafe fn ended(object: *mut c_void, result: *mut c_void) {
    // SAFETY: Y3: freed after this only.
    let Ok(generator) = (unsafe { Object::get(object.cast::<Object<Generator>>(), Kind::Generator) }) else { return };
    generator.end.set(Some((result.addr() as i32).min(0)));
    generator.task.set(ptr::null());
    // SAFETY: Y2.
    if let (Some(s), Some(consumer)) = (Scheduler::existing(), unsafe { generator.consumer.get().as_ref() }) {
        s.wake(consumer, Wake::Event);
    }
}
