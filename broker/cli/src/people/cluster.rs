//! `millrace cluster`: brokers, controller, log directories, versions of the protocol.

use clap::{Args, Subcommand};
use millrace_client::{ApiVersionTable, BrokerNode, LogDir};
use millrace_protocol::{ApiKey, ErrorCode, VersionRange};
use serde::Serialize;

use super::Common;
use super::failure::Failure;
use super::screen::Screen;
use super::session::Session;
use super::table::{Cell, Column, Table, Tone};
use super::units;

/// `millrace cluster`.
#[derive(Debug, Clone, Args)]
pub(super) struct ClusterArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    command: Option<ClusterCommand>,
}

#[derive(Debug, Clone, Subcommand)]
enum ClusterCommand {
    /// Show brokers and controller (what `millrace cluster` alone shows)
    Describe,
    /// Show where brokers keep their logs, and how large these are
    LogDirs {
        /// Partition by partition
        #[arg(short, long)]
        partitions: bool,
    },
    /// Show which versions of each API brokers serve
    ApiVersions,
}

/// Runs the command.
pub(super) async fn run(args: ClusterArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let session = Session::open(&args.common.connection).await?;
    match args.command {
        None | Some(ClusterCommand::Describe) => describe(&session, screen).await,
        Some(ClusterCommand::LogDirs { partitions }) => log_dirs(&session, partitions, screen).await,
        Some(ClusterCommand::ApiVersions) => api_versions(&session, screen).await,
    }
}

#[derive(Debug, Clone, Serialize)]
struct Description {
    cluster_id: String,
    controller: Option<i32>,
    brokers: Vec<Broker>,
}

#[derive(Debug, Clone, Serialize)]
struct Broker {
    id: i32,
    host: String,
    port: u16,
    rack: Option<String>,
    controller: bool,
    log_dirs: Option<usize>,
    replicas: Option<usize>,
    bytes: Option<i64>,
}

async fn describe(session: &Session, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let cluster = session.admin().describe_cluster().await?;
    let mut brokers: Vec<Broker> =
        cluster.brokers.into_iter().map(|node| broker(node, cluster.controller)).collect();
    let ids = brokers.iter().map(|broker| broker.id).collect();
    // Brokers that do not tell (too old, or not allowed) are shown without their disks.
    for (id, dirs) in session.admin().describe_log_dirs(ids).await.unwrap_or_default() {
        let (Some(broker), Ok(dirs)) = (brokers.iter_mut().find(|broker| broker.id == id), dirs) else {
            continue;
        };
        broker.log_dirs = Some(dirs.len());
        broker.replicas = Some(dirs.iter().map(|dir| dir.replicas.len()).sum());
        broker.bytes = Some(dirs.iter().map(bytes).sum());
    }
    let description = Description { cluster_id: cluster.cluster_id, controller: cluster.controller, brokers };
    if screen.is_json() {
        screen.json(&description);
    } else {
        let controller = description.controller.map_or("none".to_owned(), |id| id.to_string());
        screen.fields(&[("cluster", description.cluster_id.clone()), ("controller", controller)]);
        screen.line("");
        screen.table(&broker_table(&description.brokers));
    }
    Ok(())
}

fn broker(node: BrokerNode, controller: Option<i32>) -> Broker {
    Broker {
        id: node.id,
        host: node.host,
        port: node.port,
        rack: node.rack,
        controller: controller == Some(node.id),
        log_dirs: None,
        replicas: None,
        bytes: None,
    }
}

fn bytes(dir: &LogDir) -> i64 {
    dir.replicas.iter().map(|replica| replica.size_bytes).sum()
}

fn broker_table(brokers: &[Broker]) -> Table {
    let mut table = Table::new([
        Column::Right("BROKER"),
        Column::Left("ADDRESS"),
        Column::Left("RACK"),
        Column::Left("ROLE"),
        Column::Right("LOG DIRS"),
        Column::Right("REPLICAS"),
        Column::Right("SIZE"),
    ]);
    for broker in brokers {
        let role = if broker.controller { "broker, controller" } else { "broker" };
        table.row([
            Cell::name(broker.id),
            format!("{}:{}", broker.host, broker.port).into(),
            Cell::maybe(broker.rack.as_ref()),
            role.into(),
            Cell::maybe(broker.log_dirs),
            Cell::maybe(broker.replicas),
            Cell::maybe(broker.bytes.map(units::size)),
        ]);
    }
    table
}

#[derive(Debug, Clone, Serialize)]
struct Directory {
    broker: i32,
    path: String,
    error: Option<String>,
    replicas: usize,
    bytes: i64,
    free_bytes: Option<i64>,
    total_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    partitions: Vec<Replica>,
}

#[derive(Debug, Clone, Serialize)]
struct Replica {
    topic: String,
    partition: i32,
    bytes: i64,
    offset_lag: i64,
}

async fn log_dirs(session: &Session, partitions: bool, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (broker, dirs) in session.admin().describe_log_dirs(Vec::new()).await? {
        let dirs = dirs.map_err(|error| Failure::refused(format!("broker {broker}"), error))?;
        rows.extend(dirs.into_iter().map(|dir| directory(broker, dir, partitions)));
    }
    screen.show(&rows, |rows| if partitions { replica_table(rows) } else { directory_table(rows) });
    Ok(())
}

fn directory(broker: i32, dir: LogDir, partitions: bool) -> Directory {
    let mut replicas: Vec<Replica> = dir
        .replicas
        .iter()
        .filter(|_| partitions)
        .map(|replica| Replica {
            topic: replica.partition.topic.to_string(),
            partition: replica.partition.partition,
            bytes: replica.size_bytes,
            offset_lag: replica.offset_lag,
        })
        .collect();
    replicas.sort_by(|left, right| (&left.topic, left.partition).cmp(&(&right.topic, right.partition)));
    Directory {
        broker,
        error: (dir.error != ErrorCode::NONE).then(|| dir.error.name().to_owned()),
        replicas: dir.replicas.len(),
        bytes: bytes(&dir),
        free_bytes: dir.usable_bytes,
        total_bytes: dir.total_bytes,
        path: dir.path,
        partitions: replicas,
    }
}

fn directory_table(rows: &[Directory]) -> Table {
    let mut table = Table::new([
        Column::Right("BROKER"),
        Column::Left("DIRECTORY"),
        Column::Right("REPLICAS"),
        Column::Right("SIZE"),
        Column::Right("FREE"),
        Column::Right("OF"),
        Column::Left("STATE"),
    ]);
    for row in rows {
        table.row([
            row.broker.into(),
            Cell::name(&row.path),
            row.replicas.into(),
            units::size(row.bytes).into(),
            Cell::maybe(row.free_bytes.map(units::size)),
            Cell::maybe(row.total_bytes.map(units::size)),
            row.error.as_ref().map_or(Cell::toned("ok", Tone::Good), |error| Cell::toned(error, Tone::Bad)),
        ]);
    }
    table
}

fn replica_table(rows: &[Directory]) -> Table {
    let mut table = Table::new([
        Column::Right("BROKER"),
        Column::Left("TOPIC"),
        Column::Right("PARTITION"),
        Column::Right("SIZE"),
        Column::Right("OFFSET LAG"),
        Column::Left("DIRECTORY"),
    ]);
    for row in rows {
        for replica in &row.partitions {
            table.row([
                row.broker.into(),
                Cell::name(&replica.topic),
                replica.partition.into(),
                units::size(replica.bytes).into(),
                Cell::ought_to_be_zero(replica.offset_lag, Tone::Warn),
                Cell::toned(&row.path, Tone::Faint),
            ]);
        }
    }
    table
}

#[derive(Debug, Clone, Serialize)]
struct Versions {
    broker: i32,
    apis: Vec<Api>,
}

#[derive(Debug, Clone, Serialize)]
struct Api {
    key: i16,
    name: Option<&'static str>,
    first: i16,
    last: i16,
    /// The newest that this client speaks as well.
    used: Option<i16>,
}

async fn api_versions(session: &Session, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut all = Vec::new();
    for (node, table) in session.admin().api_versions_of_all().await? {
        let table = table.map_err(|error| Failure::refused(format!("broker {}", node.id), error))?;
        all.push(Versions { broker: node.id, apis: apis(&table) });
    }
    screen.show(&all, |all| versions_table(all));
    Ok(())
}

fn apis(table: &ApiVersionTable) -> Vec<Api> {
    let api = |(key, VersionRange { first, last })| {
        let known = ApiKey::from_number(key);
        let used = known.and_then(|api| table.usable(api));
        Api { key, name: known.map(ApiKey::name), first, last, used }
    };
    table.iter().map(api).collect()
}

fn versions_table(all: &[Versions]) -> Table {
    let mut table = Table::new([
        Column::Right("BROKER"),
        Column::Right("KEY"),
        Column::Left("API"),
        Column::Right("FROM"),
        Column::Right("TO"),
        Column::Right("USED"),
    ]);
    for versions in all {
        for api in &versions.apis {
            table.row([
                versions.broker.into(),
                api.key.into(),
                api.name.map_or(Cell::toned("(not known here)", Tone::Faint), Cell::name),
                api.first.into(),
                api.last.into(),
                Cell::maybe(api.used),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use millrace_client::{LogDirReplica, TopicPartition};

    #[test]
    fn brokers_are_rows() {
        let node = |id| BrokerNode { id, host: "10.0.0.5".into(), port: 9092, rack: None };
        let mut brokers = [broker(node(1), Some(1)), broker(node(2), Some(1))];
        (brokers[0].log_dirs, brokers[0].replicas, brokers[0].bytes) = (Some(1), Some(12), Some(5 << 20));
        expect![[r#"
            BROKER  ADDRESS        RACK  ROLE                LOG DIRS  REPLICAS     SIZE
                 1  10.0.0.5:9092  -     broker, controller         1        12  5.0 MiB
                 2  10.0.0.5:9092  -     broker                     -         -        -
        "#]]
        .assert_eq(&broker_table(&brokers).render(false));
    }

    #[test]
    fn directories_are_rows_and_so_are_their_replicas() {
        let replica = |topic: &str, number| LogDirReplica {
            partition: TopicPartition::new(topic, number),
            size_bytes: 1024,
            offset_lag: 0,
            is_future: false,
        };
        let dir = LogDir {
            path: "/var/lib/millrace".into(),
            error: ErrorCode::NONE,
            total_bytes: Some(10 << 30),
            usable_bytes: None,
            replicas: vec![replica("orders", 1), replica("orders", 0)],
        };
        let broken = LogDir { error: ErrorCode::KAFKA_STORAGE_ERROR, replicas: Vec::new(), ..dir.clone() };
        let rows = [directory(1, dir, true), directory(2, broken, true)];
        expect![[r#"
            BROKER  DIRECTORY          REPLICAS     SIZE  FREE        OF  STATE
                 1  /var/lib/millrace         2  2.0 KiB     -  10.0 GiB  ok
                 2  /var/lib/millrace         0      0 B     -  10.0 GiB  KAFKA_STORAGE_ERROR
        "#]]
        .assert_eq(&directory_table(&rows).render(false));
        expect![[r#"
            BROKER  TOPIC   PARTITION     SIZE  OFFSET LAG  DIRECTORY
                 1  orders          0  1.0 KiB           0  /var/lib/millrace
                 1  orders          1  1.0 KiB           0  /var/lib/millrace
        "#]]
        .assert_eq(&replica_table(&rows).render(false));
    }
}
