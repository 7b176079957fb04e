import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Makes Kafka's own clients with the settings of the matrix. */
final class Clients {
    static final String BOOTSTRAP = System.getenv("MATRIX_BOOTSTRAP");
    static final Admin ADMIN = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP));
    private static final String TEXT = " " + "the quick brown fox jumps over the lazy dog ".repeat(4);

    private Clients() {}

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] value(int n) {
        return bytes(String.format("%06d", n) + TEXT);
    }

    static byte[] key(int n) {
        return bytes("key-" + n % 7);
    }

    static int number(ConsumerRecord<byte[], byte[]> record) {
        return Integer.parseInt(new String(record.value(), 0, 6, StandardCharsets.UTF_8));
    }

    static void createTopic(String name, int partitions) throws Exception {
        ADMIN.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get(60, TimeUnit.SECONDS);
    }

    /** A producer with Kafka's defaults (idempotent, acks=all) but for what {@code more} says. */
    static KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", BOOTSTRAP, "linger.ms", 20));
        settings.putAll(more);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Sends the numbers from {@code first}, and waits until each is acknowledged. */
    static void produce(String topic, int first, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            List<Future<?>> sent = new ArrayList<>();
            for (int n = first; n < first + count; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, key(n), value(n))));
            }
            for (Future<?> each : sent) {
                each.get(60, TimeUnit.SECONDS);
            }
        }
    }

    static KafkaConsumer<byte[], byte[]> consumer(String group, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of(
            "bootstrap.servers", BOOTSTRAP,
            "auto.offset.reset", "earliest",
            "enable.auto.commit", false,
            "heartbeat.interval.ms", 500,
            "session.timeout.ms", 10_000));
        if (group != null) {
            settings.put("group.id", group);
        }
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Reads at least {@code count} records of some partitions from their beginning. */
    static List<ConsumerRecord<byte[], byte[]>> readAll(Collection<TopicPartition> partitions, int count) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(null, Map.of())) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            return read(consumer, count);
        }
    }

    static List<ConsumerRecord<byte[], byte[]>> read(Consumer<byte[], byte[]> consumer, int count) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        Report.until(count + " records are read", () -> {
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            return records.size() >= count;
        });
        return records;
    }

    static List<Integer> numbers(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(Clients::number).toList();
    }

    static List<Integer> range(int first, int end) {
        List<Integer> all = new ArrayList<>();
        for (int n = first; n < end; n++) {
            all.add(n);
        }
        return all;
    }

    static List<Integer> sorted(Collection<Integer> numbers) {
        List<Integer> all = new ArrayList<>(numbers);
        all.sort(null);
        return all;
    }

    static List<Integer> distinct(Collection<Integer> numbers) {
        return new ArrayList<>(new TreeSet<>(numbers));
    }
}
