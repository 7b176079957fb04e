//! `millrace groups`.

mod delete;
mod describe;
mod lag;
mod list;
mod reset;

use clap::{Args, Subcommand};

use super::Common;
use super::failure::Failure;
use super::screen::Screen;
use super::session::Session;

/// `millrace groups`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(super) struct GroupsArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    command: GroupsCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum GroupsCommand {
    /// Show which groups there are
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Show how far groups are, in records and in time, and who reads what
    Describe(describe::DescribeArgs),
    /// Move what a group without members has committed
    Reset(reset::ResetArgs),
    /// Delete groups without members, with what they committed
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteArgs),
}

/// Runs the command.
pub(super) async fn run(args: GroupsArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let session = Session::open(&args.common.connection).await?;
    match args.command {
        GroupsCommand::List(args) => list::run(&session, &args, screen).await,
        GroupsCommand::Describe(args) => describe::run(&session, &args, screen).await,
        GroupsCommand::Reset(args) => reset::run(&session, args, screen).await,
        GroupsCommand::Delete(args) => delete::run(&session, args, screen).await,
    }
}
