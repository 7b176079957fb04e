//! `millrace configs`: settings of topics and brokers.

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use millrace_client::{
    AlterConfigOp, AlterOp, ConfigEntry, ConfigResource, ConfigSource, DescribeConfigsOptions, ResourceKind,
};
use millrace_protocol::ErrorCode;
use serde::Serialize;

use super::Common;
use super::failure::Failure;
use super::screen::Screen;
use super::session::{Session, nearest, until};
use super::table::{Cell, Column, Table, Tone};

/// `millrace configs`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(super) struct ConfigsArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    command: ConfigsCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum ConfigsCommand {
    /// Show settings, those that differ from the defaults first of all
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        entity: Entity,
        /// Defaults as well
        #[arg(short, long)]
        all: bool,
        /// What each setting does
        #[arg(short, long)]
        docs: bool,
    },
    /// Show the values of some settings
    Get {
        #[command(flatten)]
        entity: Entity,
        /// The settings, at least one
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Change settings
    Set {
        #[command(flatten)]
        entity: Entity,
        /// At least one KEY=VALUE; on lists also KEY+=ENTRY and KEY-=ENTRY
        #[arg(value_name = "KEY=VALUE", value_parser = change)]
        changes: Vec<AlterConfigOp>,
        /// Only check whether it would work
        #[arg(long)]
        dry_run: bool,
    },
    /// Let settings go back to their defaults
    Unset {
        #[command(flatten)]
        entity: Entity,
        /// The settings, at least one
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
        /// Only check whether it would work
        #[arg(long)]
        dry_run: bool,
    },
}

impl ConfigsCommand {
    /// A command about settings names some. Checked here and not by clap, which would not say where their
    /// names are to be found.
    fn check(&self) -> Result<(), Failure> {
        let (entity, what, is_missing) = match self {
            Self::List { .. } => return Ok(()),
            Self::Get { entity, keys } => (entity, "which settings? KEY is missing", keys.is_empty()),
            Self::Set { entity, changes, .. } => {
                (entity, "what is to be set? KEY=VALUE is missing", changes.is_empty())
            }
            Self::Unset { entity, keys, .. } => (entity, "which settings? KEY is missing", keys.is_empty()),
        };
        if !is_missing {
            return Ok(());
        }
        let (kind, name) = (entity.kind.word(), &entity.name);
        Err(Failure::usage(format!("{}: {what}", entity.text()))
            .hint(format!("`millrace configs list {kind} {name} --all` shows them all")))
    }
}

impl Kind {
    /// As it is typed.
    fn word(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Broker => "broker",
        }
    }
}

/// What has settings.
#[derive(Debug, Clone, Args)]
struct Entity {
    /// What has the settings
    #[arg(value_enum)]
    kind: Kind,
    /// Name of the topic, id of the broker, or `default` for all brokers
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A topic, by name
    Topic,
    /// A broker, by id; `default` stands for all brokers
    Broker,
}

impl Entity {
    fn resource(&self) -> Result<ConfigResource, Failure> {
        let (kind, name) = match self.kind {
            Kind::Topic => (ResourceKind::Topic, self.name.clone()),
            Kind::Broker if self.name == "default" => (ResourceKind::Broker, String::new()),
            Kind::Broker if self.name.parse::<i32>().is_ok() => (ResourceKind::Broker, self.name.clone()),
            Kind::Broker => {
                return Err(Failure::usage(format!("'{}' is no broker's id", self.name))
                    .hint("`millrace cluster` shows the ids; `default` stands for all brokers"));
            }
        };
        Ok(ConfigResource { kind, name })
    }

    /// Where settings of its own come from.
    fn own_source(&self) -> ConfigSource {
        match (self.kind, self.name.as_str()) {
            (Kind::Topic, _) => ConfigSource::DynamicTopic,
            (Kind::Broker, "default") => ConfigSource::DynamicDefaultBroker,
            (Kind::Broker, _) => ConfigSource::DynamicBroker,
        }
    }

    fn text(&self) -> String {
        match (self.kind, self.name.as_str()) {
            (Kind::Topic, name) => format!("topic '{name}'"),
            (Kind::Broker, "default") => "all brokers".to_owned(),
            (Kind::Broker, id) => format!("broker {id}"),
        }
    }
}

/// `key=value`, `key+=value` or `key-=value`.
fn change(text: &str) -> Result<AlterConfigOp, String> {
    let refused = || "a change is KEY=VALUE, KEY+=ENTRY or KEY-=ENTRY".to_owned();
    let (key, value) = text.split_once('=').ok_or_else(refused)?;
    let (name, op) = match key.as_bytes().last() {
        Some(b'+') => (&key[..key.len() - 1], AlterOp::Append),
        Some(b'-') => (&key[..key.len() - 1], AlterOp::Subtract),
        _ => (key, AlterOp::Set),
    };
    if name.trim().is_empty() {
        return Err(refused());
    }
    Ok(AlterConfigOp { name: name.trim().to_owned(), op, value: Some(value.trim().to_owned()) })
}

/// Runs the command.
pub(super) async fn run(args: ConfigsArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    args.command.check()?;
    let session = Session::open(&args.common.connection).await?;
    match args.command {
        ConfigsCommand::List { entity, all, docs } => list(&session, &entity, all, docs, screen).await,
        ConfigsCommand::Get { entity, keys } => get(&session, &entity, &keys, screen).await,
        ConfigsCommand::Set { entity, changes, dry_run } => {
            alter(&session, &entity, changes, dry_run, screen).await
        }
        ConfigsCommand::Unset { entity, keys, dry_run } => {
            let unset = |name| AlterConfigOp { name, op: AlterOp::Delete, value: None };
            alter(&session, &entity, keys.into_iter().map(unset).collect(), dry_run, screen).await
        }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Setting {
    key: String,
    value: Option<String>,
    source: &'static str,
    is_default: bool,
    read_only: bool,
    sensitive: bool,
    /// Set for this very topic or broker.
    #[serde(skip)]
    is_own: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    documentation: Option<String>,
}

async fn describe(session: &Session, entity: &Entity, docs: bool) -> Result<Vec<Setting>, Failure> {
    let options = DescribeConfigsOptions { synonyms: false, documentation: docs };
    let described = session.admin().describe_configs(vec![entity.resource()?], options).await?;
    let Some((_, entries)) = described.into_iter().next() else { return Ok(Vec::new()) };
    match entries {
        Ok(entries) => Ok(entries.into_iter().map(|entry| setting(entry, entity.own_source())).collect()),
        Err(error) => Err(failure(session, entity, error).await),
    }
}

async fn failure(session: &Session, entity: &Entity, error: millrace_client::ClientError) -> Failure {
    match error.code() {
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) if entity.kind == Kind::Topic => {
            session.about_topic(&entity.name, error).await
        }
        _ => Failure::refused(entity.text(), error),
    }
}

fn setting(entry: ConfigEntry, own: ConfigSource) -> Setting {
    Setting {
        is_own: entry.source == own,
        key: entry.name,
        value: entry.value,
        is_default: entry.source == ConfigSource::Default,
        source: source(entry.source),
        read_only: entry.read_only,
        sensitive: entry.sensitive,
        documentation: entry.documentation,
    }
}

fn source(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::DynamicTopic => "topic",
        ConfigSource::DynamicBroker => "broker",
        ConfigSource::DynamicDefaultBroker => "all brokers",
        ConfigSource::StaticBroker => "broker's file",
        ConfigSource::Default => "default",
        ConfigSource::DynamicBrokerLogger => "logger",
        ConfigSource::ClientMetrics => "client metrics",
        ConfigSource::DynamicGroup => "group",
        ConfigSource::Unknown => "unknown",
    }
}

async fn list(
    session: &Session,
    entity: &Entity,
    all: bool,
    docs: bool,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let mut settings = describe(session, entity, docs).await?;
    settings.sort_by(|left, right| left.key.cmp(&right.key));
    let defaults = settings.iter().filter(|one| one.is_default).count();
    if !all {
        settings.retain(|one| !one.is_default);
    }
    if screen.is_json() {
        screen.json(&settings);
        return Ok(());
    }
    if !settings.is_empty() {
        screen.table(&table(&settings));
    }
    if docs {
        show_documentation(&settings, screen);
    }
    if !all && defaults > 0 {
        screen
            .note(format!("{defaults} settings of {} have their defaults; --all shows them", entity.text()));
    }
    Ok(())
}

fn table(settings: &[Setting]) -> Table {
    let mut table = Table::new([Column::Left("KEY"), Column::Left("VALUE"), Column::Left("FROM")]);
    for one in settings {
        let tone = if one.is_default { Tone::Faint } else { Tone::Plain };
        let value = match &one.value {
            _ if one.sensitive => Cell::toned("(secret)", Tone::Faint),
            Some(value) => Cell::toned(value, tone),
            None => Cell::maybe(None::<&str>),
        };
        table.row([Cell::name(&one.key), value, Cell::toned(one.source, tone)]);
    }
    table
}

fn show_documentation(settings: &[Setting], screen: &mut Screen<'_>) {
    for one in settings {
        let Some(text) = one.documentation.as_deref().filter(|text| !text.is_empty()) else { continue };
        let key = screen.paint().name(&one.key).into_owned();
        screen.line("");
        screen.line(key);
        screen.line(format!("  {}", text.trim()));
    }
}

async fn get(
    session: &Session,
    entity: &Entity,
    keys: &[String],
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let settings = describe(session, entity, false).await?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(setting) = settings.iter().find(|one| one.key == *key) else {
            let failure = Failure::new(format!("{} has no setting '{key}'", entity.text()));
            let near = nearest(key, settings.iter().map(|one| one.key.as_str()));
            return Err(match near {
                Some(near) => failure.hint(format!("did you mean '{near}'?")),
                None => failure.hint("`millrace configs list --all` shows those there are"),
            });
        };
        found.push(setting);
    }
    if screen.is_json() {
        let values: BTreeMap<&str, &Option<String>> =
            found.iter().map(|one| (one.key.as_str(), &one.value)).collect();
        screen.json(&values);
    } else if let [only] = found[..] {
        screen.line(only.value.as_deref().unwrap_or(""));
    } else {
        found
            .iter()
            .for_each(|one| screen.line(format!("{}={}", one.key, one.value.as_deref().unwrap_or(""))));
    }
    Ok(())
}

/// Whether the settings are what the changes make of them.
fn shows(settings: &[Setting], changes: &[AlterConfigOp]) -> bool {
    changes.iter().all(|change| {
        let Some(setting) = settings.iter().find(|one| one.key == change.name) else { return true };
        let wanted = change.value.as_deref().unwrap_or_default();
        let has = |value: &str| value.split(',').any(|entry| entry.trim() == wanted);
        match (change.op, &setting.value) {
            (AlterOp::Delete, _) => !setting.is_own,
            // Secret, or none.
            (_, None) => true,
            (AlterOp::Set, Some(value)) => value == wanted,
            (AlterOp::Append, Some(value)) => has(value),
            (AlterOp::Subtract, Some(value)) => !has(value),
        }
    })
}

#[derive(Debug, Serialize)]
struct Changed {
    key: String,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

async fn alter(
    session: &Session,
    entity: &Entity,
    changes: Vec<AlterConfigOp>,
    dry_run: bool,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let request = vec![(entity.resource()?, changes.clone())];
    for (_, result) in session.admin().incremental_alter_configs(request, dry_run).await? {
        if let Err(error) = result {
            return Err(failure(session, entity, error).await);
        }
    }
    if !dry_run {
        // A broker hears of it a moment after the controller has answered.
        until(async || describe(session, entity, false).await.is_ok_and(|seen| shows(&seen, &changes))).await;
    }
    let changed = |change: AlterConfigOp| Changed {
        key: change.name,
        change: match change.op {
            AlterOp::Set => "set",
            AlterOp::Delete => "unset",
            AlterOp::Append => "appended",
            AlterOp::Subtract => "subtracted",
        },
        value: change.value,
    };
    let changed: Vec<Changed> = changes.into_iter().map(changed).collect();
    if screen.is_json() {
        screen.json(&changed);
        return Ok(());
    }
    for one in changed {
        let value = one.value.unwrap_or_default();
        let change = match one.change {
            "set" => format!("= {value}"),
            "appended" => format!("+= {value}"),
            "subtracted" => format!("-= {value}"),
            _ => "goes back to its default".to_owned(),
        };
        screen.line(format!("{}: {} {change}", entity.text(), one.key));
    }
    if dry_run {
        screen.note("nothing was changed: --dry-run");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn changes_are_read() {
        let read = |text| change(text).map(|one| (one.name, one.op, one.value.unwrap_or_default()));
        let ok = |name: &str, op, value: &str| Ok((name.to_owned(), op, value.to_owned()));
        assert_eq!(read("retention.ms=-1"), ok("retention.ms", AlterOp::Set, "-1"));
        assert_eq!(read("cleanup.policy+=compact"), ok("cleanup.policy", AlterOp::Append, "compact"));
        assert_eq!(read("cleanup.policy-=delete"), ok("cleanup.policy", AlterOp::Subtract, "delete"));
        assert_eq!(read("a=b=c"), ok("a", AlterOp::Set, "b=c"));
        for bad in ["a", "=b", "+=b"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_change_shows_when_it_is_there() {
        let setting = |value: &str, is_own: bool| Setting {
            key: "cleanup.policy".into(),
            value: Some(value.into()),
            source: "topic",
            is_default: !is_own,
            read_only: false,
            sensitive: false,
            is_own,
            documentation: None,
        };
        let shows = |setting: Setting, text: &str| shows(&[setting], &[change(text).unwrap()]);
        assert!(shows(setting("compact", true), "cleanup.policy=compact"));
        assert!(!shows(setting("delete", true), "cleanup.policy=compact"));
        assert!(shows(setting("delete,compact", true), "cleanup.policy+=compact"));
        assert!(!shows(setting("delete,compact", true), "cleanup.policy-=compact"));
        let unset = AlterConfigOp { name: "cleanup.policy".into(), op: AlterOp::Delete, value: None };
        assert!(super::shows(&[setting("delete", false)], std::slice::from_ref(&unset)));
        assert!(!super::shows(&[setting("delete", true)], &[unset]));
    }

    #[test]
    fn settings_are_rows() {
        let one = |key: &str, value: Option<&str>, source, sensitive| ConfigEntry {
            name: key.into(),
            value: value.map(str::to_owned),
            read_only: false,
            source,
            sensitive,
            synonyms: Vec::new(),
            kind: 0,
            documentation: None,
        };
        let settings: Vec<Setting> = [
            one("cleanup.policy", Some("compact"), ConfigSource::DynamicTopic, false),
            one("ssl.key.password", None, ConfigSource::StaticBroker, true),
            one("retention.ms", Some("604800000"), ConfigSource::Default, false),
        ]
        .into_iter()
        .map(|entry| setting(entry, ConfigSource::DynamicTopic))
        .collect();
        expect![[r#"
            KEY               VALUE      FROM
            cleanup.policy    compact    topic
            ssl.key.password  (secret)   broker's file
            retention.ms      604800000  default
        "#]]
        .assert_eq(&table(&settings).render(false));
    }
}
