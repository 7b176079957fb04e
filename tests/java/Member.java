import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;

/** A group member in a thread of its own that reads, commits after each batch, and keeps what it read. */
final class Member extends Thread {
    final List<ConsumerRecord<byte[], byte[]>> records = new CopyOnWriteArrayList<>();
    volatile List<Integer> share = List.of();
    volatile int assignments = 0;
    volatile int generation = -1;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private volatile boolean leaving = false;
    private volatile Throwable failure = null;

    Member(String group, String topic, Map<String, Object> more) {
        consumer = Clients.consumer(group, more);
        consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                assignments++;
            }
        });
        setDaemon(true);
        start();
    }

    @Override
    public void run() {
        try (consumer) {
            while (!leaving) {
                ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(200));
                share = consumer.assignment().stream().map(TopicPartition::partition).sorted().toList();
                generation = consumer.groupMetadata().generationId();
                batch.forEach(records::add);
                commit(batch);
            }
        } catch (Throwable error) {
            failure = error;
        }
    }

    /** A cooperative rebalance may refuse a commit for a moment; the member polls it to its end and commits then. */
    private void commit(ConsumerRecords<byte[], byte[]> batch) throws Exception {
        if (batch.isEmpty()) {
            return;
        }
        Report.until("the batch is committed", () -> {
            try {
                consumer.commitSync();
                return true;
            } catch (RebalanceInProgressException retriable) {
                consumer.poll(Duration.ZERO).forEach(records::add);
                return false;
            }
        });
    }

    void leave() throws Exception {
        leaving = true;
        join(Report.DEADLINE_MS);
        Report.check(!isAlive(), "a member did not leave");
        check();
    }

    void check() {
        if (failure != null) {
            throw new AssertionError("a member failed", failure);
        }
    }

    /** Waits until the members have all partitions between them and each has some. */
    static void untilShared(int partitions, Member... members) throws Exception {
        Report.until("the partitions are shared", () -> {
            List<Integer> together = new ArrayList<>();
            for (Member member : members) {
                member.check();
                if (member.share.isEmpty()) {
                    return false;
                }
                together.addAll(member.share);
            }
            return Clients.sorted(together).equals(Clients.range(0, partitions));
        });
    }

    /** The numbers that the members have read, in order. */
    static List<Integer> numbers(Member... members) {
        List<Integer> all = new ArrayList<>();
        for (Member member : members) {
            member.check();
            all.addAll(Clients.numbers(member.records));
        }
        return Clients.sorted(all);
    }

    static void untilRead(int count, Member... members) throws Exception {
        Report.until(count + " records are read", () -> numbers(members).size() >= count);
    }
}
