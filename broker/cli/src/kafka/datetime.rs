//! Times as Java's tools read and print them: `Utils.getDateTime`, `Duration.parse`, the patterns of
//! `SimpleDateFormat`, the time in front of a log line. The only file here that asks for the wall clock.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};
use regex::Regex;

use super::throwable::Throwable;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// `%d` of a log pattern: local time with a comma before the milliseconds.
pub(crate) fn log_time() -> String {
    format_date(now_ms(), "yyyy-MM-dd HH:mm:ss,SSS")
}

/// `SimpleDateFormat(pattern).format`, local time. Letters that this does not know stay as they are.
pub(crate) fn format_date(time_ms: i64, pattern: &str) -> String {
    let time = Timestamp::from_millisecond(time_ms).unwrap_or_default().to_zoned_datetime(TimeZone::system());
    let mut out = String::with_capacity(pattern.len() + 8);
    let letters: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let run = letters[at..].iter().take_while(|next| **next == letter).count();
        if letter == '\'' {
            at = quoted(&letters, at, &mut out);
        } else {
            out.push_str(&field(&time, letter, run));
            at += run;
        }
    }
    out
}

/// Copies a quoted text and gives the place behind it; two quotes are one.
fn quoted(letters: &[char], start: usize, out: &mut String) -> usize {
    let mut at = start + 1;
    if letters.get(at) == Some(&'\'') {
        out.push('\'');
        return at + 1;
    }
    while let Some(letter) = letters.get(at) {
        at += 1;
        if *letter != '\'' {
            out.push(*letter);
        } else if letters.get(at) == Some(&'\'') {
            out.push('\'');
            at += 1;
        } else {
            break;
        }
    }
    at
}

fn field(time: &ZonedDateTime, letter: char, run: usize) -> String {
    let number = |value: i64| format!("{value:0run$}");
    let name = |format: &str, short: usize| {
        let name = time.strftime(format).to_string();
        if run >= 4 { name } else { name.chars().take(short).collect() }
    };
    match letter {
        'y' | 'Y' | 'u' if run == 2 => format!("{:02}", time.year() % 100),
        'y' | 'Y' => number(i64::from(time.year())),
        'M' | 'L' if run >= 3 => name("%B", 3),
        'M' | 'L' => number(i64::from(time.month())),
        'd' => number(i64::from(time.day())),
        'D' => number(i64::from(time.day_of_year())),
        'H' => number(i64::from(time.hour())),
        'k' => number(if time.hour() == 0 { 24 } else { i64::from(time.hour()) }),
        'K' => number(i64::from(time.hour() % 12)),
        'h' => number(if time.hour() % 12 == 0 { 12 } else { i64::from(time.hour() % 12) }),
        'm' => number(i64::from(time.minute())),
        's' => number(i64::from(time.second())),
        'S' => number(i64::from(time.millisecond())),
        'a' => time.strftime("%p").to_string(),
        'E' => name("%A", 3),
        'z' => time.strftime("%Z").to_string(),
        'Z' => time.strftime("%z").to_string(),
        'X' if time.offset() == Offset::UTC => "Z".to_owned(),
        'X' => time.strftime("%:z").to_string(),
        other => std::iter::repeat_n(other, run).collect(),
    }
}

/// `Utils.getDateTime`: `YYYY-MM-DDThh:mm:ss.sss` with an offset, or without one in UTC, to milliseconds.
///
/// # Errors
/// `java.text.ParseException` in Java's words.
pub(crate) fn parse_date_time(text: &str) -> Result<i64, Throwable> {
    let failure = |message: String| Throwable::new("java.text.ParseException", message);
    let Some(clock) = text.split('T').nth(1) else {
        return Err(failure(
            "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".to_owned(),
        ));
    };
    let with_zone = if clock.contains(['+', '-', 'Z']) { text.to_owned() } else { format!("{text}Z") };
    read_date_time(&with_zone).ok_or_else(|| failure(format!("Unparseable date: \"{with_zone}\"")))
}

fn read_date_time(text: &str) -> Option<i64> {
    let shape = Regex::new(r"^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)(Z|([+-])(\d\d):?(\d\d)?)").ok()?;
    let parts = shape.captures(text)?;
    let number = |index: usize| parts.get(index).map_or(Some(0), |part| part.as_str().parse::<i32>().ok());
    let small = |index: usize| number(index).and_then(|value| i8::try_from(value).ok());
    // `SSS` is a number of milliseconds, however many digits it has.
    let nanoseconds = number(7).filter(|value| *value < 1000)?.checked_mul(1_000_000)?;
    let date_time = DateTime::new(
        i16::try_from(number(1)?).ok()?,
        small(2)?,
        small(3)?,
        small(4)?,
        small(5)?,
        small(6)?,
        nanoseconds,
    )
    .ok()?;
    let mut seconds = number(10)?.checked_mul(3600)?.checked_add(number(11)?.checked_mul(60)?)?;
    if parts.get(9).is_some_and(|sign| sign.as_str() == "-") {
        seconds = -seconds;
    }
    let zone = TimeZone::fixed(Offset::from_seconds(seconds).ok()?);
    Some(date_time.to_zoned_datetime(zone).ok()?.timestamp().as_millisecond())
}

/// `java.time.Duration.parse`: `PnDTnHnMn.nS`, to milliseconds.
///
/// # Errors
/// `DateTimeParseException` in Java's words.
pub(crate) fn parse_duration_ms(text: &str) -> Result<i64, Throwable> {
    read_duration(text).ok_or_else(|| {
        Throwable::new("java.time.format.DateTimeParseException", "Text cannot be parsed to a Duration")
    })
}

fn read_duration(text: &str) -> Option<i64> {
    let shape = Regex::new(concat!(
        r"(?i)^([-+]?)P(?:([-+]?[0-9]+)D)?",
        r"(T(?:([-+]?[0-9]+)H)?(?:([-+]?[0-9]+)M)?(?:([-+]?[0-9]+)(?:[.,]([0-9]{0,9}))?S)?)?$"
    ))
    .ok()?;
    let parts = shape.captures(text)?;
    let has = |index: usize| parts.get(index).is_some();
    let time_is_empty = parts.get(3).is_some_and(|time| time.as_str().len() == 1);
    if time_is_empty || !(has(2) || has(4) || has(5) || has(6)) {
        return None;
    }
    let scaled = |index: usize, unit_ms: i64| match parts.get(index) {
        Some(part) => part.as_str().parse::<i64>().ok()?.checked_mul(unit_ms),
        None => Some(0),
    };
    let mut fraction: i64 = 0;
    if let Some(digits) = parts.get(7) {
        let padded: String = digits.as_str().chars().chain("000".chars()).take(3).collect();
        fraction = padded.parse().ok()?;
        if parts.get(6).is_some_and(|seconds| seconds.as_str().starts_with('-')) {
            fraction = -fraction;
        }
    }
    let total =
        [scaled(2, 86_400_000)?, scaled(4, 3_600_000)?, scaled(5, 60_000)?, scaled(6, 1000)?, fraction]
            .into_iter()
            .try_fold(0i64, i64::checked_add)?;
    if parts.get(1).is_some_and(|sign| sign.as_str() == "-") { total.checked_neg() } else { Some(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_date_times() {
        let cases = [
            ("2024-01-02T03:04:05.678", 1_704_164_645_678),
            ("2024-01-02T03:04:05.678Z", 1_704_164_645_678),
            ("2024-01-02T03:04:05.678+01:00", 1_704_161_045_678),
            ("2024-01-02T03:04:05.678-01", 1_704_168_245_678),
        ];
        for (text, time_ms) in cases {
            assert_eq!(parse_date_time(text), Ok(time_ms), "{text}");
        }
        assert_eq!(
            parse_date_time("2024-13-02T03:04:05.678").unwrap_err().message(),
            "Unparseable date: \"2024-13-02T03:04:05.678Z\""
        );
        assert!(parse_date_time("2024-01-02").unwrap_err().message().contains("does not contain a 'T'"));
    }

    #[test]
    fn reads_durations() {
        let cases = [
            ("P1D", 86_400_000),
            ("PT1H30M", 5_400_000),
            ("pt0.5s", 500),
            ("-PT-1S", 1000),
            ("PT-0.25S", -250),
        ];
        for (text, duration_ms) in cases {
            assert_eq!(parse_duration_ms(text), Ok(duration_ms), "{text}");
        }
        for bad in ["1D", "P", "PT", "PT1", "P1H"] {
            assert!(parse_duration_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn formats_patterns() {
        let text = format_date(0, "yyyy 'o''clock' Q");
        assert!(text == "1970 o'clock Q" || text == "1969 o'clock Q", "{text}");
        assert_eq!(format_date(1_704_164_645_678, "ss:SSS"), "05:678");
    }
}
