//! A link for each Kafka cluster that resources belong to: made when first needed, dropped when the cluster
//! goes or is another one.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_client::ClientError;
use parking_lot::Mutex;

use crate::context::Bells;
use crate::directory::{ClusterEntry, Directory, Want};
use crate::kafka::connect::connect;
use crate::kafka::link::{Bell, Link, Subject};
use crate::kafka::throughput::Scraper;
use crate::names::ObjectKey;

/// See the module.
#[derive(Debug)]
pub struct Links {
    directory: Arc<Directory>,
    bells: Arc<Bells>,
    scraper: Scraper,
    links: Mutex<HashMap<ObjectKey, Linked>>,
}

#[derive(Debug)]
struct Linked {
    uid: String,
    bootstrap: String,
    link: Arc<Link>,
}

impl Links {
    /// No links yet.
    #[must_use]
    pub fn new(directory: Arc<Directory>, bells: Arc<Bells>) -> Self {
        Self { directory, bells, scraper: Scraper::default(), links: Mutex::default() }
    }

    /// The link to a cluster.
    ///
    /// # Errors
    /// [`ClientError::Config`] when the cluster's address is none, [`ClientError::Closed`] when it is gone:
    /// nobody would ever drop the link.
    pub fn get(&self, key: &ObjectKey, cluster: &ClusterEntry) -> Result<Arc<Link>, ClientError> {
        // First the lock: a cluster that goes in between would be removed before there is a link.
        let mut links = self.links.lock();
        if self.directory.cluster(key).is_none() {
            return Err(ClientError::Closed);
        }
        if let Some(linked) = links.get(key)
            && linked.uid == cluster.uid
            && linked.bootstrap == cluster.bootstrap
        {
            return Ok(Arc::clone(&linked.link));
        }
        let admin = connect(&cluster.bootstrap)?;
        let bell = bell(key.clone(), Arc::clone(&self.directory), Arc::clone(&self.bells));
        let link = Arc::new(Link::start(admin, Some(self.scraper.clone()), bell));
        let linked = Linked {
            uid: cluster.uid.clone(),
            bootstrap: cluster.bootstrap.clone(),
            link: Arc::clone(&link),
        };
        links.insert(key.clone(), linked);
        Ok(link)
    }

    /// The link to a cluster, if there is one.
    #[must_use]
    pub fn existing(&self, key: &ObjectKey) -> Option<Arc<Link>> {
        self.links.lock().get(key).map(|linked| Arc::clone(&linked.link))
    }

    /// All links.
    #[must_use]
    pub fn all(&self) -> Vec<(ObjectKey, Arc<Link>)> {
        self.links.lock().iter().map(|(key, linked)| (key.clone(), Arc::clone(&linked.link))).collect()
    }

    /// Closes the link to a cluster that is gone: whoever still waits for its brokers is told at once.
    pub fn remove(&self, key: &ObjectKey) {
        if let Some(linked) = self.links.lock().remove(key) {
            linked.link.close();
        }
    }
}

/// Turns what changed in Kafka into resources to reconcile.
fn bell(cluster: ObjectKey, directory: Arc<Directory>, bells: Arc<Bells>) -> Bell {
    Arc::new(move |subject| {
        let want = |name: String| Want { cluster: cluster.clone(), name };
        match subject {
            Subject::Cluster => bells.clusters.pull(cluster.clone()),
            Subject::All => {
                bells.clusters.pull(cluster.clone());
                bells.topics.pull_all(directory.topics.of_cluster(&cluster));
                bells.groups.pull_all(directory.groups.of_cluster(&cluster));
            }
            Subject::Topic(name) => bells.topics.pull_all(directory.topic_owner(&want(name))),
            Subject::Group(id) => bells.groups.pull_all(directory.group_owner(&want(id))),
        }
    })
}
