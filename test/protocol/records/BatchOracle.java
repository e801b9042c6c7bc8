import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.BufferSupplier;

/**
 * Kafka's own record classes as a judge of ours. "write FILE" writes batches of every codec and
 * several levels and sizes; "read FILE" reads batches and prints a line for each: "ok", the number
 * of records and a sum over all they hold, or "fail" and why. A file is a row of int32 length, batch.
 */
public class BatchOracle {
    private static final long NOW = 1_760_000_000_000L;

    public static void main(String[] args) throws Exception {
        if (args[0].equals("write")) write(args[1]);
        else read(args[1]);
    }

    private static void write(String file) throws Exception {
        Compression[] codecs = {
            Compression.NONE, Compression.gzip().level(1).build(), Compression.gzip().level(9).build(),
            Compression.snappy().build(), Compression.lz4().level(1).build(),
            Compression.lz4().level(17).build(), Compression.zstd().level(1).build(),
            Compression.zstd().build(), Compression.zstd().level(19).build(),
            Compression.zstd().level(22).build(),
        };
        try (DataOutputStream out = new DataOutputStream(new FileOutputStream(file))) {
            for (Compression codec : codecs) {
                for (int[] shape : new int[][] {{1, 0}, {3, 10}, {100, 100}, {2000, 300}, {40, 100_000}}) {
                    ByteBuffer batch = batch(codec, shape[0], shape[1]);
                    out.writeInt(batch.remaining());
                    out.write(batch.array(), batch.arrayOffset() + batch.position(), batch.remaining());
                }
            }
        }
    }

    private static ByteBuffer batch(Compression codec, int count, int valueBytes) {
        Random random = new Random(count);
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20),
            RecordBatch.MAGIC_VALUE_V2, codec, TimestampType.CREATE_TIME, 0L, NOW, 77L, (short) 3, 5,
            false, RecordBatch.NO_PARTITION_LEADER_EPOCH);
        for (int i = 0; i < count; i++) {
            byte[] value = new byte[valueBytes];
            for (int j = 0; j < valueBytes; j++) {
                value[j] = (byte) (j % 50 < 40 ? "telemetry ".charAt(j % 10) : random.nextInt());
            }
            Header header = new RecordHeader("h\u00e9", i % 3 == 0 ? null : new byte[] {(byte) i});
            builder.appendWithOffset(i, NOW + i, i % 5 == 0 ? null : ("key" + i).getBytes(StandardCharsets.UTF_8),
                i % 7 == 6 ? null : value, i % 2 == 0 ? new Header[] {header} : new Header[0]);
        }
        return builder.build().buffer();
    }

    private static void read(String file) throws Exception {
        try (DataInputStream in = new DataInputStream(new FileInputStream(file))) {
            while (in.available() > 0) {
                byte[] bytes = new byte[in.readInt()];
                in.readFully(bytes);
                System.out.println(judge(ByteBuffer.wrap(bytes)));
            }
        }
    }

    private static String judge(ByteBuffer bytes) {
        try {
            long sum = 0;
            int count = 0;
            for (RecordBatch batch : MemoryRecords.readableRecords(bytes).batches()) {
                batch.ensureValid();
                try (var records = batch.streamingIterator(BufferSupplier.create())) {
                    while (records.hasNext()) {
                        sum = sum * 31 + add(records.next());
                        count++;
                    }
                }
            }
            return "ok " + count + " " + Integer.toUnsignedString((int) sum);
        } catch (Throwable problem) {
            return "fail " + problem;
        }
    }

    /** The test adds up the same in 32 bits. */
    private static int add(Record record) {
        int sum = (int) record.offset() * 31 + (int) record.timestamp();
        sum = sum * 31 + add(record.key());
        sum = sum * 31 + add(record.value());
        for (Header header : record.headers()) {
            sum = sum * 31 + add(ByteBuffer.wrap(header.key().getBytes(StandardCharsets.UTF_8)));
            byte[] value = header.value();
            sum = sum * 31 + add(value == null ? null : ByteBuffer.wrap(value));
        }
        return sum;
    }

    private static int add(ByteBuffer bytes) {
        if (bytes == null) return -1;
        int sum = bytes.remaining();
        for (int i = bytes.position(); i < bytes.limit(); i++) sum = sum * 31 + bytes.get(i);
        return sum;
    }
}
