//! Resources that do not fit their own type: somebody changed the schema, or wrote past it. They are said
//! to be unreadable, and do not keep the others waiting.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, Patch};
use kube::core::ApiResource;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::controller::Action;
use serde_json::json;

use crate::api::error::{ReconcileError, is_not_found};
use crate::api::finalizer;
use crate::conditions::{READY, Verdict, merged, seconds};
use crate::context::Context;
use crate::names::{FINALIZER, ObjectKey};
use crate::pass::Managed;

const UNREADABLE: &str = "Unreadable";

/// Says so in the status; lets go of one that is being deleted.
///
/// # Errors
/// What the API says.
pub async fn report<K>(
    context: &Context,
    key: &ObjectKey,
    invalid: &InvalidObject,
) -> Result<Action, ReconcileError>
where
    K: Managed,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &key.namespace, &resource);
    let meta = &invalid.metadata;
    if meta.deletion_timestamp.is_some() {
        let held = meta.finalizers.iter().flatten().any(|one| one == FINALIZER);
        return if held { let_go(&api, key, invalid).await } else { Ok(Action::await_change()) };
    }
    context.metrics.ready(K::KIND, key, false);
    tracing::warn!(kind = K::KIND, object = %key, error = %invalid.error, "the resource cannot be read");
    let message = format!("the resource does not fit its type: {}", invalid.error);
    let conditions = merged(
        &[],
        vec![Verdict::no(READY, UNREADABLE, message.clone())],
        meta.generation,
        // Not now, since what was said before cannot be read: the same error writes the same status, which the
        // API server does not store again.
        written_at(meta),
    );
    // Not by server-side apply: the API server cannot merge into an object that does not fit its schema. What
    // is wrong already, and is not touched, it lets pass.
    let patch = json!({ "status": { "conditions": conditions } });
    match api.patch_status(&key.name, &finalizer::params(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(Action::await_change()),
        Err(error) if is_not_found(&error) => Ok(Action::await_change()),
        Err(error) => {
            // A rule about changes that meets a value of another type than its own: the API server takes nothing
            // for such an object before somebody mends its spec, but an Event.
            if matches!(&error, kube::Error::Api(status) if status.code == 422) {
                let about = reference::<K>(key, meta);
                context.reporter.warning_once(&about, UNREADABLE, "Reconcile", message).await;
            }
            Err(error.into())
        }
    }
}

/// When the object itself, not its status, was last written.
fn written_at(meta: &ObjectMeta) -> Timestamp {
    let written = meta.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    let last = written.filter_map(|entry| entry.time.as_ref()).max_by_key(|time| time.0);
    last.or(meta.creation_timestamp.as_ref()).map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

fn reference<K: Managed>(key: &ObjectKey, meta: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::KIND.to_owned()),
        namespace: Some(key.namespace.clone()),
        name: Some(key.name.clone()),
        uid: meta.uid.clone(),
        ..ObjectReference::default()
    }
}

async fn let_go(
    api: &Api<DynamicObject>,
    key: &ObjectKey,
    invalid: &InvalidObject,
) -> Result<Action, ReconcileError> {
    let patch = finalizer::patch(&invalid.metadata, false);
    tracing::info!(object = %key, at = seconds(Timestamp::now()), "an unreadable resource goes");
    match api.patch(&key.name, &finalizer::params(), &patch).await {
        Ok(_) => Ok(Action::await_change()),
        Err(error) if is_not_found(&error) => Ok(Action::await_change()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};

    use super::*;

    fn at(second: i64) -> Option<Time> {
        Some(Time(Timestamp::from_second(second).unwrap()))
    }

    #[test]
    fn a_status_that_is_written_moves_no_time() {
        let entry = |second, subresource: Option<&str>| ManagedFieldsEntry {
            time: at(second),
            subresource: subresource.map(str::to_owned),
            ..ManagedFieldsEntry::default()
        };
        let mut meta = ObjectMeta { creation_timestamp: at(10), ..ObjectMeta::default() };
        assert_eq!(written_at(&meta).as_second(), 10);
        meta.managed_fields =
            Some(vec![entry(10, None), entry(30, None), entry(20, None), entry(40, Some("status"))]);
        assert_eq!(written_at(&meta).as_second(), 30);
    }
}
