//! What was refused for good, so that nobody asks for it all the time: for another thing at once, for the same one after
//! a while, since whoever refused may have changed their mind. Lost with the process; then it is asked for once more.
//! Pure; times are handed in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::names::ObjectKey;

/// Somebody may have changed the storage class, the quota, or the webhook.
const STANDS: Duration = Duration::from_secs(600);

/// What was refused last, by object, and why.
#[derive(Debug)]
pub struct Refusals<W> {
    refused: Mutex<HashMap<ObjectKey, Refusal<W>>>,
}

#[derive(Debug)]
struct Refusal<W> {
    what: String,
    why: W,
    at: Instant,
}

impl<W> Default for Refusals<W> {
    fn default() -> Self {
        Self { refused: Mutex::default() }
    }
}

impl<W: Clone> Refusals<W> {
    /// Why `what` need not be asked for at `now`, when that is so.
    pub fn standing(&self, object: &ObjectKey, what: &str, now: Instant) -> Option<W> {
        let refused = self.refused.lock();
        let refusal = refused.get(object)?;
        let stands = refusal.what == what && now.saturating_duration_since(refusal.at) < STANDS;
        stands.then(|| refusal.why.clone())
    }

    /// Notes that `what` was refused at `now`.
    pub fn note(&self, object: ObjectKey, what: &str, why: W, now: Instant) {
        let refusal = Refusal { what: what.to_owned(), why, at: now };
        self.refused.lock().insert(object, refusal);
    }

    /// Forgets what was refused of an object: it is gone, or got what it asks for now.
    pub fn forget(&self, object: &ObjectKey) {
        self.refused.lock().remove(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_asked_for_again_much_later_and_another_thing_at_once() {
        let refusals = Refusals::default();
        let key = |name: &str| ObjectKey { namespace: "n".into(), name: name.into() };
        let then = Instant::now();
        let later = |seconds: u64| then + Duration::from_secs(seconds);
        assert_eq!(refusals.standing(&key("main"), "2Gi", then), None);
        refusals.note(key("main"), "2Gi", "the class cannot", then);
        assert_eq!(refusals.standing(&key("main"), "2Gi", later(599)), Some("the class cannot"));
        assert_eq!(refusals.standing(&key("main"), "2Gi", later(600)), None);
        assert_eq!(refusals.standing(&key("main"), "3Gi", later(1)), None, "another size");
        assert_eq!(refusals.standing(&key("other"), "2Gi", later(1)), None, "another cluster");
        refusals.forget(&key("main"));
        assert_eq!(refusals.standing(&key("main"), "2Gi", later(1)), None);
    }
}
