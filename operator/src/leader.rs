//! One operator at a time: the holder of a Lease works, the others stand by. The Lease is given back on a
//! stop, so that the next one takes over at once.

use kube::Client;
use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A holder that died is followed after this long.
const DURATION_SECONDS: u64 = 15;
/// The holder renews so long before.
const GRACE_SECONDS: u64 = 5;

/// A candidate for the Lease.
pub struct Candidate {
    leads: watch::Receiver<bool>,
    task: JoinHandle<Result<kube_lease_manager::LeaseManager, LeaseManagerError>>,
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
        let manager = LeaseManagerBuilder::new(client, name)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(DURATION_SECONDS)
            .with_grace(GRACE_SECONDS)
            .build()
            .await?;
        let (leads, task) = manager.watch().await;
        Ok(Self { leads, task })
    }

    /// Waits until it leads. `false` when it is stopped before, or cannot lead any more.
    pub async fn elected(&mut self, stop: &CancellationToken) -> bool {
        tokio::select! {
            elected = self.leads.wait_for(|leads| *leads) => elected.is_ok(),
            () = stop.cancelled() => false,
        }
    }

    /// Waits until it does not lead any more.
    pub async fn deposed(&mut self) {
        // An error means that the manager ended, which is the same.
        let _ = self.leads.wait_for(|leads| !*leads).await;
    }

    /// Gives the Lease back.
    pub async fn resign(self) {
        drop(self.leads);
        match self.task.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be given back"),
            Err(error) => tracing::warn!(%error, "the Lease's task failed"),
        }
    }
}
