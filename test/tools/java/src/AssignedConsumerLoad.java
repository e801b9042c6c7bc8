import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a topic with all its partitions assigned (no group), as fast as it goes.
 *
 * Usage: AssignedConsumerLoad client.properties topic records [name=value ...]
 * Counts from the first records to the last, after a first tenth that warms up. Prints one JSON
 * object; exit code 1 when nothing came for a minute.
 */
final class AssignedConsumerLoad {
    private AssignedConsumerLoad() {}

    public static void main(String[] args) throws Exception {
        Properties properties = RecordFile.properties(args[0]);
        properties.put("enable.auto.commit", "false");
        RecordFile.override(properties, args, 3);
        long wanted = Long.parseLong(args[2]);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(args[1]).stream()
                            .map(info -> new TopicPartition(args[1], info.partition()))
                            .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            measure(consumer, wanted);
        }
    }

    private static void measure(KafkaConsumer<byte[], byte[]> consumer, long wanted) {
        long records = 0;
        long bytes = 0;
        long recordsBefore = 0;
        long bytesBefore = 0;
        long begun = 0;
        long lastProgress = System.nanoTime();
        while (records < wanted) {
            ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(500));
            long now = System.nanoTime();
            for (ConsumerRecord<byte[], byte[]> record : batch) {
                records++;
                bytes += record.value() == null ? 0 : record.value().length;
            }
            if (!batch.isEmpty()) lastProgress = now;
            if (begun == 0 && records >= wanted / 10) {
                begun = now;
                recordsBefore = records;
                bytesBefore = bytes;
            }
            if (now - lastProgress > 60_000_000_000L) {
                System.out.println("no record for a minute after " + records);
                System.exit(1);
            }
        }
        double seconds = (lastProgress - begun) / 1e9;
        System.out.printf(
                Locale.ROOT,
                "{\"records\":%d,\"mb_per_s\":%.2f,\"records_per_s\":%.0f}%n",
                records,
                (bytes - bytesBefore) / seconds / 1e6,
                (records - recordsBefore) / seconds);
    }
}
