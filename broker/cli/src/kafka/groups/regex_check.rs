//! `kafka-consumer-groups --validate-regex`: whether an expression is one in RE2's syntax, with RE2's words
//! for what is wrong.

use regex_syntax::ast::{ErrorKind, parse::Parser};

/// The tool's line about `expression`.
pub(super) fn verdict(expression: &str) -> String {
    match Parser::new().parse(expression) {
        Ok(_) => format!("The regular expression `{expression}` is valid."),
        Err(error) => {
            format!("The regular expression `{expression}` is invalid: {}.", describe(error.kind()))
        }
    }
}

fn describe(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ClassUnclosed => "missing closing ]",
        ErrorKind::ClassRangeInvalid | ErrorKind::ClassRangeLiteral => "invalid character class range",
        ErrorKind::GroupUnclosed => "missing closing )",
        ErrorKind::GroupUnopened => "unexpected )",
        ErrorKind::RepetitionMissing => "missing argument to repetition operator",
        ErrorKind::RepetitionCountInvalid
        | ErrorKind::RepetitionCountUnclosed
        | ErrorKind::RepetitionCountDecimalEmpty => "invalid repeat count",
        ErrorKind::EscapeUnexpectedEof => "trailing backslash at end of expression",
        ErrorKind::EscapeUnrecognized
        | ErrorKind::EscapeHexEmpty
        | ErrorKind::EscapeHexInvalid
        | ErrorKind::EscapeHexInvalidDigit
        | ErrorKind::UnsupportedBackreference => "invalid escape sequence",
        ErrorKind::GroupNameDuplicate { .. } => "duplicate capture group name",
        ErrorKind::GroupNameEmpty | ErrorKind::GroupNameInvalid | ErrorKind::GroupNameUnexpectedEof => {
            "invalid named capture"
        }
        ErrorKind::FlagUnrecognized | ErrorKind::UnsupportedLookAround => {
            "invalid or unsupported Perl syntax"
        }
        _ => "invalid regular expression",
    }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn words_errors_as_re2_does() {
        let cases = [
            ("ab", "valid"),
            ("a(b", "invalid: missing closing )"),
            ("[ab", "invalid: missing closing ]"),
            ("*a", "invalid: missing argument to repetition operator"),
            (r"a\", r"invalid: trailing backslash at end of expression"),
        ];
        for (expression, words) in cases {
            assert_eq!(verdict(expression), format!("The regular expression `{expression}` is {words}."));
        }
    }
}
