import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { ZERO_UUID } from '../../../../src/protocol/schema.ts';
import { removeDirectory, temporaryDirectory } from '../../../tools/temporary-directory.ts';
import { type ControllerUnderTest, createRequest, openController } from './controller-fixture.ts';

let directory: string;
let under: ControllerUnderTest;

beforeEach(async () => {
  directory = temporaryDirectory('describe');
  under = await openController(directory);
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
