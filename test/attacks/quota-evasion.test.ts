/** Ways around a limit: many client ids, many connections, coming back, and a tenant's administrator. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const KIB = 1024;

describeRequiring(['built-broker'], 'evading a quota', () => {
  const fixture = useBroker();
  const set = (scope: object, values: object) =>
    adminRequest(fixture.broker, 'POST', '/v1/quotas', { tenant: 'acme', ...scope, values });
  const connect = (name: string, clientId = 'wire-client') =>
    WireClient.connect(fixture.broker.port, fixture.who('acme', name), { clientId });

  async function produce(client: WireClient, bytes: number): Promise<number> {
    const records = buildRecordBatch([{ timestampMs: 1, key: null, value: Buffer.alloc(bytes) }]);
    const answer = await client.call(ApiKey.Produce, 9, {
      transactionalId: null,
      acks: 1,
      timeoutMs: 5000,
      topicData: [{ name: 'telemetry', partitionData: [{ index: 0, records }] }],
    });
    expect(answer.responses[0]!.partitionResponses[0]!.errorCode).toBe(ErrorCode.NONE);
    return answer.throttleTimeMs;
  }

  it('a device that makes up client ids and connections, or comes back, meets the same ceiling', async () => {
    await set({ device: 'device-1' }, { producer_byte_rate: 10 * KIB });
    await set({ clientId: '<default>' }, { producer_byte_rate: 1000 * KIB });
    let before = 0;
    for (let count = 0; count < 5; count++) {
      const client = await connect('device-1', `made-up-${count}`);
      const throttleMs = await produce(client, 20 * KIB);
      expect(throttleMs).toBeGreaterThan(before);
      before = throttleMs;
      client.close();
    }
    expect(before).toBeGreaterThan(8000);
    await set({ clientId: '<default>' }, { producer_byte_rate: null });
    await set({ device: 'device-1' }, { producer_byte_rate: null });
  });

  it("a tenant's administrator neither sees nor lifts what the operator set", async () => {
    await set({}, { producer_byte_rate: 10 * KIB, topics: 1000 });
    const admin = await connect('admin-1');
    const shown = await admin.call(ApiKey.DescribeClientQuotas, 1, {
      components: [],
      strict: false,
    } as never);
    expect(shown.entries).toEqual([]);
    const altered = await admin.call(ApiKey.AlterClientQuotas, 1, {
      entries: ['tenant', 'fleet', 'device', 'user'].map((entityType) => ({
        entity: [{ entityType, entityName: entityType === 'user' ? 'device-2' : 'acme' }],
        ops: [{ key: 'producer_byte_rate', value: 1e12, remove: false }],
      })),
      validateOnly: false,
    } as never);
    const done = altered.entries.filter(({ errorCode }) => errorCode === ErrorCode.NONE);
    expect([altered.entries.length, done.length]).toEqual([4, 1]);
    expect(done[0]!.entity[0]!.entityType).toBe('user');
    const client = await connect('device-2');
    expect(await produce(client, 20 * KIB)).toBeGreaterThan(1500);
    const { status } = await adminRequest(fixture.broker, 'GET', '/v1/quotas?tenant=acme');
    expect(status).toBe(200);
    const lifted = await admin.call(ApiKey.AlterClientQuotas, 1, {
      entries: [
        {
          entity: [{ entityType: 'user', entityName: 'device-2' }],
          ops: [{ key: 'producer_byte_rate', value: 0, remove: true }],
        },
      ],
      validateOnly: false,
    } as never);
    expect(lifted.entries[0]!.errorCode).toBe(ErrorCode.NONE);
    await set({}, { producer_byte_rate: null, topics: null });
    for (const one of [admin, client]) one.close();
  });
});
