import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigType } from '../../../../src/engine/embedded/controller/config-value.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { ZERO_UUID } from '../../../../src/protocol/schema.ts';
import { removeDirectory, temporaryDirectory } from '../../../tools/temporary-directory.ts';
import { type ControllerUnderTest, createRequest, openController } from './controller-fixture.ts';

let directory: string;
let under: ControllerUnderTest;

beforeEach(async () => {
  directory = temporaryDirectory('describe');
  under = await openController(directory, {
    topicDefaults: { 'segment.ms': '60000' },
    brokerConfigs: [
      {
        name: 'log.dirs',
        type: ConfigType.STRING,
        value: '/data',
        default: '/tmp',
        isSet: true,
        doc: 'Where.',
      },
      {
        name: 'ssl.key',
        type: ConfigType.PASSWORD,
        value: null,
        default: null,
        isSet: true,
        doc: 'Secret.',
      },
    ],
  });
  await under.controller.createTopics(
    createRequest([
      { name: 'acme.a', partitions: 3, configs: { 'segment.bytes': '2097152' } },
      { name: 'acme.b', partitions: 2 },
      { name: 'acme.c', partitions: 1 },
    ]),
  );
});

afterEach(async () => {
  await under.close();
  removeDirectory(directory);
});

const idOf = (name: string): string => under.controller.topicByName(name)!.topicId;

const metadataOf = (topics: readonly { topicId: string; name: string | null }[]) =>
  under.controller.metadata({
    topics: [...topics],
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  }).topics;

describe('metadata', () => {
  it('answers by name and by id, in the order asked', () => {
    const topics = metadataOf([
      { topicId: ZERO_UUID, name: 'acme.b' },
      { topicId: idOf('acme.a'), name: null },
    ]);
    expect(topics.map(({ name, topicId, errorCode }) => [name, topicId, errorCode])).toEqual([
      ['acme.b', idOf('acme.b'), 0],
      ['acme.a', idOf('acme.a'), 0],
    ]);
    expect(topics[0]?.partitions).toEqual(
      [0, 1].map((partitionIndex) => ({
        errorCode: 0,
        partitionIndex,
        leaderId: 1,
        leaderEpoch: 0,
        replicaNodes: [1],
        isrNodes: [1],
        offlineReplicas: [],
      })),
    );
  });

  it('tells unknown names, bad names and unknown ids apart', () => {
    const unknownId = 'BBBBBBBBBBBBBBBBBBBBBB';
    const topics = metadataOf([
      { topicId: ZERO_UUID, name: 'acme.missing' },
      { topicId: ZERO_UUID, name: 'acme.?' },
      { topicId: unknownId, name: null },
    ]);
    expect(topics).toMatchObject([
      { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name: 'acme.missing', topicId: ZERO_UUID },
      { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, name: 'acme.?' },
      { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null, topicId: unknownId },
    ]);
  });

  it('shows a failed partition without leader', () => {
    under.folders.offline.add('acme.b-1');
    const [topic] = metadataOf([{ topicId: ZERO_UUID, name: 'acme.b' }]);
    expect(topic?.partitions.map(({ leaderId, errorCode }) => [leaderId, errorCode])).toEqual([
      [1, 0],
      [-1, ErrorCode.LEADER_NOT_AVAILABLE],
    ]);
    expect(topic?.partitions[1]?.offlineReplicas).toEqual([1]);
  });
});

describe('describing topic partitions', () => {
  const pageOf = (
    names: readonly string[],
    responsePartitionLimit = 2000,
    cursor: { topicName: string; partitionIndex: number } | null = null,
  ) =>
    under.controller.describeTopicPartitions({
      topics: names.map((name) => ({ name })),
      responsePartitionLimit,
      cursor,
    });

  it('sorts by name, each topic once', () => {
    const { topics, nextCursor } = pageOf(['acme.c', 'acme.a', 'acme.c']);
    expect(topics.map(({ name }) => name)).toEqual(['acme.a', 'acme.c']);
    expect(nextCursor).toBeNull();
  });

  it.each([1, 2, 3, 4, 5, 6, 7])('gives every partition once in pages of %i', (limit) => {
    const seen: string[] = [];
    let cursor: { topicName: string; partitionIndex: number } | null = null;
    for (let pages = 0; pages < 20; pages++) {
      const page = pageOf(['acme.c', 'acme.b', 'acme.a', 'acme.x'], limit, cursor);
      const partitions = page.topics.flatMap((topic) =>
        topic.partitions.map(({ partitionIndex }) => `${topic.name}-${partitionIndex}`),
      );
      expect(partitions.length).toBeLessThanOrEqual(limit);
      seen.push(...partitions);
      for (const { name, errorCode } of page.topics) if (errorCode !== 0) seen.push(name!);
      cursor = page.nextCursor;
      if (cursor === null) break;
    }
    expect(seen).toEqual([
      'acme.a-0',
      'acme.a-1',
      'acme.a-2',
      'acme.b-0',
      'acme.b-1',
      'acme.c-0',
      'acme.x',
    ]);
  });

  it('takes a limit of nothing for one, and a bad cursor for a bad request', () => {
    expect(pageOf(['acme.a'], 0).topics[0]?.partitions.length).toBe(1);
    const bad = pageOf(['acme.a'], 5, { topicName: 'acme.a', partitionIndex: -1 });
    expect(bad.topics).toMatchObject([{ errorCode: ErrorCode.INVALID_REQUEST, partitions: [] }]);
  });

  it('skips what lies before the cursor, and bears one past the end', () => {
    const page = pageOf(['acme.a', 'acme.b'], 9, { topicName: 'acme.b', partitionIndex: 7 });
    expect(page.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ['acme.b', 0],
    ]);
    expect(page.nextCursor).toBeNull();
  });
});

describe('describing configs', () => {
  const describeOne = (
    resourceType: number,
    resourceName: string,
    configurationKeys: string[] | null = null,
    include = true,
  ) =>
    under.controller.describeConfigs({
      resources: [{ resourceType, resourceName, configurationKeys }],
      includeSynonyms: include,
      includeDocumentation: include,
    }).results[0]!;
  const one = (result: ReturnType<typeof describeOne>, name: string) =>
    result.configs.find((config) => config.name === name);

  it('shows value, source and synonyms of a topic config', () => {
    const result = describeOne(2, 'acme.a');
    expect(one(result, 'segment.bytes')).toEqual({
      name: 'segment.bytes',
      value: '2097152',
      readOnly: false,
      configSource: 1,
      isSensitive: false,
      synonyms: [
        { name: 'segment.bytes', value: '2097152', source: 1 },
        { name: 'log.segment.bytes', value: '1073741824', source: 5 },
      ],
      configType: 3,
      documentation: expect.stringContaining('segment'),
    });
    expect(one(result, 'segment.ms')).toMatchObject({
      value: '60000',
      configSource: 4,
      synonyms: [
        { name: 'log.roll.ms', value: '60000', source: 4 },
        { name: 'log.roll.ms', value: '604800000', source: 5 },
      ],
    });
    expect(one(result, 'retention.ms')).toMatchObject({
      value: '604800000',
      configSource: 5,
      readOnly: false,
    });
    expect(one(result, 'cleanup.policy')).toMatchObject({ value: 'delete', readOnly: true });
  });

  it('has the value in force as first synonym, everywhere', () => {
    for (const [type, name] of [
      [2, 'acme.a'],
      [4, '1'],
    ] as const) {
      const { configs } = describeOne(type, name);
      expect(configs.length).toBeGreaterThan(15);
      for (const config of configs) expect(config.synonyms[0]?.value).toBe(config.value);
    }
  });

  it('shows the keys asked for, and leaves out what was not asked for', () => {
    const result = describeOne(2, 'acme.a', ['segment.ms', 'no.such'], false);
    expect(result.configs).toMatchObject([
      { name: 'segment.ms', synonyms: [], documentation: null },
    ]);
    expect(describeOne(2, 'acme.a', []).configs.length).toBeGreaterThan(10);
  });

  it('shows this broker, read-only, and hides secrets', () => {
    const result = describeOne(4, '1');
    expect(result.configs.every(({ readOnly }) => readOnly)).toBe(true);
    expect(one(result, 'log.roll.ms')).toMatchObject({ value: '60000', configSource: 4 });
    expect(one(result, 'node.id')).toMatchObject({ value: '1' });
    expect(one(result, 'log.dirs')).toMatchObject({ value: '/data', configSource: 4 });
    expect(one(result, 'ssl.key')).toMatchObject({ value: null, isSensitive: true });
    expect(describeOne(4, '').configs).toEqual([]);
  });

  it.each([
    [2, 'acme.missing', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    [2, 'acme.?', ErrorCode.INVALID_TOPIC_EXCEPTION],
    [2, '', ErrorCode.INVALID_TOPIC_EXCEPTION],
    [4, '2', ErrorCode.INVALID_REQUEST],
    [4, 'one', ErrorCode.INVALID_REQUEST],
    [8, '1', ErrorCode.INVALID_REQUEST],
    [16, 'x', ErrorCode.INVALID_REQUEST],
    [32, 'x', ErrorCode.INVALID_REQUEST],
    [99, 'x', ErrorCode.INVALID_REQUEST],
  ])('refuses resource type %i named %j', (type, name, errorCode) => {
    expect(describeOne(type, name)).toMatchObject({
      errorCode,
      resourceType: type,
      resourceName: name,
      configs: [],
    });
  });
});
