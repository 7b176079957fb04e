import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Sends numbers, one every 20 ms, until told to stop. */
final class Sender {
    private final AtomicInteger count = new AtomicInteger();
    private final CountDownLatch stop = new CountDownLatch(1);
    private final List<Future<?>> sent = new ArrayList<>();
    private final Thread thread;
    private volatile Throwable failure = null;

    Sender(String topic) {
        thread = new Thread(() -> send(topic));
        thread.setDaemon(true);
        thread.start();
    }

    private void send(String topic) {
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(Map.of())) {
            do {
                int n = count.get();
                sent.add(producer.send(new ProducerRecord<>(topic, Clients.key(n), Clients.value(n))));
                count.incrementAndGet();
            } while (!stop.await(20, TimeUnit.MILLISECONDS));
            producer.flush();
        } catch (Throwable error) {
            failure = error;
        }
    }

    int count() {
        if (failure != null) {
            throw new AssertionError("the sender failed", failure);
        }
        return count.get();
    }

    /** Stops, waits until every record is acknowledged, and returns how many were sent. */
    int finish() throws Exception {
        stop.countDown();
        thread.join(Report.DEADLINE_MS);
        Report.check(!thread.isAlive(), "the producer hangs");
        for (Future<?> each : sent) {
            each.get(1, TimeUnit.SECONDS);
        }
        return count();
    }
}
