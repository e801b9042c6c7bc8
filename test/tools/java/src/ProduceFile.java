import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends every record of a record file with Kafka's own producer.
 *
 * Usage: ProduceFile client.properties topic file [name=value ...]
 * Prints "acknowledged N"; after an error "error CLASS: MESSAGE" and exit code 1.
 */
final class ProduceFile {
    private ProduceFile() {}

    public static void main(String[] args) throws Exception {
        Properties properties = RecordFile.properties(args[0]);
        RecordFile.override(properties, args, 3);
        List<ProducerRecord<byte[], byte[]>> records = RecordFile.read(args[2], args[1]);
        AtomicLong acknowledged = new AtomicLong();
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (ProducerRecord<byte[], byte[]> record : records) {
                if (failure.get() != null) break;
                producer.send(
                        record,
                        (metadata, error) -> {
                            if (error == null) acknowledged.incrementAndGet();
                            else failure.compareAndSet(null, error);
                        });
            }
            producer.flush();
        }
        System.out.println("acknowledged " + acknowledged.get());
        if (failure.get() == null) return;
        Exception error = failure.get();
        System.out.println("error " + error.getClass().getName() + ": " + error.getMessage());
        System.exit(1);
    }
}
