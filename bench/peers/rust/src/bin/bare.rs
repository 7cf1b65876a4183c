//! The bare switch: two stacks and nothing else. `bare context N` is the baseline of every ratio in RESULTS.md.

use std::time::Instant;

use context::stack::FixedSizeStack;
use context::{Context, Transfer};
use corosensei::{Coroutine, CoroutineResult};
use greenrt_bench_peers::{arguments, report};

extern "C" fn partner(mut from: Transfer) -> ! {
    loop {
        // SAFETY: `from.context` is the main stack, which waits inside `resume`.
        from = unsafe { from.context.resume(from.data) };
    }
}

fn with_context(switches: u64) {
    let stack = FixedSizeStack::new(64 * 1024).expect("a stack");
    // SAFETY: `stack` lives until the end of this function, after the last resume.
    let mut to = Transfer::new(unsafe { Context::new(&stack, partner) }, 0);
    for _ in 0..switches / 20 {
        // SAFETY: the partner waits inside `resume`, or has not started.
        to = unsafe { to.context.resume(0) };
    }
    let start = Instant::now();
    for _ in 0..switches / 2 {
        // SAFETY: as above.
        to = unsafe { to.context.resume(0) };
    }
    report(start, switches / 2 * 2);
}

fn with_corosensei(switches: u64) {
    let mut partner = Coroutine::new(|yielder, ()| -> () {
        loop {
            yielder.suspend(());
        }
    });
    let mut step = || match partner.resume(()) {
        CoroutineResult::Yield(()) => (),
        CoroutineResult::Return(()) => unreachable!(),
    };
    (0..switches / 20).for_each(|_| step());
    let start = Instant::now();
    (0..switches / 2).for_each(|_| step());
    report(start, switches / 2 * 2);
    std::process::exit(0);
}

fn main() {
    let (row, count) = arguments();
    match row.as_str() {
        "context" => with_context(count),
        "corosensei" => with_corosensei(count),
        _ => panic!("unknown row {row}"),
    }
}
