//! What shall be reconciled again, as a stream that a controller takes. A set: what is asked for twice
//! before it is taken is taken once, so there are never more entries than objects.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::Stream;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::names::ObjectKey;

/// Clones share the set.
#[derive(Debug, Clone, Default)]
pub struct Triggers {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<HashSet<ObjectKey>>,
    more: Notify,
}

impl Triggers {
    /// Asks for an object to be reconciled.
    pub fn pull(&self, object: ObjectKey) {
        self.inner.waiting.lock().insert(object);
        self.inner.more.notify_one();
    }

    /// Asks for many.
    pub fn pull_all(&self, objects: impl IntoIterator<Item = ObjectKey>) {
        self.inner.waiting.lock().extend(objects);
        self.inner.more.notify_one();
    }

    /// What was asked for, as it comes. Ends never. Of several streams each object comes out of one.
    pub fn stream(&self) -> impl Stream<Item = ObjectKey> + Send + 'static {
        let inner = Arc::clone(&self.inner);
        futures_util::stream::unfold((inner, Vec::<ObjectKey>::new()), |(inner, mut taken)| async move {
            loop {
                if let Some(next) = taken.pop() {
                    return Some((next, (inner, taken)));
                }
                taken.extend(inner.waiting.lock().drain());
                if taken.is_empty() {
                    inner.more.notified().await;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[tokio::test]
    async fn asking_twice_gives_one() {
        let triggers = Triggers::default();
        let key = |name: &str| ObjectKey { namespace: "n".into(), name: name.into() };
        triggers.pull(key("a"));
        triggers.pull_all([key("a"), key("b")]);
        let mut stream = Box::pin(triggers.stream());
        let mut names = [stream.next().await.unwrap().name, stream.next().await.unwrap().name];
        names.sort();
        assert_eq!(names, ["a", "b"]);
        assert!(futures_util::poll!(stream.next()).is_pending());
        triggers.pull(key("a"));
        assert_eq!(stream.next().await.unwrap(), key("a"));
    }
}
