//! Timeouts as Python gives them: seconds in an int, a float or something that acts as an index.

use super::super::api::{api, drop_ref, type_of, Obj};
use super::super::gt;

/// What an object says about a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// Nanoseconds, 0 or more, rounded up as CPython rounds timeouts.
    Nanos(i64),
    /// Below zero.
    Negative,
    /// Not a number, too large, or not a time at all: CPython's own function raises the error that fits.
    Bad,
}

/// The largest number of seconds that an `i64` of nanoseconds holds, as CPython's `TIMEOUT_MAX` (whole seconds).
const MAX_SECONDS: f64 = 9_223_372_036.0;

/// `units` of 1/`per_second` seconds to nanoseconds.
fn from_float(value: f64, nanos_per_unit: f64) -> Span {
    if value.is_nan() || value > MAX_SECONDS * 1e9 / nanos_per_unit {
        return Span::Bad;
    }
    if value < 0.0 {
        return Span::Negative;
    }
    Span::Nanos((value * nanos_per_unit).ceil() as i64)
}

/// A number of seconds. No exception is left set.
///
/// # Safety
/// GIL held; a live object. May run Python code (`__index__`).
pub unsafe fn seconds(object: Obj) -> Span {
    // SAFETY: the caller's promise.
    unsafe { scaled(object, 1e9) }
}

/// A number of milliseconds, as `poll` takes it.
///
/// # Safety
/// As [`seconds`].
pub unsafe fn millis(object: Obj) -> Span {
    // SAFETY: the caller's promise.
    unsafe { scaled(object, 1e6) }
}

unsafe fn scaled(object: Obj, nanos_per_unit: f64) -> Span {
    let api = api();
    // SAFETY: a live object, whose type is its second word.
    unsafe {
        let kind = type_of(object);
        if kind == api.float_type || (api.PyType_IsSubtype)(kind, api.float_type) != 0 {
            return from_float((api.PyFloat_AsDouble)(object), nanos_per_unit);
        }
        let index = (api.PyNumber_Index)(object);
        if index.is_null() {
            (api.PyErr_Clear)();
            return Span::Bad;
        }
        let whole = (api.PyLong_AsLongLong)(index);
        drop_ref(index);
        if whole == -1 && !(api.PyErr_Occurred)().is_null() {
            (api.PyErr_Clear)();
            return Span::Bad;
        }
        match whole.checked_mul(nanos_per_unit as i64) {
            _ if whole < 0 => Span::Negative,
            Some(nanos) => Span::Nanos(nanos),
            None => Span::Bad,
        }
    }
}

/// The moment that lies `nanos` from now.
pub fn from_now(nanos: i64) -> i64 {
    gt::gt_now().saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_up_and_the_absurd_is_left_to_cpython() {
        assert_eq!(from_float(1e-10, 1e9), Span::Nanos(1));
        assert_eq!(from_float(0.0, 1e9), Span::Nanos(0));
        assert_eq!(from_float(-0.5, 1e9), Span::Negative);
        assert_eq!(from_float(f64::NAN, 1e9), Span::Bad);
        assert_eq!(from_float(1e300, 1e9), Span::Bad);
        assert_eq!(from_float(1.5, 1e6), Span::Nanos(1_500_000));
    }
}
