//! The option syntax of Kafka's tools, which is that of joptsimple 5 without abbreviations:
//! `--flag value`, `--flag=value`, options that repeat, values that are converted when they are asked for.
//!
//! Never prints and never exits; the error texts are joptsimple's.

use super::hash::{sort_as_hash_map, string_hash};
use super::throwable::Throwable;

/// What an option takes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    /// Nothing: a switch.
    None,
    /// A value.
    Required(Kind),
    /// A value, unless what follows looks like an option.
    Optional(Kind),
}

/// What a value must convert to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything.
    Text,
    /// A Java `int`.
    Int,
    /// A Java `long`.
    Long,
}

/// One option that a tool knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    /// Its name, without the hyphens.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) argument: Argument,
    /// What [`Options::value`] gives when it is absent.
    pub(crate) default: Option<&'static str>,
    /// Separates several values inside one argument.
    pub(crate) separator: Option<char>,
    /// Options of which one must be there for this one to be allowed; empty for always.
    pub(crate) available_if: &'static [&'static str],
}

impl Spec {
    /// A switch.
    pub(crate) const fn switch(name: &'static str) -> Self {
        Self { name, argument: Argument::None, default: None, separator: None, available_if: &[] }
    }

    /// An option with a text behind it.
    pub(crate) const fn text(name: &'static str) -> Self {
        Self { argument: Argument::Required(Kind::Text), ..Self::switch(name) }
    }

    /// An option with a Java `int` behind it.
    pub(crate) const fn int(name: &'static str) -> Self {
        Self { argument: Argument::Required(Kind::Int), ..Self::switch(name) }
    }

    /// An option with a Java `long` behind it.
    pub(crate) const fn long(name: &'static str) -> Self {
        Self { argument: Argument::Required(Kind::Long), ..Self::switch(name) }
    }

    /// An option with a value that may be missing.
    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { argument: Argument::Optional(kind), ..Self::switch(name) }
    }

    /// The same option with a default.
    pub(crate) const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same option with its argument split.
    pub(crate) const fn split(self, separator: char) -> Self {
        Self { separator: Some(separator), ..self }
    }

    /// The same option, allowed only beside one of `options`.
    pub(crate) const fn only_with(self, options: &'static [&'static str]) -> Self {
        Self { available_if: options, ..self }
    }
}

/// What a command line said.
#[derive(Debug)]
pub(crate) struct Options {
    specs: Vec<Spec>,
    /// Each occurrence in order: the option and its values, none for a switch.
    found: Vec<(&'static str, Option<String>)>,
    /// The command line as it was.
    arguments: Vec<String>,
}

/// `--help` and `--version`, which every tool knows.
const COMMON: [Spec; 2] = [Spec::switch("help"), Spec::switch("version")];

impl Options {
    /// Reads `arguments` as a tool does that knows `specs`.
    ///
    /// # Errors
    /// joptsimple's exceptions for an unknown option, a missing value, or an option out of place.
    pub(crate) fn parse(specs: &[Spec], arguments: &[String]) -> Result<Self, Throwable> {
        let mut options = Self {
            specs: COMMON.iter().chain(specs).copied().collect(),
            found: Vec::new(),
            arguments: arguments.to_vec(),
        };
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                break;
            }
            // A single hyphen works too: joptsimple takes `-topic` for a short option of a long name.
            let Some(body) =
                word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|body| !body.is_empty())
            else {
                continue;
            };
            let (name, value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            let spec = options.known(name, word)?;
            options.take(spec, value, &mut rest)?;
        }
        options.check_available()?;
        Ok(options)
    }

    fn known(&self, name: &str, word: &str) -> Result<Spec, Throwable> {
        self.spec(name).ok_or_else(|| {
            // A short option that nobody knows is read as a cluster of letters; the first is blamed.
            let blamed = if word.starts_with("--") { name } else { first_letter(name) };
            jopt("UnrecognizedOptionException", format!("{blamed} is not a recognized option"))
        })
    }

    fn take(
        &mut self,
        spec: Spec,
        value: Option<String>,
        rest: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), Throwable> {
        match (spec.argument, value) {
            (Argument::None, _) => self.found.push((spec.name, None)),
            (Argument::Required(_) | Argument::Optional(_), Some(value)) => self.add(spec, &value),
            (Argument::Required(_), None) => {
                let Some(value) = rest.next() else {
                    return Err(jopt(
                        "OptionMissingRequiredArgumentException",
                        format!("Option {} requires an argument", spec.name),
                    ));
                };
                self.add(spec, value);
            }
            (Argument::Optional(kind), None) => match rest.as_slice().first() {
                Some(next) if takes_optional(kind, next) => {
                    self.add(spec, next);
                    rest.next();
                }
                _ => self.found.push((spec.name, None)),
            },
        }
        Ok(())
    }

    fn add(&mut self, spec: Spec, value: &str) {
        let parts: Vec<&str> = match spec.separator {
            Some(separator) => value.split(separator).filter(|part| !part.is_empty()).collect(),
            None => Vec::new(),
        };
        if parts.is_empty() {
            self.found.push((spec.name, Some(value.to_owned())));
        } else {
            self.found.extend(parts.into_iter().map(|part| (spec.name, Some(part.to_owned()))));
        }
    }

    fn check_available(&self) -> Result<(), Throwable> {
        if self.has("help") || self.has("version") {
            return Ok(());
        }
        let conditional: Vec<&Spec> =
            self.specs.iter().filter(|spec| !spec.available_if.is_empty()).collect();
        let mut names: Vec<&str> = conditional.iter().map(|spec| spec.name).collect();
        // joptsimple keeps these in a map keyed by lists of one name.
        sort_as_hash_map(&mut names, |name| 31i32.wrapping_add(string_hash(name)));
        let forbidden: Vec<&str> = names
            .into_iter()
            .filter(|name| {
                let spec = conditional.iter().find(|spec| spec.name == *name);
                self.has(name)
                    && spec.is_some_and(|spec| !spec.available_if.iter().any(|other| self.has(other)))
            })
            .collect();
        if forbidden.is_empty() {
            return Ok(());
        }
        Err(jopt(
            "UnavailableOptionException",
            format!(
                "Option(s) [{}] are unavailable given other options on the command line",
                forbidden.join(", ")
            ),
        ))
    }

    fn spec(&self, name: &str) -> Option<Spec> {
        self.specs.iter().find(|spec| spec.name == name).copied()
    }

    /// The command line as it was given.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Whether the option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(found, _)| *found == name)
    }

    /// Each occurrence of an option, in order, with its value.
    pub(crate) fn occurrences(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.found.iter().map(|(name, value)| (*name, value.as_deref()))
    }

    /// Every value of an option.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        self.occurrences()
            .filter(|(found, _)| *found == name)
            .filter_map(|(_, value)| value.map(str::to_owned))
            .collect()
    }

    /// The option's value, or its default.
    ///
    /// # Errors
    /// `MultipleArgumentsForOptionException` when it was given more than once.
    pub(crate) fn value(&self, name: &str) -> Result<Option<String>, Throwable> {
        let mut values = self.values(name);
        match values.len() {
            0 => Ok(self.spec(name).and_then(|spec| spec.default).map(str::to_owned)),
            1 => Ok(values.pop()),
            _ => Err(jopt(
                "MultipleArgumentsForOptionException",
                format!("Found multiple arguments for option {name}, but you asked for only one"),
            )),
        }
    }

    /// The option's value where it was given, not its default.
    ///
    /// # Errors
    /// As [`Options::value`].
    pub(crate) fn given(&self, name: &str) -> Result<Option<String>, Throwable> {
        if self.has(name) { self.value(name) } else { Ok(None) }
    }

    /// The value as a Java `int`.
    ///
    /// # Errors
    /// As [`Options::value`], and `OptionArgumentConversionException`.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i32>, Throwable> {
        self.value(name)?.map(|value| value.parse().map_err(|_| conversion(name, &value))).transpose()
    }

    /// The value as a Java `long`.
    ///
    /// # Errors
    /// As [`Options::value`], and `OptionArgumentConversionException`.
    pub(crate) fn long(&self, name: &str) -> Result<Option<i64>, Throwable> {
        self.value(name)?.map(|value| value.parse().map_err(|_| conversion(name, &value))).transpose()
    }
}

/// Whether `next` may be the value of an option whose value may be missing.
fn takes_optional(kind: Kind, next: &str) -> bool {
    let converts = match kind {
        Kind::Text => return next == "-" || !next.starts_with('-'),
        Kind::Int => next.parse::<i32>().is_ok(),
        Kind::Long => next.parse::<i64>().is_ok(),
    };
    // A negative number looks like an option and is one all the same.
    converts
}

fn first_letter(name: &str) -> &str {
    name.char_indices().nth(1).map_or(name, |(end, _)| &name[..end])
}

fn jopt(class: &str, message: String) -> Throwable {
    Throwable::new(&format!("joptsimple.{class}"), message)
}

/// joptsimple's failure to convert a number, with the two exceptions that stand behind it.
fn conversion(name: &str, value: &str) -> Throwable {
    let number = Throwable::number_format(value);
    let reflection = number.wrapped_in("joptsimple.internal.ReflectionException");
    jopt("OptionArgumentConversionException", format!("Cannot parse argument '{value}' of option {name}"))
        .caused_by(reflection)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[Spec] = &[
        Spec::text("topic"),
        Spec::int("partitions"),
        Spec::optional("state", Kind::Text).only_with(&["list", "describe"]),
        Spec::switch("list"),
        Spec::switch("describe"),
        Spec::long("timeout").or("5000"),
        Spec::text("delete-config").split(','),
    ];

    fn parse(line: &str) -> Result<Options, Throwable> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(SPECS, &arguments)
    }

    #[test]
    fn reads_every_form() {
        let options = parse("--topic a --partitions=3 --list --state Stable,Empty -topic=b").unwrap();
        assert_eq!(options.values("topic"), ["a", "b"]);
        assert_eq!(options.int("partitions"), Ok(Some(3)));
        assert_eq!(options.value("state"), Ok(Some("Stable,Empty".to_owned())));
        assert_eq!(options.long("timeout"), Ok(Some(5000)));
        assert_eq!(options.given("timeout"), Ok(None));
        assert_eq!(parse("--delete-config a,b").unwrap().values("delete-config"), ["a", "b"]);
        assert_eq!(parse("--topic= a").unwrap().values("topic"), [""]);
    }

    #[test]
    fn an_optional_value_may_be_missing() {
        let options = parse("--list --state --topic a").unwrap();
        assert!(options.has("state"));
        assert_eq!(options.value("state"), Ok(None));
    }

    #[test]
    fn refuses_as_joptsimple_does() {
        let message = |line| parse(line).unwrap_err().to_string();
        assert_eq!(
            message("--foo"),
            "joptsimple.UnrecognizedOptionException: foo is not a recognized option"
        );
        assert_eq!(
            message("--topic"),
            "joptsimple.OptionMissingRequiredArgumentException: Option topic requires an argument"
        );
        assert_eq!(
            message("--state"),
            "joptsimple.UnavailableOptionException: Option(s) [state] are unavailable given other options \
             on the command line"
        );
        let twice = parse("--topic a --topic b").unwrap().value("topic").unwrap_err();
        assert_eq!(twice.message(), "Found multiple arguments for option topic, but you asked for only one");
        let number = parse("--partitions x").unwrap().int("partitions").unwrap_err();
        assert_eq!(number.message(), "Cannot parse argument 'x' of option partitions");
    }
}
