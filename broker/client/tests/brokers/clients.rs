//! What every call can rely on, whoever makes it.

use std::time::Duration;

use futures_util::FutureExt;
use millrace_client::{Client, ClientConfig, ClientError, Target, TopicScope};

use crate::support::{PATIENCE, Place};

/// Futures that were begun and are not polled any more, as those of a `select!` that waits elsewhere,
/// keep neither connections nor turns from others.
pub(crate) async fn a_call_that_rests_holds_up_nobody(place: Place) {
    let client = Client::new(ClientConfig::new(&place.servers)).unwrap();
    let mut connecting = Box::pin(client.metadata(TopicScope::None));
    assert!((&mut connecting).now_or_never().is_none(), "it waits for a connection");
    let others = async {
        client.metadata(TopicScope::All).await.unwrap();
        client.api_versions(Target::Controller).await.unwrap();
    };
    tokio::time::timeout(PATIENCE, others).await.unwrap();
    connecting.await.unwrap();
}

/// A broker that goes away and comes back; one that was never there; an end that is final.
pub(crate) async fn failures_are_told_apart(place: Place) {
    let mut config = ClientConfig::new(&place.fragile.servers);
    config.retry = millrace_client::Backoff::from_ms(5, 20);
    config.reconnect = millrace_client::Backoff::from_ms(5, 20);
    let client = Client::new(config).unwrap();
    client.metadata(TopicScope::None).await.unwrap();
    place.fragile.cut();
    client.api_versions(Target::Controller).await.unwrap();
    client.close();
    assert_eq!(client.metadata(TopicScope::None).await, Err(ClientError::Closed));

    let nobody = Client::new(ClientConfig {
        timeouts: millrace_client::config::Timeouts {
            api: Duration::from_millis(200),
            ..ClientConfig::new("").timeouts
        },
        ..ClientConfig::new("127.0.0.1:1")
    })
    .unwrap();
    let error = nobody.api_versions(Target::Any).await.unwrap_err();
    let ClientError::TimedOut { last: Some(last), .. } = &error else { panic!("{error}") };
    assert!(matches!(**last, ClientError::NoBrokers { .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("advertised.listeners")));
}
