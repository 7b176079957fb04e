//! One pass over one resource: what is done alike for every kind. What a kind does besides stands in its own
//! `reconcile`.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::runtime::controller::Action;
use millrace_crds::{
    BrokerCluster, BrokerClusterStatus, ConsumerGroup, ConsumerGroupStatus, Topic, TopicStatus,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::error::ReconcileError;
use crate::api::finalizer;
use crate::conditions::{ConditionedStatus, PAUSED, READY, Verdict, find, is_news, with_verdicts};
use crate::context::Context;
use crate::names::ObjectKey;

/// A kind of resource that the operator looks after.
pub trait Managed:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug
{
    /// Its status.
    type Status: ConditionedStatus + PartialEq + Serialize + DeserializeOwned;
    /// For the metrics and the log.
    const KIND: &'static str;
    /// What its users call the thing that it describes.
    const THING: &'static str;

    /// The status that the API server has.
    fn status(&self) -> Option<&Self::Status>;
}

macro_rules! managed {
    ($kind:ident, $status:ident, $thing:literal) => {
        impl Managed for $kind {
            type Status = $status;
            const KIND: &'static str = stringify!($kind);
            const THING: &'static str = $thing;

            fn status(&self) -> Option<&Self::Status> {
                self.status.as_ref()
            }
        }
    };
}

managed!(BrokerCluster, BrokerClusterStatus, "cluster");
managed!(Topic, TopicStatus, "topic");
managed!(ConsumerGroup, ConsumerGroupStatus, "group");

/// See the module.
pub struct Pass<'a, K: Managed> {
    /// The resource.
    pub object: K,
    /// Which one it is.
    pub key: ObjectKey,
    /// Its status, as it was last written.
    pub before: K::Status,
    /// What all passes share.
    pub context: &'a Context,
}

impl<'a, K: Managed> Pass<'a, K> {
    /// A pass that has not begun.
    #[must_use]
    pub fn new(object: K, key: ObjectKey, context: &'a Context) -> Self {
        let before = context.statuses.current(&object, object.status());
        Self { object, key, before, context }
    }

    /// Somebody deletes the resource.
    #[must_use]
    pub fn is_going(&self) -> bool {
        self.object.meta().deletion_timestamp.is_some()
    }

    /// The generation that is worked on.
    #[must_use]
    pub fn generation(&self) -> Option<i64> {
        self.object.meta().generation
    }

    /// What was said of readiness stays while the operator is told to look away.
    ///
    /// # Errors
    /// What the API says.
    pub async fn look_away(&self) -> Result<Action, ReconcileError> {
        let message = format!("the operator leaves the {} alone", K::THING);
        let ready = find(self.before.conditions(), READY).map(|ready| Verdict {
            aspect: READY,
            status: ready.status,
            reason: "Paused",
            message: message.clone(),
        });
        let paused = Verdict::yes(PAUSED, "Annotated", message);
        self.say(ready.into_iter().chain([paused]).collect()).await?;
        Ok(Action::await_change())
    }

    /// Says in the status, and in an Event when it is news, why nothing can be done before something changes.
    ///
    /// # Errors
    /// What the API says.
    pub async fn refuse(&self, verdict: Verdict) -> Result<(), ReconcileError> {
        if is_news(self.before.conditions(), &verdict) {
            self.warn(verdict.reason, "Reconcile", verdict.message.clone()).await;
        }
        self.say(vec![verdict]).await
    }

    /// Says in the status that the thing cannot be deleted. Gives the error to go on with.
    ///
    /// # Errors
    /// What the API says.
    pub async fn blocked(&self, reason: &str) -> Result<ReconcileError, ReconcileError> {
        let message = format!(
            "the {thing} cannot be deleted: {reason}; to let the resource go and keep the {thing}, set \
             spec.deletionPolicy to Retain",
            thing = K::THING
        );
        self.say(vec![Verdict::no(READY, "DeletionBlocked", message.clone())]).await?;
        Ok(ReconcileError::Waiting(message))
    }

    /// Writes what the verdicts say; the rest of the status stays.
    ///
    /// # Errors
    /// What the API says.
    pub async fn say(&self, verdicts: Vec<Verdict>) -> Result<(), ReconcileError> {
        self.publish(&with_verdicts(&self.before, verdicts, self.generation(), Timestamp::now())).await
    }

    /// Writes the status at the end of the pass, if it says something new.
    ///
    /// # Errors
    /// What the API says.
    pub async fn publish(&self, status: &K::Status) -> Result<(), ReconcileError> {
        self.context.metrics.said(K::KIND, &self.key, status.conditions());
        self.write(status).await
    }

    /// Writes a status in the middle of a pass, which goes on from there.
    ///
    /// # Errors
    /// What the API says.
    pub async fn record(&mut self, status: K::Status) -> Result<(), ReconcileError> {
        self.write(&status).await?;
        self.before = status;
        Ok(())
    }

    async fn write(&self, status: &K::Status) -> Result<(), ReconcileError> {
        let context = self.context;
        Ok(context.statuses.publish(&context.client, &self.object, &self.before, status).await?)
    }

    /// Puts the finalizer on or takes it off. `false` when the resource is gone meanwhile.
    ///
    /// # Errors
    /// What the API says.
    pub async fn hold(&mut self, hold: bool) -> Result<bool, ReconcileError> {
        if finalizer::is_held(&self.object) == hold {
            return Ok(true);
        }
        match finalizer::set(&self.context.client, &self.object, hold).await? {
            Some(object) => {
                self.object = object;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Takes the finalizer off a resource that goes.
    ///
    /// # Errors
    /// What the API says.
    pub async fn let_go(&self) -> Result<Action, ReconcileError> {
        finalizer::set(&self.context.client, &self.object, false).await?;
        Ok(Action::await_change())
    }

    /// Tells in an Event what was done.
    pub async fn tell(&self, reason: &str, action: &str, note: String) {
        self.context.reporter.normal(&self.reference(), reason, action, note).await;
    }

    /// Tells in an Event what somebody should look at.
    pub async fn warn(&self, reason: &str, action: &str, note: String) {
        self.context.reporter.warning(&self.reference(), reason, action, note).await;
    }

    fn reference(&self) -> ObjectReference {
        self.object.object_ref(&())
    }
}
