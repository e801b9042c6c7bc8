/** Configs over the wire: what is changed is in force at once, recorded, and there after kill -9. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const [TOPIC, BROKER, GROUP] = [2, 4, 32] as const;
const { INVALID_CONFIG, INVALID_REQUEST, MESSAGE_TOO_LARGE, NONE } = ErrorCode;

describeRequiring(['built-broker'], 'configs', () => {
  const fixture = useBroker();

  const alter = async (
    client: WireClient,
    changes: readonly [type: number, resource: string, name: string, value: string | null][],
    validateOnly = false,
  ) => {
    const { responses } = await client.call(ApiKey.IncrementalAlterConfigs, 1, {
      resources: changes.map(([resourceType, resourceName, name, value]) => ({
        resourceType,
        resourceName,
        configs: [{ name, configOperation: value === null ? 1 : 0, value }],
      })),
      validateOnly,
    });
    return responses;
  };

  const inForce = async (client: WireClient, type: number, resource: string, name: string) => {
    const { results } = await client.call(ApiKey.DescribeConfigs, 4, {
      resources: [{ resourceType: type, resourceName: resource, configurationKeys: [name] }],
    });
    const found = results[0]!.configs[0];
    return found === undefined ? undefined : `${found.value} (${found.configSource})`;
  };

  const produce = async (client: WireClient, topic: string, bytes = 500): Promise<number> => {
    const value = Buffer.alloc(bytes, 'x');
    const records = buildRecordBatch([{ timestampMs: Date.now(), key: null, value, headers: [] }]);
    const answer = await client.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    });
    return answer.responses[0]!.partitionResponses[0]!.errorCode;
  };

  it("a topic's new config, and its broker's, bind the next request", async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    expect(await produce(admin, 'telemetry')).toBe(NONE);
    await alter(admin, [[TOPIC, 'telemetry', 'max.message.bytes', '400']]);
    expect(await produce(admin, 'telemetry')).toBe(MESSAGE_TOO_LARGE);
    await alter(admin, [[TOPIC, 'telemetry', 'max.message.bytes', null]]);
    expect(await produce(admin, 'telemetry')).toBe(NONE);
    await alter(admin, [[BROKER, '', 'message.max.bytes', '400']]);
    expect(await produce(admin, 'telemetry')).toBe(MESSAGE_TOO_LARGE);
    await alter(admin, [[BROKER, '1', 'message.max.bytes', '4000']]);
    expect(await produce(admin, 'telemetry')).toBe(NONE);
    const globex = await fixture.connect('globex', 'admin-1');
    expect(await produce(globex, 'telemetry')).toBe(NONE);
    await alter(admin, [
      [BROKER, '', 'message.max.bytes', null],
      [BROKER, '1', 'message.max.bytes', null],
    ]);
  });

  it("reaches the partition's log: smaller segments begin with the next batch", async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await admin.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: 'rolled', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 5000,
    });
    const folder = join(fixture.broker.dataDir, 'acme.rolled-0');
    const segments = () => readdirSync(folder).filter((name) => name.endsWith('.log')).length;
    for (let n = 0; n < 4; n++) expect(await produce(admin, 'rolled', 600_000)).toBe(NONE);
    expect(segments()).toBe(1);
    await alter(admin, [[TOPIC, 'rolled', 'segment.bytes', '1048576']]);
    expect(await produce(admin, 'rolled', 600_000)).toBe(NONE);
    expect(await produce(admin, 'rolled', 600_000)).toBe(NONE);
    expect(segments()).toBe(3);
    await alter(admin, [[TOPIC, 'rolled', 'segment.bytes', null]]);
    expect(await produce(admin, 'rolled', 600_000)).toBe(NONE);
    expect(segments()).toBe(3);
  });

  it('each resource has its own verdict; versions 0 and 33 do the same', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    const answers = await alter(admin, [
      [TOPIC, 'telemetry', 'segment.ms', 'never'],
      [GROUP, 'g', 'consumer.session.timeout.ms', '46000'],
      [BROKER, '1', 'node.id', '9'],
      [64, 'x', 'y', 'z'],
    ]);
    expect(answers.map((one) => [one.resourceType, one.errorCode]).sort()).toEqual([
      [TOPIC, INVALID_CONFIG],
      [GROUP, NONE],
      [BROKER, INVALID_REQUEST],
      [64, INVALID_REQUEST],
    ]);
    const configs = [{ name: 'consumer.session.timeout.ms', configOperation: 0, value: '47000' }];
    await admin.call(ApiKey.IncrementalAlterConfigs, 0, {
      resources: [{ resourceType: GROUP, resourceName: 'g', configs }],
    });
    expect(await inForce(admin, GROUP, 'g', 'consumer.session.timeout.ms')).toBe('47000 (8)');
    for (const version of [0, 1, 2]) {
      const value = String(48_000 + version);
      const { responses } = await admin.call(ApiKey.AlterConfigs, version, {
        resources: [
          {
            resourceType: GROUP,
            resourceName: 'g',
            configs: [{ name: 'consumer.session.timeout.ms', value }],
          },
        ],
      });
      expect(responses).toEqual([
        { errorCode: NONE, errorMessage: null, resourceType: GROUP, resourceName: 'g' },
      ]);
      expect(await inForce(admin, GROUP, 'g', 'consumer.session.timeout.ms')).toBe(`${value} (8)`);
    }
  });

  it('is in the access log with its values before it is made; trials and refusals are not', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await alter(admin, [[TOPIC, 'telemetry', 'segment.ms', '111111']], true);
    await alter(admin, [
      [TOPIC, 'telemetry', 'segment.ms', '222222'],
      [TOPIC, 'missing', 'segment.ms', '333333'],
    ]);
    const line = await fixture.audited('security', ({ facts }) =>
      JSON.stringify(facts ?? {}).includes('222222'),
    );
    expect(line).toMatchObject({
      reason: 'configs-alter',
      tenant: 'acme',
      principal: 'User:admin-1',
      facts: {
        api: 'IncrementalAlterConfigs',
        resourceType: 'TOPIC',
        resource: 'telemetry',
        'set segment.ms': '222222',
      },
    });
    const all = JSON.stringify(fixture.audit('security'));
    expect(all).not.toContain('111111');
    expect(all).not.toContain('333333');
  });

  it('survives kill -9', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await alter(admin, [
      [TOPIC, 'telemetry', 'segment.ms', '444444'],
      [BROKER, '', 'message.max.bytes', '400'],
      [GROUP, 'kept', 'consumer.session.timeout.ms', '46000'],
    ]);
    const { broker } = fixture;
    await broker.kill9();
    const { dataDir, certsDir } = broker;
    const restarted = await startBroker({ dataDir, certsDir });
    try {
      const identity = clientIdentity(certsDir, 'acme', 'admin-1');
      const again = await WireClient.connect(restarted.port, identity);
      expect(await inForce(again, TOPIC, 'telemetry', 'segment.ms')).toBe('444444 (1)');
      expect(await inForce(again, BROKER, '', 'message.max.bytes')).toBe('400 (3)');
      expect(await inForce(again, GROUP, 'kept', 'consumer.session.timeout.ms')).toBe('46000 (8)');
      expect(await produce(again, 'telemetry')).toBe(MESSAGE_TOO_LARGE);
      again.close();
    } finally {
      await restarted.dispose();
    }
  });
});
