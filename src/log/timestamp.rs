//! Formats times for the access log and the lines of the server.
//!
//! Spec: RFC 3339 (`2026-01-31T12:00:00.123Z`); the Common Log Format (`31/Jan/2026:12:00:00 +0000`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2026-01-31T12:00:00.123Z`.
pub fn timestamp(now: SystemTime) -> String {
    let Moment { year, month, day, hour, minute, second, millisecond } = Moment::of(now);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// Formats many times. It computes the calendar date only once per second.
#[derive(Debug, Default)]
pub struct Clock {
    second: Option<u64>,
    /// `2026-01-31T12:00:00.`
    begin: String,
    common: String,
}

/// The most digits of a number, as zeros to pad it with.
const ZEROS: [u8; 20] = [b'0'; 20];

impl Clock {
    /// Appends `2026-01-31T12:00:00.123Z`.
    pub fn write(&mut self, now: SystemTime, text: &mut Vec<u8>) {
        let millisecond = self.set(now);
        text.extend_from_slice(self.begin.as_bytes());
        push_padded(text, millisecond.into(), 3);
        text.push(b'Z');
    }

    /// Appends `31/Jan/2026:12:00:00 +0000`.
    pub fn write_common(&mut self, now: SystemTime, text: &mut Vec<u8>) {
        self.set(now);
        text.extend_from_slice(self.common.as_bytes());
    }

    /// Computes the texts for the second of `now`. Returns its milliseconds.
    fn set(&mut self, now: SystemTime) -> u32 {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            let Moment { year, month, day, hour, minute, second, .. } = Moment::of(now);
            self.begin = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.");
            let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"");
            self.common = format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000");
        }
        since.subsec_millis()
    }
}

/// Appends a number, padded with zeros to `digits` digits.
pub fn push_padded(text: &mut Vec<u8>, number: u64, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    let number = buffer.format(number);
    text.extend_from_slice(ZEROS.get(..digits.saturating_sub(number.len())).unwrap_or(&ZEROS));
    text.extend_from_slice(number.as_bytes());
}

struct Moment {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u32,
}

impl Moment {
    fn of(now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = civil_date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        Self { year, month, day, hour, minute, second, millisecond: since.subsec_millis() }
    }
}

/// Converts days since 1970-01-01 to year, month and day of the Gregorian calendar.
fn civil_date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_follow_the_calendar() {
        let at = |milliseconds| timestamp(UNIX_EPOCH + Duration::from_millis(milliseconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_007), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_clock_says_the_same() {
        let mut clock = Clock::default();
        for milliseconds in [0, 7, 999, 1_000, 951_782_400_007, 1_767_225_599_999, 1_767_225_600_010] {
            let (time, mut text) = (UNIX_EPOCH + Duration::from_millis(milliseconds), Vec::new());
            clock.write(time, &mut text);
            assert_eq!(text, timestamp(time).into_bytes());
        }
        let mut text = Vec::new();
        clock.write_common(UNIX_EPOCH + Duration::from_millis(1_767_225_599_999), &mut text);
        assert_eq!(text, b"31/Dec/2025:23:59:59 +0000");
    }
}
