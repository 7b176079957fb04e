import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.internals.RecordHeader;

/** What every client of the matrix is put through, with Kafka's own producer and consumer. */
final class Scenarios {
    static final long FIRST_TIMESTAMP_MS = (System.currentTimeMillis() / 1000 - 3600) * 1000;
    private static final int CODEC_RECORDS = 200;

    private Scenarios() {}

    static String createTopic() throws Exception {
        NewTopic topic = new NewTopic("created", 3, (short) 1).configs(Map.of("max.message.bytes", "200000"));
        Clients.ADMIN.createTopics(List.of(topic)).all().get();
        int partitions = Clients.ADMIN.describeTopics(List.of("created")).allTopicNames().get().get("created").partitions().size();
        Report.equal(partitions, 3, "partitions");
        try {
            Clients.ADMIN.createTopics(List.of(topic)).all().get();
            throw new AssertionError("the second create was not refused");
        } catch (ExecutionException error) {
            Report.equal(error.getCause().getClass(), TopicExistsException.class, "a second create");
        }
        return "3 partitions, a second create is refused";
    }

    static String produceCodec(String codec) throws Exception {
        String topic = "codec-" + codec;
        Clients.createTopic(topic, 2);
        try (KafkaProducer<byte[], byte[]> producer =
            Clients.producer(Map.of("compression.type", codec, "enable.idempotence", false))) {
            List<Future<?>> sent = new ArrayList<>();
            for (int n = 0; n < CODEC_RECORDS; n++) {
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, Clients.key(n), Clients.value(n));
                record.headers().add(new RecordHeader("n", Clients.bytes("" + n)));
                sent.add(producer.send(record));
            }
            for (Future<?> each : sent) {
                each.get(60, TimeUnit.SECONDS);
            }
        }
        List<TopicPartition> partitions = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
        List<ConsumerRecord<byte[], byte[]>> records = Clients.readAll(partitions, CODEC_RECORDS);
        Report.equal(Clients.sorted(Clients.numbers(records)), Clients.range(0, CODEC_RECORDS), "numbers");
        for (ConsumerRecord<byte[], byte[]> record : records) {
            int n = Clients.number(record);
            Report.equal(new String(record.value()), new String(Clients.value(n)), "value");
            Report.equal(new String(record.key()), new String(Clients.key(n)), "key");
            Report.equal(new String(record.headers().lastHeader("n").value()), "" + n, "header");
        }
        for (int partition = 0; partition < 2; partition++) {
            int wanted = partition;
            List<Integer> mine = Clients.numbers(records.stream().filter(r -> r.partition() == wanted).toList());
            Report.equal(mine, Clients.sorted(mine), "order in partition " + partition);
        }
        return CODEC_RECORDS + " records back, keys and headers too";
    }

    static String idempotent() throws Exception {
        Clients.createTopic("idempotent", 1);
        Clients.produce("idempotent", 0, 300);
        List<ConsumerRecord<byte[], byte[]>> records = Clients.readAll(List.of(new TopicPartition("idempotent", 0)), 300);
        Report.equal(Clients.numbers(records), Clients.range(0, 300), "numbers in order");
        return "300 records in order";
    }

    static String commitResume() throws Exception {
        Clients.createTopic("commit", 1);
        Clients.produce("commit", 0, 100);
        TopicPartition partition = new TopicPartition("commit", 0);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer("committing", Map.of())) {
            consumer.subscribe(List.of("commit"));
            Clients.read(consumer, 1);
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(40, "forty")));
            OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
            Report.equal(committed.offset() + " " + committed.metadata(), "40 forty", "committed");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer("committing", Map.of())) {
            consumer.subscribe(List.of("commit"));
            Report.equal(Clients.numbers(Clients.read(consumer, 60)), Clients.range(40, 100), "resumed");
        }
        return "resumed at the committed 40, metadata kept";
    }

    static String seekByTimestamp() throws Exception {
        Clients.createTopic("timestamps", 1);
        TopicPartition partition = new TopicPartition("timestamps", 0);
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(Map.of())) {
            for (int n = 0; n < 100; n++) {
                producer.send(new ProducerRecord<>("timestamps", 0, FIRST_TIMESTAMP_MS + n * 1000, null, Clients.value(n)));
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(null, Map.of())) {
            consumer.assign(List.of(partition));
            OffsetAndTimestamp found =
                consumer.offsetsForTimes(Map.of(partition, FIRST_TIMESTAMP_MS + 36_500)).get(partition);
            Report.equal(found.offset(), 37L, "first offset at or after the time");
            Report.equal(found.timestamp(), FIRST_TIMESTAMP_MS + 37_000, "its timestamp");
            Report.equal(consumer.offsetsForTimes(Map.of(partition, FIRST_TIMESTAMP_MS + 1_000_000)).get(partition), null,
                "offset after the last");
            consumer.seek(partition, found.offset());
            Report.equal(Clients.numbers(Clients.read(consumer, 63)), Clients.range(37, 100), "read from there");
        }
        return "found 37 of 100, read on from there";
    }

    static String rebalance(String topic, Map<String, Object> settings) throws Exception {
        Clients.createTopic(topic, 4);
        Member first = new Member("group-of-" + topic, topic, settings);
        Member.untilShared(4, first);
        Clients.produce(topic, 0, 100);
        Member.untilRead(100, first);
        Member second = new Member("group-of-" + topic, topic, settings);
        Member.untilShared(4, first, second);
        Clients.produce(topic, 100, 100);
        Member.untilRead(200, first, second);
        Report.check(!second.records.isEmpty(), "the second member read nothing");
        second.leave();
        Member.untilShared(4, first);
        Clients.produce(topic, 200, 100);
        Member.untilRead(300, first, second);
        first.leave();
        Report.equal(Member.numbers(first, second), Clients.range(0, 300), "each number once");
        return "4, 2+2, 4 partitions; 300 records, none twice";
    }

    static String cooperative() throws Exception {
        return rebalance("cooperative", Map.of("partition.assignment.strategy", CooperativeStickyAssignor.class.getName()));
    }

    /** A static member that comes back within its session gets its partitions again, without a rebalance. */
    static String staticMembership() throws Exception {
        Clients.createTopic("static", 2);
        Member stays = new Member("statics", "static", Map.of("group.instance.id", "a"));
        Member goes = new Member("statics", "static", Map.of("group.instance.id", "b"));
        Member.untilShared(2, stays, goes);
        Clients.produce("static", 0, 50);
        Member.untilRead(50, stays, goes);
        int generation = stays.generation;
        int assignments = stays.assignments;
        List<Integer> share = goes.share;
        goes.leave();
        Member back = new Member("statics", "static", Map.of("group.instance.id", "b"));
        Member.untilShared(2, stays, back);
        Clients.produce("static", 50, 50);
        Member.untilRead(100, stays, goes, back);
        Report.equal(back.share, share, "share of the member that came back");
        Report.equal(back.generation, generation, "generation");
        Report.equal(stays.assignments, assignments, "assignments of the member that stayed");
        back.leave();
        stays.leave();
        Report.equal(Member.numbers(stays, goes, back), Clients.range(0, 100), "each number once");
        return "came back without a rebalance";
    }

    /** The producer goes on through the restart, and the member that was there before reads everything. */
    static String brokerRestart() throws Exception {
        Clients.createTopic("restart", 2);
        Member member = new Member("restarting", "restart", Map.of());
        Member.untilShared(2, member);
        Sender sender = new Sender("restart");
        Report.until("records came before the restart", () -> Member.numbers(member).size() >= 20);
        Report.request("restart-broker");
        int after = sender.count();
        Report.until("sent on after the restart", () -> sender.count() >= after + 20);
        int sent = sender.finish();
        Report.until("all " + sent + " came", () -> Clients.distinct(Member.numbers(member)).size() >= sent);
        member.leave();
        checkWrittenOnce(member, sent);
        return "nothing lost, in order, nothing twice";
    }

    /** Each number lies at one offset only, and in order: what was read twice was written once all the same. */
    private static void checkWrittenOnce(Member member, int sent) {
        Map<Integer, TreeMap<Long, Integer>> written = new TreeMap<>();
        for (ConsumerRecord<byte[], byte[]> record : member.records) {
            written.computeIfAbsent(record.partition(), p -> new TreeMap<>()).put(record.offset(), Clients.number(record));
        }
        List<Integer> all = new ArrayList<>();
        for (TreeMap<Long, Integer> partition : written.values()) {
            List<Integer> mine = new ArrayList<>(partition.values());
            Report.equal(mine, Clients.sorted(mine), "order");
            all.addAll(mine);
        }
        Report.equal(Clients.sorted(all), Clients.range(0, sent), "each number written once");
        Report.equal(new HashSet<>(all).size(), sent, "numbers");
    }
}
