//! Numbers, sizes and times as people read them and type them. Pure, but for the current time.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime, civil};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// `1536` bytes are `1.5 KiB`.
pub(crate) fn size(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `1234567` is `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 record`, `2 records`.
pub(crate) fn counted(number: i64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A stretch of time in its two largest units: `850 ms`, `12.3 s`, `5m 20s`, `3h 7m`, `2d 4h`.
pub(crate) fn stretch(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        _ if ms < 1000 => format!("{ms} ms"),
        _ if seconds < 60 => format!("{:.1} s", ms as f64 / 1000.0),
        _ if seconds < 3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ if seconds < 86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A moment in this machine's time zone, to the millisecond; `-` for the protocol's "no time".
pub(crate) fn moment(ms: i64) -> String {
    moment_in(ms, TimeZone::system())
}

fn moment_in(ms: i64, zone: TimeZone) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) if ms >= 0 => time.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        _ => "-".to_owned(),
    }
}

/// A moment in the form of RFC 3339, in UTC.
pub(crate) fn rfc3339(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

/// Milliseconds since 1970 of what a person calls a moment: `2026-01-31`, `2026-01-31 12:00` (local),
/// `2026-01-31T12:00:00Z`, `@1769860800000`, or `90m`, `2h 30m`, `1d` for that long ago.
pub(crate) fn parse_moment(text: &str) -> Result<i64, String> {
    parse_moment_at(text, &ZonedDateTime::now())
}

fn parse_moment_at(text: &str, now: &ZonedDateTime) -> Result<i64, String> {
    let text = text.trim();
    if let Some(ms) = text.strip_prefix('@') {
        return ms.parse().map_err(|_| format!("'{text}' has no number of milliseconds after the @"));
    }
    let ago = text.strip_suffix(" ago").unwrap_or(text);
    if let Ok(span) = ago.parse::<Span>() {
        let back = if span.is_negative() { now.checked_add(span) } else { now.checked_sub(span) };
        return back
            .map(|then| then.timestamp().as_millisecond())
            .map_err(|_| format!("'{text}' is too long ago"));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    let local = text.parse::<civil::DateTime>().ok();
    let moment = local.and_then(|local| local.to_zoned_datetime(now.time_zone().clone()).ok());
    moment.map(|moment| moment.timestamp().as_millisecond()).ok_or_else(|| {
        format!(
            "'{text}' is no moment: try 2026-01-31T12:00:00Z, '2026-01-31 12:00', @1769860800000 or 90m (ago)"
        )
    })
}

/// Milliseconds of what a person calls a stretch of time: `500ms`, `10s`, `2m 30s`, `1h`.
pub(crate) fn parse_stretch(text: &str) -> Result<std::time::Duration, String> {
    let refused = || format!("'{text}' is no stretch of time: try 500ms, 10s, 2m or 1h");
    let span: Span = text.trim().parse().map_err(|_| refused())?;
    let days_are_24_hours = jiff::SpanRelativeTo::days_are_24_hours();
    let exact = span.to_duration(days_are_24_hours).map_err(|_| refused())?;
    exact.try_into().map_err(|_| refused())
}

/// Bytes of what a person calls a size: `100`, `16k`, `16KiB`, `1.5m`, `1GB`; units count by 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let refused = || format!("'{text}' is no size: try 100, 16k, 1.5m");
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(refused()),
    };
    let bytes = number.parse::<f64>().map_err(|_| refused())? * 1024_f64.powi(power);
    if bytes.is_finite() && bytes < 1e15 { Ok(bytes as u64) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_stretches_read_well() {
        let sizes = [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (-1, "-1 B")];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        let stretches = [(850, "850 ms"), (12_345, "12.3 s"), (320_000, "5m 20s"), (11_220_000, "3h 7m")];
        for (ms, text) in stretches.into_iter().chain([(187_200_000, "2d 4h")]) {
            assert_eq!(stretch(ms), text);
        }
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn moments_are_typed_in_many_ways() {
        let now: ZonedDateTime = "2026-03-01T12:00:00[UTC]".parse().unwrap();
        let at = |text| parse_moment_at(text, &now).map(|ms| moment_in(ms, TimeZone::UTC));
        let cases = [
            ("90m", "2026-03-01 10:30:00.000"),
            ("1d 2h ago", "2026-02-28 10:00:00.000"),
            ("2026-01-31", "2026-01-31 00:00:00.000"),
            ("2026-01-31 12:30", "2026-01-31 12:30:00.000"),
            ("2026-01-31T12:30:00+02:00", "2026-01-31 10:30:00.000"),
            ("@1769860800123", "2026-01-31 12:00:00.123"),
        ];
        for (text, expected) in cases {
            assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
        }
        for bad in ["", "yesterday", "@x", "12", "2026-13-01"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_stretches_are_typed_with_units() {
        assert_eq!(
            ["100", "16k", "16KiB", "1.5m", "2 GB"].map(|text| parse_size(text).unwrap()),
            [100, 16 << 10, 16 << 10, 3 << 19, 2 << 30]
        );
        for bad in ["", "k", "1x", "1e3", "-1"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        let ms = |text| parse_stretch(text).map(|stretch| stretch.as_millis());
        assert_eq!(
            ["500ms", "10s", "2m 30s", "1h"].map(|text| ms(text).unwrap()),
            [500, 10_000, 150_000, 3_600_000]
        );
        assert!(ms("10").is_err() && ms("soon").is_err() && ms("-1s").is_err());
    }
}
