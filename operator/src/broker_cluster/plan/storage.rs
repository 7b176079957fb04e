//! Which volumes are to grow. A volume that is larger than asked is fine; none is ever made smaller.

use super::super::quantity::bytes;

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
            match &volume.capacity {
                Some(_) => plan.grow.push(volume.name.clone()),
                // Kubernetes refuses to grow what is not bound.
                None => plan.growing.push(format!("{} (not bound yet)", volume.name)),
            }
        } else if volume.capacity.as_deref().is_some_and(less) {
            let why =
                volume.condition.as_ref().map_or_else(String::new, |condition| format!(" ({condition})"));
            plan.growing.push(format!("{}{why}", volume.name));
        }
    }
    plan
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
            volume("data-5", "1Gi", None),
        ];
        let growing = vec!["data-3".into(), "data-5 (not bound yet)".into()];
        let expected = StoragePlan { grow: vec!["data-0".into()], growing };
        assert_eq!(plan("2Gi", &volumes), expected);
    }
}
