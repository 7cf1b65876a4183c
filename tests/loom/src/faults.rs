//! Seeded faults: at one place of the source that goes through the doors, an order is weakened, a load sees nothing, or a wake is
//! dropped. A model that is worth its time fails then.
//!
//! Places are those of the source, by `#[track_caller]`: each model is asked which it met, and one process per place and fault
//! runs the model again.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::atomic::AtomicBool;
use std::sync::Mutex;

use loom::sync::atomic::Ordering;

/// How a place reaches an atomic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Load,
    /// It writes.
    Store,
    /// It does both in one.
    Both,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The access is relaxed.
    Relaxed,
    /// The load (one that is not relaxed) sees zero, or null.
    Blind,
    /// Nobody is woken.
    Dropped,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Relaxed => "relaxed",
            Kind::Blind => "blind",
            Kind::Dropped => "dropped",
        }
    }

    /// The kind of a word.
    pub fn of(word: &str) -> Option<Kind> {
        [Kind::Relaxed, Kind::Blind, Kind::Dropped].into_iter().find(|k| k.word() == word)
    }
}

/// A fault: "src/home/inbox.rs:52 relaxed".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fault {
    /// The file, from `src/` on.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column: several accesses may stand in a line.
    pub column: u32,
    /// What goes wrong there.
    pub kind: Kind,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{} {}", self.file, self.line, self.column, self.kind.word())
    }
}

impl Fault {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Fault> {
        let (place, kind) = text.split_once(' ')?;
        let mut parts = place.split(':');
        let file = parts.next()?.to_string();
        let (line, column) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Fault { file, line, column, kind: Kind::of(kind)? })
    }
}

/// Where a sequentially consistent access has its fence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fences {
    /// Before it.
    Before,
    /// After it.
    After,
}

static AFTER: AtomicBool = AtomicBool::new(false);

/// Where the fences of this process are.
pub fn fences() -> Fences {
    match AFTER.load(std::sync::atomic::Ordering::Relaxed) {
        true => Fences::After,
        false => Fences::Before,
    }
}

/// Puts them there.
pub fn set_fences(where_to: Fences) {
    AFTER.store(where_to == Fences::After, std::sync::atomic::Ordering::Relaxed);
}

/// The fault of this process, and the faults that the run could have had.
static SEEDED: Mutex<Option<Fault>> = Mutex::new(None);
static MET: Mutex<BTreeSet<Fault>> = Mutex::new(BTreeSet::new());

/// Seeds the fault of this process.
pub fn seed(fault: Fault) {
    *SEEDED.lock().unwrap() = Some(fault);
}

/// Which faults there could have been since the last call.
pub fn met() -> BTreeSet<Fault> {
    std::mem::take(&mut *MET.lock().unwrap())
}

/// Whether the seeded fault is of that kind and at the caller's place; notes that it could be.
#[track_caller]
fn hits(kind: Kind) -> bool {
    let at = Location::caller();
    let Some((_, file)) = at.file().rsplit_once("src/") else { return false };
    if at.file().contains("loom") {
        return false;
    }
    let here = Fault { file: format!("src/{}", within(at.file(), file)), line: at.line(), column: at.column(), kind };
    let hit = SEEDED.lock().unwrap().as_ref() == Some(&here);
    if SEEDED.lock().unwrap().is_none() {
        MET.lock().unwrap().insert(here);
    }
    hit
}

/// The path of a file below the package's `src`.
fn within<'a>(path: &'a str, last: &'a str) -> &'a str {
    path.split_once("/src/../../../src/").or_else(|| path.split_once("../src/")).map_or(last, |(_, rest)| rest)
}

/// The order that an access has.
#[track_caller]
pub fn order(_access: Access, order: Ordering) -> Ordering {
    match order != Ordering::Relaxed && hits(Kind::Relaxed) {
        true => Ordering::Relaxed,
        false => order,
    }
}

/// Whether the seeded fault relaxes the caller's place.
#[track_caller]
pub fn is_here() -> bool {
    let at = Location::caller();
    SEEDED.lock().unwrap().as_ref().is_some_and(|f| {
        f.kind == Kind::Relaxed && f.line == at.line() && f.column == at.column() && at.file().ends_with(&f.file)
    })
}

/// Whether a load sees nothing.
#[track_caller]
pub fn blinds(order: Ordering) -> bool {
    // A relaxed load is only a first guess, for the compare-exchange behind it.
    order != Ordering::Relaxed && hits(Kind::Blind)
}

/// Whether a wake is dropped.
#[track_caller]
pub fn drops_wake() -> bool {
    hits(Kind::Dropped)
}

/// Zero, false or null.
pub fn zero<T>() -> T {
    // SAFETY: called for integers, booleans and pointers only.
    unsafe { std::mem::zeroed() }
}
