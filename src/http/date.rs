//! The Date line of an answer (RFC 9110, 5.6.7), written anew once a second.

/// "Fri, 27 Nov 2026 08:25:24 GMT"
const LEN: usize = 29;
const DAY: i64 = 86_400;

/// The date of some second.
pub struct Date {
    second: i64,
    text: [u8; LEN],
}

impl Date {
    /// The beginning of the epoch.
    pub const fn new() -> Date {
        Date { second: i64::MIN, text: [b' '; LEN] }
    }

    /// The present date.
    pub fn now(&mut self) -> &[u8] {
        let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `ts` is a valid place to write to; the clock exists since Linux 2.6.32.
        unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &mut ts) };
        self.at(ts.tv_sec)
    }

    fn at(&mut self, second: i64) -> &[u8] {
        if self.second != second {
            self.second = second;
            self.text = written(second);
        }
        &self.text
    }
}

#[cold]
fn written(second: i64) -> [u8; LEN] {
    let (days, rest) = (second.div_euclid(DAY), second.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let week = &b"ThuFriSatSunMonTueWed"[3 * days.rem_euclid(7) as usize..][..3];
    let name = &b"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * (month as usize - 1)..][..3];
    let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    text[..3].copy_from_slice(week);
    two(&mut text, 5, day);
    text[8..11].copy_from_slice(name);
    two(&mut text, 12, year / 100);
    two(&mut text, 14, year % 100);
    two(&mut text, 17, rest / 3600);
    two(&mut text, 20, rest / 60 % 60);
    two(&mut text, 23, rest % 60);
    text
}

fn two(text: &mut [u8; LEN], at: usize, number: i64) {
    text[at] = b'0' + (number / 10 % 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

/// Year, month and day of a day since 1970. Years are counted from March, so that a leap day is the last of its year, in eras of
/// 400 years, which are all alike.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 1 March of the year 0
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let first = (153 * month + 2) / 5;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (second, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(Date::new().at(second)).unwrap(), text);
        }
    }
}
