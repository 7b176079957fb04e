//! What the scenarios share: a broker of either kind, a proxy that can cut its connections, and reading
//! a topic with nothing but the protocol.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use millrace_client::{
    Admin, Client, ClientConfig, IsolationLevel, NewTopic, OffsetSpec, Target, TopicPartition,
};
use millrace_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millrace_protocol::records::{Batches, Record};
use millrace_tests::{Kafka, Millrace, free_port};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Run = Pin<Box<dyn Future<Output = ()> + Send>>;
pub(crate) type Scenario = (&'static str, fn(Place) -> Run);

/// Where a scenario finds its broker.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The broker's own address.
    pub(crate) servers: String,
    /// The same broker through a proxy.
    pub(crate) fragile: Arc<Proxy>,
}

/// A running broker of either kind.
#[derive(Debug)]
pub(crate) struct Cluster {
    place: Place,
    _runtime: Runtime,
    _broker: Broker,
}

#[derive(Debug)]
#[allow(dead_code, reason = "kept for as long as the broker is to run")]
enum Broker {
    Kafka(Kafka),
    Millrace(Millrace),
}

impl Cluster {
    pub(crate) fn millrace() -> Self {
        let ports = Ports::choose();
        let settings = ports.settings(None);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Self::around(Broker::Millrace(Millrace::start_at(ports.own, &settings)), &ports)
    }

    pub(crate) fn kafka() -> Option<Self> {
        let ports = Ports::choose();
        let broker = Kafka::start_at(ports.own, |controller| ports.settings(Some(controller)).into())?;
        Some(Self::around(Broker::Kafka(broker), &ports))
    }

    fn around(broker: Broker, ports: &Ports) -> Self {
        let runtime = Runtime::new().unwrap();
        let fragile = runtime.block_on(Proxy::start(ports.proxy, ports.behind));
        let place = Place { servers: ports.own.to_string(), fragile };
        Self { place, _runtime: runtime, _broker: broker }
    }

    pub(crate) fn place(&self) -> Place {
        self.place.clone()
    }

    /// The broker alone, to be killed and started again.
    pub(crate) fn into_millrace(self) -> Millrace {
        match self._broker {
            Broker::Millrace(broker) => broker,
            Broker::Kafka(_) => panic!("Kafka is not to be killed here"),
        }
    }
}

/// The broker listens twice: for itself, and behind the proxy, which is what it then advertises.
struct Ports {
    own: SocketAddr,
    behind: SocketAddr,
    proxy: SocketAddr,
}

impl Ports {
    fn choose() -> Self {
        let [own, behind, proxy] = [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        Self { own, behind, proxy }
    }

    fn settings(&self, controller: Option<&str>) -> [String; 3] {
        let Self { own, behind, proxy } = self;
        let controller = controller.map_or(String::new(), |listener| format!(",{listener}"));
        [
            format!("listeners=PLAINTEXT://{own},FRAGILE://{behind}{controller}"),
            format!("advertised.listeners=PLAINTEXT://{own},FRAGILE://{proxy}"),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,FRAGILE:PLAINTEXT,CONTROLLER:PLAINTEXT"
                .to_owned(),
        ]
    }
}

/// Runs all scenarios, some at a time, and fails with the names of those that failed.
pub(crate) fn run_all(scenarios: &[Scenario], place: &Place) {
    let wanted = std::env::var("SCENARIO").unwrap_or_default();
    // Only the first of both tests can.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    let next = AtomicUsize::new(0);
    let failed = parking_lot::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((name, run)) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !name.contains(&wanted) {
                        continue;
                    }
                    let started = Instant::now();
                    let runtime = Runtime::new().unwrap();
                    let run = AssertUnwindSafe(|| runtime.block_on(run(place.clone())));
                    let held = catch_unwind(run).is_ok();
                    eprintln!("{name}: {} in {:?}", if held { "ok" } else { "FAILED" }, started.elapsed());
                    if !held {
                        failed.lock().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// Passes bytes on to the broker until it is told to cut everything.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) servers: String,
    cuts: watch::Sender<u64>,
}

impl Proxy {
    async fn start(at: SocketAddr, broker: SocketAddr) -> Arc<Self> {
        let listener = TcpListener::bind(at).await.unwrap();
        let proxy = Arc::new(Self { servers: at.to_string(), cuts: watch::Sender::new(0) });
        let cuts = proxy.cuts.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(broker).await else { return };
                    let _ = near.set_nodelay(true);
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        proxy
    }

    /// Closes every connection there is, in the middle of whatever it carries.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Place {
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(Client::new(ClientConfig::new(&self.servers)).unwrap())
    }

    /// Creates a topic and waits until its leaders are known.
    pub(crate) async fn create(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let topic = NewTopic {
            name: name.to_owned(),
            num_partitions: Some(partitions),
            replication_factor: Some(1),
            configs: configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..NewTopic::default()
        };
        let admin = self.admin();
        let created = admin.create_topics(vec![topic], false).await.unwrap();
        created.into_iter().for_each(|(_, result)| drop(result.unwrap()));
        let wanted: Vec<_> =
            (0..partitions).map(|number| (TopicPartition::new(name, number), OffsetSpec::Latest)).collect();
        let end = Instant::now() + PATIENCE;
        loop {
            let listed = admin.list_offsets(wanted.clone(), IsolationLevel::ReadUncommitted).await.unwrap();
            if listed.iter().all(|(_, result)| result.is_ok()) {
                return;
            }
            assert!(Instant::now() < end, "{name} has no leaders: {listed:?}");
        }
    }

    /// Every record of a partition, read with plain fetches.
    pub(crate) async fn read(&self, topic: &str, partition: i32) -> Vec<Record> {
        let admin = self.admin();
        let at = TopicPartition::new(topic, partition);
        let asked = vec![(at.clone(), OffsetSpec::Latest)];
        let listed = admin.list_offsets(asked, IsolationLevel::ReadUncommitted).await.unwrap();
        let end = listed[0].1.clone().unwrap().offset;
        let mut records = Vec::new();
        let mut next = 0;
        while next < end {
            let bytes = fetch(admin.client(), &at, next).await;
            for batch in Batches::new(bytes).whole() {
                let batch = batch.unwrap();
                batch.validate().unwrap();
                next = batch.header.next_offset();
                records.extend(batch.records(64 << 20).unwrap().map(Result::unwrap));
            }
        }
        records
    }
}

async fn fetch(client: &Client, at: &TopicPartition, offset: i64) -> Bytes {
    let id = client
        .metadata(millrace_client::TopicScope::Named(vec![at.topic.to_string()]))
        .await
        .unwrap()
        .topic(&at.topic)
        .unwrap()
        .id;
    let partition = FetchPartition {
        partition: at.partition,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic { topic: at.topic.to_string(), topic_id: id, partitions: vec![partition] };
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = client.send(Target::Leader(at.clone()), request).await.unwrap();
    let partition = answer.responses.into_iter().next().unwrap().partitions.into_iter().next().unwrap();
    assert!(partition.error_code.is_ok(), "{}", partition.error_code);
    partition.records.unwrap().in_memory().unwrap().clone()
}
