/** Threat: peers ask for much and take nothing, until the memory for answers is gone. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { encodeRequest } from '../../src/protocol/headers.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const MIB = 1024 * 1024;
const STALLING = 4;
/** Asked for by each of them: far more than sockets and one connection's share hold. */
const FETCHES = 60;

const fetchBody = {
  maxWaitMs: 0,
  sessionEpoch: -1,
  maxBytes: 50 * MIB,
  topics: [
    {
      topic: 'telemetry',
      partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 50 * MIB }],
    },
  ],
};

describeRequiring(['built-broker'], 'answers that nobody takes', () => {
  const fixture = useBroker({
    env: { BREAKWATER_QUEUED_MAX_RESPONSE_BYTES: String(16 * MIB) },
  });

  async function fill(): Promise<void> {
    const device = await fixture.connect('acme', 'device-1');
    for (let n = 0; n < 4; n++) {
      const value = Buffer.alloc(900_000);
      const records = buildRecordBatch([
        { timestampMs: Date.now(), key: null, value, headers: [] },
      ]);
      await device.call(ApiKey.Produce, 9, {
        acks: -1,
        timeoutMs: 5000,
        topicData: [{ name: 'telemetry', partitionData: [{ index: 0, records }] }],
      });
    }
  }

  function askAndTakeNothing({ socket }: WireClient): void {
    socket.pause();
    const ask = { apiKey: ApiKey.Fetch, apiVersion: 11, clientId: 'x', body: fetchBody };
    for (let n = 0; n < FETCHES; n++) {
      for (const chunk of encodeRequest({ ...ask, correlationId: -1 })) socket.write(chunk);
    }
  }

  it('cost their askers the connection, and others no answer', async () => {
    await fill();
    const reader = await fixture.connect('acme', 'service-1');
    for (let n = 0; n < STALLING; n++) {
      askAndTakeNothing(await fixture.connect('acme', 'service-1'));
    }
    const cut = fixture.audited('security', (line) => line.reason === 'slow-reader', 15_000);
    let isCut = false;
    void cut.finally(() => {
      isCut = true;
    });
    while (!isCut) {
      const { responses } = await reader.call(ApiKey.Fetch, 11, fetchBody);
      expect(responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(900_000);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect((await cut).principal).toBe('User:service-1');
  });
});
