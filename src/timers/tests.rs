//! The wheel against a sorted map: every node that fires, in exactly the order of deadlines and inserts.
//!
//! `GT_MODEL_SEED` and `GT_MODEL_COUNT` set the seed and the number of operations; a failure prints the seed and the last
//! operations.

use std::collections::{BTreeMap, VecDeque};

use super::*;

/// Operations that a failure prints.
const TRACE: usize = 40;

fn wish(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Below `end` (Marsaglia, "Xorshift RNGs", 2003).
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Of every order of magnitude as often.
    fn spread(&mut self, bits: u64) -> u64 {
        let reach = 1 << self.below(bits);
        self.below(reach)
    }
}

/// The wheel, its nodes, and what it should be.
struct Model {
    seed: u64,
    nodes: Vec<TimerNode>,
    wheel: Timers,
    now: i64,
    /// Deadline and number of insert, to the node.
    armed: BTreeMap<(i64, u64), usize>,
    /// Of each node, its place in the map.
    place: Vec<Option<(i64, u64)>>,
    inserts: u64,
    trace: VecDeque<String>,
}

impl Model {
    fn new(seed: u64, nodes: usize, now: i64, first_insert: u32) -> Model {
        let mut wheel = Timers::new(now).unwrap();
        wheel.inserts = first_insert;
        println!("GT_MODEL_SEED={seed}"); // shown when the test fails, in whatever way
        Model {
            seed,
            nodes: (0..nodes).map(|_| TimerNode::new(TimerKind::Park)).collect(),
            wheel,
            now,
            armed: BTreeMap::new(),
            place: vec![None; nodes],
            inserts: 0,
            trace: VecDeque::new(),
        }
    }

    fn note(&mut self, operation: String) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        self.trace.push_back(operation);
    }

    fn fail(&self, why: &str) -> ! {
        for operation in &self.trace {
            eprintln!("  {operation}");
        }
        panic!("{why}; again with GT_MODEL_SEED={}", self.seed);
    }

    fn insert(&mut self, i: usize, deadline: i64) {
        self.note(format!("now {}: insert {i} at {deadline}", self.now));
        // SAFETY: the nodes live as long as the wheel.
        unsafe { self.wheel.insert(&self.nodes[i], deadline) };
        self.armed.insert((deadline, self.inserts), i);
        self.place[i] = Some((deadline, self.inserts));
        self.inserts += 1;
    }

    fn remove(&mut self, i: usize) {
        self.note(format!("now {}: remove {i}", self.now));
        self.wheel.remove(&self.nodes[i]);
        if let Some(place) = self.place[i].take() {
            self.armed.remove(&place);
        }
    }

    fn pass(&mut self, time: i64) {
        self.now += time;
        self.note(format!("now {}: expire", self.now));
        let Model { wheel, nodes, now, armed, place, .. } = self;
        let base = nodes.as_ptr();
        let mut wrong = None;
        wheel.expire(*now, |node| {
            // SAFETY: nodes that fire are elements of `nodes`.
            let fired = unsafe { ptr::from_ref(node).offset_from(base) } as usize;
            let due = armed.first_entry().filter(|first| first.key().0 <= *now);
            let expected = due.map(|first| first.remove());
            if expected != Some(fired) || node.is_armed() {
                wrong.get_or_insert((expected, fired, node.deadline()));
            }
            place[fired] = None;
        });
        if let Some((expected, fired, deadline)) = wrong {
            self.fail(&format!("{fired} fired, whose deadline is {deadline}, and not {expected:?}"));
        }
        if let Some((&(deadline, _), i)) = self.armed.first_key_value().filter(|(key, _)| key.0 <= self.now) {
            self.fail(&format!("{i}, due at {deadline}, did not fire"));
        }
    }

    /// The wheel may say to look again too early, by less than a slot, but never too late.
    fn look(&mut self) {
        let (says, first) = (self.wheel.next(), self.armed.first_key_value().map(|(key, _)| key.0));
        match (says, first) {
            (None, None) => {}
            (Some(says), Some(first)) if says <= first && says.max(0) >= (tick(self.now) << TICK) as i64 => {}
            (Some(says), Some(first)) if says == first => {} // in the past
            _ => self.fail(&format!("next is {says:?}, and should be {first:?}")),
        }
        if first.is_some() && self.armed.len() <= PEEK && says != first {
            self.fail(&format!("next is {says:?} of few, and should be {first:?}"));
        }
        if self.wheel.len() != self.armed.len() {
            self.fail(&format!("{} are armed, and should be {}", self.wheel.len(), self.armed.len()));
        }
    }

    fn end(mut self) {
        for i in 0..self.nodes.len() {
            self.remove(i);
            if self.nodes[i].is_armed() {
                self.fail(&format!("{i} is armed after its removal"));
            }
        }
        self.look();
    }
}

/// Random inserts, removals and steps of time over few nodes: every path of the wheel, and numbers that go round.
#[test]
fn fires_what_a_sorted_map_would_in_the_same_order() {
    let rounds = if wish("GT_MODEL_SEED").is_some() { 1 } else { 40 };
    let first = wish("GT_MODEL_SEED").unwrap_or(1);
    let count = wish("GT_MODEL_COUNT").unwrap_or(6000);
    for seed in first..first + rounds {
        let mut dice = Dice::new(seed);
        let nodes = 1 << (1 + dice.below(10));
        let begin = dice.spread(52) as i64;
        let mut m = Model::new(seed, nodes, begin, if seed % 2 == 0 { 0u32.wrapping_sub(count as u32 / 8) } else { 0 });
        for _ in 0..count {
            let i = dice.below(nodes as u64) as usize;
            match dice.below(8) {
                0..=3 if m.place[i].is_none() => {
                    let ahead = dice.spread(48) as i64;
                    let deadline = match dice.below(8) {
                        0 => m.now - ahead,
                        1 => m.armed.first_key_value().map_or(0, |(key, _)| key.0), // equal ones
                        2 => (m.now + ahead) >> TICK << TICK,
                        3 if dice.below(50) == 0 => i64::MAX - 1,
                        _ => m.now + ahead,
                    };
                    m.insert(i, deadline);
                }
                4..=5 => m.remove(i),
                6 => {
                    let time = dice.spread(46) as i64;
                    m.pass(time);
                }
                _ => m.look(),
            }
        }
        m.end();
    }
}

/// A million armed at once, a third of them taken back, many with equal deadlines; time passes in steps of every size.
#[test]
fn a_million_fire_in_order() {
    let seed = wish("GT_MODEL_SEED").unwrap_or(7);
    let count = wish("GT_MODEL_COUNT").unwrap_or(1_000_000) as usize;
    let mut dice = Dice::new(seed);
    let mut m = Model::new(seed, count, 5_000_000_000, 0);
    for i in 0..count {
        let ahead = match dice.below(4) {
            0 => dice.below(1000) * 1_000_000,
            1 => dice.below(10_000_000_000),
            _ => dice.spread(42),
        };
        m.insert(i, m.now + ahead as i64);
        if dice.below(3) == 0 {
            m.remove(dice.below(i as u64 + 1) as usize);
        }
        if dice.below(500) == 0 {
            m.pass(dice.spread(28) as i64);
        }
    }
    m.look();
    while !m.armed.is_empty() {
        m.pass(dice.spread(36) as i64);
        if let Some(i) =
            Some(dice.below(count as u64) as usize).filter(|&i| m.place[i].is_none() && m.armed.len() > 1000)
        {
            let ahead = dice.spread(30) as i64;
            m.insert(i, m.now + ahead); // some begin anew
        }
        m.look();
    }
    m.end();
}

#[test]
fn equal_deadlines_fire_in_the_order_of_insertion() {
    let mut m = Model::new(0, 1000, 0, u32::MAX - 300);
    for i in 0..1000 {
        m.insert(i, 77_000_000_000);
    }
    m.pass(76_999_999_999);
    assert_eq!(m.armed.len(), 1000);
    m.pass(1);
    assert!(m.armed.is_empty());
}

/// For a forked child: what was armed is forgotten untouched, and the nodes may be armed again once they were told.
#[test]
fn what_was_abandoned_does_not_fire() {
    let mut m = Model::new(0, 300, 1 << 40, 0);
    for i in 0..300 {
        m.insert(i, m.now + (1 << (i % 45)));
    }
    m.wheel.abandon();
    m.armed.clear();
    m.nodes.iter().for_each(TimerNode::forget);
    m.place.fill(None);
    m.look();
    m.insert(5, m.now + 1000);
    m.pass(1 << 46);
    m.end();
}

/// A lane is linked forward only until somebody leaves it from the middle.
#[test]
fn nodes_leave_from_anywhere_in_a_lane() {
    let mut dice = Dice::new(7);
    for _ in 0..20 {
        let nodes: Vec<TimerNode> = (0..30 * LANES).map(|_| TimerNode::new(TimerKind::Park)).collect();
        let mut wheel = Timers::new(0).unwrap();
        let mut armed: Vec<&TimerNode> = Vec::new();
        for node in &nodes {
            // SAFETY: the nodes outlive the wheel's use of them.
            unsafe { wheel.insert(node, 5_000_000_000) };
            armed.push(node);
            if dice.below(3) == 0 {
                wheel.remove(armed.swap_remove(dice.below(armed.len() as u64) as usize));
            }
        }
        let mut fired = Vec::new();
        wheel.expire(i64::MAX, |n| fired.push(n as *const TimerNode));
        fired.sort();
        armed.sort_by_key(|n| ptr::from_ref(*n));
        assert!(armed.iter().zip(&fired).all(|(a, b)| ptr::eq(*a, *b)) && armed.len() == fired.len());
        assert!(wheel.is_empty() && wheel.first().is_none());
    }
}
