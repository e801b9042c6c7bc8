/** SIGTERM: what was begun is answered, the process ends with 0, and nothing acknowledged is missing. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const records = (): Buffer =>
  buildRecordBatch([
    { timestampMs: Date.now(), key: null, value: Buffer.from('last words'), headers: [] },
  ]);

describeRequiring(['built-broker'], 'a graceful shutdown', () => {
  it('answers parked fetches and unfinished produces, and exits 0', async () => {
    const broker = await startBroker();
    try {
      const connect = (name: string): Promise<WireClient> =>
        WireClient.connect(broker.port, clientIdentity(broker.certsDir, 'acme', name));
      const [reader, writer] = [await connect('service-1'), await connect('device-1')];
      const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 };
      const parked = reader.call(ApiKey.Fetch, 11, {
        maxWaitMs: 60_000,
        minBytes: 1 << 20,
        topics: [{ topic: 'telemetry', partitions: [partition] }],
      });
      await writer.call(ApiKey.ApiVersions, 0, {});
      const produced = writer.call(ApiKey.Produce, 9, {
        acks: -1,
        timeoutMs: 5000,
        topicData: [{ name: 'telemetry', partitionData: [{ index: 0, records: records() }] }],
      });
      const stopped = broker.stop();
      expect((await parked).responses[0]!.partitions[0]!.errorCode).toBe(0);
      const outcome = await produced.catch(() => null);
      expect(await stopped).toBe(0);
      const { dataDir, certsDir } = broker;
      const again = await startBroker({ dataDir, certsDir });
      const client = await WireClient.connect(
        again.port,
        clientIdentity(certsDir, 'acme', 'service-1'),
      );
      const listed = await client.call(ApiKey.ListOffsets, 7, {
        topics: [{ name: 'telemetry', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
      });
      const acknowledged = outcome === null ? 0 : 1;
      expect(listed.topics[0]!.partitions[0]!.offset).toBeGreaterThanOrEqual(acknowledged);
      client.close();
      expect(await again.stop()).toBe(0);
    } finally {
      await broker.dispose();
    }
  }, 40_000);
});
