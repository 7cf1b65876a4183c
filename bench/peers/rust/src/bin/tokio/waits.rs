//! Channels, locks, select, timers and jobs on other threads. Every item is a number, 0 to count - 1, and the receiver adds
//! them up.

use std::future::Future;
use std::time::{Duration, Instant};

use greenrt_bench_peers::{report, report_sleepers, sleep_for, warm_up, ARMS, ARM_ROOM, PAGE, PAGES, ROOM, SLEEPS};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::mpsc::{channel, Receiver, Sender};
use tokio::sync::{Mutex, Semaphore};

/// Runs one pass to warm up and one that counts; a pass returns its sum.
pub async fn measured<F: Future<Output = u64>>(operations: u64, pass: impl Fn(u64) -> F) {
    pass(warm_up(operations)).await;
    let start = Instant::now();
    let sum = pass(operations).await;
    report(start, operations);
    println!("sum {sum}");
}

/// tokio has no channel without a buffer; room for one item is the least.
pub async fn round(count: u64) -> u64 {
    let (to, mut there) = channel::<u64>(1);
    let (from, mut back) = channel::<u64>(1);
    tokio::spawn(async move {
        while let Some(item) = there.recv().await {
            from.send(item).await.unwrap();
        }
    });
    let asker = tokio::spawn(async move {
        let mut sum = 0;
        for index in 0..count {
            to.send(index).await.unwrap();
            sum += back.recv().await.unwrap();
        }
        sum
    });
    asker.await.unwrap()
}

pub async fn items(count: u64) -> u64 {
    let (to, mut there) = channel::<u64>(ROOM);
    tokio::spawn(async move {
        for index in 0..count {
            to.send(index).await.unwrap();
        }
    });
    let receiver = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(item) = there.recv().await {
            sum += item;
        }
        sum
    });
    receiver.await.unwrap()
}

pub async fn select8(count: u64, room: usize) -> u64 {
    let (to, there): (Vec<Sender<u64>>, Vec<Receiver<u64>>) = (0..ARMS).map(|_| channel::<u64>(room)).unzip();
    tokio::spawn(async move {
        for index in 0..count {
            to[index as usize % ARMS].send(index).await.unwrap();
        }
    });
    let mut there = there.into_iter();
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = std::array::from_fn(|_| there.next().unwrap());
    let receiver = tokio::spawn(async move {
        let mut sum = 0;
        for _ in 0..count {
            sum += tokio::select! {
                Some(item) = a.recv() => item,
                Some(item) = b.recv() => item,
                Some(item) = c.recv() => item,
                Some(item) = d.recv() => item,
                Some(item) = e.recv() => item,
                Some(item) = f.recv() => item,
                Some(item) = g.recv() => item,
                Some(item) = h.recv() => item,
                else => break,
            };
        }
        sum
    });
    receiver.await.unwrap()
}

pub async fn select8_buffered(count: u64) -> u64 {
    select8(count, ARM_ROOM).await
}

pub async fn select8_waiting(count: u64) -> u64 {
    select8(count, 1).await
}

pub async fn mutex(count: u64) -> u64 {
    let lock = Mutex::new(0);
    for _ in 0..count {
        *lock.lock().await += 1;
    }
    lock.into_inner()
}

pub async fn semaphore(count: u64) -> u64 {
    let permits = Semaphore::new(1);
    let mut held = 0;
    for _ in 0..count {
        let permit = permits.acquire().await.unwrap();
        held += 1;
        drop(permit);
    }
    held
}

pub async fn blocking(count: u64) -> u64 {
    let mut sum = 0;
    for index in 0..count {
        sum += tokio::task::spawn_blocking(move || index).await.unwrap();
    }
    sum
}

/// Reads the file page by page, and again from its beginning: one job on another thread a page.
pub async fn file(count: u64) -> u64 {
    let path = std::env::temp_dir().join(format!("greenrt-bench-{}", std::process::id()));
    let mut file = tokio::fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut page = [0u8; PAGE];
    for number in 0..PAGES {
        page[..8].copy_from_slice(&number.to_ne_bytes());
        file.write_all(&page).await.unwrap();
    }
    file.flush().await.unwrap();
    let mut sum = 0;
    for index in 0..count {
        if index % PAGES == 0 {
            file.rewind().await.unwrap();
        }
        file.read_exact(&mut page).await.unwrap();
        sum += index - index % PAGES + u64::from_ne_bytes(page[..8].try_into().unwrap());
    }
    sum
}

pub async fn sleepers(tasks: u64) {
    let start = Instant::now();
    let handles: Vec<_> = (0..tasks)
        .map(|task| {
            tokio::spawn(async move {
                for turn in 0..SLEEPS {
                    tokio::time::sleep(sleep_for(task, turn)).await;
                }
            })
        })
        .collect();
    for handle in handles {
        handle.await.unwrap();
    }
    report_sleepers(start, tasks);
    std::process::exit(0);
}

/// Polls a sleep once, which registers it, and drops it, which cancels it.
pub async fn timer_cancel(operations: u64, armed: u64) {
    for task in 0..armed {
        tokio::spawn(tokio::time::sleep(Duration::from_secs(3600) + sleep_for(task, 0) * 1000));
    }
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    measured(operations, |count| async move {
        for index in 0..count {
            let sleep = tokio::time::sleep(Duration::from_secs(1800) + sleep_for(index, 1));
            let mut sleep = std::pin::pin!(sleep);
            std::future::poll_fn(|context| {
                assert!(sleep.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        }
        count
    })
    .await;
    std::process::exit(0);
}
