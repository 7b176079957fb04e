//! `__consumer_offsets` comes to be when somebody first looks for the coordinator of a group.

use std::sync::Arc;
use std::time::Duration;

use millrace_metadata::controller::{ControllerSettings, Decision, auto_created_topic, create_topics};
use millrace_metadata::image::{ClusterImage, GROUP_METADATA_TOPIC};
use millrace_protocol::messages::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use tracing::{error, info};

use super::Groups;
use crate::rate_limit::RateLimited;

static REFUSED: RateLimited = RateLimited::new(Duration::from_secs(5));

impl Groups {
    /// Creates the topic if it is not there. Returns an image in which it is, unless it cannot be
    /// created; why not is then in the log, since clients can only be told to try again.
    pub(crate) async fn ensure_topic(&self) -> Arc<ClusterImage> {
        let image = self.metadata.load();
        if image.topics.by_name(GROUP_METADATA_TOPIC).is_some() {
            if self.table.load().is_none() {
                self.follow();
            }
            return image;
        }
        let config = Arc::clone(&self.config.load());
        let created = self.quorum.propose(|image, _| {
            if image.topics.by_name(GROUP_METADATA_TOPIC).is_some() {
                return Decision::unchanged(CreateTopicsResponse::default());
            }
            let settings = ControllerSettings { node_id: config.node_id, static_broker: &config.properties };
            let topics = vec![auto_created_topic(image, GROUP_METADATA_TOPIC, &settings)];
            let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
            create_topics(image, &request, &settings, &mut fastrand::Rng::new())
        });
        let refusal = match created.await {
            Ok(response) => response.topics.into_iter().next().and_then(|topic| {
                if topic.error_code.is_ok() {
                    info!(partitions = topic.num_partitions, "{GROUP_METADATA_TOPIC} is created");
                    return None;
                }
                Some(topic.error_message.unwrap_or_else(|| topic.error_code.message().to_owned()))
            }),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = refusal
            && let Some(suppressed) = REFUSED.admit()
        {
            error!(suppressed, "no groups can be served, {GROUP_METADATA_TOPIC} cannot be created: {reason}");
        }
        // Nobody who asks next is told that it is not there.
        self.follow();
        self.metadata.load()
    }
}
