//! Numbers and columns as `java.util.Formatter` prints them. Knows nothing of what it prints.

use std::fmt::Display;

/// `%.<digits>f`: Java rounds half up on the shortest decimal form of the number, where Rust and C round
/// its binary value half to even.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut number: Vec<u8> = whole.bytes().chain(fraction.bytes().take(digits)).collect();
    number.resize(whole.len() + digits, b'0');
    let round_up = fraction.as_bytes().get(digits).is_some_and(|digit| *digit >= b'5');
    if round_up && increment(&mut number) {
        number.insert(0, b'1');
    }
    let point = number.len() - digits;
    let mut text = String::with_capacity(number.len() + 2);
    if value.is_sign_negative() {
        text.push('-');
    }
    text.extend(number[..point].iter().map(|digit| char::from(*digit)));
    if digits > 0 {
        text.push('.');
        text.extend(number[point..].iter().map(|digit| char::from(*digit)));
    }
    text
}

/// Adds one to the last decimal; true when a carry leaves the front.
fn increment(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return false;
        }
        *digit = b'0';
    }
    true
}

/// `%-<width>s`, counting UTF-16 units as Java does.
pub(crate) fn left(value: impl Display, width: usize) -> String {
    let mut text = value.to_string();
    let length = length(&text);
    text.extend(std::iter::repeat_n(' ', width.saturating_sub(length)));
    text
}

/// `String.length`.
pub(crate) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `%-<width>s` for each column but the last, which is `%s`, joined by blanks. A width of 0 leaves a column
/// as it is.
pub(crate) fn columns(values: &[&str], widths: &[usize]) -> String {
    let cells: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| left(value, widths.get(index).copied().unwrap_or(0)))
        .collect();
    cells.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_up_like_java() {
        let cases = [
            (0.125, 2, "0.13"),
            (1.005, 2, "1.01"),
            (999.999, 2, "1000.00"),
            (0.0, 4, "0.0000"),
            (-2.5, 0, "-3"),
            (12345.678, 1, "12345.7"),
            (1e21, 1, "1000000000000000000000.0"),
            (f64::NAN, 2, "NaN"),
            (f64::INFINITY, 2, "Infinity"),
        ];
        for (value, digits, expected) in cases {
            assert_eq!(fixed(value, digits), expected, "{value} with {digits} digits");
        }
    }

    #[test]
    fn pads_columns() {
        assert_eq!(columns(&["a", "bc", "d"], &[3, 2]), "a   bc d");
    }
}
