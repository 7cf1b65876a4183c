//! A ring written by hand, between two contexts that switch when it is full or empty: what a buffered channel comes to with
//! nothing else in it. `ring calls N` has put and take behind a call with the item size an argument, as any library has;
//! `ring inlined N` knows the item and has them inline.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::time::Instant;

use context::stack::FixedSizeStack;
use context::{Context, Transfer};
use greenrt_bench_peers::{arguments, report, warm_up, ROOM};

struct Ring {
    items: [u64; ROOM],
    first: usize,
    held: usize,
    size: usize,
}

/// Copies an item of a size that is known when the program runs; eight bytes have their own way.
///
/// # Safety
/// Both places hold `size` bytes.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: by the caller.
    unsafe {
        match size {
            8 => to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned()),
            _ => std::ptr::copy_nonoverlapping(from, to, size),
        }
    }
}

#[inline(always)]
fn put(ring: &mut Ring, item: *const u8) -> bool {
    if ring.held == ROOM {
        return false;
    }
    let place = (ring.first + ring.held) % ROOM;
    // SAFETY: items are of eight bytes at most, and so are the places.
    unsafe { copy(item, ring.items.as_mut_ptr().add(place).cast(), ring.size) };
    ring.held += 1;
    true
}

#[inline(always)]
fn take(ring: &mut Ring, item: *mut u8) -> bool {
    if ring.held == 0 {
        return false;
    }
    // SAFETY: as in put().
    unsafe { copy(ring.items.as_ptr().add(ring.first).cast(), item, ring.size) };
    ring.first = (ring.first + 1) % ROOM;
    ring.held -= 1;
    true
}

#[inline(never)]
fn put_by_call(ring: &mut Ring, item: *const u8) -> bool {
    put(ring, item)
}

#[inline(never)]
fn take_by_call(ring: &mut Ring, item: *mut u8) -> bool {
    take(ring, item)
}

struct Shared {
    ring: UnsafeCell<Ring>,
    count: u64,
}

/// The producer: its first transfer brings the address of what both share.
extern "C" fn produce<const INLINED: bool>(mut from: Transfer) -> ! {
    let shared = from.data as *const Shared;
    let put_there = black_box(put_by_call as fn(&mut Ring, *const u8) -> bool);
    // SAFETY: `shared` outlives this context, and only the context that runs uses the ring.
    unsafe {
        for item in 0..(*shared).count {
            let place = std::ptr::from_ref(&item).cast();
            while !(if INLINED {
                put(&mut *(*shared).ring.get(), place)
            } else {
                put_there(&mut *(*shared).ring.get(), place)
            }) {
                from = from.context.resume(0);
            }
        }
        loop {
            from = from.context.resume(0);
        }
    }
}

fn pass<const INLINED: bool>(count: u64) -> u64 {
    // The size of an item, hidden from the compiler where put and take are behind a call.
    let size = if INLINED { 8 } else { black_box(8) };
    let shared = Shared { ring: UnsafeCell::new(Ring { items: [0; ROOM], first: 0, held: 0, size }), count };
    let take_there = black_box(take_by_call as fn(&mut Ring, *mut u8) -> bool);
    let stack = FixedSizeStack::new(64 * 1024).expect("a stack");
    // SAFETY: the stack and `shared` outlive the last resume; only the context that runs uses the ring.
    unsafe {
        let mut to = Context::new(&stack, produce::<INLINED>).resume(std::ptr::from_ref(&shared) as usize);
        let mut sum = 0;
        for _ in 0..count {
            let mut item = 0u64;
            let place = std::ptr::from_mut(&mut item).cast();
            while !(if INLINED {
                take(&mut *shared.ring.get(), place)
            } else {
                take_there(&mut *shared.ring.get(), place)
            }) {
                to = to.context.resume(0);
            }
            sum += item;
        }
        sum
    }
}

fn main() {
    let (kind, count) = arguments();
    let pass = match kind.as_str() {
        "calls" => pass::<false>,
        "inlined" => pass::<true>,
        _ => panic!("unknown kind {kind}"),
    };
    pass(warm_up(count));
    let start = Instant::now();
    let sum = pass(count);
    report(start, count);
    println!("sum {sum}");
}
