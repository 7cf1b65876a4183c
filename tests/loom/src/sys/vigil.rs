//! A watch before a sleep: one that is always due, and looks once.

/// The longest watch.
pub const LONGEST: i64 = 0;

/// Nothing is kept of earlier ones.
pub struct Vigil;

impl Vigil {
    /// See above.
    pub fn new() -> Vigil {
        Vigil
    }

    /// Of no consequence.
    pub fn woken(&self) {}

    /// It is.
    pub fn is_due(&self) -> bool {
        true
    }

    /// One look.
    pub fn keep(&self, _limit: i64, news: impl Fn() -> bool) -> bool {
        news()
    }
}
