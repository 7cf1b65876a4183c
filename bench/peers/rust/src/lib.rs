//! What the Rust peers share: the clock, the report lines that `bench/run.py` reads, and the memory counters.

use std::time::Instant;

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
