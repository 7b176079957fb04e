//! What `--add-config` and `--add-config-file` set.

use crate::kafka::options::Options;
use crate::kafka::properties::{Properties, load};
use crate::kafka::throwable::Throwable;

/// The settings to be made.
pub(super) fn added(options: &Options) -> Result<Properties, Throwable> {
    let mut properties = match options.given("add-config-file")? {
        Some(path) => load(&path)?,
        None => Properties::new(),
    };
    if let Some(text) = options.given("add-config")? {
        properties.extend(parse(&text)?);
    }
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    match properties.keys().find(|key| !key.chars().all(legal)) {
        Some(key) => {
            Err(Throwable::illegal_argument(format!("Invalid character found for config key: {key}")))
        }
        None => Ok(properties),
    }
}

/// `k1=v1,k2=[v1,v2],k3=`: brackets keep commas together and are dropped.
fn parse(text: &str) -> Result<Properties, Throwable> {
    let mut entries = split_outside_brackets(text, ',');
    while entries.len() > 1 && entries.last().is_some_and(|entry| entry.is_empty()) {
        entries.pop();
    }
    let pairs: Option<Properties> = entries
        .into_iter()
        .map(|entry| {
            let [key, value] = split_outside_brackets(entry, '=')[..] else { return None };
            Some((key.trim().to_owned(), value.replace(['[', ']'], "").trim().to_owned()))
        })
        .collect();
    pairs.ok_or_else(|| {
        Throwable::illegal_argument(
            "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" \
             or  \"key=[val1,val2]\" to group values which contain commas.",
        )
    })
}

/// Splits where the next bracket, if there is one, opens.
fn split_outside_brackets(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(separator) {
        let rest = &text[at + 1..];
        let is_outside = rest.find(['[', ']']).is_none_or(|bracket| rest[bracket..].starts_with('['));
        if is_outside {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_group_commas() {
        let found = parse("retention.ms=1000,cleanup.policy=[compact,delete],empty= ,last=x").unwrap();
        let expected =
            [("cleanup.policy", "compact,delete"), ("empty", ""), ("last", "x"), ("retention.ms", "1000")];
        let found: Vec<(&str, &str)> =
            found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn refuses_what_is_no_pair() {
        for bad in ["a", "a=b=c", "a=b,c"] {
            assert!(parse(bad).unwrap_err().message().starts_with("requirement failed"), "{bad}");
        }
    }
}
