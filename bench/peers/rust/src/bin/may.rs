//! may, with one worker thread.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use greenrt_bench_peers::{arguments, memory, report, report_memory, use_frames, warm_up};
use may::coroutine::{self, yield_now};
use may::net::TcpListener;

fn yields(tasks: u64, operations: u64) {
    let each = operations / tasks;
    for rounds in [each / 20 + 1, each] {
        let start = Instant::now();
        let handles: Vec<_> = (0..tasks)
            .map(|_| {
                may::go!(move || {
                    for _ in 0..rounds {
                        yield_now();
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.join().unwrap();
        }
        if rounds == each {
            report(start, tasks * each);
        }
    }
}

fn spawns(operations: u64) {
    for rounds in [operations / 20 + 1, operations] {
        let start = Instant::now();
        // From a task: from an OS thread each join would be a futex wait.
        may::go!(move || {
            for _ in 0..rounds {
                may::go!(|| ()).join().unwrap();
            }
        })
        .join()
        .unwrap();
        if rounds == operations {
            report(start, rounds);
        }
    }
}

static MADE: AtomicU64 = AtomicU64::new(0);
static STARTED: AtomicU64 = AtomicU64::new(0);

fn parked(count: u64) {
    let before = memory();
    // The crate panics when it cannot map a stack: say in one line how far it came.
    std::panic::set_hook(Box::new(|_| {
        eprintln!("failed after {} coroutines", MADE.load(Ordering::SeqCst));
        std::process::exit(1);
    }));
    for _ in 0..count {
        MADE.fetch_add(1, Ordering::SeqCst);
        may::go!(|| {
            std::hint::black_box(use_frames());
            STARTED.fetch_add(1, Ordering::SeqCst);
            coroutine::park();
        });
    }
    while STARTED.load(Ordering::SeqCst) < count {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    report_memory(before, count);
    std::process::exit(0);
}

/// may's channels have no bound: nobody waits to send.
fn rounds(operations: u64) {
    for count in [warm_up(operations), operations] {
        let start = Instant::now();
        let (to, there) = may::sync::mpsc::channel::<u64>();
        let (from, back) = may::sync::mpsc::channel::<u64>();
        may::go!(move || {
            for item in there.iter() {
                from.send(item).unwrap();
            }
        });
        let asker = may::go!(move || {
            let mut sum = 0;
            for index in 0..count {
                to.send(index).unwrap();
                sum += back.recv().unwrap();
            }
            sum
        });
        let sum = asker.join().unwrap();
        if count == operations {
            report(start, operations);
            println!("sum {sum}");
        }
    }
}

fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    may::go!(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            may::go!(move || {
                let mut buffer = [0u8; 4096];
                while let Ok(length) = stream.read(&mut buffer) {
                    if length == 0 || stream.write_all(&buffer[..length]).is_err() {
                        return;
                    }
                }
            });
        }
    })
    .join()
    .unwrap();
}

fn main() {
    let (row, count) = arguments();
    // The size is in words: 64 KiB of stack, as greenrt has by default.
    may::config().set_workers(1).set_stack_size(0x2000);
    match row.as_str() {
        "yield2" => yields(2, count),
        "yield1000" => yields(1000, count),
        "spawn" => spawns(count),
        "memory" => parked(count),
        "chan-round" => rounds(count),
        "echo" => echo(),
        _ => panic!("unknown row {row}"),
    }
}
