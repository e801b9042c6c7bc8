/** Holds the tables of records and of consumers' metadata against Apache Kafka's definitions. */
import { beforeAll, describe, expect, it, test } from 'vitest';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../src/protocol/coordinator-records/consumer-protocol.ts';
import {
  groupMetadataKey,
  groupMetadataValue,
} from '../../src/protocol/coordinator-records/group-metadata.ts';
import {
  offsetCommitKey,
  offsetCommitValue,
} from '../../src/protocol/coordinator-records/offset-commit.ts';
import {
  decodePrefixed,
  encodePrefixed,
  encodeVersioned,
  prefixOf,
} from '../../src/protocol/coordinator-records/versioned.ts';
import type { Message } from '../../src/protocol/schema.ts';
import { inVersions } from '../../src/protocol/versions.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import {
  covers,
  type KafkaFile,
  kafkaLines,
  ourLines,
  range,
  readKafkaFile,
} from './kafka-message-lines.ts';

const TABLES: readonly Message[] = [
  offsetCommitKey,
  offsetCommitValue,
  groupMetadataKey,
  groupMetadataValue,
  consumerProtocolSubscription,
  consumerProtocolAssignment,
];

describeRequiring(['kafka-messages'], "Kafka's definitions of records", () => {
  let kafka: KafkaFile;
  beforeAll(() => {
    kafka = readKafkaFile();
  });

  test.each(TABLES.map((table) => [table.name, table] as const))('%s', (name, ours) => {
    const theirs = kafka.messages.find((message) => message.name === name)!;
    expect(ours.versions).toEqual(range(theirs.validVersions));
    for (let v = ours.versions.min; v <= ours.versions.max; v++) {
      expect(inVersions(ours.flexible, v)).toBe(covers(theirs.flexibleVersions, v));
      expect(ourLines(ours, v), `${name} v${v}`).toEqual(kafkaLines(theirs, v));
    }
  });
});

describe('records with their prefix', () => {
  it('an offset key is its type, group, topic and partition', () => {
    const name = { group: 'g', topic: 'tt', partition: 5 };
    const bytes = encodePrefixed(1, offsetCommitKey, 0, name);
    expect(bytes.toString('hex')).toBe('0001000167000274740000000' + '5');
    expect(prefixOf(bytes)).toBe(1);
    expect(decodePrefixed(offsetCommitKey, 0, bytes)).toEqual(name);
  });

  it('an offset value of version 4 carries the topic id in a tag', () => {
    const topicId = Buffer.alloc(16, 7).toString('base64url');
    const value = { offset: 9, leaderEpoch: 2, metadata: 'm', commitTimestamp: 1000, topicId };
    const bytes = encodeVersioned(offsetCommitValue, 4, value);
    expect(bytes.toString('hex')).toBe(
      `0004${'0000000000000009'}${'00000002'}${'026d'}${'00000000000003e8'}01${'00'}10${'07'.repeat(16)}`,
    );
    expect(decodePrefixed(offsetCommitValue, 4, bytes)).toMatchObject(value);
  });

  it('bytes too few or too many are refused', () => {
    const bytes = encodePrefixed(2, groupMetadataKey, 0, { group: 'g' });
    expect(() => prefixOf(bytes.subarray(0, 1))).toThrow();
    expect(() => decodePrefixed(groupMetadataKey, 0, bytes.subarray(0, 4))).toThrow();
    const longer = Buffer.concat([bytes, Buffer.from([0])]);
    expect(() => decodePrefixed(groupMetadataKey, 0, longer)).toThrow();
  });
});
