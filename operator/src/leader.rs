//! One operator at a time: the holder of a Lease works, the others stand by. The Lease is given back on a
//! stop, so that one that comes then takes it at once; who stands by looks when it was to end. A holder that cannot
//! see its own Lease any more stops before another one may take it; until then it goes on, so that an API server
//! that is away for some seconds unseats nobody.
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

use crate::api::error::is_not_found;

/// A holder that died is followed after this long.
const DURATION: Duration = Duration::from_secs(15);
/// The holder renews so long before: every four seconds, as long as all goes well.
const GRACE: Duration = Duration::from_secs(11);
/// The holder looks at its Lease this often.
const LOOK: Duration = Duration::from_secs(2);
/// What failed is tried again after this long.
const AGAIN: Duration = Duration::from_millis(500);
/// The longest that connecting, or an answer, may take. Without a limit one that was lost takes the holder's whole time.
const REQUEST: Duration = Duration::from_secs(3);
/// A holder with less time than this is overdue with its renewal: it looks more often, to stop as late as it may.
const OVERDUE: Duration = Duration::from_secs(7);
/// Between taking the Lease and working by it. Candidates that waited for one end may take it from each other in the
/// second after that: kube-lease-manager gives back what it believes to be over without looking again.
const TRUST: Duration = Duration::from_millis(1500);
/// So long after it was elected the holder looks at its Lease as often as it may: a slow candidate that waited for the
/// same end has given back what is not its own by then.
const SUSPICION: Duration = Duration::from_secs(2 * REQUEST.as_secs());
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
    // Idle connections are read from all the time: what passes before a request would count against its answer.
    config.reset_reader_on_write = true;
    // What the client tries again by itself, it does for minutes within one request.
    config.default_retry = false;
    Client::try_from(config)
}

/// A candidate for the Lease.
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    leads: watch::Receiver<bool>,
    /// Until when it may work by what it last saw of the Lease.
    until: Instant,
    task: JoinHandle<()>,
}

/// How a candidate stands.
struct Stand {
    client: Client,
    namespace: String,
    name: String,
    identity: String,
}

impl Stand {
    /// As [`Stand::manager`], as long as the API server itself has no answer: it may be starting.
    async fn begun(&self) -> Result<LeaseManager, LeaseManagerError> {
        loop {
            match self.manager().await {
                Err(error) if may_pass(&error) => {
                    tracing::warn!(error = &error as &dyn Error, "the Lease cannot be stood for yet");
                    tokio::time::sleep(AGAIN).await;
                }
                done => return done,
            }
        }
    }

    /// Knows nothing yet but that the Lease is there: it is made where it is not.
    async fn manager(&self) -> Result<LeaseManager, LeaseManagerError> {
        LeaseManagerBuilder::new(self.client.clone(), &self.name)
            .with_namespace(&self.namespace)
            .with_identity(&self.identity)
            .with_duration(DURATION.as_secs())
            .with_grace(GRACE.as_secs())
            .build()
            .await
    }

    /// Whether the API server says that the Lease is not this candidate's, or waits until it says something.
    async fn is_anothers(&self) -> bool {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        loop {
            match leases.get(&self.name).await {
                Ok(lease) => {
                    let mine = holder(lease.spec.as_ref(), &self.identity, Timestamp::now());
                    return !matches!(mine, Holder::Me(_));
                }
                Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => return true,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

impl Candidate {
    /// Stands for the Lease `name`. The identity is of this process alone: one that comes after it under the same
    /// name must not take a Lease that ran out meanwhile for its own.
    ///
    /// # Errors
    /// What the API says about the Lease.
    pub async fn stand(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
    ) -> Result<Self, LeaseManagerError> {
        let identity = format!("{identity}_{:08x}", fastrand::u32(..));
        let leases = Api::namespaced(client.clone(), namespace);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let stand = Stand { client, namespace, name: name.clone(), identity: identity.clone() };
        let manager = stand.begun().await?;
        let (told, leads) = watch::channel(false);
        let task = tokio::spawn(keep(stand, manager, told));
        Ok(Self { leases, name, identity, leads, until: Instant::now(), task })
    }

    /// Waits until it leads, and still does after a moment. `false` when it is stopped before, or cannot lead any more.
    pub async fn elected(&mut self, stop: &CancellationToken) -> bool {
        tokio::select! {
            elected = self.leads_for_good() => elected,
            () = stop.cancelled() => false,
        }
    }

    async fn leads_for_good(&mut self) -> bool {
        loop {
            if self.leads.wait_for(|leads| *leads).await.is_err() {
                return false;
            }
            tokio::time::sleep(TRUST).await;
            if !*self.leads.borrow() {
                continue;
            }
            let asked = Instant::now();
            if let Ok(lease) = self.leases.get(&self.name).await
                && let Holder::Me(left) = holder(lease.spec.as_ref(), &self.identity, Timestamp::now())
                && !left.is_zero()
            {
                self.until = asked + left;
                return true;
            }
        }
    }

    /// Waits until it does not lead any more, or cannot know that it does. Gives the reason.
    pub async fn deposed(&mut self) -> &'static str {
        let own = Own { leases: &self.leases, name: &self.name, identity: &self.identity, until: self.until };
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
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the Lease's task failed"),
            Err(_) => tracing::warn!("the Lease could not be given back: the Kubernetes API does not answer"),
        }
    }
}

/// Takes and keeps the Lease while somebody listens, and gives it back after that, however often that has to be tried.
async fn keep(stand: Stand, mut manager: LeaseManager, told: watch::Sender<bool>) {
    let keeping = async {
        let mut said = String::new();
        loop {
            let error = match manager.changed().await {
                Ok(leads) => {
                    told.send_replace(leads);
                    said.clear();
                    continue;
                }
                Err(error) => error,
            };
            // Twice a second while it lasts: once is enough to be told.
            let text = error.to_string();
            if text != said {
                tracing::warn!(error = &error as &dyn Error, "the Lease can be neither taken nor kept");
                said = text;
            }
            // Somebody deleted it: whoever holds it comes first, since the others sleep for as long as it was to last.
            if is_gone(&error)
                && let Ok(made) = stand.manager().await
            {
                manager = made;
                continue;
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        biased;
        () = told.closed() => {}
        () = keeping => {}
    }
    while let Err(error) = manager.release().await {
        tracing::warn!(error = &error as &dyn Error, "the Lease could not be given back");
        if !may_pass(&error) {
            return;
        }
        tokio::time::sleep(AGAIN).await;
        // The answer may be all that was lost; then it may be another one's by now.
        if stand.is_anothers().await {
            return;
        }
    }
}

/// Whether the same request may go well another time: nobody answered, or who did had troubles of their own.
fn may_pass(error: &LeaseManagerError) -> bool {
    match error {
        LeaseManagerError::KubeError(kube::Error::Api(status)) => status.code >= 500 || status.code == 429,
        // The last: another candidate made it in the same moment.
        LeaseManagerError::KubeError(_) | LeaseManagerError::LeaseAlreadyExists(_) => true,
        _ => false,
    }
}

fn is_gone(error: &LeaseManagerError) -> bool {
    match error {
        LeaseManagerError::NonexistentLease(_) => true,
        LeaseManagerError::KubeError(error) => is_not_found(error),
        _ => false,
    }
}

/// The Lease, as its holder sees it.
struct Own<'a> {
    leases: &'a Api<Lease>,
    name: &'a str,
    identity: &'a str,
    /// When it ends, as far as is known.
    until: Instant,
}

impl Own<'_> {
    /// Looks at the Lease until it is not the holder's any more, or was not seen for so long that it may be
    /// another one's.
    async fn lost(&self) -> &'static str {
        let (mut stop_at, suspicious) = (self.until, Instant::now() + SUSPICION);
        loop {
            let mut next = if Instant::now() < suspicious { AGAIN } else { LOOK };
            match tokio::time::timeout_at(stop_at, self.leases.get(self.name)).await {
                Ok(Ok(lease)) => match holder(lease.spec.as_ref(), self.identity, Timestamp::now()) {
                    Holder::Me(left) => {
                        stop_at = Instant::now() + left;
                        if left < OVERDUE {
                            next = AGAIN;
                        }
                    }
                    // It was deleted, and is made again.
                    Holder::Nobody => next = AGAIN,
                    Holder::Another => return "another one holds it",
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

/// Whose a Lease is.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    /// One's own: how long one may still work by it.
    Me(Duration),
    Another,
    /// It was given back, or is new.
    Nobody,
}

/// Both times are the holder's own clock's: it renewed it.
fn holder(lease: Option<&LeaseSpec>, identity: &str, now: Timestamp) -> Holder {
    let Some((lease, named)) = lease.and_then(|lease| Some((lease, lease.holder_identity.as_deref()?)))
    else {
        return Holder::Nobody;
    };
    if named != identity {
        return Holder::Another;
    }
    let age = lease.renew_time.as_ref().map_or(Duration::ZERO, |renewed| {
        Duration::try_from(now.duration_since(renewed.0)).unwrap_or(Duration::ZERO)
    });
    Holder::Me(DURATION.saturating_sub(MARGIN).saturating_sub(age))
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
        let holder = |lease: &LeaseSpec, now| holder(Some(lease), "me", at(now));
        let me = |seconds| Holder::Me(Duration::from_secs(seconds));
        assert_eq!(holder(&held("me", 100), 100), me(12));
        assert_eq!(holder(&held("me", 100), 107), me(5), "when it is to be renewed");
        assert_eq!(holder(&held("me", 100), 112), me(0));
        assert_eq!(holder(&held("me", 100), 500), me(0));
        assert_eq!(holder(&held("me", 100), 90), me(12), "a clock that was set back");
        assert_eq!(holder(&held("another", 100), 100), Holder::Another);
        assert_eq!(holder(&LeaseSpec::default(), 100), Holder::Nobody, "given back");
        assert_eq!(super::holder(None, "me", at(100)), Holder::Nobody);
    }
}
