import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.internals.AbstractPartitionAssignor;
import org.apache.kafka.common.TopicPartition;

/**
 * Kafka's own assignors, one case for each line of standard input:
 *
 * <pre>assignor | topic=partitions ... | member;instance;generation;user data in hex;topics,...;owned-partition,... | member ...</pre>
 *
 * with "-" for what is not there. The answer is a line with each member's partitions, ascending.
 */
public class Assignors {
    public static void main(String[] arguments) throws Exception {
        BufferedReader cases = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String line;
        while ((line = cases.readLine()) != null)
            System.out.println(answer(line.split("\\|")));
    }

    private static String answer(String[] parts) {
        AbstractPartitionAssignor assignor = switch (parts[0]) {
            case "range" -> new RangeAssignor();
            case "roundrobin" -> new RoundRobinAssignor();
            case "sticky" -> new StickyAssignor();
            default -> new CooperativeStickyAssignor();
        };
        Map<String, Integer> counts = new HashMap<>();
        for (String topic : words(parts[1], " "))
            counts.put(topic.split("=")[0], Integer.parseInt(topic.split("=")[1]));
        Map<String, Subscription> members = new HashMap<>();
        List<String> names = new ArrayList<>();
        for (int i = 2; i < parts.length; i++) {
            String[] fields = parts[i].split(";");
            names.add(fields[0]);
            members.put(fields[0], subscription(fields));
        }
        Map<String, List<TopicPartition>> plan;
        try {
            plan = assignor.assign(counts, members);
        } catch (RuntimeException failure) {
            return "failed: " + failure;
        }
        StringBuilder text = new StringBuilder();
        for (String name : names) {
            List<String> partitions = new ArrayList<>();
            plan.get(name).forEach(partition -> partitions.add(partition.toString()));
            Collections.sort(partitions);
            text.append(name).append('=').append(String.join(",", partitions)).append(' ');
        }
        return text.toString().trim();
    }

    private static Subscription subscription(String[] fields) {
        ByteBuffer userData = fields[3].equals("-") ? null : ByteBuffer.wrap(HexFormat.of().parseHex(fields[3]));
        List<TopicPartition> owned = new ArrayList<>();
        for (String partition : words(fields[5], ",")) {
            int dash = partition.lastIndexOf('-');
            owned.add(new TopicPartition(partition.substring(0, dash), Integer.parseInt(partition.substring(dash + 1))));
        }
        Subscription subscription = new Subscription(
            words(fields[4], ","), userData, owned, Integer.parseInt(fields[2]), Optional.empty());
        subscription.setGroupInstanceId(fields[1].equals("-") ? Optional.empty() : Optional.of(fields[1]));
        return subscription;
    }

    private static List<String> words(String text, String separator) {
        return text.equals("-") ? List.of() : List.of(text.split(separator));
    }
}
