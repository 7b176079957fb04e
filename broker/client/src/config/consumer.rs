//! Settings of a consumer and of its membership in a group
//! (`org.apache.kafka.clients.consumer.ConsumerConfig`).

use std::time::Duration;

use super::{ClientConfig, Source, invalid, refused};
use crate::error::ClientError;
use crate::topic_partition::IsolationLevel;

/// Where to start when there is no position (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// The first record there is.
    Earliest,
    /// Records that come from now on.
    Latest,
    /// The first record younger than this (`by_duration:PnDTnHnMn.nS`, KIP-1106).
    ByDuration(Duration),
    /// Nowhere: it is an error.
    None,
}

/// How the leader of a group spreads partitions (`partition.assignment.strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssignorKind {
    /// Topic by topic, a contiguous range for each member.
    Range,
    /// All partitions in a row, one for each member in turn.
    RoundRobin,
    /// Balanced, changing as little as possible, with everything revoked in between.
    Sticky,
    /// Balanced, changing as little as possible, revoking only what moves (KIP-429).
    CooperativeSticky,
}

impl AssignorKind {
    /// The name in JoinGroup.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// By protocol name or Java class name.
    fn parse(text: &str) -> Option<Self> {
        let simple = text.rsplit('.').next().unwrap_or(text);
        Some(match simple {
            "range" | "RangeAssignor" => Self::Range,
            "roundrobin" | "RoundRobinAssignor" => Self::RoundRobin,
            "sticky" | "StickyAssignor" => Self::Sticky,
            "cooperative-sticky" | "CooperativeStickyAssignor" => Self::CooperativeSticky,
            _ => return None,
        })
    }
}

/// Membership in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.id`.
    pub id: String,
    /// Keeps its partitions over a restart (`group.instance.id`, KIP-345).
    pub instance_id: Option<String>,
    /// Without a heartbeat for this long, the member is out (`session.timeout.ms`).
    pub session_timeout: Duration,
    /// Between heartbeats (`heartbeat.interval.ms`).
    pub heartbeat_interval: Duration,
    /// Without a poll for this long, the member leaves (`max.poll.interval.ms`).
    pub poll_interval_max: Duration,
    /// In order of preference.
    pub assignors: Vec<AssignorKind>,
}

/// Where to start, and when to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetsConfig {
    /// `auto.offset.reset`.
    pub reset: OffsetReset,
    /// Commit positions in the background (`enable.auto.commit`).
    pub auto_commit: bool,
    /// How often (`auto.commit.interval.ms`).
    pub auto_commit_interval: Duration,
}

/// What one fetch asks for, and what is kept ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchConfig {
    /// The broker waits for so many bytes (`fetch.min.bytes`) ...
    pub bytes_min: i32,
    /// ... but no longer than this (`fetch.max.wait.ms`).
    pub wait_max: Duration,
    /// Most bytes in one answer (`fetch.max.bytes`).
    pub bytes_max: i32,
    /// Most bytes of one partition in one answer (`max.partition.fetch.bytes`).
    pub partition_bytes_max: i32,
    /// Fetched bytes that wait for `poll`, at most; a fetch in flight comes on top.
    pub prefetch_bytes_max: usize,
    /// Verify checksums (`check.crcs`).
    pub check_crcs: bool,
    /// `isolation.level`.
    pub isolation: IsolationLevel,
    /// Where this consumer stands (`client.rack`).
    pub rack: String,
}

/// Settings of a [`crate::Consumer`].
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// Where and how to connect.
    pub client: ClientConfig,
    /// The group, if any: without one there is neither subscription nor commit.
    pub group: Option<GroupConfig>,
    /// Start and commits.
    pub offsets: OffsetsConfig,
    /// Fetches.
    pub fetch: FetchConfig,
    /// Most records that one poll returns (`max.poll.records`).
    pub poll_records_max: usize,
    /// Let the broker create subscribed topics (`allow.auto.create.topics`).
    pub auto_create_topics: bool,
    /// Patterns do not match internal topics (`exclude.internal.topics`).
    pub exclude_internal_topics: bool,
}

/// What is kept ready for `poll` unless set otherwise.
const PREFETCH_BYTES_MAX: usize = 64 << 20;

impl ConsumerConfig {
    /// Kafka's defaults with these bootstrap servers (`host:port,host:port`), without a group.
    #[must_use]
    pub fn new(bootstrap_servers: &str) -> Self {
        Self {
            client: ClientConfig::new(bootstrap_servers),
            group: None,
            offsets: OffsetsConfig {
                reset: OffsetReset::Latest,
                auto_commit: false,
                auto_commit_interval: Duration::from_secs(5),
            },
            fetch: FetchConfig {
                bytes_min: 1,
                wait_max: Duration::from_millis(500),
                bytes_max: 50 << 20,
                partition_bytes_max: 1 << 20,
                prefetch_bytes_max: PREFETCH_BYTES_MAX,
                check_crcs: true,
                isolation: IsolationLevel::ReadUncommitted,
                rack: String::new(),
            },
            poll_records_max: 500,
            auto_create_topics: true,
            exclude_internal_topics: true,
        }
    }

    /// The same as member of a group, committing positions every five seconds as Kafka's consumers do.
    #[must_use]
    pub fn in_group(mut self, id: &str) -> Self {
        self.group = Some(GroupConfig {
            id: id.to_owned(),
            instance_id: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            poll_interval_max: Duration::from_secs(300),
            assignors: vec![AssignorKind::Range, AssignorKind::CooperativeSticky],
        });
        self.offsets.auto_commit = true;
        self
    }

    /// Settings from property pairs; later pairs win.
    ///
    /// # Errors
    /// [`ClientError::Config`] in Kafka's words.
    pub fn from_properties<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ClientError> {
        let mut source = Source::new(pairs);
        let client = ClientConfig::read(&mut source)?;
        check_group_protocol(&mut source)?;
        let group = read_group(&mut source)?;
        let offsets = read_offsets(&mut source, group.is_some())?;
        let mut config = Self {
            client,
            group,
            offsets,
            fetch: read_fetch(&mut source)?,
            poll_records_max: source.size("max.poll.records", 500, 1)?,
            auto_create_topics: source.flag("allow.auto.create.topics", true)?,
            exclude_internal_topics: source.flag("exclude.internal.topics", true)?,
        };
        config.client.unused = source.unused();
        Ok(config)
    }
}

fn check_group_protocol(source: &mut Source) -> Result<(), ClientError> {
    match source.text("group.protocol") {
        None => Ok(()),
        Some(name) if name.eq_ignore_ascii_case("classic") => Ok(()),
        Some(name) if name.eq_ignore_ascii_case("consumer") => {
            Err(refused("group.protocol", "group.protocol=consumer is not supported: use classic"))
        }
        Some(name) => Err(invalid(
            "group.protocol",
            name,
            "String must be one of (case insensitive): CONSUMER, CLASSIC",
        )),
    }
}

fn read_group(source: &mut Source) -> Result<Option<GroupConfig>, ClientError> {
    let session_timeout = source.millis("session.timeout.ms", 45_000, 0)?;
    let heartbeat_interval = source.millis("heartbeat.interval.ms", 3_000, 0)?;
    let poll_interval_max = source.millis("max.poll.interval.ms", 300_000, 1)?;
    // Static members never leave when they close; for the others this undocumented key of Kafka
    // Streams would be the way to ask for the same.
    source.flag("internal.leave.group.on.close", true)?;
    let assignors = read_assignors(source)?;
    let instance_id = source.text("group.instance.id").map(str::to_owned);
    if instance_id.as_ref().is_some_and(String::is_empty) {
        return Err(invalid("group.instance.id", "", "String must be non-empty"));
    }
    let Some(id) = source.text("group.id").filter(|id| !id.is_empty()).map(str::to_owned) else {
        return Ok(None);
    };
    if heartbeat_interval >= session_timeout {
        return Err(refused("heartbeat.interval.ms", "Heartbeat must be set lower than the session timeout"));
    }
    Ok(Some(GroupConfig {
        id,
        instance_id,
        session_timeout,
        heartbeat_interval,
        poll_interval_max,
        assignors,
    }))
}

fn read_assignors(source: &mut Source) -> Result<Vec<AssignorKind>, ClientError> {
    let names = source.list("partition.assignment.strategy");
    if names.is_empty() {
        return Ok(vec![AssignorKind::Range, AssignorKind::CooperativeSticky]);
    }
    let mut assignors = Vec::new();
    for name in names {
        let Some(kind) = AssignorKind::parse(&name) else {
            return Err(invalid(
                "partition.assignment.strategy",
                &name,
                &format!(
                    "Class {name} could not be found; this client knows range, roundrobin, sticky and \
                     cooperative-sticky"
                ),
            ));
        };
        if !assignors.contains(&kind) {
            assignors.push(kind);
        }
    }
    Ok(assignors)
}

fn read_offsets(source: &mut Source, in_group: bool) -> Result<OffsetsConfig, ClientError> {
    let reset = match source.text("auto.offset.reset") {
        None => OffsetReset::Latest,
        Some(text) => parse_reset(text)?,
    };
    let asked = source.given("enable.auto.commit");
    let wanted = source.flag("enable.auto.commit", true)?;
    if asked && wanted && !in_group {
        return Err(refused(
            "enable.auto.commit",
            "enable.auto.commit cannot be set to true when default group id (null) is used.",
        ));
    }
    Ok(OffsetsConfig {
        reset,
        auto_commit: wanted && in_group,
        auto_commit_interval: source.millis("auto.commit.interval.ms", 5_000, 0)?,
    })
}

fn parse_reset(text: &str) -> Result<OffsetReset, ClientError> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "earliest" => return Ok(OffsetReset::Earliest),
        "latest" => return Ok(OffsetReset::Latest),
        "none" => return Ok(OffsetReset::None),
        _ => {}
    }
    let duration = lower.strip_prefix("by_duration:").and_then(parse_iso_duration);
    duration.map(OffsetReset::ByDuration).ok_or_else(|| {
        invalid(
            "auto.offset.reset",
            text,
            &format!(
                "Invalid value `{text}` for configuration auto.offset.reset. The value must be either \
                 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
            ),
        )
    })
}

/// `pnDtnHnMn.nS` in lower case, the part of ISO 8601 that Java's `Duration.parse` reads.
fn parse_iso_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('p')?;
    let (days, time) = rest.split_once('t').map_or((rest, ""), |(days, time)| (days, time));
    let mut seconds = 0.0_f64;
    let mut number = String::new();
    let units = [('d', 86_400.0), ('h', 3_600.0), ('m', 60.0), ('s', 1.0)];
    let mut seen = false;
    for (part, allowed) in [(days, &units[..1]), (time, &units[1..])] {
        for letter in part.chars() {
            if letter.is_ascii_digit() || letter == '.' {
                number.push(letter);
                continue;
            }
            let (_, factor) = allowed.iter().find(|(unit, _)| *unit == letter)?;
            seconds += number.parse::<f64>().ok()? * factor;
            number.clear();
            seen = true;
        }
        if !number.is_empty() {
            return None;
        }
    }
    (seen && seconds.is_finite()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

fn read_fetch(source: &mut Source) -> Result<FetchConfig, ClientError> {
    let defaults = ConsumerConfig::new("").fetch;
    let isolation = match source.text("isolation.level") {
        None => IsolationLevel::ReadUncommitted,
        Some(name) if name.eq_ignore_ascii_case("read_uncommitted") => IsolationLevel::ReadUncommitted,
        Some(name) if name.eq_ignore_ascii_case("read_committed") => IsolationLevel::ReadCommitted,
        Some(name) => {
            return Err(invalid(
                "isolation.level",
                name,
                "String must be one of: read_committed, read_uncommitted",
            ));
        }
    };
    Ok(FetchConfig {
        bytes_min: source.int("fetch.min.bytes", 1, 0)?,
        wait_max: Duration::from_millis(u64::from(source.int("fetch.max.wait.ms", 500, 0)?.unsigned_abs())),
        bytes_max: source.int("fetch.max.bytes", 50 << 20, 0)?,
        partition_bytes_max: source.int("max.partition.fetch.bytes", 1 << 20, 0)?,
        check_crcs: source.flag("check.crcs", true)?,
        isolation,
        rack: source.text("client.rack").unwrap_or("").to_owned(),
        ..defaults
    })
}
