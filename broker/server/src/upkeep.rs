//! What has to be done now and then, whoever asks or not: flushes by time, retention, deletion of
//! files, checkpoints, compaction, metadata snapshots. A few tasks for all partitions, none for each.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::clock::now_ms;
use crate::groups;
use crate::services::Services;

/// How often the logs are looked through; what is due less often keeps its own time.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);
/// Logs that are flushed at the same time because it is time.
const FLUSHERS_MAX: usize = 8;
const QUORUM_INTERVAL: Duration = Duration::from_secs(30);

/// Starts the tasks; they end with `shutdown`.
pub(crate) fn spawn(tasks: &TaskTracker, services: &Arc<Services>, shutdown: &CancellationToken) {
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(maintain(Arc::clone(services))));
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(flush_in_time(Arc::clone(services))));
    if services.config.load().log.cleaner.enabled {
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(clean(Arc::clone(services))));
    }
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(keep_quorum(Arc::clone(services))));
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(follow_reloads(Arc::clone(services))));
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(groups::keep(Arc::clone(&services.groups))));
}

async fn follow_reloads(services: Arc<Services>) {
    loop {
        services.config.reloaded().await;
        services.quorum.refresh().await;
    }
}

async fn maintain(services: Arc<Services>) {
    loop {
        tokio::time::sleep(MAINTENANCE_INTERVAL).await;
        let logs = Arc::clone(services.partitions.logs());
        run_blocking("maintenance", move || logs.maintenance(now_ms())).await;
    }
}

/// Keeps short `flush.ms`.
pub(crate) async fn flush_in_time(services: Arc<Services>) {
    loop {
        let mut due = services.partitions.flushes().due().await;
        let share = due.len().div_ceil(FLUSHERS_MAX).max(1);
        let mut flushers = JoinSet::new();
        while !due.is_empty() {
            let part = due.split_off(due.len().saturating_sub(share));
            flushers.spawn_blocking(move || part.iter().for_each(|debtor| debtor.flush()));
        }
        while let Some(flushed) = flushers.join_next().await {
            if let Err(failed) = flushed {
                error!("flush failed: {failed}");
            }
        }
    }
}

async fn clean(services: Arc<Services>) {
    loop {
        let back_off = services.config.load().log.cleaner.back_off;
        let logs = Arc::clone(services.partitions.logs());
        let cleaned = run_blocking("compaction", move || logs.clean_once(now_ms())).await;
        if !cleaned.unwrap_or(false) {
            tokio::time::sleep(back_off).await;
        }
    }
}

async fn keep_quorum(services: Arc<Services>) {
    loop {
        tokio::time::sleep(QUORUM_INTERVAL).await;
        services.quorum.upkeep().await;
    }
}

/// Runs work that waits for the disk where it holds up nobody.
async fn run_blocking<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(failed) => {
            error!("{what} failed: {failed}");
            None
        }
    }
}
