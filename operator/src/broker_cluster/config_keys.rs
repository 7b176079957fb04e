//! Which settings brokers take at run time, for all of them at once. What is not in this list goes into the
//! brokers' file, and a change restarts them: right for every key, only slower. The list is that of
//! Kafka's `DynamicBrokerConfig` as far as Millrace has it.

/// Sorted.
const AT_RUN_TIME: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.max.compaction.lag.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.cleaner.min.compaction.lag.ms",
    "log.cleanup.policy",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.local.retention.bytes",
    "log.local.retention.ms",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.retention.bytes",
    "log.retention.ms",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "message.max.bytes",
    "min.insync.replicas",
    "num.recovery.threads.per.data.dir",
    "producer.id.expiration.ms",
    "unclean.leader.election.enable",
];

/// Settings that the operator makes itself. No rule of the schema can refuse them: the API server declares
/// no map to CEL whose values have no one type.
pub const RESERVED: &[&str] = &[
    "advertised.listeners",
    "broker.id",
    "broker.rack",
    "cluster.id",
    "controller.listener.names",
    "controller.quorum.voters",
    "http.listen",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "node.id",
    "process.roles",
];

/// The setting can be changed for all brokers while they run.
#[must_use]
pub fn is_changed_at_run_time(name: &str) -> bool {
    AT_RUN_TIME.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_as_its_search_expects() {
        assert!(AT_RUN_TIME.is_sorted());
        assert!(is_changed_at_run_time("log.retention.ms"));
        assert!(!is_changed_at_run_time("log.retention.hours"));
        assert!(!is_changed_at_run_time("num.network.threads"));
    }
}
