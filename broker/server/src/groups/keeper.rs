//! The one task behind all groups: does what is due, and follows the metadata. Topics that are gone take
//! their offsets with them.

use std::sync::Arc;

use millrace_metadata::image::ClusterImage;

use super::Groups;
use super::coordinator::Coordinator;

/// Runs until it is dropped.
pub(crate) async fn keep(groups: Arc<Groups>) {
    let mut changed = groups.metadata.changed();
    let mut seen = groups.metadata.load();
    loop {
        tokio::select! {
            () = groups.sleep() => groups.run_due(),
            alive = changed.changed() => {
                if alive.is_err() {
                    return;
                }
                seen = groups.follow_from(&seen);
            }
        }
    }
}

impl Groups {
    /// Sleeps until something is due.
    async fn sleep(&self) {
        let mut next_ms = self.next_ms();
        loop {
            // Said before the last look, so that no deadline that is set meanwhile is slept through.
            self.alarm.set(next_ms);
            let earlier_ms = self.next_ms();
            if earlier_ms >= next_ms {
                break;
            }
            next_ms = earlier_ms;
        }
        self.alarm.sleep(next_ms).await;
    }

    fn next_ms(&self) -> i64 {
        let table = self.table.load();
        let coordinators = table.iter().flat_map(|table| &table.coordinators);
        coordinators.map(|coordinator| coordinator.next_ms()).min().unwrap_or(i64::MAX)
    }

    fn run_due(&self) {
        let now_ms = crate::clock::steady_ms();
        let due = self.coordinators().into_iter().filter(|coordinator| coordinator.next_ms() <= now_ms);
        due.for_each(|coordinator| coordinator.tick());
    }

    /// Follows the metadata from the image seen last to the newest, which is returned.
    fn follow_from(&self, seen: &ClusterImage) -> Arc<ClusterImage> {
        let image = self.metadata.load();
        self.follow();
        if image.topics.lost_since(&seen.topics) {
            self.coordinators().iter().for_each(Coordinator::forget_lost_topics);
        }
        image
    }
}
