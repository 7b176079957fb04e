//! Prometheus' text format, written straight into one buffer. There may be a hundred thousand series of
//! partitions: the library's objects, a dozen allocations for each, would make every scrape felt.

use std::fmt::{Display, Write as _};

/// Text of all series so far.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    family: &'static str,
}

/// A set of labels, written once for all the series that have it: `{topic="logs",partition="0"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels(String);

impl Labels {
    pub(super) fn new(pairs: &[(&str, &dyn Display)]) -> Self {
        let mut text = String::from("{");
        for (position, (name, value)) in pairs.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}{name}=\"");
            let _ = write!(Escaped(&mut text), "{value}");
            text.push('"');
        }
        text.push('}');
        Self(text)
    }
}

/// Escapes what would end a label's value.
struct Escaped<'a>(&'a mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for letter in text.chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                letter => self.0.push(letter),
            }
        }
        Ok(())
    }
}

impl Exposition {
    /// Begins a family of gauges; its series follow.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) {
        self.begin(name, help, "gauge");
    }

    fn begin(&mut self, name: &'static str, help: &str, kind: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One series of the family.
    pub(super) fn sample(&mut self, labels: &Labels, value: impl Display) {
        let _ = writeln!(self.text, "{}{} {value}", self.family, labels.0);
    }

    /// The only series of a family without labels.
    pub(super) fn single(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.gauge(name, help);
        let _ = writeln!(self.text, "{name} {value}");
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_written_as_prometheus_reads_them() {
        let mut exposition = Exposition::default();
        exposition.single("up", "Whether it is.", 1);
        exposition.gauge("lag", "How far behind.");
        exposition.sample(&Labels::new(&[("group", &"a \"b\"\\\n"), ("partition", &3)]), 1.5);
        expect_test::expect![[r#"
            # HELP up Whether it is.
            # TYPE up gauge
            up 1
            # HELP lag How far behind.
            # TYPE lag gauge
            lag{group="a \"b\"\\\n",partition="3"} 1.5
        "#]]
        .assert_eq(&exposition.into_text());
    }
}
