import java.util.List;
import java.util.Map;

/** Apache Kafka's own clients in the matrix: prints a line for each capability (tests/README.md has the protocol). */
public final class MatrixClient {
    private MatrixClient() {}

    public static void main(String[] arguments) {
        Report.capability("create-topic", Scenarios::createTopic);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            Report.capability("produce:" + codec, () -> Scenarios.produceCodec(codec));
        }
        Report.capability("idempotent", Scenarios::idempotent);
        Report.capability("commit-resume", Scenarios::commitResume);
        Report.capability("seek-by-timestamp", Scenarios::seekByTimestamp);
        Report.capability("group-rebalance", () -> Scenarios.rebalance("rebalance", Map.of()));
        Report.capability("group-cooperative", Scenarios::cooperative);
        Report.capability("group-static", Scenarios::staticMembership);
        admin();
        Report.capability("broker-restart", Scenarios::brokerRestart);
        System.exit(Report.anyFailed() ? 1 : 0);
    }

    private static void admin() {
        Report.capability("admin:list-topics", AdminScenarios::listTopics);
        Report.capability("admin:describe-topics", AdminScenarios::describeTopics);
        Report.capability("admin:create-topics-validation", AdminScenarios::createTopicsValidation);
        Report.capability("admin:create-topics-assignment", AdminScenarios::createTopicsAssignment);
        Report.capability("admin:create-partitions", AdminScenarios::createPartitions);
        Report.capability("admin:delete-topics", AdminScenarios::deleteTopics);
        Report.capability("admin:describe-cluster", AdminScenarios::describeCluster);
        Report.capability("admin:describe-configs", AdminScenarios::describeConfigs);
        Report.capability("admin:incremental-alter-configs", AdminScenarios::incrementalAlterConfigs);
        Report.capability("admin:list-offsets", AdminScenarios::listOffsets);
        Report.capability("admin:delete-records", AdminScenarios::deleteRecords);
        Report.capability("admin:describe-log-dirs", AdminScenarios::describeLogDirs);
        Report.capability("admin:describe-producers", AdminScenarios::describeProducers);
        Report.capability("admin:describe-features", AdminScenarios::describeFeatures);
        Report.capability("admin:list-groups", GroupAdminScenarios::listGroups);
        Report.capability("admin:describe-group", GroupAdminScenarios::describeGroup);
        Report.capability("admin:describe-classic-group", GroupAdminScenarios::describeClassicGroup);
        Report.capability("admin:list-group-offsets", GroupAdminScenarios::groupOffsets);
        Report.capability("admin:alter-group-offsets", GroupAdminScenarios::alterGroupOffsets);
        Report.capability("admin:delete-group-offsets", GroupAdminScenarios::deleteGroupOffsets);
        Report.capability("admin:remove-members", GroupAdminScenarios::removeMembers);
        Report.capability("admin:delete-group", GroupAdminScenarios::deleteGroup);
    }
}
