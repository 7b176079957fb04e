//! One operator at a time: the holder of a Lease works, the others stand by. The Lease is given back on a
//! stop, so that the next one takes over at once. A holder that cannot see its own Lease any more stops
//! before another one may take it; until then it goes on, so that an API server that restarts unseats nobody.
//!
//! kube-lease-manager knows how to take, keep and give back a Lease; when to try again is decided here. Its own
//! loop waits longer after each failure, up to 30 seconds, and forgets about that only when the holder changes: the
//! third failure in the life of a holder, days after the first, may cost it its Lease.

use std::error::Error;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client, Config};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A holder that died is followed after this long.
const DURATION: Duration = Duration::from_secs(15);
/// The holder renews so long before: every four seconds, as long as all goes well.
const GRACE: Duration = Duration::from_secs(11);
/// The holder looks at its Lease this often.
const LOOK: Duration = Duration::from_secs(2);
/// What failed is tried again after this long.
const AGAIN: Duration = Duration::from_millis(500);
/// The longest that a request about the Lease may take. Without a limit one whose answer was lost takes the holder's
/// whole time.
const REQUEST: Duration = Duration::from_secs(3);
/// It stops so long before the Lease ends: what is under way can come to its end.
const MARGIN: Duration = Duration::from_secs(3);
/// Giving the Lease back takes no longer: who does not get it waits for its end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A client for the Lease alone: its requests do not wait for a connection that others wait on, nor for ever.
///
/// # Errors
/// A configuration that no client can be made of.
pub fn client(mut config: Config) -> kube::Result<Client> {
    config.connect_timeout = Some(REQUEST);
    config.read_timeout = Some(REQUEST);
    config.write_timeout = Some(REQUEST);
    Client::try_from(config)
}

/// A candidate for the Lease.
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    leads: watch::Receiver<bool>,
    task: JoinHandle<Result<(), LeaseManagerError>>,
}

impl Candidate {
    /// Stands for the Lease `name`.
    ///
    /// # Errors
    /// What the API says about the Lease.
    pub async fn stand(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
    ) -> Result<Self, LeaseManagerError> {
        let manager = LeaseManagerBuilder::new(client.clone(), name)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(DURATION.as_secs())
            .with_grace(GRACE.as_secs())
            .build()
            .await?;
        let (told, leads) = watch::channel(false);
        let task = tokio::spawn(keep(manager, told));
        let leases = Api::namespaced(client, namespace);
        Ok(Self { leases, name: name.to_owned(), identity: identity.to_owned(), leads, task })
    }

    /// Waits until it leads. `false` when it is stopped before, or cannot lead any more.
    pub async fn elected(&mut self, stop: &CancellationToken) -> bool {
        tokio::select! {
            elected = self.leads.wait_for(|leads| *leads) => elected.is_ok(),
            () = stop.cancelled() => false,
        }
    }

    /// Waits until it does not lead any more, or cannot know that it does. Gives the reason.
    pub async fn deposed(&mut self) -> &'static str {
        let own = Own { leases: &self.leases, name: &self.name, identity: &self.identity };
        tokio::select! {
            lost = self.leads.wait_for(|leads| !*leads) => match lost {
                Ok(_) => "another one holds it",
                Err(_) => "nobody keeps it any more",
            },
            why = own.lost() => why,
        }
    }

    /// Gives the Lease back.
    pub async fn resign(self) {
        drop(self.leads);
        match tokio::time::timeout(FAREWELL, self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the Lease could not be given back"),
            Ok(Err(error)) => tracing::warn!(%error, "the Lease's task failed"),
            Err(_) => tracing::warn!("the Lease could not be given back: the Kubernetes API does not answer"),
        }
    }
}

/// Takes and keeps the Lease while somebody listens, and gives it back after that.
async fn keep(manager: LeaseManager, told: watch::Sender<bool>) -> Result<(), LeaseManagerError> {
    let keeping = async {
        loop {
            match manager.changed().await {
                Ok(leads) => {
                    told.send_replace(leads);
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "the Lease can be neither taken nor kept");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = told.closed() => {}
        () = keeping => {}
    }
    manager.release().await
}

/// The Lease, as its holder sees it.
struct Own<'a> {
    leases: &'a Api<Lease>,
    name: &'a str,
    identity: &'a str,
}

impl Own<'_> {
    /// Looks at the Lease until it is not the holder's any more, or was not seen for so long that it may be
    /// another one's.
    async fn lost(&self) -> &'static str {
        let mut stop_at = Instant::now() + DURATION - MARGIN;
        loop {
            let mut next = LOOK;
            match tokio::time::timeout_at(stop_at, self.leases.get(self.name)).await {
                Ok(Ok(lease)) => match left(lease.spec.as_ref(), self.identity, Timestamp::now()) {
                    Some(left) => stop_at = Instant::now() + left,
                    None => return "another one holds it",
                },
                Ok(Err(error)) => {
                    tracing::warn!(error = &error as &dyn Error, "the Lease cannot be seen");
                    next = AGAIN;
                }
                Err(_) => {}
            }
            tokio::time::sleep_until(stop_at.min(Instant::now() + next)).await;
            if Instant::now() >= stop_at {
                return "it could not be renewed in time";
            }
        }
    }
}

/// How long the holder may still work by this Lease; `None` when it is not its own. Both times are the holder's
/// own clock's: it renewed it.
fn left(lease: Option<&LeaseSpec>, identity: &str, now: Timestamp) -> Option<Duration> {
    let lease = lease.filter(|lease| lease.holder_identity.as_deref() == Some(identity))?;
    let age = lease.renew_time.as_ref().map_or(Duration::ZERO, |renewed| {
        Duration::try_from(now.duration_since(renewed.0)).unwrap_or(Duration::ZERO)
    });
    Some(DURATION.saturating_sub(MARGIN).saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn held(by: &str, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(by.to_owned()),
            renew_time: Some(MicroTime(at(renewed))),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_holder_stops_before_another_one_may_begin() {
        let left = |lease: &LeaseSpec, now| left(Some(lease), "me", at(now));
        assert_eq!(left(&held("me", 100), 100), Some(Duration::from_secs(12)));
        assert_eq!(left(&held("me", 100), 107), Some(Duration::from_secs(5)), "when it is to be renewed");
        assert_eq!(left(&held("me", 100), 112), Some(Duration::ZERO));
        assert_eq!(left(&held("me", 100), 500), Some(Duration::ZERO));
        assert_eq!(left(&held("me", 100), 90), Some(Duration::from_secs(12)), "a clock that was set back");
        assert_eq!(left(&held("another", 100), 100), None);
        assert_eq!(left(&LeaseSpec::default(), 100), None, "given back");
        assert_eq!(super::left(None, "me", at(100)), None);
    }
}
