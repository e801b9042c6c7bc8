import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * The record file that the TypeScript tests and these drivers exchange; test/tools/record-file.ts
 * is its twin. Big endian, records one after another: partition i32, offset i64 (-1 when not yet
 * written), timestamp i64, key, value, header count i32, then name and value of each header. Every
 * byte string is a length i32 (-1 for null) and the bytes.
 */
final class RecordFile {
    private RecordFile() {}

    static Properties properties(String path) throws IOException {
        Properties properties = new Properties();
        try (FileInputStream in = new FileInputStream(path)) {
            properties.load(in);
        }
        return properties;
    }

    /** Puts `name=value` arguments from index `from` on into `properties`. */
    static void override(Properties properties, String[] args, int from) {
        for (int i = from; i < args.length; i++) {
            int at = args[i].indexOf('=');
            properties.put(args[i].substring(0, at), args[i].substring(at + 1));
        }
    }

    static List<ProducerRecord<byte[], byte[]>> read(String path, String topic) throws IOException {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (DataInputStream in =
                new DataInputStream(new BufferedInputStream(new FileInputStream(path), 1 << 20))) {
            while (true) {
                int partition;
                try {
                    partition = in.readInt();
                } catch (EOFException end) {
                    return records;
                }
                in.readLong();
                long timestamp = in.readLong();
                byte[] key = readBytes(in);
                byte[] value = readBytes(in);
                List<Header> headers = new ArrayList<>();
                for (int left = in.readInt(); left > 0; left--) {
                    String name = new String(readBytes(in), StandardCharsets.UTF_8);
                    headers.add(new RecordHeader(name, readBytes(in)));
                }
                records.add(new ProducerRecord<>(topic, partition, timestamp, key, value, headers));
            }
        }
    }

    static DataOutputStream writer(String path) throws IOException {
        return new DataOutputStream(new BufferedOutputStream(new FileOutputStream(path), 1 << 20));
    }

    static void write(DataOutputStream out, ConsumerRecord<byte[], byte[]> record)
            throws IOException {
        out.writeInt(record.partition());
        out.writeLong(record.offset());
        out.writeLong(record.timestamp());
        writeBytes(out, record.key());
        writeBytes(out, record.value());
        Header[] headers = record.headers().toArray();
        out.writeInt(headers.length);
        for (Header header : headers) {
            writeBytes(out, header.key().getBytes(StandardCharsets.UTF_8));
            writeBytes(out, header.value());
        }
    }

    private static byte[] readBytes(DataInputStream in) throws IOException {
        int length = in.readInt();
        if (length < 0) return null;
        byte[] bytes = new byte[length];
        in.readFully(bytes);
        return bytes;
    }

    private static void writeBytes(DataOutputStream out, byte[] bytes) throws IOException {
        if (bytes == null) {
            out.writeInt(-1);
            return;
        }
        out.writeInt(bytes.length);
        out.write(bytes);
    }
}
