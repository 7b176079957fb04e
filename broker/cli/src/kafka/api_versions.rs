//! `kafka-broker-api-versions`: what each broker speaks
//! (`org.apache.kafka.tools.BrokerApiVersionsCommand`).

use std::collections::BTreeMap;

use millrace_client::{ApiVersionTable, BrokerNode, TopicScope};

use super::Tool;
use super::command_line::{Stop, check_required, end_with_trace, help_or_version, parse};
use super::hash::{sort_as_hash_map, string_hash};
use super::options::Spec;
use super::reach::{Seeker, no_host_config, refusals};
use super::throwable::Throwable;
use crate::admin::{Admin, throwable};
use crate::io::Io;

const TOOL: Tool = Tool::BrokerApiVersions;

const SPECS: &[Spec] = &[Spec::text("command-config"), Spec::text("bootstrap-server")];

/// An API of Kafka 4.1: its number, name, and the versions that Kafka's clients speak. Those that only
/// brokers and controllers use among themselves are not missed when a broker does not list them.
struct KnownApi {
    number: i16,
    name: &'static str,
    oldest: i16,
    latest: i16,
    is_for_clients: bool,
}

macro_rules! known_apis {
    ($($number:literal $name:ident $oldest:literal $latest:literal $scope:ident;)*) => {
        const KNOWN: &[KnownApi] = &[$(KnownApi {
            number: $number,
            name: stringify!($name),
            oldest: $oldest,
            latest: $latest,
            is_for_clients: known_apis!(@ $scope),
        }),*];
    };
    (@ client) => { true };
    (@ broker) => { false };
}

known_apis! {
    0 Produce 3 13 client;
    1 Fetch 4 18 client;
    2 ListOffsets 1 10 client;
    3 Metadata 0 13 client;
    4 LeaderAndIsr 0 -1 broker;
    5 StopReplica 0 -1 broker;
    6 UpdateMetadata 0 -1 broker;
    7 ControlledShutdown 0 -1 broker;
    8 OffsetCommit 2 10 client;
    9 OffsetFetch 1 10 client;
    10 FindCoordinator 0 6 client;
    11 JoinGroup 0 9 client;
    12 Heartbeat 0 4 client;
    13 LeaveGroup 0 5 client;
    14 SyncGroup 0 5 client;
    15 DescribeGroups 0 6 client;
    16 ListGroups 0 5 client;
    17 SaslHandshake 0 1 client;
    18 ApiVersions 0 4 client;
    19 CreateTopics 2 7 client;
    20 DeleteTopics 1 6 client;
    21 DeleteRecords 0 2 client;
    22 InitProducerId 0 6 client;
    23 OffsetForLeaderEpoch 2 4 client;
    24 AddPartitionsToTxn 0 5 client;
    25 AddOffsetsToTxn 0 4 client;
    26 EndTxn 0 5 client;
    27 WriteTxnMarkers 1 1 client;
    28 TxnOffsetCommit 0 5 client;
    29 DescribeAcls 1 3 client;
    30 CreateAcls 1 3 client;
    31 DeleteAcls 1 3 client;
    32 DescribeConfigs 1 4 client;
    33 AlterConfigs 0 2 client;
    34 AlterReplicaLogDirs 1 2 client;
    35 DescribeLogDirs 1 4 client;
    36 SaslAuthenticate 0 2 client;
    37 CreatePartitions 0 3 client;
    38 CreateDelegationToken 1 3 client;
    39 RenewDelegationToken 1 2 client;
    40 ExpireDelegationToken 1 2 client;
    41 DescribeDelegationToken 1 3 client;
    42 DeleteGroups 0 2 client;
    43 ElectLeaders 0 2 client;
    44 IncrementalAlterConfigs 0 1 client;
    45 AlterPartitionReassignments 0 1 client;
    46 ListPartitionReassignments 0 0 client;
    47 OffsetDelete 0 0 client;
    48 DescribeClientQuotas 0 1 client;
    49 AlterClientQuotas 0 1 client;
    50 DescribeUserScramCredentials 0 0 client;
    51 AlterUserScramCredentials 0 0 client;
    52 Vote 0 2 broker;
    53 BeginQuorumEpoch 0 1 broker;
    54 EndQuorumEpoch 0 1 broker;
    55 DescribeQuorum 0 2 client;
    56 AlterPartition 2 3 broker;
    57 UpdateFeatures 0 2 client;
    58 Envelope 0 0 broker;
    59 FetchSnapshot 0 1 broker;
    60 DescribeCluster 0 2 client;
    61 DescribeProducers 0 0 client;
    62 BrokerRegistration 0 4 broker;
    63 BrokerHeartbeat 0 1 broker;
    64 UnregisterBroker 0 0 client;
    65 DescribeTransactions 0 0 client;
    66 ListTransactions 0 2 client;
    67 AllocateProducerIds 0 0 broker;
    68 ConsumerGroupHeartbeat 0 1 client;
    69 ConsumerGroupDescribe 0 1 client;
    70 ControllerRegistration 0 0 broker;
    71 GetTelemetrySubscriptions 0 0 client;
    72 PushTelemetry 0 0 client;
    73 AssignReplicasToDirs 0 0 broker;
    74 ListConfigResources 0 1 client;
    75 DescribeTopicPartitions 0 0 client;
    76 ShareGroupHeartbeat 1 1 client;
    77 ShareGroupDescribe 1 1 client;
    78 ShareFetch 1 1 client;
    79 ShareAcknowledge 1 1 client;
    80 AddRaftVoter 0 0 client;
    81 RemoveRaftVoter 0 0 client;
    82 UpdateRaftVoter 0 0 broker;
    83 InitializeShareGroupState 0 0 client;
    84 ReadShareGroupState 0 0 client;
    85 WriteShareGroupState 0 0 client;
    86 DeleteShareGroupState 0 0 client;
    87 ReadShareGroupStateSummary 0 0 client;
    88 StreamsGroupHeartbeat 0 0 client;
    89 StreamsGroupDescribe 0 0 client;
    90 DescribeShareGroupOffsets 0 0 client;
    91 AlterShareGroupOffsets 0 0 client;
    92 DeleteShareGroupOffsets 0 0 client;
}

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    let result = execute(arguments, io).await;
    end_with_trace(io, result)
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let options = parse(SPECS, arguments)?;
    help_or_version(io, TOOL, &options, "This tool helps to retrieve broker version information.")?;
    check_required(io, TOOL, &options, &["bootstrap-server"])?;
    let admin = Admin::for_tool(options.value("command-config")?, options.value("bootstrap-server")?)?;
    reach_once(&admin, io).await?;
    let mut brokers = admin.inner().api_versions_of_all().await.map_err(throwable)?;
    sort_as_hash_map(&mut brokers, |(node, _)| node_hash(node));
    for (node, versions) in brokers {
        match versions {
            Ok(versions) => io.line(format!("{} -> {}", node_text(&node), table_text(&versions))),
            Err(error) => {
                let error = throwable(error).execution();
                io.line(format!("{} -> ERROR: {}", node_text(&node), error.message()));
            }
        }
    }
    Ok(())
}

/// One attempt, after which Kafka's tool gives up.
async fn reach_once(admin: &Admin, io: &mut Io) -> Result<(), Throwable> {
    let client = admin.inner().client();
    match client.metadata(TopicScope::None).await {
        Err(error) if error.is_retriable() => {}
        // What else is wrong, the next call tells.
        _ => return Ok(()),
    }
    let seeker = Seeker::Other("LegacyAdminClient clientId=admin-1".to_owned());
    let Ok(nodes) = refusals(client, &seeker, io).await else {
        return Err(no_host_config());
    };
    let message = format!("Request METADATA failed on brokers [{}]", nodes.join(", "));
    Err(Throwable::new("java.lang.RuntimeException", message))
}

/// `Node.toString`.
fn node_text(node: &BrokerNode) -> String {
    let rack = node.rack.as_deref().unwrap_or("null");
    format!("{}:{} (id: {} rack: {rack} isFenced: false)", node.host, node.port, node.id)
}

/// `Node.hashCode`, of a node that is not fenced.
fn node_hash(node: &BrokerNode) -> i32 {
    const FALSE_HASH: i32 = 1237;
    let parts = [node.id, i32::from(node.port), node.rack.as_deref().map_or(0, string_hash), FALSE_HASH];
    let start = 31i32.wrapping_add(string_hash(&node.host));
    parts.into_iter().fold(start, |hash, part| hash.wrapping_mul(31).wrapping_add(part))
}

/// `NodeApiVersions.toString(true)`.
fn table_text(versions: &ApiVersionTable) -> String {
    let mut lines: BTreeMap<i16, String> = BTreeMap::new();
    for (number, range) in versions.iter() {
        let known = KNOWN.iter().find(|api| api.number == number);
        let spoken = if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{} to {}", range.first, range.last)
        };
        let line = match known {
            None => format!("UNKNOWN({number}): {spoken}"),
            Some(api) if api.latest < range.first => {
                format!("{}({number}): {spoken} [unusable: node too new]", api.name)
            }
            Some(api) if range.last < api.oldest => {
                format!("{}({number}): {spoken} [unusable: node too old]", api.name)
            }
            Some(api) => {
                format!("{}({number}): {spoken} [usable: {}]", api.name, api.latest.min(range.last))
            }
        };
        lines.insert(number, line);
    }
    for api in KNOWN.iter().filter(|api| api.is_for_clients) {
        lines.entry(api.number).or_insert_with(|| format!("{}({}): UNSUPPORTED", api.name, api.number));
    }
    let lines: Vec<String> = lines.into_values().collect();
    format!("(\n\t{}\n)", lines.join(",\n\t"))
}
