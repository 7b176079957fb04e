import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Kafka's admin client: topics, configurations, offsets, the cluster. Groups are in {@link GroupAdminScenarios}. */
final class AdminScenarios {
    private static final Admin ADMIN = Clients.ADMIN;

    private AdminScenarios() {}

    static String listTopics() throws Exception {
        Set<String> names = ADMIN.listTopics().names().get();
        Report.check(names.containsAll(Set.of("created", "codec-gzip", "rebalance")), "names: " + names);
        return names.size() + " topics";
    }

    static String describeTopics() throws Exception {
        TopicDescription byName = ADMIN.describeTopics(List.of("created")).allTopicNames().get().get("created");
        Report.equal(byName.partitions().size(), 3, "partitions");
        Report.equal(byName.partitions().get(0).replicas().size(), 1, "replicas");
        Report.check(!byName.topicId().equals(Uuid.ZERO_UUID), "a topic id");
        TopicCollection ids = TopicCollection.ofTopicIds(List.of(byName.topicId()));
        Report.equal(ADMIN.describeTopics(ids).allTopicIds().get().get(byName.topicId()).name(), "created", "name by id");
        refused(ADMIN.describeTopics(List.of("no-such")).allTopicNames(), UnknownTopicOrPartitionException.class);
        return "by name and by id";
    }

    static String createTopicsValidation() throws Exception {
        CreateTopicsOptions onlyValidate = new CreateTopicsOptions().validateOnly(true);
        ADMIN.createTopics(List.of(new NewTopic("validated", 2, (short) 1)), onlyValidate).all().get();
        Report.check(!ADMIN.listTopics().names().get().contains("validated"), "validated only, not created");
        refused(ADMIN.createTopics(List.of(new NewTopic("none", 0, (short) 1))).all(), InvalidPartitionsException.class);
        refused(ADMIN.createTopics(List.of(new NewTopic("less", -5, (short) 1))).all(), InvalidPartitionsException.class);
        refused(ADMIN.createTopics(List.of(new NewTopic("wide", 1, (short) 3))).all(), InvalidReplicationFactorException.class);
        NewTopic misspelt = new NewTopic("misspelt", 1, (short) 1).configs(Map.of("retention.ms", "soon"));
        refused(ADMIN.createTopics(List.of(misspelt)).all(), InvalidConfigurationException.class);
        return "validate only, and what is refused";
    }

    static String createTopicsAssignment() throws Exception {
        int broker = ADMIN.describeCluster().nodes().get().iterator().next().id();
        ADMIN.createTopics(List.of(new NewTopic("assigned", Map.of(0, List.of(broker), 1, List.of(broker))))).all().get();
        TopicDescription topic = ADMIN.describeTopics(List.of("assigned")).allTopicNames().get().get("assigned");
        Report.equal(topic.partitions().size(), 2, "partitions");
        return "replicas chosen by hand";
    }

    static String createPartitions() throws Exception {
        Clients.createTopic("grown", 1);
        CreatePartitionsOptions onlyValidate = new CreatePartitionsOptions().validateOnly(true);
        ADMIN.createPartitions(Map.of("grown", NewPartitions.increaseTo(4)), onlyValidate).all().get();
        Report.equal(partitionCount("grown"), 1, "partitions after validation");
        ADMIN.createPartitions(Map.of("grown", NewPartitions.increaseTo(4))).all().get();
        Report.until("the topic has 4 partitions", () -> partitionCount("grown") == 4);
        refused(ADMIN.createPartitions(Map.of("grown", NewPartitions.increaseTo(2))).all(), InvalidPartitionsException.class);
        return "1 to 4, never back";
    }

    private static int partitionCount(String topic) throws Exception {
        return ADMIN.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    static String deleteTopics() throws Exception {
        Clients.createTopic("doomed", 1);
        Clients.createTopic("doomed-by-id", 1);
        Uuid id = ADMIN.describeTopics(List.of("doomed-by-id")).allTopicNames().get().get("doomed-by-id").topicId();
        ADMIN.deleteTopics(List.of("doomed")).all().get();
        ADMIN.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        Report.until("the topics are gone", () -> {
            Set<String> names = ADMIN.listTopics().names().get();
            return !names.contains("doomed") && !names.contains("doomed-by-id");
        });
        return "by name and by id";
    }

    static String describeCluster() throws Exception {
        DescribeClusterResult cluster = ADMIN.describeCluster();
        Report.equal(cluster.nodes().get().size(), 1, "brokers");
        Report.equal(cluster.nodes().get().iterator().next().host(), "127.0.0.1", "host");
        Report.check(cluster.clusterId().get() != null && cluster.controller().get() != null, "cluster id and controller");
        return "one broker, a cluster id, a controller";
    }

    static String describeConfigs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "created");
        DescribeConfigsOptions everything = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        Config config = ADMIN.describeConfigs(List.of(topic), everything).all().get().get(topic);
        ConfigEntry set = config.get("max.message.bytes");
        Report.equal(set.value() + " " + set.source(), "200000 DYNAMIC_TOPIC_CONFIG", "what was set");
        Report.equal(set.type(), ConfigEntry.ConfigType.INT, "type");
        Report.check(set.synonyms().size() >= 2, "synonyms: " + set.synonyms());
        Report.check(set.documentation() != null && set.documentation().contains("record batch"), "documentation");
        Report.equal(config.get("retention.ms").source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG, "source of a default");
        String broker = "" + ADMIN.describeCluster().nodes().get().iterator().next().id();
        ConfigResource self = new ConfigResource(ConfigResource.Type.BROKER, broker);
        Config brokerConfig = ADMIN.describeConfigs(List.of(self)).all().get().get(self);
        Report.check(brokerConfig.get("message.max.bytes") != null, "the broker's configuration");
        return "value, source, type, synonyms, documentation; the broker's too";
    }

    static String incrementalAlterConfigs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "altered");
        ADMIN.createTopics(List.of(new NewTopic("altered", 1, (short) 1).configs(Map.of("retention.ms", "1000000")))).all().get();
        alter(topic, "max.message.bytes", "300000", AlterConfigOp.OpType.SET, false);
        alter(topic, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND, false);
        Report.until("the changes show", () ->
            List.of("300000", "1000000", "delete,compact").equals(values(topic, "max.message.bytes", "retention.ms", "cleanup.policy")));
        alter(topic, "cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT, false);
        alter(topic, "retention.ms", "", AlterConfigOp.OpType.DELETE, false);
        Report.until("the changes show", () ->
            List.of("604800000", "compact").equals(values(topic, "retention.ms", "cleanup.policy")));
        alter(topic, "retention.ms", "5", AlterConfigOp.OpType.SET, true);
        Report.equal(values(topic, "retention.ms"), List.of("604800000"), "after a change that was only validated");
        try {
            alter(topic, "retention.ms", "soon", AlterConfigOp.OpType.SET, false);
            throw new AssertionError("a bad value was not refused");
        } catch (ExecutionException error) {
            Report.equal(error.getCause().getClass(), InvalidConfigurationException.class, "a bad value");
        }
        return "set, append, subtract, delete, validate only";
    }

    private static void alter(ConfigResource resource, String key, String value, AlterConfigOp.OpType type, boolean validate)
        throws Exception {
        Collection<AlterConfigOp> change = List.of(new AlterConfigOp(new ConfigEntry(key, value), type));
        AlterConfigsOptions options = new AlterConfigsOptions().validateOnly(validate);
        ADMIN.incrementalAlterConfigs(Map.of(resource, change), options).all().get();
    }

    private static List<String> values(ConfigResource resource, String... keys) throws Exception {
        Config config = ADMIN.describeConfigs(List.of(resource)).all().get().get(resource);
        return List.of(keys).stream().map(key -> config.get(key).value()).toList();
    }

    static String listOffsets() throws Exception {
        TopicPartition partition = new TopicPartition("timestamps", 0);
        Map<String, OffsetSpec> specs = new TreeMap<>();
        specs.put("earliest", OffsetSpec.earliest());
        specs.put("latest", OffsetSpec.latest());
        specs.put("newest", OffsetSpec.maxTimestamp());
        specs.put("by time", OffsetSpec.forTimestamp(Scenarios.FIRST_TIMESTAMP_MS + 36_500));
        Map<String, Long> found = new HashMap<>();
        for (Map.Entry<String, OffsetSpec> spec : specs.entrySet()) {
            Map<TopicPartition, ListOffsetsResultInfo> answer = ADMIN.listOffsets(Map.of(partition, spec.getValue())).all().get();
            found.put(spec.getKey(), answer.get(partition).offset());
        }
        Report.equal(found, Map.of("earliest", 0L, "latest", 100L, "newest", 99L, "by time", 37L), "offsets");
        return "earliest, latest, newest, by time";
    }

    static String deleteRecords() throws Exception {
        Clients.createTopic("trimmed", 1);
        Clients.produce("trimmed", 0, 50);
        TopicPartition partition = new TopicPartition("trimmed", 0);
        long low = ADMIN.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(30)))
            .lowWatermarks().get(partition).get().lowWatermark();
        Report.equal(low, 30L, "low watermark");
        Report.equal(ADMIN.listOffsets(Map.of(partition, OffsetSpec.earliest())).all().get().get(partition).offset(), 30L,
            "earliest offset");
        Report.equal(Clients.numbers(Clients.readAll(List.of(partition), 20)), Clients.range(30, 50), "what is left");
        return "30 of 50 gone";
    }

    static String describeLogDirs() throws Exception {
        int broker = ADMIN.describeCluster().nodes().get().iterator().next().id();
        Map<String, LogDirDescription> folders = ADMIN.describeLogDirs(List.of(broker)).allDescriptions().get().get(broker);
        LogDirDescription folder = folders.values().iterator().next();
        Report.equal(folder.error(), null, "error");
        long size = folder.replicaInfos().get(new TopicPartition("codec-none", 0)).size();
        Report.check(size > 1000, "size: " + size);
        Report.check(folder.totalBytes().isPresent() && folder.totalBytes().getAsLong() > 0, "size of the volume");
        TopicPartitionReplica replica = new TopicPartitionReplica("codec-none", 0, broker);
        String where = ADMIN.describeReplicaLogDirs(List.of(replica)).all().get().get(replica).getCurrentReplicaLogDir();
        Report.check(folders.containsKey(where), "directory of a replica: " + where);
        return "sizes of partitions and of the volume";
    }

    static String describeProducers() throws Exception {
        Clients.produce("idempotent", 300, 1);
        TopicPartition partition = new TopicPartition("idempotent", 0);
        List<ProducerState> states = ADMIN.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers();
        Report.check(!states.isEmpty(), "there are producers");
        List<Integer> sequences = states.stream().map(ProducerState::lastSequence).collect(Collectors.toList());
        Report.check(sequences.contains(0) && sequences.contains(299), "last sequences: " + sequences);
        return "last sequence of each";
    }

    static String describeFeatures() throws Exception {
        Report.check(ADMIN.describeFeatures().featureMetadata().get().finalizedFeatures() != null, "features");
        return "answered";
    }

    /** The call must fail with exactly this error. */
    static void refused(KafkaFuture<?> call, Class<? extends Exception> expected) throws Exception {
        try {
            call.get();
        } catch (ExecutionException error) {
            Report.equal(error.getCause().getClass(), expected, "error");
            return;
        }
        throw new AssertionError("not refused with " + expected);
    }
}
