//! Runs the same script with Kafka's tools and with ours, one after the other on the same broker, with the
//! same names: only then do lines that stand in the order of a hash table stand alike.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use millrace_cli::{Io, Tool, run_tool};
use millrace_client::{
    Admin, Client, ClientConfig, CommittedOffset, ListGroupsOptions, NewTopic, TopicPartition,
};
use millrace_tests::{Kafka, Millrace, places};
use tokio::runtime::Runtime;

use crate::lines::Answer;
use crate::oracle::Oracle;
use crate::script::{Step, parse};

/// How long anything may take that a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(5);

/// A topic that comes and goes to show that a broker has heard of everything before it.
const MARKER: &str = "marker";

/// The brokers and Kafka's tools, for one test after the other.
pub(crate) struct Bench {
    /// Kafka's tools.
    pub(crate) oracle: Oracle,
    /// Ours run on it.
    pub(crate) runtime: Runtime,
    brokers: Vec<(&'static str, String)>,
    _kafka: Kafka,
    _millrace: Option<Millrace>,
}

/// As many tests run at a time at most: each needs two brokers and a JVM of its own, since what is listed is listed
/// whole.
const BENCHES_MAX: usize = 4;

/// Benches, started as they are needed, kept while tests overlap, and ended with the last of them.
#[derive(Default)]
struct Pool {
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Default)]
struct State {
    started: usize,
    idle: Vec<Bench>,
}

static POOL: Mutex<Weak<Pool>> = Mutex::new(Weak::new());

/// Calls `test` with a bench to itself; says so and returns when Kafka's jars are not there.
pub(crate) fn with_bench(test: impl FnOnce(&mut Bench)) {
    let pool = {
        let mut shared = lock(&POOL);
        shared.upgrade().unwrap_or_else(|| {
            let pool = Arc::default();
            *shared = Arc::downgrade(&pool);
            pool
        })
    };
    let Some(bench) = pool.take() else { return };
    let mut lent = Lent { pool, bench: Some(bench) };
    test(lent.bench.as_mut().unwrap());
}

impl Pool {
    fn take(&self) -> Option<Bench> {
        let mut state = lock(&self.state);
        loop {
            if let Some(bench) = state.idle.pop() {
                return Some(bench);
            }
            if state.started < BENCHES_MAX {
                state.started += 1;
                drop(state);
                let mut place = Place { pool: self, is_taken: false };
                let bench = Bench::start();
                place.is_taken = bench.is_some();
                return bench;
            }
            state = self.given_back.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn one_less(&self) {
        lock(&self.state).started -= 1;
        self.given_back.notify_one();
    }
}

/// Room for a bench, which is free again if none could be started, for whatever reason.
struct Place<'a> {
    pool: &'a Pool,
    is_taken: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.pool.one_less();
        }
    }
}

/// Gives the bench back. That of a test that failed is ended with it: nobody knows what is left on it.
struct Lent {
    pool: Arc<Pool>,
    bench: Option<Bench>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bench = self.bench.take();
        if std::thread::panicking() {
            drop(bench);
            self.pool.one_less();
        } else {
            lock(&self.pool.state).idle.extend(bench);
            self.pool.given_back.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bench {
    fn start() -> Option<Self> {
        let libs = places::kafka_libs();
        let (Some(libs), Some(kafka)) = (libs, Kafka::start()) else {
            places::left_out("kafka-tools", "Kafka's jars are not there: run tests/setup");
            return None;
        };
        let oracle = Oracle::start(&libs);
        let millrace = std::env::var_os("MILLRACE_BIN").map(|_| Millrace::start(&[]));
        let mut brokers = vec![("Kafka", kafka.address.to_string())];
        brokers.extend(millrace.as_ref().map(|millrace| ("Millrace", millrace.address.to_string())));
        let runtime = Runtime::new().unwrap();
        for (_, address) in &brokers {
            runtime.block_on(commit_once(&admin(address)));
        }
        Some(Self { oracle, runtime, brokers, _kafka: kafka, _millrace: millrace })
    }

    /// Names and addresses of the brokers.
    pub(crate) fn brokers(&self) -> Vec<(&'static str, String)> {
        self.brokers.clone()
    }

    /// Runs the script with both on every broker, with these files, and compares line by line.
    pub(crate) fn compare(&mut self, files: &[(&str, &str)], script: &str) {
        self.compare_on(self.brokers(), files, script);
    }

    /// As [`Bench::compare`], on Kafka alone: for what needs an API that Millrace does not serve.
    pub(crate) fn compare_on_kafka(&mut self, files: &[(&str, &str)], script: &str) {
        let kafka = self.brokers().into_iter().take(1).collect();
        self.compare_on(kafka, files, script);
    }

    fn compare_on(&mut self, brokers: Vec<(&'static str, String)>, files: &[(&str, &str)], script: &str) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let mut differences = Vec::new();
        for (at, (name, address)) in brokers.into_iter().enumerate() {
            let mut steps = parse(script, &address, directory.path().to_str().unwrap());
            // What no broker hears of need not be tried with each.
            steps.retain(|step| at == 0 || step.names_broker);
            let expected = self.transcript(&address, &steps, |bench, step| {
                bench.oracle.run(step.tool, &step.arguments, &step.stdin)
            });
            let found = self.transcript(&address, &steps, |bench, step| {
                if step.is_java {
                    return bench.oracle.run(step.tool, &step.arguments, &step.stdin);
                }
                bench.run_ours(step.tool, &step.arguments, &step.stdin)
            });
            for ((step, expected), found) in steps.iter().zip(expected).zip(found) {
                judge(name, step, &expected, &found, &mut differences);
            }
        }
        assert!(differences.is_empty(), "{} commands differ\n{}", differences.len(), differences.join("\n"));
    }

    /// Prepares something on each broker, and runs the script with both on the very same.
    pub(crate) fn compare_in_place<T>(
        &mut self,
        prepare: impl AsyncFn(&str) -> T,
        script: impl Fn(&T) -> String,
        tidy: impl AsyncFn(T),
    ) {
        let mut differences = Vec::new();
        for (name, address) in self.brokers() {
            self.runtime.block_on(clean(&admin(&address)));
            let prepared = self.runtime.block_on(prepare(&address));
            for step in parse(&script(&prepared), &address, "") {
                let expected = self.oracle.run(step.tool, &step.arguments, &step.stdin).comparable();
                let found = self.run_ours(step.tool, &step.arguments, &step.stdin).comparable();
                judge(name, &step, &expected, &found, &mut differences);
            }
            self.runtime.block_on(tidy(prepared));
        }
        assert!(differences.is_empty(), "{} commands differ\n{}", differences.len(), differences.join("\n"));
    }

    fn transcript(
        &mut self,
        address: &str,
        steps: &[Step],
        mut run: impl FnMut(&mut Self, &Step) -> Answer,
    ) -> Vec<Answer> {
        let admin = admin(address);
        self.runtime.block_on(clean(&admin));
        let mut answers = Vec::with_capacity(steps.len());
        for step in steps {
            answers.push(run(self, step).comparable());
            if step.changes_metadata() {
                self.runtime.block_on(settle(&admin));
            }
        }
        self.runtime.block_on(clean(&admin));
        answers
    }

    /// Runs one of our tools to its end.
    pub(crate) fn run_ours(&self, tool: Tool, arguments: &[String], stdin: &[u8]) -> Answer {
        let (mut io, captured) = Io::captured(stdin);
        let run = async { tokio::time::timeout(DEADLINE, run_tool(tool, arguments, &mut io)).await };
        let status = self.runtime.block_on(run).unwrap_or_else(|_| panic!("{arguments:?} does not end"));
        Answer { status: i32::from(status), out: captured.out(), err: captured.err() }
    }
}

/// Notes a difference. With `MILLRACE_TOOLS_SHOW`, every answer is printed, for whoever writes scripts.
fn judge(name: &str, step: &Step, expected: &Answer, found: &Answer, differences: &mut Vec<String>) {
    let line = &step.line;
    if std::env::var_os("MILLRACE_TOOLS_SHOW").is_some() {
        println!("{name}$ {line}\n{found}");
    }
    if expected != found {
        differences.push(format!("{name}$ {line}\n{}", difference(expected, found)));
    }
}

/// The lines of two answers; those that both have stand as dots where they are many.
fn difference(expected: &Answer, found: &Answer) -> String {
    let (expected, found) = (expected.to_string(), found.to_string());
    let mut lines: Vec<String> = Vec::new();
    for (who, this, other) in [("Java's", &expected, &found), ("ours", &found, &expected)] {
        lines.push(format!("{who}:"));
        for line in this.lines() {
            if !other.lines().any(|same| same == line) || this.lines().count() < 12 {
                lines.push(line.to_owned());
            } else if lines.last().is_some_and(|last| last != "  ...") {
                lines.push("  ...".to_owned());
            }
        }
    }
    lines.join("\n")
}

/// Calls to a broker that prepare and clean up.
pub(crate) fn admin(address: &str) -> Admin {
    Admin::new(Client::new(ClientConfig::new(address)).unwrap())
}

/// The first commit makes `__consumer_offsets`, which lists of topics show from then on.
async fn commit_once(admin: &Admin) {
    create(admin, MARKER, 1).await;
    let offsets = vec![(TopicPartition::new(MARKER, 0), CommittedOffset::at(0))];
    until("offsets can be committed", async || {
        let committed = admin.alter_group_offsets(MARKER, offsets.clone()).await;
        committed.is_ok_and(|each| each.iter().all(|(_, result)| result.is_ok()))
    })
    .await;
    clean(admin).await;
}

/// Creates a topic and waits until brokers know it.
pub(crate) async fn create(admin: &Admin, name: &str, partitions: i32) {
    let topic = NewTopic { name: name.to_owned(), num_partitions: Some(partitions), ..Default::default() };
    for (_, created) in admin.create_topics(vec![topic], false).await.unwrap() {
        created.unwrap();
    }
    until("the topic is there", async || names(admin).await.iter().any(|known| known == name)).await;
}

async fn names(admin: &Admin) -> Vec<String> {
    let topics = admin.list_topics().await.unwrap();
    topics.into_iter().filter(|topic| !topic.is_internal).map(|topic| topic.name).collect()
}

/// Waits until the broker knows every change of metadata so far: they reach it in order.
pub(crate) async fn settle(admin: &Admin) {
    create(admin, MARKER, 1).await;
    admin.delete_topics(vec![MARKER.to_owned()]).await.unwrap();
    until("the marker is gone", async || !names(admin).await.iter().any(|name| name == MARKER)).await;
}

/// Deletes every group and every topic.
async fn clean(admin: &Admin) {
    until("no group is left", async || {
        let groups = admin.list_groups(ListGroupsOptions::default()).await.unwrap().groups;
        let ids: Vec<String> = groups.into_iter().map(|group| group.group).collect();
        if !ids.is_empty() {
            admin.delete_groups(ids.clone()).await.unwrap();
        }
        ids.is_empty()
    })
    .await;
    until("no topic is left", async || {
        let names = names(admin).await;
        if !names.is_empty() {
            admin.delete_topics(names.clone()).await.unwrap();
        }
        names.is_empty()
    })
    .await;
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(DEADLINE, async {
        while !condition().await {
            tokio::time::sleep(POLL).await;
        }
    });
    assert!(waited.await.is_ok(), "waited {DEADLINE:?} until {what}");
}
