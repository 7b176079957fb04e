//! `millrace groups list`.

use clap::Args;
use millrace_client::{GroupDescription, GroupListing, ListGroupsOptions};
use serde::Serialize;

use super::lag::{self, Progress};
use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::session::Session;
use crate::people::table::{Cell, Column, Table, Tone};

#[derive(Debug, Clone, Args)]
pub(super) struct ListArgs {
    /// Only groups whose name contains this
    #[arg(value_name = "TEXT")]
    contains: Option<String>,
    /// Only groups in this state, such as Stable or Empty
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<String>,
    /// Members and lag as well
    #[arg(short, long)]
    long: bool,
    /// Names only, one a line
    #[arg(short, long, conflicts_with_all = ["long", "output"])]
    quiet: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    group: String,
    state: String,
    protocol_type: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Debug, Clone, Serialize)]
struct Details {
    members: usize,
    topics: usize,
    lag: i64,
    max_lag_seconds: Option<f64>,
}

/// Runs the command.
pub(super) async fn run(session: &Session, args: &ListArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let options = ListGroupsOptions { states: args.states.clone(), types: Vec::new() };
    let listings = session.admin().list_groups(options).await?;
    for error in listings.errors {
        screen.warn(format!("a broker's groups are missing: {error}"));
    }
    let named = |group: &GroupListing| args.contains.as_ref().is_none_or(|text| group.group.contains(text));
    let groups: Vec<GroupListing> = listings.groups.into_iter().filter(named).collect();
    if args.quiet {
        groups.iter().for_each(|group| screen.line(&group.group));
        return Ok(());
    }
    if groups.is_empty() && !screen.is_json() {
        screen.note("no groups; one comes into being when its first member joins");
        return Ok(());
    }
    let mut rows: Vec<Row> = groups.into_iter().map(row).collect();
    if args.long {
        add_details(session, &mut rows).await?;
    }
    screen.show(&rows, |rows| table(rows));
    Ok(())
}

fn row(group: GroupListing) -> Row {
    let GroupListing { group, state, protocol_type, kind } = group;
    Row { group, state, protocol_type, kind, details: None }
}

async fn add_details(session: &Session, rows: &mut [Row]) -> Result<(), Failure> {
    let names = rows.iter().map(|row| row.group.clone()).collect();
    let described = session.admin().describe_groups(names).await?;
    for (row, (_, description)) in rows.iter_mut().zip(described) {
        let Ok(description) = description else { continue };
        row.details = Some(details(&description, &lag::progress(session, &description).await?));
    }
    Ok(())
}

fn details(group: &GroupDescription, progress: &[Progress]) -> Details {
    let mut topics: Vec<&str> = progress.iter().map(|one| one.topic.as_str()).collect();
    topics.dedup();
    Details {
        members: group.members.len(),
        topics: topics.len(),
        lag: progress.iter().filter_map(|one| one.lag).sum(),
        max_lag_seconds: progress.iter().filter_map(|one| one.lag_seconds).max_by(f64::total_cmp),
    }
}

fn table(rows: &[Row]) -> Table {
    let long = rows.iter().any(|row| row.details.is_some());
    let mut columns = vec![Column::Left("GROUP"), Column::Left("STATE"), Column::Left("PROTOCOL")];
    if long {
        columns.extend(["MEMBERS", "TOPICS", "LAG", "LAG TIME"].map(Column::Right));
    }
    let mut table = Table::new(columns);
    for row in rows {
        let protocol = Some(row.protocol_type.as_str()).filter(|name| !name.is_empty());
        let mut cells =
            vec![Cell::name(&row.group), super::describe::state(&row.state), Cell::maybe(protocol)];
        if long {
            let details = row.details.as_ref();
            cells.extend([
                Cell::maybe(details.map(|details| details.members)),
                Cell::maybe(details.map(|details| details.topics)),
                details.map_or(Cell::toned("-", Tone::Faint), |details| {
                    Cell::ought_to_be_zero(details.lag, Tone::Warn)
                }),
                super::describe::lag_time(details.and_then(|details| details.max_lag_seconds)),
            ]);
        }
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn groups_are_rows() {
        let row = |group: &str, state: &str, protocol_type: &str, details| Row {
            group: group.into(),
            state: state.into(),
            protocol_type: protocol_type.into(),
            kind: "classic".into(),
            details,
        };
        let details = Details { members: 2, topics: 1, lag: 1200, max_lag_seconds: Some(95.0) };
        let rows = [row("billing", "Stable", "consumer", Some(details)), row("old", "Empty", "", None)];
        expect![[r#"
            GROUP    STATE   PROTOCOL  MEMBERS  TOPICS   LAG  LAG TIME
            billing  Stable  consumer        2       1  1200    1m 35s
            old      Empty   -               -       -     -         -
        "#]]
        .assert_eq(&table(&rows).render(false));
        expect![[r#"{"group":"billing","state":"Stable","protocol_type":"consumer","type":"classic","members":2,"topics":1,"lag":1200,"max_lag_seconds":95.0}"#]]
            .assert_eq(&serde_json::to_string(&rows[0]).unwrap());
    }
}
