//! Kubernetes Events: what happened, for `kubectl describe` and `kubectl get events`. Only for changes; a
//! state belongs into the status.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crc_fast::CrcAlgorithm;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter as Source};
use parking_lot::Mutex;

use super::error::is_namespace_terminating;
use crate::names::CONTROLLER;

/// What is told once is told again after so long: Kubernetes forgets Events after an hour.
const TOLD: Duration = Duration::from_secs(55 * 60);
/// Kubernetes takes no longer note.
const NOTE_BYTES_MAX: usize = 1024;

/// Publishes Events; one recorder counts repeated ones together.
pub struct Reporter {
    recorder: Recorder,
    /// The notes that are told once, and when they were, by kind, namespace and name.
    told: Mutex<HashMap<[String; 3], (String, Instant)>>,
}

impl Reporter {
    /// Events in the name of this instance of the operator.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let source = Source { controller: CONTROLLER.to_owned(), instance };
        Self { recorder: Recorder::new(client, source), told: Mutex::default() }
    }

    /// Something that was meant to happen.
    pub async fn normal(&self, about: &ObjectReference, reason: &str, action: &str, note: String) {
        self.publish(EventType::Normal, about, reason, action, note).await;
    }

    /// Something that somebody should look at.
    pub async fn warning(&self, about: &ObjectReference, reason: &str, action: &str, note: String) {
        self.publish(EventType::Warning, about, reason, action, note).await;
    }

    /// As [`Reporter::warning`], unless it was told within the hour. For objects that take no status, where nothing
    /// else shows what is known: each attempt would tell it again.
    pub async fn warning_once(&self, about: &ObjectReference, reason: &str, action: &str, note: String) {
        let name = |field: &Option<String>| field.clone().unwrap_or_default();
        let key = [&about.kind, &about.namespace, &about.name].map(name);
        let known = |(before, at): &(String, Instant)| *before == note && at.elapsed() < TOLD;
        let is_known = self.told.lock().get(&key).is_some_and(known);
        if !is_known && self.publish(EventType::Warning, about, reason, action, note.clone()).await {
            self.told.lock().insert(key, (note, Instant::now()));
        }
    }

    /// Forgets what was told once of an object that is gone, or can be read again.
    pub fn forget(&self, kind: &str, namespace: &str, name: &str) {
        let mut told = self.told.lock();
        // Nearly always: each pass over each object comes by here.
        if !told.is_empty() {
            told.remove(&[kind, namespace, name].map(str::to_owned));
        }
    }

    /// An Event that cannot be published is no reason to stop. Whether it was.
    async fn publish(
        &self,
        type_: EventType,
        about: &ObjectReference,
        reason: &str,
        action: &str,
        mut note: String,
    ) -> bool {
        if note.len() > NOTE_BYTES_MAX {
            note = note.chars().take(NOTE_BYTES_MAX / 4).collect();
        }
        tracing::info!(
            kind = about.kind.as_deref(),
            namespace = about.namespace.as_deref(),
            name = about.name.as_deref(),
            reason,
            "{note}"
        );
        let event = Event {
            type_,
            reason: reason.to_owned(),
            action: distinct(action, &note),
            note: Some(note),
            secondary: None,
        };
        match self.recorder.publish(&event, about).await {
            Ok(()) => true,
            Err(error) => {
                if !is_namespace_terminating(&error) {
                    tracing::warn!(%error, reason, "an Event could not be published");
                }
                false
            }
        }
    }
}

/// Events that differ in nothing but their note are counted together under the first one's note, by the
/// recorder as by Kubernetes' own: what happened later would never be told. The action, which kubectl does not
/// show, tells them apart.
fn distinct(action: &str, note: &str) -> String {
    format!("{action}-{:08x}", crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, note.as_bytes()))
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_note_is_the_same_event_and_another_one_another() {
        assert_eq!(distinct("Scale", "from 1 to 2"), distinct("Scale", "from 1 to 2"));
        assert_ne!(distinct("Scale", "from 1 to 2"), distinct("Scale", "from 2 to 0"));
    }
}
