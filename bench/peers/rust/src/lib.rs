//! What the Rust peers share: the clock, the report lines that `bench/run.py` reads, and the memory counters.

use std::time::{Duration, Instant};

/// Items a buffered channel has room for; channels of the select rows, and the room in each of them.
pub const ROOM: usize = 128;
pub const ARMS: usize = 8;
pub const ARM_ROOM: usize = 16;

/// How often each task of the row "sleepers" sleeps.
pub const SLEEPS: u64 = 10;
const LONGEST_SLEEP: u64 = 1_000_000_000;

/// The file of the row "pread", as in `c/bench.h`: so many pages, each begins with its number.
pub const PAGES: u64 = 256;
pub const PAGE: usize = 4096;

/// Operations of the pass before the one that counts.
pub fn warm_up(operations: u64) -> u64 {
    operations / 20 + 1
}

/// What a request of the workers rows costs to answer, as `bench_work` in `c/bench.h`.
#[inline(never)]
pub fn work(rounds: u64) {
    let mut state = 1u64;
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    std::hint::black_box(state);
}

/// The length of one sleep, as `bench_sleep_ns` in `c/bench.h` has it.
pub fn sleep_for(task: u64, turn: u64) -> Duration {
    let mut mixed = (task * SLEEPS + turn + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_nanos((mixed ^ (mixed >> 31)) % LONGEST_SLEEP)
}

/// CPU seconds of the process, and by how much the last task was later than the longest row of sleeps.
pub fn report_sleepers(start: Instant, tasks: u64) {
    let wall = start.elapsed();
    // The scheduler's own accounting, in nanoseconds, of each thread there is.
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let cpu: u64 = threads
        .map(|thread| std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap())
        .map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    let totals = || (0..tasks).map(|task| (0..SLEEPS).map(|turn| sleep_for(task, turn)).sum::<Duration>());
    println!("cpu_s {:.3}", cpu as f64 / 1e9);
    println!("overrun_s {:.3}", wall.as_secs_f64() - totals().max().unwrap().as_secs_f64());
    println!("slept_s {:.0}", totals().sum::<Duration>().as_secs_f64());
}

/// The arguments of a peer: which row, and how many operations.
pub fn arguments() -> (String, u64) {
    let mut words = std::env::args().skip(1);
    let row = words.next().unwrap_or_default();
    let count = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    (row, count)
}

/// Prints the cost of one operation.
pub fn report(start: Instant, operations: u64) {
    println!("ns_per_op {:.3}", start.elapsed().as_nanos() as f64 / operations as f64);
}

/// Resident bytes and page-table bytes of this process.
pub fn memory() -> (i64, i64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap() * 1024
    };
    (field("VmRSS:"), field("VmPTE:"))
}

/// Prints what `count` parked tasks cost since `before`.
pub fn report_memory(before: (i64, i64), count: u64) {
    let now = memory();
    println!("count {count}");
    println!("rss_per_task {:.1}", (now.0 - before.0) as f64 / count as f64);
    println!("pte_per_task {:.1}", (now.1 - before.1) as f64 / count as f64);
}

/// Uses 1 KiB of the caller's stack, as the parked tasks of the memory rows do.
#[inline(never)]
pub fn use_frames() -> u64 {
    let mut bytes = [0u8; 1024];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = index as u8;
    }
    std::hint::black_box(&bytes).iter().map(|byte| u64::from(*byte)).sum()
}
