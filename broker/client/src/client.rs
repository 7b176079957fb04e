//! A handle on a cluster: finds the broker a request belongs to, connects, retries what may be retried
//! until a deadline. Never looks inside an answer for error codes, except in those it asks for itself
//! (metadata, coordinators).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_protocol::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use millrace_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use millrace_protocol::{ApiKey, ErrorCode, Request};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::debug;

use crate::cluster::{ClusterView, TopicScope};
use crate::config::{ClientConfig, split_address};
use crate::error::ClientError;
use crate::net::{ApiVersionTable, Connection, Exchange, Lane, NodeAddress, Peer, Pool, Readiness};
use crate::topic_partition::TopicPartition;

/// Who is to answer a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Any broker.
    Any,
    /// The controller.
    Controller,
    /// The broker with this id.
    Broker(i32),
    /// The coordinator of this group.
    Coordinator(String),
    /// The leader of this partition.
    Leader(TopicPartition),
}

/// Groups whose coordinators are asked for in one request.
const COORDINATORS_TOGETHER: usize = 500;
/// Coordinators remembered at most; beyond, all are forgotten and found again.
const COORDINATORS_MAX: usize = 10_000;

/// See the module. Clones share connections and knowledge.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<ClientConfig>,
    seeds: Vec<NodeAddress>,
    pool: Pool,
    cluster: watch::Sender<Arc<ClusterView>>,
    coordinators: Mutex<HashMap<String, i32>>,
    /// One metadata request at a time; those who waited look at the answer before they ask again.
    refreshing: tokio::sync::Mutex<()>,
}

/// One request on its way, whatever it asks.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) target: Target,
    pub(crate) lane: Lane,
    pub(crate) exchange: Exchange,
}

impl Client {
    /// A client of the cluster behind the configuration's bootstrap servers. Connects when first used.
    ///
    /// # Errors
    /// [`ClientError::Config`] when a bootstrap server is not `host:port`.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        config.check()?;
        let seeds = config.bootstrap_servers.iter().map(|server| seed(server)).collect::<Result<_, _>>()?;
        if !config.unused.is_empty() {
            tracing::warn!(keys = ?config.unused, "these configurations were supplied but are not used");
        }
        let config = Arc::new(config);
        Ok(Self {
            inner: Arc::new(Inner {
                pool: Pool::new(Arc::clone(&config)),
                config,
                seeds,
                cluster: watch::Sender::new(Arc::new(ClusterView::default())),
                coordinators: Mutex::new(HashMap::new()),
                refreshing: tokio::sync::Mutex::new(()),
            }),
        })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// Sends a request to its target and returns the answer. Failed connections are retried until
    /// `default.api.timeout.ms`; error codes inside the answer are the caller's to read.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] with what the last attempt met, [`ClientError::Unsupported`],
    /// [`ClientError::Protocol`].
    pub async fn send<R: Request + Clone>(
        &self,
        target: Target,
        request: R,
    ) -> Result<R::Response, ClientError> {
        self.send_with(target, |_| request.clone()).await
    }

    /// As [`Client::send`], for requests whose shape depends on the version: `make` gets the version
    /// that will be used.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_with<R: Request>(
        &self,
        target: Target,
        mut make: impl FnMut(i16) -> R,
    ) -> Result<R::Response, ClientError> {
        let call = self.call(target);
        let mut retry = self.retry(R::API_KEY.name());
        loop {
            match retry.attempt(self.call_once(&call, &mut make)).await? {
                Err(error) if error.is_retriable() => {
                    self.distrust(&call.target);
                    retry.after(error).await?;
                }
                done => return done,
            }
        }
    }

    /// A call on the shared lane with the configured timeout.
    pub(crate) fn call(&self, target: Target) -> Call {
        Call { target, lane: Lane::Shared, exchange: Exchange::within(self.inner.config.timeouts.request) }
    }

    /// Retries of one operation, up to `default.api.timeout.ms` from now.
    pub(crate) fn retry(&self, what: &str) -> Retry {
        self.retry_within(what, self.inner.config.timeouts.api)
    }

    /// Retries of one operation that has a limit of its own.
    pub(crate) fn retry_within(&self, what: &str, limit: Duration) -> Retry {
        Retry::new(Arc::clone(&self.inner.config), what, limit)
    }

    /// One attempt.
    pub(crate) async fn call_once<R: Request>(
        &self,
        call: &Call,
        make: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, ClientError> {
        let connection = self.connection(&call.target, call.lane).await?;
        connection.exchange(call.exchange, make).await
    }

    /// A connection to whoever the target is.
    pub(crate) async fn connection(
        &self,
        target: &Target,
        lane: Lane,
    ) -> Result<Arc<Connection>, ClientError> {
        let node = match target {
            Target::Any => return self.any_connection(lane).await,
            Target::Broker(id) => *id,
            Target::Controller => self.controller().await?,
            Target::Coordinator(group) => self.coordinator(group).await?,
            Target::Leader(partition) => self.leader(partition).await?,
        };
        let address = match self.cluster().address(node) {
            Some(address) => address,
            None => {
                self.metadata(TopicScope::None).await?.address(node).ok_or_else(|| no_such_broker(node))?
            }
        };
        self.inner.pool.get(Peer::Node(node), lane, &address).await
    }

    /// Forgets what the target was last found to be, because it turned out wrong.
    pub(crate) fn distrust(&self, target: &Target) {
        match target {
            Target::Coordinator(group) => {
                self.inner.coordinators.lock().remove(group);
            }
            Target::Controller => {
                self.inner.cluster.send_modify(|cluster| {
                    if cluster.controller.is_some() {
                        Arc::make_mut(cluster).controller = None;
                    }
                });
            }
            Target::Leader(partition) => {
                self.inner.cluster.send_modify(|cluster| {
                    Arc::make_mut(cluster).topics.remove(&partition.topic);
                });
            }
            Target::Broker(id) => {
                self.inner.cluster.send_modify(|cluster| {
                    Arc::make_mut(cluster).brokers.remove(id);
                });
            }
            Target::Any => {}
        }
    }

    /// One attempt at whichever broker is reachable: how targets are found, hence without a target.
    async fn ask_any<R: Request>(&self, make: impl FnOnce(i16) -> R) -> Result<R::Response, ClientError> {
        let connection = self.any_connection(Lane::Shared).await?;
        connection.exchange(Exchange::within(self.inner.config.timeouts.request), make).await
    }

    async fn any_connection(&self, lane: Lane) -> Result<Arc<Connection>, ClientError> {
        let cluster = self.cluster();
        let mut known: Vec<(Peer, NodeAddress)> =
            cluster.brokers.keys().filter_map(|id| Some((Peer::Node(*id), cluster.address(*id)?))).collect();
        fastrand::shuffle(&mut known);
        known.sort_by_key(|(peer, _)| self.inner.pool.is_ready(*peer, lane));
        let mut seeds: Vec<(Peer, NodeAddress)> = self
            .inner
            .seeds
            .iter()
            .enumerate()
            .map(|(place, address)| (Peer::Seed(place), address.clone()))
            .collect();
        fastrand::shuffle(&mut seeds);
        let mut tried = Vec::new();
        // Brokers that left take their addresses with them: the bootstrap servers are the way back, also before one
        // whose address leads nowhere is dialled again.
        let mut all: Vec<(Peer, NodeAddress)> = known.into_iter().chain(seeds).collect();
        all.sort_by_key(|(peer, _)| self.inner.pool.is_ready(*peer, lane) == Readiness::BackingOff);
        for (peer, address) in all {
            match self.inner.pool.get(peer, lane, &address).await {
                Ok(connection) => return Ok(connection),
                Err(ClientError::Closed) => return Err(ClientError::Closed),
                Err(error @ (ClientError::Unsupported { .. } | ClientError::Protocol { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    debug!(%error, "a broker is not reachable");
                    tried.push(error.to_string());
                }
            }
        }
        Err(ClientError::NoBrokers { tried })
    }

    async fn controller(&self) -> Result<i32, ClientError> {
        if let Some(controller) = self.cluster().controller {
            return Ok(controller);
        }
        let cluster = self.metadata(TopicScope::None).await?;
        cluster.controller.ok_or_else(|| ClientError::Unknown { what: "the controller".to_owned() })
    }

    async fn leader(&self, partition: &TopicPartition) -> Result<i32, ClientError> {
        if let Some(leader) = self.cluster().leader(partition) {
            return Ok(leader);
        }
        let cluster = self.metadata(TopicScope::Named(vec![partition.topic.to_string()])).await?;
        leader_in(&cluster, partition)
    }

    /// The broker that coordinates the group, asked for if it is not known.
    pub(crate) async fn coordinator(&self, group: &str) -> Result<i32, ClientError> {
        let found = self.coordinators(std::slice::from_ref(&group)).await;
        found
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(ClientError::Unknown { what: format!("group {group}") }))
    }

    /// The brokers that coordinate groups, in their order; those that are not known are asked for together
    /// (KIP-699).
    pub(crate) async fn coordinators(&self, groups: &[&str]) -> Vec<Result<i32, ClientError>> {
        let mut found: HashMap<&str, Result<i32, ClientError>> = HashMap::new();
        let mut unknown: Vec<&str> = {
            let known = self.inner.coordinators.lock();
            groups.iter().copied().filter(|group| !known.contains_key(*group)).collect()
        };
        while !unknown.is_empty() {
            let mut asked = unknown[..unknown.len().min(COORDINATORS_TOGETHER)].to_vec();
            let answer = self.ask_any(|version| find_request(&mut asked, version)).await;
            unknown.drain(..asked.len());
            for group in asked {
                let node = answer
                    .as_ref()
                    .map_err(Clone::clone)
                    .and_then(|answer| self.learn_coordinator(group, answer));
                found.insert(group, node);
            }
        }
        let known = self.inner.coordinators.lock();
        let node = |group: &&str| match (found.get(*group), known.get(*group)) {
            (Some(node), _) => node.clone(),
            (None, Some(node)) => Ok(*node),
            (None, None) => Err(ClientError::Unknown { what: format!("the coordinator of group {group}") }),
        };
        groups.iter().map(node).collect()
    }

    /// Remembers who coordinates a group.
    fn learn_coordinator(&self, group: &str, found: &FindCoordinatorResponse) -> Result<i32, ClientError> {
        let (node, host, port) = read_coordinator(group, found)?;
        self.learn_address(node, host, port);
        let mut known = self.inner.coordinators.lock();
        if known.len() >= COORDINATORS_MAX {
            known.clear();
        }
        known.insert(group.to_owned(), node);
        Ok(node)
    }

    /// The answer names an address: worth a metadata request saved when the broker is new.
    fn learn_address(&self, id: i32, host: String, port: u16) {
        self.inner.cluster.send_if_modified(|cluster| {
            if cluster.brokers.contains_key(&id) {
                return false;
            }
            let node = crate::cluster::BrokerNode { id, host, port, rack: None };
            Arc::make_mut(cluster).brokers.insert(id, node);
            true
        });
    }

    /// What is known of the cluster now.
    #[must_use]
    pub fn cluster(&self) -> Arc<ClusterView> {
        Arc::clone(&self.inner.cluster.borrow())
    }

    /// Tells of every change of the view.
    #[must_use]
    pub fn cluster_changes(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.inner.cluster.subscribe()
    }

    /// Asks a broker about the cluster and returns the view with its answer. Never creates topics. One
    /// attempt at each broker; errors of topics stand in the view.
    ///
    /// # Errors
    /// [`ClientError::NoBrokers`] and what an exchange can meet.
    pub async fn metadata(&self, scope: TopicScope) -> Result<Arc<ClusterView>, ClientError> {
        self.refresh(&scope, false).await
    }

    /// As [`Client::metadata`]; `create` lets the broker create the topics that are named.
    pub(crate) async fn refresh(
        &self,
        scope: &TopicScope,
        create: bool,
    ) -> Result<Arc<ClusterView>, ClientError> {
        self.refresh_unless(scope, create, |_| false).await
    }

    /// As `refresh`, unless the view meanwhile became one that `suffices`: many callers who miss the same
    /// topic ask once.
    pub(crate) async fn refresh_unless(
        &self,
        scope: &TopicScope,
        create: bool,
        suffices: impl Fn(&ClusterView) -> bool + Send + 'static,
    ) -> Result<Arc<ClusterView>, ClientError> {
        let (client, scope, (waits, gone)) = (self.clone(), scope.clone(), oneshot::channel::<()>());
        // In a task of its own: a caller that stops polling must not keep others from their turn. It ends with a
        // caller that goes before its own.
        let refreshing = tokio::spawn(async move {
            let _one_at_a_time = tokio::select! {
                turn = client.inner.refreshing.lock() => turn,
                _ = gone => return Err(ClientError::Closed),
            };
            let known = client.cluster();
            if suffices(&known) {
                return Ok(known);
            }
            let response = client.ask_any(|version| metadata_request(&scope, create, version)).await?;
            ClientError::check(ApiKey::Metadata, response.error_code, "metadata")?;
            Ok(client.learn(response, &scope))
        });
        let refreshed = refreshing.await.unwrap_or(Err(ClientError::Closed));
        drop(waits);
        refreshed
    }

    /// Takes over what a broker says of the cluster.
    fn learn(&self, response: MetadataResponse, scope: &TopicScope) -> Arc<ClusterView> {
        let view = Arc::new(self.cluster().updated(response, scope));
        self.inner.pool.retain_nodes(|id| view.brokers.contains_key(&id));
        self.inner.cluster.send_replace(Arc::clone(&view));
        view
    }

    /// Forgets topics that nobody uses any more. They are asked about anew when somebody does.
    pub fn retain_topics(&self, keep: impl Fn(&str) -> bool) {
        self.inner.cluster.send_if_modified(|cluster| {
            let unused = cluster.topics.keys().any(|name| !keep(name));
            if unused {
                Arc::make_mut(cluster).retain_topics(keep);
            }
            unused
        });
    }

    /// Which versions the target serves.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn api_versions(&self, target: Target) -> Result<ApiVersionTable, ClientError> {
        self.api_versions_with(target, self.retry("ApiVersions")).await
    }

    pub(crate) async fn api_versions_with(
        &self,
        target: Target,
        mut retry: Retry,
    ) -> Result<ApiVersionTable, ClientError> {
        loop {
            match retry.attempt(self.connection(&target, Lane::Shared)).await? {
                Ok(connection) => return Ok(connection.versions().clone()),
                Err(error) if error.is_retriable() => {
                    self.distrust(&target);
                    retry.after(error).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes all connections. What is unanswered fails.
    pub fn close(&self) {
        self.inner.pool.close();
    }
}

/// Counts attempts and waits between them, until the time is up.
#[derive(Debug)]
pub(crate) struct Retry {
    config: Arc<ClientConfig>,
    what: String,
    started: Instant,
    within: Duration,
    failures: u32,
    last: Option<ClientError>,
}

impl Retry {
    pub(crate) fn new(config: Arc<ClientConfig>, what: &str, within: Duration) -> Self {
        Self { config, what: what.to_owned(), started: Instant::now(), within, failures: 0, last: None }
    }

    /// What is left of the time.
    pub(crate) fn left(&self) -> Duration {
        self.within.saturating_sub(self.started.elapsed())
    }

    /// Waits before the next attempt, or gives up with what the last one met.
    pub(crate) async fn after(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.failures = self.failures.saturating_add(1);
        let wait = self.config.retry.wait_jittered(self.failures);
        debug!(what = %self.what, %error, wait_ms = wait.as_millis() as u64, "may try again");
        self.last = Some(error);
        if wait >= self.left() {
            return Err(self.timed_out());
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// One attempt, for no longer than the time that is left; when it is up, so is the operation.
    pub(crate) async fn attempt<T>(&self, attempt: impl Future<Output = T>) -> Result<T, ClientError> {
        tokio::time::timeout(self.left(), attempt).await.map_err(|_| self.timed_out())
    }

    /// The error of an operation whose time is up.
    pub(crate) fn timed_out(&self) -> ClientError {
        ClientError::TimedOut {
            what: self.what.clone(),
            after_ms: self.started.elapsed().as_millis() as u64,
            last: self.last.clone().map(Box::new),
        }
    }
}

fn seed(server: &str) -> Result<NodeAddress, ClientError> {
    let (host, port) = split_address(server)?;
    Ok(NodeAddress { id: None, host: Arc::from(host), port })
}

fn no_such_broker(node: i32) -> ClientError {
    ClientError::Unknown { what: format!("broker {node}") }
}

/// The leader, or the error that says why there is none.
pub(crate) fn leader_in(cluster: &ClusterView, partition: &TopicPartition) -> Result<i32, ClientError> {
    let code = match cluster.topics.get(&partition.topic) {
        Some(topic) if topic.error.is_err() => topic.error,
        Some(topic) => match topic.partition(partition.partition).map(|view| view.leader) {
            Some(Some(leader)) => return Ok(leader),
            Some(None) => ErrorCode::LEADER_NOT_AVAILABLE,
            None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        },
        None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    };
    Err(ClientError::api(ApiKey::Metadata, code, partition.to_string()))
}

fn metadata_request(scope: &TopicScope, create: bool, version: i16) -> MetadataRequest {
    let topics = match scope {
        // Version 0 says "all" with an empty list, and has no way to say "none".
        TopicScope::All | TopicScope::None if version == 0 => Some(Vec::new()),
        TopicScope::All => None,
        TopicScope::None => Some(Vec::new()),
        TopicScope::Named(names) => Some(
            names
                .iter()
                .map(|name| MetadataRequestTopic { name: Some(name.clone()), ..Default::default() })
                .collect(),
        ),
    };
    MetadataRequest { topics, allow_auto_topic_creation: create || version < 4, ..Default::default() }
}

/// Asks for the coordinators of `groups`, or of the first alone where a version can name only one; `groups` are
/// those that it asks for.
fn find_request(groups: &mut Vec<&str>, version: i16) -> FindCoordinatorRequest {
    if version >= 4 {
        let coordinator_keys = groups.iter().map(|group| (*group).to_owned()).collect();
        return FindCoordinatorRequest { coordinator_keys, ..Default::default() };
    }
    groups.truncate(1);
    let key = groups.first().map(|group| (*group).to_owned()).unwrap_or_default();
    FindCoordinatorRequest { key, ..Default::default() }
}

fn read_coordinator(group: &str, found: &FindCoordinatorResponse) -> Result<(i32, String, u16), ClientError> {
    let api = ApiKey::FindCoordinator;
    let (code, message, node, host, port) = match found.coordinators.iter().find(|one| one.key == group) {
        Some(one) => (one.error_code, one.error_message.clone(), one.node_id, one.host.clone(), one.port),
        None if !found.coordinators.is_empty() => {
            return Err(ClientError::Unknown { what: format!("the coordinator of group {group}") });
        }
        None => {
            (found.error_code, found.error_message.clone(), found.node_id, found.host.clone(), found.port)
        }
    };
    if code.is_err() {
        return Err(ClientError::api_with(api, code, message, format!("group {group}")));
    }
    Ok((node, host, u16::try_from(port).unwrap_or(0)))
}
