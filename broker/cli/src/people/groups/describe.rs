//! `millrace groups describe`.

use clap::Args;
use millrace_client::{BrokerNode, GroupDescription, GroupMember};
use millrace_protocol::ErrorCode;
use serde::Serialize;

use super::lag::{self, Progress};
use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::session::Session;
use crate::people::table::{Cell, Column, Table, Tone};
use crate::people::units;

#[derive(Debug, Clone, Args)]
pub(super) struct DescribeArgs {
    /// The groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// The members as well, those without partitions too
    #[arg(short, long)]
    members: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Description {
    group: String,
    state: String,
    protocol_type: String,
    assignor: String,
    coordinator: i32,
    lag: i64,
    max_lag_seconds: Option<f64>,
    members: Vec<Member>,
    partitions: Vec<Progress>,
    #[serde(skip)]
    coordinator_address: String,
}

#[derive(Debug, Clone, Serialize)]
struct Member {
    member_id: String,
    instance_id: Option<String>,
    client_id: String,
    host: String,
    partitions: usize,
    topics: Vec<String>,
}

/// Runs the command.
pub(super) async fn run(
    session: &Session,
    args: &DescribeArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let mut described = Vec::with_capacity(args.groups.len());
    for group in group_descriptions(session, &args.groups).await? {
        let progress = lag::progress(session, &group).await?;
        described.push(description(group, progress));
    }
    if screen.is_json() {
        screen.json(&described);
        return Ok(());
    }
    for (at, one) in described.iter().enumerate() {
        if at > 0 {
            screen.line("");
        }
        screen.fields(&fields(one));
        if !one.partitions.is_empty() {
            screen.line("");
            screen.table(&progress_table(&one.partitions));
        }
        if args.members && !one.members.is_empty() {
            screen.line("");
            screen.table(&member_table(&one.members));
        }
    }
    Ok(())
}

/// Groups that exist.
pub(super) async fn group_descriptions(
    session: &Session,
    names: &[String],
) -> Result<Vec<GroupDescription>, Failure> {
    let mut groups = Vec::with_capacity(names.len());
    for (name, group) in session.admin().describe_groups(names.to_vec()).await? {
        match group {
            Ok(group) if group.state == "Dead" => return Err(session.no_group(&name).await),
            Ok(group) => groups.push(group),
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
                return Err(session.no_group(&name).await);
            }
            Err(error) => return Err(Failure::refused(format!("group '{name}'"), error)),
        }
    }
    Ok(groups)
}

fn description(group: GroupDescription, partitions: Vec<Progress>) -> Description {
    let BrokerNode { id, host, port, .. } = group.coordinator;
    Description {
        group: group.group,
        state: group.state,
        protocol_type: group.protocol_type,
        assignor: group.protocol,
        coordinator: id,
        coordinator_address: format!("{host}:{port}"),
        lag: partitions.iter().filter_map(|one| one.lag).sum(),
        max_lag_seconds: partitions.iter().filter_map(|one| one.lag_seconds).max_by(f64::total_cmp),
        members: group.members.into_iter().map(member).collect(),
        partitions,
    }
}

fn member(member: GroupMember) -> Member {
    Member {
        member_id: member.member_id,
        instance_id: member.group_instance_id,
        client_id: member.client_id,
        host: member.host.trim_start_matches('/').to_owned(),
        partitions: member.assignment.len(),
        topics: member.subscription,
    }
}

fn fields(one: &Description) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("group", one.group.clone()),
        ("state", one.state.clone()),
        ("members", one.members.len().to_string()),
        ("coordinator", format!("{} ({})", one.coordinator, one.coordinator_address)),
    ];
    if !one.assignor.is_empty() {
        fields.push(("assignor", one.assignor.clone()));
    }
    let late = one.max_lag_seconds.filter(|seconds| *seconds > 0.0);
    let late = late.map_or(String::new(), |seconds| format!(", the oldest {} ago", stretch(seconds)));
    fields.push(("lag", format!("{}{late}", units::counted(one.lag, "record"))));
    fields
}

fn progress_table(partitions: &[Progress]) -> Table {
    let mut table = Table::new([
        Column::Left("TOPIC"),
        Column::Right("PARTITION"),
        Column::Right("COMMITTED"),
        Column::Right("END"),
        Column::Right("LAG"),
        Column::Right("LAG TIME"),
        Column::Left("CLIENT"),
        Column::Left("HOST"),
    ]);
    for one in partitions {
        let lag = match one.lag {
            Some(lag) => Cell::ought_to_be_zero(lag, Tone::Warn),
            None => Cell::toned("-", Tone::Faint),
        };
        table.row([
            Cell::name(&one.topic),
            one.partition.into(),
            Cell::maybe(one.committed),
            Cell::maybe(one.end),
            lag,
            lag_time(one.lag_seconds),
            Cell::maybe(one.client_id.as_ref()),
            Cell::maybe(one.host.as_ref()),
        ]);
    }
    table
}

fn member_table(members: &[Member]) -> Table {
    let mut table = Table::new([
        Column::Left("CLIENT"),
        Column::Left("MEMBER"),
        Column::Left("INSTANCE"),
        Column::Left("HOST"),
        Column::Right("PARTITIONS"),
        Column::Left("SUBSCRIBED TO"),
    ]);
    for one in members {
        table.row([
            Cell::name(&one.client_id),
            Cell::toned(&one.member_id, Tone::Faint),
            Cell::maybe(one.instance_id.as_ref()),
            one.host.as_str().into(),
            one.partitions.into(),
            one.topics.join(",").into(),
        ]);
    }
    table
}

/// A state in its colour.
pub(super) fn state(state: &str) -> Cell {
    let tone = match state {
        "Stable" => Tone::Good,
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => Tone::Warn,
        "Dead" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::toned(state, tone)
}

/// Age of the first unread record.
pub(super) fn lag_time(seconds: Option<f64>) -> Cell {
    match seconds {
        None => Cell::toned("-", Tone::Faint),
        Some(seconds) => Cell::toned(stretch(seconds), if seconds > 0.0 { Tone::Warn } else { Tone::Plain }),
    }
}

fn stretch(seconds: f64) -> String {
    if seconds > 0.0 { units::stretch((seconds * 1000.0) as i64) } else { "0".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Io;
    use crate::people::screen::OutputArgs;
    use expect_test::expect;
    use millrace_client::TopicPartition;

    fn sample() -> Description {
        let progress = |partition, committed: Option<i64>, lag_seconds, client_id: Option<&str>| Progress {
            topic: "orders".into(),
            partition,
            committed,
            end: Some(120),
            lag: committed.map(|offset| 120 - offset),
            lag_seconds,
            client_id: client_id.map(str::to_owned),
            member_id: client_id.map(|id| format!("{id}-7")),
            host: client_id.map(|_| "127.0.0.1".to_owned()),
        };
        let group = GroupDescription {
            group: "billing".into(),
            state: "Stable".into(),
            protocol_type: "consumer".into(),
            protocol: "range".into(),
            coordinator: BrokerNode { id: 1, host: "127.0.0.1".into(), port: 9092, rack: None },
            members: vec![GroupMember {
                member_id: "app-7".into(),
                group_instance_id: None,
                client_id: "app".into(),
                host: "/127.0.0.1".into(),
                assignment: vec![TopicPartition::new("orders", 0), TopicPartition::new("orders", 1)],
                subscription: vec!["orders".into()],
            }],
        };
        let partitions = vec![
            progress(0, Some(120), Some(0.0), Some("app")),
            progress(1, Some(20), Some(12.5), Some("app")),
            progress(2, None, None, None),
        ];
        description(group, partitions)
    }

    #[test]
    fn a_group_in_full() {
        let one = sample();
        let (mut io, seen) = Io::captured(b"");
        let mut screen = Screen::new(&mut io, &OutputArgs::default());
        screen.fields(&fields(&one));
        screen.table(&progress_table(&one.partitions));
        screen.table(&member_table(&one.members));
        io.flush();
        expect![[r#"
            group        billing
            state        Stable
            members      1
            coordinator  1 (127.0.0.1:9092)
            assignor     range
            lag          100 records, the oldest 12.5 s ago
            TOPIC   PARTITION  COMMITTED  END  LAG  LAG TIME  CLIENT  HOST
            orders          0        120  120    0         0  app     127.0.0.1
            orders          1         20  120  100    12.5 s  app     127.0.0.1
            orders          2          -  120    -         -  -       -
            CLIENT  MEMBER  INSTANCE  HOST       PARTITIONS  SUBSCRIBED TO
            app     app-7   -         127.0.0.1           2  orders
        "#]]
        .assert_eq(&seen.out());
    }

    #[test]
    fn a_group_for_programs() {
        let mut one = sample();
        one.partitions.truncate(1);
        expect![[r#"
            {
              "group": "billing",
              "state": "Stable",
              "protocol_type": "consumer",
              "assignor": "range",
              "coordinator": 1,
              "lag": 100,
              "max_lag_seconds": 12.5,
              "members": [
                {
                  "member_id": "app-7",
                  "instance_id": null,
                  "client_id": "app",
                  "host": "127.0.0.1",
                  "partitions": 2,
                  "topics": [
                    "orders"
                  ]
                }
              ],
              "partitions": [
                {
                  "topic": "orders",
                  "partition": 0,
                  "committed": 120,
                  "end": 120,
                  "lag": 0,
                  "lag_seconds": 0.0,
                  "client_id": "app",
                  "member_id": "app-7",
                  "host": "127.0.0.1"
                }
              ]
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&one).unwrap());
    }
}
