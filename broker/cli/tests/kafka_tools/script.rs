//! Scripts: command lines as a person types them, one a line.
//!
//! | line | is |
//! |---|---|
//! | `kafka-topics --list` | the tool with `--bootstrap-server` in front of its other arguments |
//! | `alone kafka-topics --list` | the tool with nothing added |
//! | `java kafka-console-consumer --topic t` | Kafka's tool in both runs: what one kind wrote, the other reads |
//! | `kafka-console-producer --topic t < a\nb\n` | text for standard input, with `\n`, `\t` and `\r` |
//! | `# why` | a remark |
//!
//! Words may be quoted with `'`; `{bootstrap}` and `{files}` are filled in.

use millrace_cli::Tool;

/// One command.
#[derive(Debug)]
pub(crate) struct Step {
    /// The line as it is written.
    pub(crate) line: String,
    /// The tool.
    pub(crate) tool: Tool,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its standard input.
    pub(crate) stdin: Vec<u8>,
    /// A broker is named in it.
    pub(crate) names_broker: bool,
    /// Kafka's tool runs in any case.
    pub(crate) is_java: bool,
}

impl Step {
    /// Whether it changes metadata, which brokers learn a moment after the answer.
    pub(crate) fn changes_metadata(&self) -> bool {
        let has = |names: &[&str]| self.arguments.iter().any(|argument| names.contains(&argument.as_str()));
        has(&["--create", "--delete", "--alter"])
    }
}

/// Reads a script.
pub(crate) fn parse(script: &str, bootstrap: &str, files: &str) -> Vec<Step> {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| step(line, bootstrap, files)).collect()
}

fn step(line: &str, bootstrap: &str, files: &str) -> Step {
    let (command, stdin) = line.split_once(" < ").unwrap_or((line, ""));
    let filled = command.replace("{bootstrap}", bootstrap).replace("{files}", files);
    let (is_java, command) = without(&filled, "java ");
    let (is_alone, command) = without(command, "alone ");
    let mut words = words(command).into_iter();
    let name = words.next().unwrap();
    let tool = Tool::from_program(&name).unwrap_or_else(|| panic!("{name} is no tool"));
    let mut arguments = Vec::new();
    if !is_alone {
        arguments.extend(["--bootstrap-server".to_owned(), bootstrap.to_owned()]);
    }
    arguments.extend(words);
    Step {
        line: line.to_owned(),
        tool,
        arguments,
        stdin: unescaped(stdin).into_bytes(),
        names_broker: !is_alone || line.contains("{bootstrap}"),
        is_java,
    }
}

fn without<'a>(text: &'a str, prefix: &str) -> (bool, &'a str) {
    text.strip_prefix(prefix).map_or((false, text), |rest| (true, rest))
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None;
    let mut is_quoted = false;
    for letter in text.chars() {
        match letter {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_with(String::new);
            }
            ' ' if !is_quoted => words.extend(word.take()),
            other => word.get_or_insert_with(String::new).push(other),
        }
    }
    words.extend(word);
    words
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r")
}
