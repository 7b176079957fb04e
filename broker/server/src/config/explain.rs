//! `millrace config list` and `millrace config explain KEY`: the table of keys for people, or as
//! JSON for programs. Writes text; opens nothing.

use millrace_metadata::config::{
    BrokerKey, ConfigDef, Scope, broker_def, broker_defs, classify_broker_key, nearest_name, topic_def,
    topic_defs,
};
use serde_json::{Value, json};

use super::environment::variable_of;

/// Longest default shown in the list; `explain` shows all of it.
const DEFAULT_LETTERS_MAX: usize = 28;

/// All keys: name, type, default, when it may change, and the first sentence of what it does.
/// Topics' keys with `topic`, broker's keys otherwise.
pub(crate) fn list(topic: bool, as_json: bool) -> String {
    let defs: Vec<&ConfigDef> = if topic { topic_defs().collect() } else { broker_defs().collect() };
    if as_json {
        let mut text = to_json(&Value::Array(defs.iter().map(|def| describe(def)).collect()));
        text.push('\n');
        return text;
    }
    let header = ["KEY", "TYPE", "DEFAULT", "CHANGES", "MEANING"].map(str::to_owned);
    let rows = defs.iter().map(|def| {
        let changes = if def.scope == Scope::Topic { "any time".to_owned() } else { changes(def).to_owned() };
        let meaning = def.doc.split_inclusive(". ").next().unwrap_or_default().trim_end();
        [def.name.to_owned(), def.kind.to_string(), shorten(def.default), changes, meaning.to_owned()]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

/// Everything about one key.
///
/// # Errors
/// That there is no such key, with the nearest right name.
pub(crate) fn explain(name: &str, as_json: bool) -> Result<String, String> {
    let defs: Vec<&ConfigDef> = broker_def(name).into_iter().chain(topic_def(name)).collect();
    if defs.is_empty() {
        return explain_absent(name);
    }
    if as_json {
        return Ok(to_json(&Value::Array(defs.iter().map(|def| describe(def)).collect())) + "\n");
    }
    Ok(defs.iter().map(|def| in_words(def)).collect::<Vec<_>>().join("\n"))
}

fn explain_absent(name: &str) -> Result<String, String> {
    let reason = match classify_broker_key(name) {
        Ok(BrokerKey::Ignored { reason }) => format!("{name} is accepted and has no effect: {reason}.\n"),
        Ok(BrokerKey::Refused { reason, .. }) => {
            format!("{name} is refused unless it is empty or false: {reason}.\n")
        }
        Ok(BrokerKey::Known(_)) | Err(_) => {
            let nearest = nearest_name(name, Scope::Broker).or_else(|| nearest_name(name, Scope::Topic));
            let hint = nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
            return Err(format!("no such key: {name}{hint}"));
        }
    };
    Ok(reason)
}

fn in_words(def: &ConfigDef) -> String {
    let (of, changes) = match def.scope {
        Scope::Topic => ("a topic", "any time, on the topic"),
        Scope::Broker => ("the broker", changes(def)),
    };
    let mut rows = vec![
        ["type".to_owned(), def.kind.to_string()],
        ["default".to_owned(), def.default.map_or_else(|| "not set".to_owned(), quote_empty)],
        ["values".to_owned(), def.validator.to_string()],
        ["changes".to_owned(), changes.to_owned()],
    ];
    if def.scope == Scope::Broker {
        rows.push(["environment".to_owned(), variable_of(def.name, false)]);
    }
    let stands_in: Vec<_> =
        def.synonyms.iter().map(|synonym| synonym.name).filter(|name| *name != def.name).collect();
    if !stands_in.is_empty() {
        let label = if def.scope == Scope::Topic { "default from" } else { "related" };
        rows.push([label.to_owned(), stands_in.join(", ")]);
    }
    let indented: String = table(&rows).lines().map(|line| format!("  {line}\n")).collect();
    format!("{}, a setting of {of}\n  {}\n{indented}", def.name, def.doc)
}

fn changes(def: &ConfigDef) -> &'static str {
    use millrace_metadata::config::UpdateMode::{ClusterWide, PerBroker, ReadOnly};
    match def.update {
        ReadOnly => "at start",
        PerBroker => "at run time, for one broker",
        ClusterWide => "at run time",
    }
}

fn describe(def: &ConfigDef) -> Value {
    json!({
        "name": def.name,
        "scope": match def.scope { Scope::Topic => "topic", Scope::Broker => "broker" },
        "type": def.kind.to_string(),
        "default": def.default,
        "values": def.validator.to_string(),
        "update_mode": def.update.to_string(),
        "environment": (def.scope == Scope::Broker).then(|| variable_of(def.name, false)),
        "synonyms": def.synonyms.iter().map(|synonym| synonym.name).collect::<Vec<_>>(),
        "documentation": def.doc,
    })
}

fn to_json(value: &Value) -> String {
    format!("{value:#}")
}

fn quote_empty(text: &str) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { text.to_owned() }
}

fn shorten(default: Option<&str>) -> String {
    match default {
        None => "-".to_owned(),
        Some(text) if text.chars().count() > DEFAULT_LETTERS_MAX => {
            text.chars().take(DEFAULT_LETTERS_MAX - 3).chain("...".chars()).collect()
        }
        Some(text) => quote_empty(text),
    }
}

/// Columns as wide as their widest cell; the last one as it is.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_explained_with_all_there_is_to_know() {
        expect_test::expect![[r#"
            retention.ms, a setting of a topic
              With cleanup.policy=delete, how long records are kept; -1 is for ever.
              type          long
              default       604800000
              values        at least -1
              changes       any time, on the topic
              default from  log.retention.ms, log.retention.minutes, log.retention.hours
        "#]]
        .assert_eq(&explain("retention.ms", false).unwrap());
        expect_test::expect![[r#"
            node.id, a setting of the broker
              The node's number, unique in the cluster and written into its data directory at first start. Kafka has no default; a node alone is 1.
              type         int
              default      1
              values       at least 0
              changes      at start
              environment  KAFKA_NODE_ID
              related      broker.id
        "#]].assert_eq(&explain("node.id", false).unwrap());
        let both = explain("compression.type", false).unwrap();
        assert!(both.contains("a setting of the broker") && both.contains("a setting of a topic"));
    }

    #[test]
    fn what_has_no_effect_says_why_and_what_is_misspelt_what_is_right() {
        assert!(explain("zookeeper.connect", false).unwrap().contains("ZooKeeper is not needed"));
        assert!(explain("authorizer.class.name", false).unwrap().contains("refused"));
        assert_eq!(
            explain("num.partition", false).unwrap_err(),
            "no such key: num.partition; did you mean num.partitions?"
        );
    }

    #[test]
    fn the_list_holds_every_key_in_both_forms() {
        let text = list(false, false);
        assert_eq!(text.lines().count(), broker_defs().count() + 1);
        let parsed: Value = serde_json::from_str(&list(true, true)).unwrap();
        assert_eq!(parsed.as_array().unwrap().len(), topic_defs().count());
    }
}
