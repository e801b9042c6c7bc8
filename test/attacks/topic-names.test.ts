/** Threat: a topic name that leads out of the data folder, or into something of the broker's own. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const HOSTILE_NAMES = [
  '..',
  '.',
  '../../escape',
  '/etc/escape',
  'a/b',
  'a\\b',
  'nul\0byte',
  'new\nline',
  'space name',
  'percent%2e%2e',
  'ünïcode',
  '',
  'x'.repeat(185),
  'x'.repeat(32_000),
];

describeRequiring(['built-broker'], 'hostile topic names', () => {
  const fixture = useBroker();

  it.each(HOSTILE_NAMES.map((name) => [JSON.stringify(name.slice(0, 30)), name]))(
    '%s cannot be created, by request or by asking for it',
    async (_shown, name) => {
      const before = readdirSync(fixture.broker.dataDir).sort();
      const admin = await fixture.connect('acme', 'admin-1');
      const { topics } = await admin.call(ApiKey.CreateTopics, 7, {
        topics: [{ name, numPartitions: 1, replicationFactor: 1 }],
        timeoutMs: 5000,
      });
      expect(topics[0]!.errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
      const metadata = await admin.call(ApiKey.Metadata, 12, {
        topics: [{ name }],
        allowAutoTopicCreation: true,
      });
      expect(metadata.topics[0]!.errorCode).not.toBe(ErrorCode.NONE);
      expect(metadata.topics[0]!.partitions).toEqual([]);
      expect(readdirSync(fixture.broker.dataDir).sort()).toEqual(before);
      expect(existsSync(join(dirname(fixture.broker.dataDir), 'escape-0'))).toBe(false);
    },
  );

  it('names that differ by dot and underscore only collide', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    const create = async (name: string): Promise<number> => {
      const { topics } = await admin.call(ApiKey.CreateTopics, 7, {
        topics: [{ name, numPartitions: 1, replicationFactor: 1 }],
        timeoutMs: 5000,
      });
      return topics[0]!.errorCode;
    };
    expect(await create('a.b')).toBe(ErrorCode.NONE);
    expect(await create('a_b')).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
  });
});
