//! futex(2): a sleeper looks at the word and lies down in one step, as far as wakers can see. The kernel's look is not ordered with
//! anything else.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};

use super::atomic::AtomicU32;
use super::clock;
use crate::faults;

/// Who sleeps: on which word, whether with a limit.
struct Sleeper {
    word: usize,
    timed: bool,
    woken: bool,
    call: Arc<Condvar>,
}

loom::lazy_static! {
    static ref BEDS: Mutex<Vec<(usize, Sleeper)>> = Mutex::new(Vec::new());
}

fn sleep(word: &AtomicU32, while_it_is: u32, timed: bool) {
    let mut beds = BEDS.lock().unwrap();
    if word.kernel_load() != while_it_is {
        return;
    }
    if timed && clock::has_passed() {
        return clock::slept();
    }
    let call = Arc::new(Condvar::new());
    let number = beds.iter().map(|(n, _)| n + 1).max().unwrap_or(0);
    let address = std::ptr::from_ref(word) as usize;
    beds.push((number, Sleeper { word: address, timed, woken: false, call: call.clone() }));
    while beds.iter().any(|(n, s)| *n == number && !s.woken) {
        beds = call.wait(beds).unwrap();
    }
    beds.retain(|(n, _)| *n != number);
    if timed && clock::has_passed() {
        clock::slept();
    }
}

fn wake(mut whom: impl FnMut(&Sleeper) -> bool, most: usize) {
    let mut beds = BEDS.lock().unwrap();
    for (_, sleeper) in beds.iter_mut().filter(|(_, s)| !s.woken && whom(s)).take(most) {
        sleeper.woken = true;
        sleeper.call.notify_one();
    }
}

/// Sleeps while the word has that value.
pub fn wait(word: &AtomicU32, while_it_is: u32) {
    sleep(word, while_it_is, false);
}

/// The same, until time passes.
pub fn wait_for(word: &AtomicU32, while_it_is: u32, ns: i64) {
    sleep(word, while_it_is, ns != i64::MAX);
}

/// Wakes one that sleeps on the word.
#[track_caller]
pub fn wake_one(word: &AtomicU32) {
    wake_address(word);
}

/// As [`wake_one`], of a word that may be gone.
#[track_caller]
pub fn wake_address(word: *const AtomicU32) {
    if !faults::drops_wake() {
        wake(|s| s.word == word as usize, 1);
    }
}

/// Time has passed.
pub fn end_timed() {
    wake(|s| s.timed, usize::MAX);
}
