//! Guests: tasks that one OS thread orders and another one runs. Their ids are made before anybody knows where they will
//! run, so they come from slots of their own, which belong to no scheduler.
//!
//! A guest's slot is QUEUED from its order until its home has opened it: requests of that time are kept in the slot, and
//! nobody follows the link. The slot is given back when the task has ended *and* nobody will ask for its result.
//!
//! Invariants:
//! G1  What L1 to L3 give to a home thread belongs here to whoever holds [`lock`]; a guest that has an owner is ended,
//!     found and queued by its owner's thread only, as if it were its own.
//! G2  The owner is set before QUEUED is cleared for the first time, and stays until the slot is given back.

use crate::sys::atomic::{AtomicPtr, Ordering, CHUNK, CHUNKS};

use super::{Home, GUESTS, REGISTER};
use crate::error::{Error, Result};
use crate::slots::{self, Link, Parts, Slot};
use crate::sys::bell::Bell;
use crate::sys::sync::Mutex;
use crate::sys::sync::MutexGuard;

/// What is known of one guest beside its slot.
#[derive(Default)]
struct Place {
    owner: AtomicPtr<Home>,
    order: AtomicPtr<()>,
}

static PLACES: [AtomicPtr<Place>; CHUNKS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];
static LOCK: Mutex<()> = Mutex::new(());

/// Holds everybody else away from the guests' slots.
pub fn lock() -> MutexGuard<'static, ()> {
    LOCK.lock().unwrap_or_else(|e| e.into_inner())
}

/// Whether an id is a guest's.
#[inline]
pub fn is_guest(id: i64) -> bool {
    slots::parts(id).is_some_and(|p| p.home as usize == GUESTS)
}

fn house() -> Option<&'static Home> {
    // SAFETY: H1.
    unsafe { REGISTER[GUESTS].load(Ordering::Acquire).as_ref() }
}

/// The home of the guests' ids, made on first use.
fn house_or_new(_held: &MutexGuard<()>) -> Result<&'static Home> {
    if let Some(home) = house() {
        return Ok(home);
    }
    let home = Home::build(GUESTS, Bell::none())?;
    REGISTER[GUESTS].store(std::ptr::from_ref(home).cast_mut(), Ordering::Release);
    Ok(home)
}

fn place(slot: u32) -> Option<&'static Place> {
    let chunk = PLACES.get(slot as usize / CHUNK)?.load(Ordering::Acquire);
    // SAFETY: chunks are never freed and have CHUNK places.
    (!chunk.is_null()).then(|| unsafe { &*chunk.add(slot as usize % CHUNK) })
}

fn place_or_new(slot: u32) -> Result<&'static Place> {
    if let Some(known) = place(slot) {
        return Ok(known);
    }
    let mut places = Vec::new();
    places.try_reserve_exact(CHUNK).map_err(|_| Error::new(libc::ENOMEM))?;
    places.resize_with(CHUNK, Place::default);
    PLACES[slot as usize / CHUNK].store(places.leak().as_mut_ptr(), Ordering::Release);
    place(slot).ok_or(Error::new(libc::ENOMEM))
}

/// Makes an id for an order: alive, and queued.
pub fn take(link: *const Link, order: *const ()) -> Result<(&'static Slot, i64)> {
    let held = lock();
    let house = house_or_new(&held)?;
    let (slot, id) = house.slots.take(link)?;
    let known = slots::parts(id).ok_or(Error::new(libc::ESRCH)).and_then(|p| place_or_new(p.slot));
    match known {
        Ok(place) => {
            slot.hold();
            place.owner.store(std::ptr::null_mut(), Ordering::Relaxed);
            place.order.store(order.cast_mut(), Ordering::Release);
            Ok((slot, id))
        }
        Err(e) => {
            slot.kill();
            house.slots.free(slot, id);
            Err(e)
        }
    }
}

/// Gives the slot of a guest back that has ended and that nobody asks for.
pub fn free(slot: &Slot, id: i64) {
    let _held = lock();
    let (Some(house), Some(place)) = (house(), slots::parts(id).and_then(|p| place(p.slot))) else { return };
    place.order.store(std::ptr::null_mut(), Ordering::Relaxed);
    place.owner.store(std::ptr::null_mut(), Ordering::Relaxed);
    house.slots.free(slot, id);
}

/// The home thread that opens the order: the guest is its task from now on (G2).
pub fn settle(id: i64, home: &'static Home) {
    if let Some(place) = slots::parts(id).and_then(|p| place(p.slot)) {
        place.owner.store(std::ptr::from_ref(home).cast_mut(), Ordering::Release);
    }
}

/// Whose task a guest is, once its order was opened.
pub fn owner(p: Parts) -> Option<&'static Home> {
    // SAFETY: H1.
    place(p.slot).and_then(|place| unsafe { place.owner.load(Ordering::Acquire).as_ref() })
}

/// The order behind an id; `look` runs while nobody can give the slot back.
pub fn with_order<R>(id: i64, look: impl FnOnce(*const ()) -> Option<R>) -> Option<R> {
    let _held = lock();
    let p = slots::parts(id).filter(|p| p.home as usize == GUESTS)?;
    let order = place(p.slot)?.order.load(Ordering::Acquire);
    if order.is_null() || !house()?.slots.is_taken(p) {
        return None;
    }
    look(order.cast_const())
}

/// Home thread: the live guest behind an id, if it is a task of this home.
pub fn find(p: Parts, home: &Home) -> Option<*const ()> {
    let house = house()?;
    if !owner(p).is_some_and(|o| std::ptr::eq(o, home)) || !house.slots.is_alive(p) {
        return None;
    }
    house.slots.find(p)
}

/// Home thread: calls `f` for each live guest that is a task of this home. `f` may end the one it got.
pub fn for_each(home: &Home, mut f: impl FnMut(*const ())) {
    let Some(house) = house() else { return };
    house.slots.for_each_index(|index, task| {
        // SAFETY: H1.
        let owner = place(index).and_then(|place| unsafe { place.owner.load(Ordering::Acquire).as_ref() });
        if owner.is_some_and(|o| std::ptr::eq(o, home)) {
            f(task());
        }
    });
}

/// While all other threads are stopped, wherever they were: calls `f` with what the link of each guest says that has an owner, its
/// id and its owner. No lock, no allocation.
pub fn peek(mut f: impl FnMut(*const (), i64, &'static Home)) {
    let Some(house) = house() else { return };
    let owned = |slot| place(slot).is_some_and(|p| !p.owner.load(Ordering::Acquire).is_null());
    house.slots.peek(owned, |task, id| {
        if let Some(home) = slots::parts(id).and_then(owner) {
            f(task, id, home);
        }
    });
}

/// Home thread: takes the interrupt codes that were mailed to guests of this home.
pub fn take_mail(mine: impl Fn(i64) -> bool) -> Vec<(i64, i32)> {
    house().map_or_else(Vec::new, |h| h.take_mail_of(mine))
}

/// Forked child: every guest but `keep` is stale. Their orders are left as they are: the parent's.
pub fn abandon(keep: i64) {
    if let Some(house) = house() {
        let _ = house.take_mail();
        house.slots.abandon(if is_guest(keep) { keep } else { 0 });
    }
}

/// Where a debugger finds things.
pub mod layout {
    use std::mem::{offset_of, size_of};

    use super::Place;

    /// The chunks of places.
    pub const PLACES: *const () = (&raw const super::PLACES).cast();
    /// Bytes of a place.
    pub const SIZE: usize = size_of::<Place>();
    /// The home whose task the guest is.
    pub const OWNER: usize = offset_of!(Place, owner);
}
