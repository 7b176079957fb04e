//! `millrace groups delete`.

use clap::Args;
use serde::Serialize;

use super::describe::group_descriptions;
use crate::people::all_or_last_failure;
use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::session::Session;

#[derive(Debug, Clone, Args)]
pub(super) struct DeleteArgs {
    /// The groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Deleted {
    group: String,
    change: &'static str,
}

/// Runs the command.
pub(super) async fn run(session: &Session, args: DeleteArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    group_descriptions(session, &args.groups).await?;
    let question = format!("delete {} with all they committed?", args.groups.join(", "));
    screen.confirm(&question, args.yes)?;
    let results = session.admin().delete_groups(args.groups).await?;
    let results = results.into_iter().map(|(group, result)| match result {
        Ok(()) => Ok(Deleted { group, change: "deleted" }),
        Err(error) => Err(Failure::refused(format!("cannot delete group '{group}'"), error)),
    });
    let (deleted, result) = all_or_last_failure(results, screen);
    if screen.is_json() {
        screen.json(&deleted);
    } else {
        deleted.iter().for_each(|one| screen.line(format!("deleted group {}", one.group)));
    }
    result
}
