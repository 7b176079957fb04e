//! Regular expressions as the tools take them: Java's, matched against the whole name.
//!
//! Look-around and back-references, which Java has, are refused: no tool needs them, and without them
//! matching takes linear time.

use regex::Regex;

use super::throwable::Throwable;

/// Topics that Kafka itself writes.
const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// `Topic.isInternal`.
pub(crate) fn is_internal(topic: &str) -> bool {
    INTERNAL_TOPICS.contains(&topic)
}

/// `Topic.validate`.
///
/// # Errors
/// `InvalidTopicException` in Kafka's words.
pub(crate) fn validate_topic(name: &str) -> Result<(), Throwable> {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let reason = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > 249 {
        format!("the length of '{name}' is longer than the max allowed length 249")
    } else if !name.chars().all(legal) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(Throwable::kafka("InvalidTopicException", format!("Topic name is invalid: {reason}")))
}

/// A list of topics to take, each a regular expression (`TopicFilter.IncludeList`).
#[derive(Debug, Clone)]
pub(crate) struct IncludeList(Regex);

impl IncludeList {
    /// Reads `topic1,topic.*`.
    ///
    /// # Errors
    /// `RuntimeException` when it is no regular expression.
    pub(crate) fn new(raw: &str) -> Result<Self, Throwable> {
        let text = raw.trim().replace(',', "|").replace(' ', "");
        let quotes: &[char] = &['"', '\''];
        let text = text.trim_matches(quotes);
        whole(text).map(Self).ok_or_else(|| {
            Throwable::new("java.lang.RuntimeException", format!("{text} is an invalid regex."))
        })
    }

    /// Whether the list takes `topic`.
    pub(crate) fn allows(&self, topic: &str, exclude_internal: bool) -> bool {
        self.0.is_match(topic) && !(exclude_internal && is_internal(topic))
    }
}

/// The expression, to be matched against whole texts (`String.matches`).
pub(crate) fn whole(text: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{text})$")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn include_lists_match_whole_names() {
        let list = IncludeList::new("\"log.*, audit\"").unwrap();
        for (name, allowed) in [("logss", true), ("audit", true), ("audits", false), ("my-log", false)] {
            assert_eq!(list.allows(name, false), allowed, "{name}");
        }
        let all = IncludeList::new(".*").unwrap();
        assert!(all.allows("__consumer_offsets", false));
        assert!(!all.allows("__consumer_offsets", true));
        assert_eq!(IncludeList::new("a(").unwrap_err().message(), "a( is an invalid regex.");
    }

    #[test]
    fn topic_names() {
        assert_eq!(validate_topic("a.b_c-D1"), Ok(()));
        assert_eq!(
            validate_topic("a b").unwrap_err().message(),
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, \
             '.', '_' and '-'"
        );
    }
}
