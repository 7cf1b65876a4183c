//! crossbeam-channel, between OS threads. On one thread, sender and receiver take turns of as many items as there is room
//! for, which costs nothing: a bound for what any channel that several threads may use could reach.

use std::time::Instant;

use crossbeam_channel::{bounded, select, Receiver, Sender};
use greenrt_bench_peers::{arguments, report, warm_up, ARMS, ARM_ROOM, ROOM};

fn shared(count: u64) -> u64 {
    let (to, there) = bounded(ROOM);
    let (mut sum, mut index) = (0, 0);
    while index < count {
        let turn = (count - index).min(ROOM as u64);
        (index..index + turn).for_each(|item| to.send(item).unwrap());
        (0..turn).for_each(|_| sum += there.recv().unwrap());
        index += turn;
    }
    sum
}

fn cross(count: u64) -> u64 {
    let (to, there) = bounded(ROOM);
    let sender = std::thread::spawn(move || (0..count).for_each(|item| to.send(item).unwrap()));
    let sum = (0..count).map(|_| there.recv().unwrap()).sum();
    sender.join().unwrap();
    sum
}

fn select8(count: u64) -> u64 {
    let (to, there): (Vec<Sender<u64>>, Vec<Receiver<u64>>) = (0..ARMS).map(|_| bounded(ARM_ROOM)).unzip();
    let (mut sum, mut index) = (0, 0);
    while index < count {
        let turn = (count - index).min((ARMS * ARM_ROOM) as u64);
        (index..index + turn).for_each(|item| to[item as usize % ARMS].send(item).unwrap());
        for _ in 0..turn {
            sum += select! {
                recv(there[0]) -> item => item,
                recv(there[1]) -> item => item,
                recv(there[2]) -> item => item,
                recv(there[3]) -> item => item,
                recv(there[4]) -> item => item,
                recv(there[5]) -> item => item,
                recv(there[6]) -> item => item,
                recv(there[7]) -> item => item,
            }
            .unwrap();
        }
        index += turn;
    }
    sum
}

fn main() {
    let (row, count) = arguments();
    let pass = match row.as_str() {
        "chan-shared" => shared,
        "chan-cross" => cross,
        "select8" => select8,
        _ => panic!("unknown row {row}"),
    };
    pass(warm_up(count));
    let start = Instant::now();
    let sum = pass(count);
    report(start, count);
    println!("sum {sum}");
}
