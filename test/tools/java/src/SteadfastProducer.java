import java.util.Properties;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Produces unique, increasing values to the partitions of a topic in turn, through any number of
 * broker crashes, until a line (or the end) comes on standard input. It logs the outcome of every
 * send for the consistency checker:
 *
 *   ok PARTITION OFFSET VALUE      acknowledged
 *   unknown PARTITION -1 VALUE     failed or timed out: may or may not be in the log
 *
 * and at its end "done N". A value is "PREFIX-SEQUENCE"; the key is its partition's number.
 *
 * Usage: SteadfastProducer client.properties topic partitions prefix inFlight [name=value ...]
 */
final class SteadfastProducer {
    private SteadfastProducer() {}

    public static void main(String[] args) throws Exception {
        Properties properties = RecordFile.properties(args[0]);
        RecordFile.override(properties, args, 5);
        String topic = args[1];
        int partitions = Integer.parseInt(args[2]);
        Semaphore inFlight = new Semaphore(Integer.parseInt(args[4]));
        AtomicBoolean stopped = new AtomicBoolean();
        Thread watcher =
                new Thread(
                        () -> {
                            try {
                                System.in.read();
                            } catch (java.io.IOException ignored) {
                                // a broken pipe stops us like its end does
                            }
                            stopped.set(true);
                        });
        watcher.setDaemon(true);
        watcher.start();
        AtomicLong sent = new AtomicLong();
        try (KafkaProducer<byte[], String> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new StringSerializer())) {
            while (!stopped.get()) {
                inFlight.acquire();
                long sequence = sent.getAndIncrement();
                int partition = (int) (sequence % partitions);
                String value = args[3] + "-" + sequence;
                ProducerRecord<byte[], String> record =
                        new ProducerRecord<>(topic, partition, null, value);
                producer.send(
                        record,
                        (metadata, error) -> {
                            if (error == null) {
                                log("ok " + partition + " " + metadata.offset() + " " + value);
                            } else {
                                log("unknown " + partition + " -1 " + value);
                            }
                            inFlight.release();
                        });
            }
        }
        log("done " + sent.get());
    }

    private static void log(String line) {
        synchronized (System.out) {
            System.out.println(line);
            System.out.flush();
        }
    }
}
