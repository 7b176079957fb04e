//! `millrace topics`.

mod change;
mod describe;
mod list;

use clap::{Args, Subcommand};

use super::Common;
use super::failure::Failure;
use super::screen::Screen;
use super::session::Session;

/// `millrace topics`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(super) struct TopicsArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum TopicsCommand {
    /// Show which topics there are
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Show topics with their partitions and settings
    Describe(describe::DescribeArgs),
    /// Make topics
    Create(change::CreateArgs),
    /// Grow a topic to more partitions
    #[command(visible_alias = "grow")]
    Alter(change::AlterArgs),
    /// Delete topics with all their records
    #[command(visible_alias = "rm")]
    Delete(change::DeleteArgs),
}

/// Runs the command.
pub(super) async fn run(args: TopicsArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let session = Session::open(&args.common.connection).await?;
    match args.command {
        TopicsCommand::List(args) => list::run(&session, &args, screen).await,
        TopicsCommand::Describe(args) => describe::run(&session, &args, screen).await,
        TopicsCommand::Create(args) => change::create(&session, args, screen).await,
        TopicsCommand::Alter(args) => change::alter(&session, args, screen).await,
        TopicsCommand::Delete(args) => change::delete(&session, args, screen).await,
    }
}
