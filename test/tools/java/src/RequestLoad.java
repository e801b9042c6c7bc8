import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A closed loop of small produce requests: every connection keeps `depth` records on their way, each
 * record in a request of its own where the partition is one (batch.size=0, linger.ms=0).
 *
 * Usage: RequestLoad client.properties topic partitions connections depth seconds bytes [name=value]
 * Once every connection has its first answer, `seconds` / 2 warm up and do not count. Prints one
 * JSON object; `all` counts every request, the warm-up's too.
 */
final class RequestLoad {
    private static final int SAMPLES_MAX = 5_000_000;

    private RequestLoad() {}

    private static volatile boolean counting;
    private static volatile boolean stopped;
    private static final AtomicInteger errors = new AtomicInteger();
    private static final AtomicInteger samples = new AtomicInteger();
    private static final AtomicLong all = new AtomicLong();
    private static final int[] microseconds = new int[SAMPLES_MAX];

    public static void main(String[] args) throws Exception {
        Properties properties = RecordFile.properties(args[0]);
        int depth = Integer.parseInt(args[4]);
        properties.put("batch.size", "0");
        properties.put("linger.ms", "0");
        properties.put("max.in.flight.requests.per.connection", Integer.toString(depth));
        RecordFile.override(properties, args, 7);
        int partitions = Integer.parseInt(args[2]);
        int connections = Integer.parseInt(args[3]);
        double seconds = Double.parseDouble(args[5]);
        byte[] value = new byte[Integer.parseInt(args[6])];
        CountDownLatch answered = new CountDownLatch(connections);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < connections; i++) {
            Thread thread =
                    new Thread(() -> drive(properties, args[1], partitions, depth, value, answered));
            thread.start();
            threads.add(thread);
        }
        if (!answered.await(60, TimeUnit.SECONDS)) errors.incrementAndGet();
        Thread.sleep((long) (seconds * 500));
        counting = true;
        long begun = System.nanoTime();
        Thread.sleep((long) (seconds * 1000));
        counting = false;
        double elapsed = (System.nanoTime() - begun) / 1e9;
        int count = Math.min(samples.get(), SAMPLES_MAX);
        stopped = true;
        for (Thread thread : threads) thread.join();
        int[] sorted = Arrays.copyOf(microseconds, count);
        Arrays.sort(sorted);
        System.out.printf(
                Locale.ROOT,
                "{\"requests\":%d,\"requests_per_s\":%.1f,\"p50_us\":%d,\"p99_us\":%d,"
                        + "\"all\":%d,\"errors\":%d}%n",
                count,
                count / elapsed,
                count == 0 ? 0 : sorted[count / 2],
                count == 0 ? 0 : sorted[(int) (count * 0.99)],
                all.get(),
                errors.get());
    }

    private static void drive(
            Properties properties,
            String topic,
            int partitions,
            int depth,
            byte[] value,
            CountDownLatch answered) {
        Semaphore free = new Semaphore(depth);
        AtomicBoolean first = new AtomicBoolean(true);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            while (!stopped) {
                free.acquire();
                int partition = ThreadLocalRandom.current().nextInt(partitions);
                long sent = System.nanoTime();
                producer.send(
                        new ProducerRecord<>(topic, partition, null, value),
                        (metadata, error) -> {
                            note(System.nanoTime() - sent, error);
                            if (first.getAndSet(false)) answered.countDown();
                            free.release();
                        });
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void note(long nanoseconds, Exception error) {
        all.incrementAndGet();
        if (error != null) {
            errors.incrementAndGet();
        } else if (counting) {
            int index = samples.getAndIncrement();
            if (index < SAMPLES_MAX) microseconds[index] = (int) (nanoseconds / 1000);
        }
    }
}
