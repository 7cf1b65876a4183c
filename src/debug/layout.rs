//! What gdb needs to know: where things lie, by name, in a table that the library carries with it.
//!
//! `bindings/gdb/greenrt-gdb.py` finds the table by its symbol, which is in the dynamic symbol table and so survives strip(1),
//! and needs no debug information of the library. A change of what a name means, or of the table's own form, is a new version;
//! a further name is not.

use std::mem::{offset_of, size_of};
use std::ptr::without_provenance;

use crate::home::{self, guests};
use crate::sched::task::{State, Task, NAME};
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::slots::{self, Link, ALIVE};

const VERSION: u32 = 1;
const WIDTH: usize = 24;

/// A name, and an offset, a size, a number or an address.
#[repr(C)]
struct Entry {
    name: [u8; WIDTH],
    value: *const (),
}

/// The table.
#[repr(C)]
pub struct Layout<const N: usize> {
    magic: [u8; 8],
    version: u32,
    count: u32,
    entries: [Entry; N],
}

// SAFETY: nobody writes it, and what its addresses point to is only looked at from outside of the process.
unsafe impl<const N: usize> Sync for Layout<N> {}

const fn address(name: &str, value: *const ()) -> Entry {
    let mut stored = [0; WIDTH];
    let name = name.as_bytes();
    let mut i = 0;
    while i < name.len() {
        stored[i] = name[i]; // one that is too long does not compile
        i += 1;
    }
    assert!(name.len() < WIDTH);
    Entry { name: stored, value }
}

const fn number(name: &str, value: usize) -> Entry {
    address(name, without_provenance(value))
}

const fn layout<const N: usize>(entries: [Entry; N]) -> Layout<N> {
    Layout { magic: *b"greenrt\0", version: VERSION, count: N as u32, entries }
}

/// Read by gdb. Not in the header: no program calls for it.
#[used]
#[no_mangle]
#[allow(non_upper_case_globals, reason = "an exported name begins with gt_")]
pub static gt_debug_layout: Layout<27> = layout([
    address("register", home::layout::REGISTER),
    address("places", guests::layout::PLACES),
    address("words.kinds", Kind::WORDS.as_ptr().cast()),
    address("words.states", State::WORDS.as_ptr().cast()),
    number("home.guests", home::layout::GUESTS),
    number("home.in_use", home::layout::IN_USE),
    number("home.thread", home::layout::THREAD),
    number("home.scheduler", home::layout::SCHEDULER),
    number("home.slots.chunks", home::layout::SLOTS + slots::layout::CHUNKS),
    number("home.slots.used", home::layout::SLOTS + slots::layout::USED),
    number("chunk", slots::layout::PER_CHUNK),
    number("slot.size", slots::layout::SIZE),
    number("slot.state", slots::layout::STATE),
    number("slot.link", slots::layout::LINK),
    number("alive", ALIVE as usize),
    number("link.task", offset_of!(Link, task)),
    number("place.size", guests::layout::SIZE),
    number("place.owner", guests::layout::OWNER),
    number("scheduler.current", Scheduler::CURRENT_AT),
    number("task.context", offset_of!(Task, context)),
    number("task.id", offset_of!(Task, id)),
    number("task.state", offset_of!(Task, state)),
    number("task.waits_kind", offset_of!(Task, waits_kind)),
    number("task.waits_object", offset_of!(Task, waits_object)),
    number("task.name", offset_of!(Task, name)),
    number("task.name.size", NAME),
    number("task.size", size_of::<Task>()),
]);
