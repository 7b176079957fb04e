//! The topic of a load: made where it does not exist and its partitions are given.

use std::sync::Arc;

use millrace_client::{NewTopic, TopicView};
use millrace_protocol::ErrorCode;

use crate::people::failure::Failure;
use crate::people::session::Session;

/// The topic, with a leader for each partition.
pub(super) async fn prepared(
    session: &Session,
    name: &str,
    partitions: Option<i32>,
) -> Result<TopicView, Failure> {
    let described = session.admin().describe_topics(vec![name.to_owned()]).await?;
    match (described.into_iter().next(), partitions) {
        (Some((_, Ok(topic))), None) => return Ok(topic),
        (Some((_, Ok(topic))), Some(wanted)) if topic.partitions.len() as i32 == wanted => return Ok(topic),
        (Some((_, Ok(topic))), Some(wanted)) => {
            let has = topic.partitions.len();
            return Err(Failure::new(format!("'{name}' has {has} partitions, not {wanted}"))
                .hint("leave --partitions out, or name another topic"));
        }
        (Some((_, Err(error))), Some(_)) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
        (Some((_, Err(error))), _) => {
            let failure = session.about_topic(name, error).await;
            return Err(failure.or_hint("--partitions makes it"));
        }
        (None, _) => return Err(Failure::new(format!("there is no topic '{name}'"))),
    }
    create(session, name, partitions).await
}

async fn create(session: &Session, name: &str, partitions: Option<i32>) -> Result<TopicView, Failure> {
    let topic = NewTopic { name: name.to_owned(), num_partitions: partitions, ..NewTopic::default() };
    for (_, created) in session.admin().create_topics(vec![topic], false).await? {
        created.map_err(|error| Failure::refused(format!("cannot create '{name}'"), error))?;
    }
    let names = [name.to_owned()];
    let has_leaders =
        |topic: &Arc<TopicView>| topic.partitions.iter().all(|partition| partition.leader.is_some());
    session.until_shown(&names, |cluster| cluster.topic(name).is_some_and(has_leaders)).await;
    session.topic(name).await
}
