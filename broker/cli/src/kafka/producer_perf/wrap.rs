//! Lines broken and filled as argparse4j does (`TextHelper.wrap`). Pure.

/// The width of a line.
const WIDTH: usize = 75;

/// The text in lines of at most [`WIDTH`] characters; all but the last are filled up with blanks between
/// the words.
pub(super) fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if line.chars().count() + piece.chars().count() > WIDTH {
            lines.push(filled(&line));
            line.clear();
        }
        line.push_str(piece);
    }
    lines.push(line);
    lines.join("\n")
}

/// The parts between which a line may be broken: behind blanks, behind the hyphen in front of a letter,
/// in front of a bracket.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut previous = '\0';
    for (at, letter) in text.char_indices() {
        let may_break = match (previous, letter) {
            (' ', next) => next != ' ',
            ('-', next) => next.is_alphabetic(),
            (before, '(') => before.is_alphanumeric(),
            _ => false,
        };
        if may_break && at > start {
            pieces.push(&text[start..at]);
            start = at;
        }
        previous = letter;
    }
    pieces.push(&text[start..]);
    pieces
}

/// Blanks are spread evenly; those that are left over go to the middle.
fn filled(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let gaps = words.len().saturating_sub(1);
    if gaps == 0 {
        return words.concat();
    }
    let missing = WIDTH.saturating_sub(words.join(" ").chars().count());
    let (each, left) = (missing / gaps, missing % gaps);
    let first_wide = (gaps - left).div_ceil(2);
    let mut text = String::with_capacity(WIDTH);
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            let gap = at - 1;
            let is_wide = (first_wide..first_wide + left).contains(&gap);
            text.extend(std::iter::repeat_n(' ', 1 + each + usize::from(is_wide)));
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_break_and_fill_as_argparse4j_does() {
        let cases = [
            (
                "producer-performance: error: one of the arguments --record-size --payload-file --payload-monotonic \
                 is required",
                "producer-performance: error: one of  the arguments --record-size --payload-\n\
                 file --payload-monotonic is required",
            ),
            (
                "producer-performance: error: argument --producer-props: expected 1 argument(s)",
                "producer-performance: error: argument --producer-props: expected 1 argument\n(s)",
            ),
            (
                "producer-performance: error: argument --payload-monotonic: not allowed with argument --record-size",
                "producer-performance:  error:  argument  --payload-monotonic:  not  allowed\n\
                 with argument --record-size",
            ),
            ("short", "short"),
        ];
        for (text, lines) in cases {
            assert_eq!(wrapped(text), lines);
        }
    }
}
