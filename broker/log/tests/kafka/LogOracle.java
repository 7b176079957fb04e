import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Map;
import java.util.Optional;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/**
 * Kafka's own log, to write what Millrace must read and to read what Millrace wrote.
 *
 *   write DIR              writes a log of several segments, with every codec and an idempotent producer
 *   read DIR END DIR...    opens a log as after a clean stop at END, and others as after a crash
 *
 * Both print what a log holds, a line for each fact; several logs one after the other, behind a line "---".
 */
public class LogOracle {
    private static final long START_MS = 1_700_000_000_000L;

    public static void main(String[] args) throws Exception {
        File dir = new File(args[1]);
        if (args[0].equals("write")) {
            write(dir);
        } else {
            read(dir, true, Long.parseLong(args[2]));
            for (int other = 3; other < args.length; other++) {
                System.out.println("---");
                read(new File(args[other]), false, 0);
            }
        }
        System.exit(0);
    }

    private static UnifiedLog open(File dir, boolean clean, long recoveryPoint) throws Exception {
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        Map<String, Object> settings = Map.of(
            "segment.bytes", 1 << 20, "index.interval.bytes", 200, "retention.ms", -1L, "message.timestamp.after.max.ms", Long.MAX_VALUE);
        return UnifiedLog.create(dir, new LogConfig(settings), 0, recoveryPoint, scheduler, new BrokerTopicStats(), new Then(),
            900_000, new ProducerStateManagerConfig(Integer.MAX_VALUE, false), Integer.MAX_VALUE, new LogDirFailureChannel(1),
            clean, Optional.empty());
    }

    private static void write(File dir) throws Exception {
        Files.createDirectories(dir.toPath());
        UnifiedLog log = open(dir, true, 0);
        Compression[] codecs = {
            Compression.NONE, Compression.gzip().build(), Compression.snappy().build(), Compression.lz4().build(),
            Compression.zstd().build(),
        };
        int sequence = 0;
        for (int n = 0; n < 60; n++) {
            SimpleRecord[] records = new SimpleRecord[1 + n % 4];
            for (int r = 0; r < records.length; r++) {
                byte[] value = n % 7 == 3 ? null : ("value " + n + "." + r).getBytes(StandardCharsets.UTF_8);
                records[r] = new SimpleRecord(START_MS + n * 10L + r, ("key " + n % 5).getBytes(StandardCharsets.UTF_8), value);
            }
            Compression codec = codecs[n % codecs.length];
            if (n % 2 == 0) {
                log.appendAsLeader(MemoryRecords.withRecords(codec, records), n / 20);
            } else {
                log.appendAsLeader(MemoryRecords.withIdempotentRecords(codec, 42L, (short) 3, sequence, records), n / 20);
                sequence += records.length;
            }
            if (n % 25 == 24) {
                log.roll();
            }
        }
        log.flush(true);
        print(log);
        log.close();
    }

    private static void read(File dir, boolean clean, long recoveryPoint) throws Exception {
        UnifiedLog log = open(dir, clean, recoveryPoint);
        log.updateHighWatermark(log.logEndOffset());
        print(log);
        log.close();
    }

    private static void print(UnifiedLog log) throws Exception {
        System.out.println("end " + log.logEndOffset());
        System.out.println("segments " + log.logSegments().size());
        System.out.println("epoch " + log.latestEpoch().orElse(-1));
        log.activeProducers().forEach(producer -> System.out.println(
            "producer " + producer.producerId() + " epoch " + producer.producerEpoch() + " sequence " + producer.lastSequence()));
        long next = log.logStartOffset();
        while (next < log.logEndOffset()) {
            FetchDataInfo found = log.read(next, 1 << 20, FetchIsolation.LOG_END, true);
            long from = next;
            for (RecordBatch batch : found.records.batches()) {
                for (Record record : batch) {
                    record.ensureValid();
                    if (record.offset() >= from) {
                        System.out.println("record " + record.offset() + " " + record.timestamp() + " " + text(record.key()) + " = " + text(record.value()));
                    }
                }
                // A batch may have lost all its records to compaction.
                next = batch.nextOffset();
            }
            if (next == from) {
                break;
            }
        }
        long byTime = log.fetchOffsetByTimestamp(START_MS + 305, Optional.empty()).timestampAndOffsetOpt().map(found -> found.offset).orElse(-1L);
        System.out.println("at " + (START_MS + 305) + " " + byTime);
    }

    private static String text(java.nio.ByteBuffer bytes) {
        return bytes == null ? "null" : new String(Utils.toArray(bytes), StandardCharsets.UTF_8);
    }

    /** The time at which all records are written: by the real one their producers would have expired. */
    private static class Then implements Time {
        @Override
        public long milliseconds() {
            return START_MS;
        }

        @Override
        public long nanoseconds() {
            return SYSTEM.nanoseconds();
        }

        @Override
        public void sleep(long ms) {
            SYSTEM.sleep(ms);
        }

        @Override
        public void waitObject(Object object, java.util.function.Supplier<Boolean> condition, long deadlineMs) throws InterruptedException {
            SYSTEM.waitObject(object, condition, deadlineMs);
        }
    }
}
