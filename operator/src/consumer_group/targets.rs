//! Which group scales which Deployment: two would have it back and forth. The oldest has it, as with the groups
//! themselves. Pure.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;

use crate::names::ObjectKey;

/// See the module.
#[derive(Debug, Default)]
pub struct Targets {
    claims: Mutex<Claims>,
}

#[derive(Debug, Default)]
struct Claims {
    /// Who has a Deployment, and since when there is that group.
    holders: HashMap<ObjectKey, (Option<Timestamp>, ObjectKey)>,
    /// The Deployment of each that has one.
    targets: HashMap<ObjectKey, ObjectKey>,
}

impl Targets {
    /// Gives the Deployment in its namespace to a group that was `made` then.
    ///
    /// # Errors
    /// The older group that has it.
    pub fn claim(
        &self,
        deployment: &str,
        group: &ObjectKey,
        made: Option<Timestamp>,
    ) -> Result<(), ObjectKey> {
        let mut claims = self.claims.lock();
        let target = ObjectKey { namespace: group.namespace.clone(), name: deployment.to_owned() };
        if claims.targets.get(group).is_some_and(|had| *had != target) {
            claims.forget(group);
        }
        if let Some((since, holder)) = claims.holders.get(&target)
            && holder != group
        {
            let holder = holder.clone();
            if (*since, &holder) < (made, group) {
                return Err(holder);
            }
            claims.forget(&holder);
        }
        claims.holders.insert(target.clone(), (made, group.clone()));
        claims.targets.insert(group.clone(), target);
        Ok(())
    }

    /// A group scales nothing any more.
    pub fn forget(&self, group: &ObjectKey) {
        self.claims.lock().forget(group);
    }
}

impl Claims {
    fn forget(&mut self, group: &ObjectKey) {
        if let Some(target) = self.targets.remove(group) {
            self.holders.remove(&target);
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
        assert_eq!(targets.claim("readers", &new, at(2)), Ok(()));
        assert_eq!(targets.claim("readers", &old, at(1)), Ok(()), "it was only seen later");
        assert_eq!(targets.claim("readers", &new, at(2)), Err(old.clone()));
        assert_eq!(targets.claim("readers", &apart, at(3)), Ok(()), "of another namespace");
        assert_eq!(targets.claim("writers", &old, at(1)), Ok(()));
        assert_eq!(targets.claim("readers", &new, at(2)), Ok(()), "the other has another one now");
        targets.forget(&old);
        assert_eq!(targets.claim("writers", &new, at(2)), Ok(()));
    }
}
