//! Which group scales which Deployment: two would have it back and forth. The oldest has it, as with the groups
//! themselves; one that is paused keeps it. Pure.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;

use crate::names::ObjectKey;

/// See the module.
#[derive(Debug, Default)]
pub struct Targets {
    claims: Mutex<Claims>,
}

/// Oldest first.
type Claim = (Option<Timestamp>, ObjectKey);

#[derive(Debug, Default)]
struct Claims {
    /// Who would scale a Deployment.
    groups: HashMap<ObjectKey, BTreeSet<Claim>>,
    /// What each group would scale.
    targets: HashMap<ObjectKey, (ObjectKey, Claim)>,
}

impl Targets {
    /// A group that was `made` then scales a Deployment of its namespace, or none.
    pub fn note(&self, group: &ObjectKey, made: Option<Timestamp>, deployment: Option<&str>) {
        let mut claims = self.claims.lock();
        claims.forget(group);
        if let Some(name) = deployment {
            let target = ObjectKey { namespace: group.namespace.clone(), name: name.to_owned() };
            let claim = (made, group.clone());
            claims.groups.entry(target.clone()).or_default().insert(claim.clone());
            claims.targets.insert(group.clone(), (target, claim));
        }
    }

    /// The older group that scales the Deployment which this one would scale.
    #[must_use]
    pub fn rival(&self, group: &ObjectKey) -> Option<ObjectKey> {
        let claims = self.claims.lock();
        let (target, _) = claims.targets.get(group)?;
        let (_, oldest) = claims.groups.get(target)?.first()?;
        (oldest != group).then(|| oldest.clone())
    }

    /// A group scales nothing: it is gone, or may not.
    pub fn forget(&self, group: &ObjectKey) {
        self.claims.lock().forget(group);
    }
}

impl Claims {
    fn forget(&mut self, group: &ObjectKey) {
        let Some((target, claim)) = self.targets.remove(group) else { return };
        if let Some(groups) = self.groups.get_mut(&target) {
            groups.remove(&claim);
            if groups.is_empty() {
                self.groups.remove(&target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_has_it_until_it_lets_go() {
        let targets = Targets::default();
        let key = |namespace: &str, name: &str| ObjectKey { namespace: namespace.into(), name: name.into() };
        let (old, new, apart) = (key("shop", "z"), key("shop", "a"), key("other", "a"));
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        targets.note(&new, at(2), Some("readers"));
        assert_eq!(targets.rival(&new), None);
        targets.note(&old, at(1), Some("readers"));
        targets.note(&apart, at(1), Some("readers"));
        assert_eq!(targets.rival(&new), Some(old.clone()), "it was only seen later");
        assert_eq!((targets.rival(&old), targets.rival(&apart)), (None, None));
        targets.note(&old, at(1), Some("writers"));
        assert_eq!(targets.rival(&new), None, "the other has another one now");
        targets.note(&old, at(1), Some("readers"));
        targets.forget(&old);
        assert_eq!((targets.rival(&new), targets.rival(&old)), (None, None));
        targets.note(&new, at(2), None);
        targets.forget(&apart);
        let claims = targets.claims.lock();
        assert!(claims.groups.is_empty() && claims.targets.is_empty());
    }
}
