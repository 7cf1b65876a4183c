//! tokio, on its current-thread runtime; the row between two threads, and the echo server when told so, on worker threads.

mod waits;

use std::time::{Duration, Instant};

use greenrt_bench_peers::{arguments, memory, report, report_memory, use_frames, work};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::yield_now;

async fn yields(tasks: u64, operations: u64) {
    let each = operations / tasks;
    for rounds in [each / 20 + 1, each] {
        let start = Instant::now();
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                tokio::spawn(async move {
                    for _ in 0..rounds {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let count = tasks.len() as u64;
        for task in tasks {
            task.await.unwrap();
        }
        if rounds == each {
            report(start, count * each);
        }
    }
}

async fn spawns(operations: u64) {
    for rounds in [operations / 20 + 1, operations] {
        let start = Instant::now();
        // From a task, where a wake does not have to leave the runtime's loop.
        tokio::spawn(async move {
            for _ in 0..rounds {
                tokio::spawn(async {}).await.unwrap();
            }
        })
        .await
        .unwrap();
        if rounds == operations {
            report(start, rounds);
        }
    }
}

async fn parked(count: u64) {
    let before = memory();
    for _ in 0..count {
        tokio::spawn(async {
            std::hint::black_box(use_frames());
            tokio::time::sleep(Duration::from_secs(3600)).await;
        });
    }
    for _ in 0..3 {
        yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    report_memory(before, count);
    std::process::exit(0);
}

async fn echo(rounds: u64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0u8; 4096];
            loop {
                match socket.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(length) => {
                        work(rounds);
                        if socket.write_all(&buffer[..length]).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }
}

fn main() {
    let (row, count) = arguments();
    // Timers that are armed, or rounds of work for each request.
    let extra = std::env::args().nth(3).map_or(0, |word| word.parse().unwrap());
    let workers = match row.as_str() {
        "chan-cross" => 2,
        "echo" => count as usize,
        _ => 0,
    };
    let mut builder = match workers {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if workers != 0 {
        builder.worker_threads(workers);
    }
    builder.enable_all().build().unwrap().block_on(async {
        match row.as_str() {
            "yield2" => yields(2, count).await,
            "yield1000" => yields(1000, count).await,
            "spawn" => spawns(count).await,
            "memory" => parked(count).await,
            "chan-round" => waits::measured(count, waits::round).await,
            "chan-item" | "chan-shared" | "chan-cross" => waits::measured(count, waits::items).await,
            "select8" => waits::measured(count, waits::select8_buffered).await,
            "select8-wait" => waits::measured(count, waits::select8_waiting).await,
            "mutex" => waits::measured(count, waits::mutex).await,
            "sem" => waits::measured(count, waits::semaphore).await,
            "offload" => waits::measured(count, waits::blocking).await,
            "pread" => waits::measured(count, waits::file).await,
            "sleepers" => waits::sleepers(count).await,
            "timer-cancel" => waits::timer_cancel(count, extra).await,
            "echo" => tokio::spawn(echo(extra)).await.unwrap(),
            _ => panic!("unknown row {row}"),
        }
    });
}
