import java.io.DataOutputStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads all partitions of a topic, from their beginning to their ends, into a record file. The ends
 * are those at the start; where at least `records` are expected, those that hold as soon as so many
 * may be read (an acks=1 record may be read only once it is synced). Partitions are assigned: no
 * consumer group is involved.
 *
 * Usage: ConsumeFile client.properties topic file records [name=value ...]
 * Prints "read N"; after an error "error CLASS: MESSAGE" and exit code 1.
 */
final class ConsumeFile {
    private static final long PATIENCE_NANOS = 60_000_000_000L;

    private ConsumeFile() {}

    public static void main(String[] args) throws Exception {
        Properties properties = RecordFile.properties(args[0]);
        properties.putIfAbsent("enable.auto.commit", "false");
        RecordFile.override(properties, args, 4);
        long read = 0;
        try (KafkaConsumer<byte[], byte[]> consumer =
                        new KafkaConsumer<>(
                                properties,
                                new ByteArrayDeserializer(),
                                new ByteArrayDeserializer());
                DataOutputStream out = RecordFile.writer(args[2])) {
            read = readAll(consumer, args[1], Long.parseLong(args[3]), out);
        } catch (KafkaException error) {
            System.out.println("error " + error.getClass().getName() + ": " + error.getMessage());
            System.exit(1);
        }
        System.out.println("read " + read);
    }

    private static long readAll(
            KafkaConsumer<byte[], byte[]> consumer,
            String topic,
            long expected,
            DataOutputStream out)
            throws Exception {
        List<TopicPartition> partitions =
                consumer.partitionsFor(topic).stream()
                        .map(info -> new TopicPartition(topic, info.partition()))
                        .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        Map<TopicPartition, Long> ends = endsWith(consumer, partitions, expected);
        long read = 0;
        long lastProgress = System.nanoTime();
        while (!reached(consumer, ends)) {
            ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(200));
            for (ConsumerRecord<byte[], byte[]> record : batch) {
                RecordFile.write(out, record);
                read++;
            }
            if (!batch.isEmpty()) lastProgress = System.nanoTime();
            if (System.nanoTime() - lastProgress > PATIENCE_NANOS) {
                throw new KafkaException("no record for a minute after " + read);
            }
        }
        return read;
    }

    private static Map<TopicPartition, Long> endsWith(
            KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions, long expected)
            throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (true) {
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long sum = ends.values().stream().mapToLong(Long::longValue).sum();
            if (sum >= expected || System.nanoTime() > deadline) return ends;
            Thread.sleep(50);
        }
    }

    private static boolean reached(
            KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Long> ends) {
        for (Map.Entry<TopicPartition, Long> end : ends.entrySet()) {
            if (consumer.position(end.getKey()) < end.getValue()) return false;
        }
        return true;
    }
}
