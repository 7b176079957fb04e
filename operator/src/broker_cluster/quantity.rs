//! Kubernetes' quantities (`10Gi`, `500M`, `1e9`) as whole bytes. Pure.

/// Suffixes and their factors.
const SUFFIXES: [(&str, u128); 12] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
];

/// The quantity in bytes, rounded up; `None` when it is none, or negative.
#[must_use]
pub fn bytes(text: &str) -> Option<u128> {
    let text = text.trim();
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))
        .unwrap_or((text, 1));
    if let Ok(whole) = number.parse::<u128>() {
        return whole.checked_mul(factor);
    }
    let number = number.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)?;
    // Saturates; volumes are far smaller.
    Some((number * factor as f64).ceil() as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_in_all_their_forms() {
        let cases = [
            ("1Gi", Some(1 << 30)),
            ("1024Mi", Some(1 << 30)),
            ("1.5Gi", Some(3 << 29)),
            ("1G", Some(1_000_000_000)),
            ("1e9", Some(1_000_000_000)),
            ("12", Some(12)),
            ("", None),
            ("Gi", None),
            ("-1Gi", None),
            ("ten", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }
}
