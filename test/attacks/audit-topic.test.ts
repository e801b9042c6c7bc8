/**
 * Threat: a tenant writes, alters or deletes what its audit topic says, takes the name before the
 * broker does, or reads of other tenants' events there.
 */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { readRecords } from '../../src/protocol/records/record.ts';
import {
  baseOffset,
  batchSizeBytes,
  recordCount,
  recordsSection,
} from '../../src/protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const TOPIC = '__audit';
const RESERVED = [TOPIC, '__audit_all', '_.audit'];
const REFUSED = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
const [TOPIC_RESOURCE, BROKER_RESOURCE] = [2, 4];
const ALL_OPERATIONS_BUT_READING = [4, 6, 7, 11];

const forged = (): Buffer =>
  buildRecordBatch([{ timestampMs: Date.now(), key: null, value: Buffer.from('forged') }]);

describeRequiring(['built-broker'], 'the audit topic of a tenant', () => {
  const fixture = useBroker({ args: ['--set', 'audit.topic.operator.tenant=globex'] });
  const admin = (tenant = 'acme'): Promise<WireClient> => fixture.connect(tenant, 'admin-1');

  const identify = async (client: WireClient, name = TOPIC) => {
    const { topics } = await client.call(ApiKey.Metadata, 12, {
      topics: [{ name, topicId: ZERO_UUID }],
      includeTopicAuthorizedOperations: true,
    });
    return topics[0]!;
  };

  const fetchAll = async (client: WireClient, topicId: string): Promise<string[]> => {
    const values: string[] = [];
    for (let fetchOffset = 0; ; ) {
      const answer = await client.call(ApiKey.Fetch, 13, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [{ topicId, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1e6 }] }],
      });
      const partition = answer.responses[0]!.partitions[0]!;
      expect(partition.errorCode).toBe(ErrorCode.NONE);
      const batches = partition.records ?? Buffer.alloc(0);
      if (batches.length === 0) return values;
      for (let at = 0; at < batches.length; at += batchSizeBytes(batches, at)) {
        for (const { value } of readRecords(batches, at, recordsSection(batches, at))) {
          values.push(value!.toString());
        }
        fetchOffset = baseOffset(batches, at) + recordCount(batches, at);
      }
    }
  };

  it('is internal, and its operations are those of reading, whatever the rules grant', async () => {
    const client = await admin();
    const topic = await identify(client);
    expect(topic).toMatchObject({ errorCode: ErrorCode.NONE, isInternal: true });
    expect(topic.partitions).toHaveLength(1);
    for (const operation of ALL_OPERATIONS_BUT_READING) {
      expect(topic.topicAuthorizedOperations & (1 << operation)).toBe(0);
    }
    const { topics } = await client.call(ApiKey.DescribeTopicPartitions, 0, {
      topics: [{ name: TOPIC }, { name: 'telemetry' }],
      responsePartitionLimit: 100,
    });
    expect(topics.map(({ name, isInternal }) => [name, isInternal])).toEqual([
      [TOPIC, true],
      ['telemetry', false],
    ]);
  });

  it('takes no record, by name or id, and the rest of the request is served', async () => {
    const client = await admin();
    const { topicId } = await identify(client);
    const telemetry = await identify(client, 'telemetry');
    const data = () => [{ index: 0, records: forged() }];
    const byName = await client.call(ApiKey.Produce, 12, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [
        { name: TOPIC, partitionData: data() },
        { name: 'telemetry', partitionData: data() },
      ],
    });
    const byId = await client.call(ApiKey.Produce, 13, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [
        { topicId, partitionData: data() },
        { topicId: telemetry.topicId, partitionData: data() },
      ],
    });
    for (const { responses } of [byName, byId]) {
      const codes = responses.map(({ partitionResponses }) => partitionResponses[0]!.errorCode);
      expect(codes.sort()).toEqual([ErrorCode.NONE, REFUSED]);
    }
    expect((await fetchAll(client, topicId)).join()).not.toContain('forged');
    await fixture.audited(
      'security',
      ({ resource, decision, operation }) =>
        resource === TOPIC && decision === 'deny' && operation === 'WRITE',
    );
  });

  it.each(RESERVED)('is not made by anybody else: %s', async (name) => {
    const client = await admin();
    const other = `other-${RESERVED.indexOf(name)}`;
    const { topics } = await client.call(ApiKey.CreateTopics, 7, {
      topics: [
        { name, numPartitions: 1, replicationFactor: 1 },
        { name: other, numPartitions: 1, replicationFactor: 1 },
      ],
      timeoutMs: 5000,
    });
    const codes = Object.fromEntries(topics.map((topic) => [topic.name, topic.errorCode]));
    expect(codes).toEqual({ [name]: REFUSED, [other]: ErrorCode.NONE });
    const reply = await adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/topics', { name });
    expect(reply.status).toBe(403);
  });

  it('is not deleted, grown, emptied, altered or moved', async () => {
    const client = await admin();
    const { topicId } = await identify(client);
    const deleted = await client.call(ApiKey.DeleteTopics, 6, {
      topics: [{ name: TOPIC }, { topicId, name: null }],
      timeoutMs: 5000,
    });
    expect(deleted.responses.map(({ errorCode }) => errorCode)).toContain(REFUSED);
    expect(deleted.responses.map(({ errorCode }) => errorCode)).not.toContain(ErrorCode.NONE);
    const older = await client.call(ApiKey.DeleteTopics, 5, {
      topicNames: [TOPIC],
      timeoutMs: 5000,
    });
    expect(older.responses[0]!.errorCode).toBe(REFUSED);
    const grown = await client.call(ApiKey.CreatePartitions, 3, {
      topics: [{ name: TOPIC, count: 3, assignments: null }],
      timeoutMs: 5000,
      validateOnly: false,
    });
    expect(grown.results[0]!.errorCode).toBe(REFUSED);
    const emptied = await client.call(ApiKey.DeleteRecords, 2, {
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, offset: -1 }] }],
      timeoutMs: 5000,
    });
    expect(emptied.topics[0]!.partitions[0]!.errorCode).toBe(REFUSED);
    const resource = { resourceType: TOPIC_RESOURCE, resourceName: TOPIC };
    const altered = await client.call(ApiKey.IncrementalAlterConfigs, 1, {
      resources: [
        { ...resource, configs: [{ name: 'retention.ms', configOperation: 0, value: '1' }] },
        {
          resourceType: BROKER_RESOURCE,
          resourceName: '',
          configs: [{ name: 'log.retention.ms', configOperation: 0, value: '60000' }],
        },
      ],
    });
    expect(altered.responses.map(({ errorCode }) => errorCode).sort()).toEqual([0, REFUSED]);
    const replaced = await client.call(ApiKey.AlterConfigs, 2, {
      resources: [{ ...resource, configs: [{ name: 'retention.ms', value: '1' }] }],
    });
    expect(replaced.responses[0]!.errorCode).toBe(REFUSED);
    const moved = await client.call(ApiKey.AlterPartitionReassignments, 0, {
      timeoutMs: 5000,
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, replicas: [1] }] }],
    });
    expect(moved.responses[0]!.partitions[0]!.errorCode).toBe(REFUSED);
    const path = `/v1/tenants/acme/topics/${TOPIC}`;
    expect((await adminRequest(fixture.broker, 'DELETE', path)).status).toBe(403);

    expect(await identify(client)).toMatchObject({ topicId, errorCode: ErrorCode.NONE });
    const { results } = await client.call(ApiKey.DescribeConfigs, 4, {
      resources: [{ ...resource, configurationKeys: ['retention.ms', 'compression.type'] }],
    });
    const shown = results[0]!.configs.map(({ name, value }) => [name, value]);
    expect(shown).toContainEqual(['retention.ms', String(168 * 3_600_000)]);
    expect(shown).toContainEqual(['compression.type', 'producer']);
  });

  it('is told of truly by acl explain, though a rule would allow', async () => {
    const ask = async (operation: string, topic: string): Promise<unknown> => {
      const asked = { user: 'admin-1', operation, resourceType: 'TOPIC', resourceName: topic };
      const path = '/v1/tenants/acme/acls/explain';
      const { body } = await adminRequest(fixture.broker, 'POST', path, asked);
      return body;
    };
    expect(await ask('WRITE', TOPIC)).toMatchObject({ allowed: false });
    expect(await ask('READ', TOPIC)).toMatchObject({ allowed: true });
  });

  it('is read by nobody without a rule', async () => {
    const device = await fixture.connect('acme', 'device-1');
    expect((await identify(device)).errorCode).toBe(REFUSED);
    const { topicId } = await identify(await admin());
    const answer = await device.call(ApiKey.Fetch, 13, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [{ topicId, partitions: [{ partition: 0, partitionMaxBytes: 1e6 }] }],
    });
    expect(answer.responses[0]!.partitions[0]!.errorCode).toBe(REFUSED);
  });

  it("shows a tenant nothing of the others', by any name or id", async () => {
    const [acme, globex] = [await admin(), await admin('globex')];
    const theirs = [await identify(globex), await identify(globex, '__audit_all')];
    for (const { topicId, errorCode } of theirs) {
      expect(errorCode).toBe(ErrorCode.NONE);
      const known = await acme.call(ApiKey.Metadata, 12, { topics: [{ name: null, topicId }] });
      expect(known.topics[0]).toMatchObject({
        errorCode: ErrorCode.UNKNOWN_TOPIC_ID,
        name: null,
        isInternal: false,
      });
      const fetched = await acme.call(ApiKey.Fetch, 13, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [{ topicId, partitions: [{ partition: 0, partitionMaxBytes: 1e6 }] }],
      });
      expect(fetched.responses[0]!.partitions[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
    }
    expect((await identify(acme, '__audit_all')).errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
    const { topics } = await acme.call(ApiKey.ListOffsets, 7, {
      replicaId: -1,
      topics: ['globex.__audit', '__audit_all'].map((name) => ({
        name,
        partitions: [{ partitionIndex: 0, timestamp: -1 }],
      })),
    });
    expect(topics.map(({ partitions }) => partitions[0]!.errorCode)).toEqual([
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]);
  });

  it('holds events of its tenant alone, and nothing of the machine', async () => {
    const stranger = await fixture.connect('globex', 'device-2');
    await stranger.call(ApiKey.Metadata, 12, { topics: [{ name: 'secret-of-globex' }] });
    const device = await fixture.connect('acme', 'device-2');
    await device.call(ApiKey.Metadata, 12, { topics: [{ name: 'mark-of-acme' }] });
    const client = await admin();
    const { topicId } = await identify(client);
    const published = (): Promise<string[]> => fetchAll(client, topicId);
    await expect
      .poll(async () => (await published()).join('\n'), { timeout: 8_000 })
      .toContain('mark-of-acme');
    for (const value of await published()) {
      // The resource is what the client itself asked for.
      const { resource: _, ...fields } = JSON.parse(value) as Readonly<Record<string, unknown>>;
      expect(fields).toMatchObject({ tenant: 'acme' });
      expect(Object.keys(fields)).not.toContain('seq');
      const text = JSON.stringify(fields);
      expect(text).not.toMatch(/globex|acme\.__audit|acme\.telemetry|\.csv/);
      expect(text).not.toContain(fixture.broker.dataDir);
    }
    const globex = await admin('globex');
    const { topicId: allId } = await identify(globex, '__audit_all');
    const all = async (): Promise<string> => (await fetchAll(globex, allId)).join('\n');
    await expect.poll(all, { timeout: 8_000 }).toContain('mark-of-acme');
    expect(await all()).toContain('secret-of-globex');
  });
});
