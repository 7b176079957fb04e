//! Failures in a row for each object, and how long to wait before the next attempt: a broken object does
//! not keep the others waiting, and is not asked about all the time.

use std::collections::HashMap;
use std::time::Duration;

use millrace_client::Backoff;
use parking_lot::Mutex;

use crate::names::ObjectKey;

/// The first wait, and the longest, in milliseconds.
const WAIT_MS: (u64, u64) = (1_000, 300_000);

/// See the module.
#[derive(Debug, Default)]
pub struct Attempts {
    failures: Mutex<HashMap<(&'static str, ObjectKey), u32>>,
}

impl Attempts {
    /// Notes a failure and gives the wait until the next attempt.
    pub fn failed(&self, kind: &'static str, object: ObjectKey) -> Duration {
        let mut failures = self.failures.lock();
        let count = failures.entry((kind, object)).or_default();
        *count = count.saturating_add(1);
        Backoff::from_ms(WAIT_MS.0, WAIT_MS.1).wait(*count, fastrand::f64())
    }

    /// Notes that an object was reconciled, or is gone.
    pub fn clear(&self, kind: &'static str, object: &ObjectKey) {
        self.failures.lock().remove(&(kind, object.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_ceiling_for_each_object_alone_and_success_clears_them() {
        let attempts = Attempts::default();
        let key = |name: &str| ObjectKey { namespace: "n".into(), name: name.into() };
        let first = attempts.failed("Topic", key("broken"));
        assert!(first <= Duration::from_millis(1_200), "{first:?}");
        let last = (0..20).map(|_| attempts.failed("Topic", key("broken"))).last().unwrap();
        assert!((Duration::from_secs(240)..=Duration::from_secs(360)).contains(&last), "{last:?}");
        assert!(attempts.failed("Topic", key("healthy")) <= Duration::from_millis(1_200));
        attempts.clear("Topic", &key("broken"));
        assert!(attempts.failed("Topic", key("broken")) <= Duration::from_millis(1_200));
    }
}
