//! Which volumes are to grow. A volume that is larger than asked is fine; none is ever made smaller. What the API
//! refused is remembered, so that a cluster whose volumes cannot grow is left in peace. Lost with the process; then
//! it is asked for once more.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::super::quantity::bytes;
use crate::names::ObjectKey;

/// Somebody may have changed the storage class, or the quota: what was refused is asked for again after so long.
const REFUSED: Duration = Duration::from_secs(600);

/// A volume claim, as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeState {
    /// The claim's name.
    pub name: String,
    /// What it asks for.
    pub requested: String,
    /// What it has; `None` before it is bound.
    pub capacity: Option<String>,
    /// What the storage says of growing it, such as that the pod must be restarted.
    pub condition: Option<String>,
}

/// What to do about the volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoragePlan {
    /// Claims that must ask for more.
    pub grow: Vec<String>,
    /// Claims that ask for enough and do not have it yet.
    pub growing: Vec<String>,
}

/// Plans for volumes of `size`.
#[must_use]
pub fn plan(size: &str, volumes: &[VolumeState]) -> StoragePlan {
    let wanted = bytes(size).unwrap_or(0);
    let less = |amount: &str| bytes(amount).is_none_or(|bytes| bytes < wanted);
    let mut plan = StoragePlan::default();
    for volume in volumes {
        if less(&volume.requested) {
            plan.grow.push(volume.name.clone());
        } else if volume.capacity.as_deref().is_some_and(less) {
            let why =
                volume.condition.as_ref().map_or_else(String::new, |condition| format!(" ({condition})"));
            plan.growing.push(format!("{}{why}", volume.name));
        }
    }
    plan
}

/// What the API refused, by cluster.
#[derive(Debug, Default)]
pub struct Refusals {
    refused: Mutex<HashMap<ObjectKey, Refusal>>,
}

#[derive(Debug)]
struct Refusal {
    size: String,
    why: String,
    at: Instant,
}

impl Refusals {
    /// Why volumes of `size` need not be asked for at `now`, when that is so.
    pub fn standing(&self, cluster: &ObjectKey, size: &str, now: Instant) -> Option<String> {
        let refused = self.refused.lock();
        let refusal = refused.get(cluster)?;
        let stands = refusal.size == size && now.saturating_duration_since(refusal.at) < REFUSED;
        stands.then(|| refusal.why.clone())
    }

    /// Notes what the API said at `now` about volumes of `size`.
    pub fn note(&self, cluster: ObjectKey, size: &str, why: &str, now: Instant) {
        let refusal = Refusal { size: size.to_owned(), why: why.to_owned(), at: now };
        self.refused.lock().insert(cluster, refusal);
    }

    /// Forgets a cluster that is gone.
    pub fn forget(&self, cluster: &ObjectKey) {
        self.refused.lock().remove(cluster);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, requested: &str, capacity: Option<&str>) -> VolumeState {
        let capacity = capacity.map(str::to_owned);
        VolumeState { name: name.into(), requested: requested.into(), capacity, condition: None }
    }

    #[test]
    fn smaller_volumes_grow_and_larger_ones_are_fine() {
        let volumes = [
            volume("data-0", "1Gi", Some("1Gi")),
            volume("data-1", "2Gi", Some("2Gi")),
            volume("data-2", "1024Gi", Some("1Ti")),
            volume("data-3", "2Gi", Some("1Gi")),
            volume("data-4", "2048Mi", None),
        ];
        let expected = StoragePlan { grow: vec!["data-0".into()], growing: vec!["data-3".into()] };
        assert_eq!(plan("2Gi", &volumes), expected);
    }

    #[test]
    fn what_was_refused_is_asked_for_again_for_another_size_or_much_later() {
        let refusals = Refusals::default();
        let key = |name: &str| ObjectKey { namespace: "n".into(), name: name.into() };
        let then = Instant::now();
        let later = |seconds: u64| then + Duration::from_secs(seconds);
        assert_eq!(refusals.standing(&key("main"), "2Gi", then), None);
        refusals.note(key("main"), "2Gi", "the class cannot", then);
        assert_eq!(refusals.standing(&key("main"), "2Gi", later(599)).as_deref(), Some("the class cannot"));
        assert_eq!(refusals.standing(&key("main"), "2Gi", later(600)), None);
        assert_eq!(refusals.standing(&key("main"), "3Gi", later(1)), None, "another size");
        assert_eq!(refusals.standing(&key("other"), "2Gi", later(1)), None, "another cluster");
        refusals.forget(&key("main"));
        assert_eq!(refusals.standing(&key("main"), "2Gi", later(1)), None);
    }
}
