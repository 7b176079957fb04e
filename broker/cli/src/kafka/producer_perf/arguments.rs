//! The option syntax of argparse4j 0.7, as far as `kafka-producer-perf-test` uses it: options with one
//! value, with several, and switches; unambiguous beginnings of names; one group of which exactly one
//! option must be there.
//!
//! Never prints and never exits; the error texts are argparse4j's.

/// What an option takes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing.
    Nothing,
    /// One value of this Java type.
    One(Type),
    /// One value or more.
    Many,
}

/// The Java type that a value must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Integer,
    Long,
    Double,
}

/// An option.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    /// With its hyphens.
    pub(super) flag: &'static str,
    /// What stands behind it.
    pub(super) takes: Takes,
    /// It must be there.
    pub(super) is_required: bool,
    /// It belongs to the group of which one must be there, and only one.
    pub(super) is_exclusive: bool,
}

/// The option that every tool has, also as `-h`.
pub(super) const HELP: &str = "--help";

/// Why a command line is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The user asked for help.
    Help,
    /// With this message.
    Message(String),
    /// The message about an argument that nobody knows, and the options that are most like it.
    Unrecognized(String, Vec<&'static str>),
}

/// What a command line said.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    found: Vec<(&'static str, Vec<String>)>,
}

impl Arguments {
    /// Reads a command line.
    pub(super) fn parse(specs: &[Spec], arguments: &[String]) -> Result<Self, Refusal> {
        let mut parsed = Self::default();
        let mut exclusive: Option<&'static str> = None;
        let mut at = 0;
        while let Some(word) = arguments.get(at) {
            if !is_flag(word) {
                return Err(Refusal::Message(format!(
                    "unrecognized arguments: '{}'",
                    arguments[at..].join(" ")
                )));
            }
            let (flag, embedded) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (word.as_str(), None),
            };
            let Some(spec) = resolve(specs, flag)? else {
                return Err(unrecognized(specs, word));
            };
            at += 1;
            if spec.flag == HELP {
                return Err(Refusal::Help);
            }
            if spec.is_exclusive {
                let first = *exclusive.get_or_insert(spec.flag);
                if first != spec.flag {
                    return Err(about(spec, &format!("not allowed with argument {first}")));
                }
            }
            let values = take(spec, embedded, &arguments[at..])?;
            if embedded.is_none() {
                at += values.len();
            }
            parsed.found.retain(|(found, _)| *found != spec.flag);
            parsed.found.push((spec.flag, values));
        }
        parsed.check(specs, exclusive.is_some())?;
        Ok(parsed)
    }

    fn check(&self, specs: &[Spec], has_exclusive: bool) -> Result<(), Refusal> {
        // Of several that are missing, argparse4j names the last.
        let missing = specs.iter().rev().find(|spec| spec.is_required && !self.has(spec.flag));
        if let Some(spec) = missing {
            return Err(Refusal::Message(format!("argument {} is required", spec.flag)));
        }
        if !has_exclusive {
            let names: Vec<&str> =
                specs.iter().filter(|spec| spec.is_exclusive).map(|spec| spec.flag).collect();
            return Err(Refusal::Message(format!("one of the arguments {} is required", names.join(" "))));
        }
        Ok(())
    }

    /// Whether the option was given.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.found.iter().any(|(found, _)| *found == flag)
    }

    /// All values of an option.
    pub(super) fn values(&self, flag: &str) -> &[String] {
        self.found.iter().find(|(found, _)| *found == flag).map_or(&[], |(_, values)| values)
    }

    /// The value of an option.
    pub(super) fn value(&self, flag: &str) -> Option<&str> {
        self.values(flag).first().map(String::as_str)
    }

    /// The value of an option as a number, which [`Arguments::parse`] has checked.
    pub(super) fn number<T: std::str::FromStr>(&self, flag: &str) -> Option<T> {
        self.value(flag)?.parse().ok()
    }
}

/// Negative numbers are values.
fn is_flag(word: &str) -> bool {
    let digits = word.strip_prefix('-');
    let is_negative = digits.is_some_and(|digits| {
        digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && digits.parse::<f64>().is_ok()
    });
    word.starts_with('-') && word != "-" && !is_negative
}

/// The option with this name, or with the only name that begins so.
fn resolve<'a>(specs: &'a [Spec], flag: &str) -> Result<Option<&'a Spec>, Refusal> {
    let is_help = |spec: &&Spec| spec.flag == HELP && flag == "-h";
    if let Some(spec) = specs.iter().find(|spec| spec.flag == flag || is_help(spec)) {
        return Ok(Some(spec));
    }
    let mut begin: Vec<&Spec> = specs.iter().filter(|spec| spec.flag.starts_with(flag)).collect();
    begin.sort_by_key(|spec| spec.flag);
    match begin[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => {
            let names: Vec<&str> = begin.iter().map(|spec| spec.flag).collect();
            Err(Refusal::Message(format!("ambiguous option: {flag} could match {}", names.join(", "))))
        }
    }
}

fn take(spec: &Spec, embedded: Option<&str>, rest: &[String]) -> Result<Vec<String>, Refusal> {
    let following = || rest.iter().take_while(|word| !is_flag(word)).cloned();
    match spec.takes {
        Takes::Nothing => match embedded {
            Some(value) => Err(about(spec, &format!("ignore implicit argument '{value}'"))),
            None => Ok(Vec::new()),
        },
        Takes::One(kind) => {
            let value = embedded.map(str::to_owned).or_else(|| following().next());
            let value = value.ok_or_else(|| about(spec, "expected one argument"))?;
            convert(spec, kind, &value)?;
            Ok(vec![value])
        }
        Takes::Many => {
            let values: Vec<String> = match embedded {
                Some(value) => vec![value.to_owned()],
                None => following().collect(),
            };
            if values.is_empty() {
                return Err(about(spec, "expected 1 argument(s)"));
            }
            Ok(values)
        }
    }
}

fn about(spec: &Spec, message: &str) -> Refusal {
    Refusal::Message(format!("argument {}: {message}", spec.flag))
}

fn convert(spec: &Spec, kind: Type, value: &str) -> Result<(), Refusal> {
    let quoted = |value: &str| format!("For input string: \"{value}\"");
    let (name, failure) = match kind {
        Type::String => return Ok(()),
        Type::Integer => ("Integer", value.parse::<i32>().err().map(|_| quoted(value))),
        Type::Long => ("Long", value.parse::<i64>().err().map(|_| quoted(value))),
        Type::Double if value.trim().is_empty() => ("Double", Some("empty String".to_owned())),
        Type::Double => ("Double", value.trim().parse::<f64>().err().map(|_| quoted(value))),
    };
    match failure {
        None => Ok(()),
        Some(reason) => Err(about(spec, &format!("could not convert '{value}' to {name} ({reason})"))),
    }
}

fn unrecognized(specs: &[Spec], word: &str) -> Refusal {
    let message = format!("unrecognized arguments: '{word}'");
    let body = word.trim_start_matches('-');
    let mut likeness: Vec<(usize, &'static str)> = Vec::new();
    if body.chars().count() >= 2 {
        for flag in specs.iter().map(|spec| spec.flag) {
            let name = flag.trim_start_matches('-');
            let distance = if name.starts_with(body) { 0 } else { distance(body, name) };
            likeness.push((distance, flag));
        }
    }
    likeness.sort_unstable();
    let best = likeness.first().map_or(usize::MAX, |(distance, _)| *distance);
    let like = likeness.into_iter().take_while(|(distance, _)| *distance == best && best < 7);
    Refusal::Unrecognized(message, like.map(|(_, flag)| flag).collect())
}

/// The edit distance of git's `help.c`: swapping is free, replacing costs 2, adding 1, deleting 4.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = [vec![0; to.len() + 1], (0..=to.len()).collect::<Vec<usize>>(), vec![0; to.len() + 1]];
    for row in 1..=from.len() {
        rows[0][0] = row;
        for column in 1..=to.len() {
            let (one, other) = (from[row - 1], to[column - 1]);
            let mut cost = rows[1][column - 1] + if one == other { 0 } else { 2 };
            if row >= 2 && column >= 2 && one != other && from[row - 2] == other && one == to[column - 2] {
                cost = cost.min(rows[2][column - 2]);
            }
            rows[0][column] = cost.min(rows[1][column] + 4).min(rows[0][column - 1] + 1);
        }
        rows.rotate_right(1);
    }
    rows[1][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn spec(flag: &'static str, takes: Takes, is_required: bool, is_exclusive: bool) -> Spec {
        Spec { flag, takes, is_required, is_exclusive }
    }

    const SPECS: &[Spec] = &[
        spec(HELP, Takes::Nothing, false, false),
        spec("--topic", Takes::One(Type::String), true, false),
        spec("--num-records", Takes::One(Type::Long), true, false),
        spec("--props", Takes::Many, false, false),
        spec("--payload-file", Takes::One(Type::String), false, true),
        spec("--payload-size", Takes::One(Type::Integer), false, true),
    ];

    fn parse(line: &str) -> Result<Arguments, Refusal> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Arguments::parse(SPECS, &words)
    }

    #[test]
    fn options_may_be_shortened_and_values_embedded() {
        let parsed = parse("--to t --num=-1 --props a=b c=d --payload-s 7").unwrap();
        assert_eq!(parsed.value("--topic"), Some("t"));
        assert_eq!(parsed.number::<i64>("--num-records"), Some(-1));
        assert_eq!(parsed.values("--props"), ["a=b", "c=d"]);
        assert_eq!(parsed.number::<i32>("--payload-size"), Some(7));
    }

    #[test]
    fn refuses_as_argparse4j_does() {
        let message = |line: &str| match parse(line) {
            Err(Refusal::Message(message)) => message,
            other => format!("{other:?}"),
        };
        assert_eq!(message("--props a=b"), "argument --num-records is required");
        assert_eq!(
            message("--topic t --num-records 1"),
            "one of the arguments --payload-file --payload-size is required"
        );
        assert_eq!(
            message("--payload-size 1 --payload-file x"),
            "argument --payload-file: not allowed with argument --payload-size"
        );
        assert_eq!(message("--pay 1"), "ambiguous option: --pay could match --payload-file, --payload-size");
        assert_eq!(message("--topic --props"), "argument --topic: expected one argument");
        assert_eq!(
            message("--num-records x"),
            "argument --num-records: could not convert 'x' to Long (For input string: \"x\")"
        );
    }

    #[test]
    fn suggests_what_was_meant() {
        let Err(Refusal::Unrecognized(message, like)) = parse("--tpoic t") else { panic!() };
        assert_eq!((message.as_str(), &like[..]), ("unrecognized arguments: '--tpoic'", &["--topic"][..]));
    }
}
