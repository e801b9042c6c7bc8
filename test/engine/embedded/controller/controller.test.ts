import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../../../../src/base/clock.ts';
import { ConfigError, StorageError } from '../../../../src/base/errors.ts';
import {
  type ControllerSettings,
  DEFAULT_TOPIC_LIMITS,
} from '../../../../src/engine/embedded/controller/controller-settings.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { ZERO_UUID } from '../../../../src/protocol/schema.ts';
import { removeDirectory, temporaryDirectory } from '../../../tools/temporary-directory.ts';
import {
  type ControllerUnderTest,
  createRequest,
  deleteRequest,
  FoldersInMemory,
  type NewTopic,
  openController,
} from './controller-fixture.ts';

const ends: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function newDirectory(): string {
  const directory = temporaryDirectory('controller');
  ends.push(() => removeDirectory(directory));
  return directory;
}

async function open(
  settings: Partial<ControllerSettings> = {},
  directory = newDirectory(),
  folders = new FoldersInMemory(),
  clock: Clock = systemClock,
): Promise<ControllerUnderTest> {
  const opened = await openController(directory, settings, folders, clock);
  ends.push(() => opened.close().catch(() => {}));
  return opened;
}

/** Creates the topics and gives the error code of each, by name. */
async function create({ controller }: ControllerUnderTest, ...topics: NewTopic[]) {
  const { topics: results } = await controller.createTopics(createRequest(topics));
  return Object.fromEntries(results.map(({ name, errorCode }) => [name, errorCode]));
}

const addPartitions = (name: string, count: number, brokers: number[][] | null = null) => ({
  topics: [{ name, count, assignments: brokers?.map((brokerIds) => ({ brokerIds })) ?? null }],
  timeoutMs: 30_000,
  validateOnly: false,
});

describe('creating topics', () => {
  it('makes topic, folders and an answer with id and configs', async () => {
    const under = await open({ numPartitions: 3 });
    const { topics } = await under.controller.createTopics(
      createRequest([{ name: 'acme.telemetry', configs: { 'segment.bytes': '2097152' } }]),
    );
    const [result] = topics;
    expect(result).toMatchObject({
      name: 'acme.telemetry',
      errorCode: 0,
      errorMessage: null,
      numPartitions: 3,
      replicationFactor: 1,
    });
    expect(result?.configs).toContainEqual({
      name: 'segment.bytes',
      value: '2097152',
      readOnly: false,
      configSource: 1,
      isSensitive: false,
    });
    const topic = under.controller.topicByName('acme.telemetry');
    expect(topic).toMatchObject({ topicId: result?.topicId, partitionCount: 3 });
    expect(under.controller.topicById(result!.topicId)).toBe(topic);
    expect(topic?.config.segmentBytes).toBe(2_097_152);
    expect([...under.folders.folders.keys()]).toEqual([0, 1, 2].map((p) => `acme.telemetry-${p}`));
    expect(under.controller.leaderOf('acme.telemetry', 2)).toEqual({ nodeId: 1, leaderEpoch: 0 });
    expect(under.controller.leaderOf('acme.telemetry', 3)).toBeUndefined();
  });

  it.each<[string, NewTopic, number]>([
    ['a bad name', { name: 'acme.a/b' }, ErrorCode.INVALID_TOPIC_EXCEPTION],
    ['no partitions', { name: 'acme.t', partitions: 0 }, ErrorCode.INVALID_PARTITIONS],
    ['fewer than -1', { name: 'acme.t', partitions: -2 }, ErrorCode.INVALID_PARTITIONS],
    ['too many', { name: 'acme.t', partitions: 10_001 }, ErrorCode.INVALID_PARTITIONS],
    ['two replicas', { name: 'acme.t', replicas: 2 }, ErrorCode.INVALID_REPLICATION_FACTOR],
    ['no replica', { name: 'acme.t', replicas: 0 }, ErrorCode.INVALID_REPLICATION_FACTOR],
    ['a bad config', { name: 'acme.t', configs: { nonsense: '1' } }, ErrorCode.INVALID_CONFIG],
    [
      'a null config',
      { name: 'acme.t', configs: { 'segment.ms': null } },
      ErrorCode.INVALID_CONFIG,
    ],
    [
      'an assignment beside a count',
      { name: 'acme.t', partitions: 1, assignments: [{ partitionIndex: 0, brokerIds: [1] }] },
      ErrorCode.INVALID_REQUEST,
    ],
    [
      'an assignment with a gap',
      {
        name: 'acme.t',
        assignments: [
          { partitionIndex: 0, brokerIds: [1] },
          { partitionIndex: 2, brokerIds: [1] },
        ],
      },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    ],
    [
      'an assignment twice',
      {
        name: 'acme.t',
        assignments: [
          { partitionIndex: 0, brokerIds: [1] },
          { partitionIndex: 0, brokerIds: [1] },
        ],
      },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    ],
    [
      'an assignment elsewhere',
      { name: 'acme.t', assignments: [{ partitionIndex: 0, brokerIds: [2] }] },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    ],
    [
      'an assignment to nobody',
      { name: 'acme.t', assignments: [{ partitionIndex: 0, brokerIds: [] }] },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    ],
  ])('refuses %s', async (_, topic, errorCode) => {
    const under = await open();
    expect(await create(under, topic)).toEqual({ [topic.name]: errorCode });
    expect(under.controller.topicsIn('acme')).toEqual([]);
    expect(under.folders.folders.size).toBe(0);
  });

  it('takes a manual assignment to this broker', async () => {
    const under = await open();
    const assignments = [1, 0].map((partitionIndex) => ({ partitionIndex, brokerIds: [1] }));
    expect(await create(under, { name: 'acme.t', assignments })).toEqual({ 'acme.t': 0 });
    expect(under.controller.topicByName('acme.t')?.partitionCount).toBe(2);
  });

  it('refuses a name that exists, and one that stands in the request twice, once each', async () => {
    const under = await open();
    expect(await create(under, { name: 'acme.a' })).toEqual({ 'acme.a': 0 });
    const { topics } = await under.controller.createTopics(
      createRequest([{ name: 'acme.a' }, { name: 'acme.b' }, { name: 'acme.b' }]),
    );
    expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['acme.a', ErrorCode.TOPIC_ALREADY_EXISTS],
      ['acme.b', ErrorCode.INVALID_REQUEST],
    ]);
  });

  it('judges collisions of dot and underscore on visible names within a namespace', async () => {
    const under = await open();
    expect(
      await create(
        under,
        { name: 'acme.a.b' },
        { name: 'acme.a_b' },
        { name: 'globex.a_b' },
        { name: 'acme.a-b' },
      ),
    ).toEqual({
      'acme.a.b': 0,
      'acme.a_b': ErrorCode.INVALID_TOPIC_EXCEPTION,
      'globex.a_b': 0,
      'acme.a-b': 0,
    });
    expect(await create(under, { name: 'acme.a_b' })).toEqual({
      'acme.a_b': ErrorCode.INVALID_TOPIC_EXCEPTION,
    });
    const { controller } = under;
    await controller.deleteTopics(deleteRequest([{ name: 'acme.a.b', topicId: ZERO_UUID }]));
    expect(await create(under, { name: 'acme.a_b' })).toEqual({ 'acme.a_b': 0 });
  });

  it('names no topic in what it says, its own or another', async () => {
    const under = await open();
    await create(under, { name: 'acme.secret.one' });
    const { topics } = await under.controller.createTopics(
      createRequest([{ name: 'acme.secret_one' }, { name: 'acme.secret.one' }, { name: 'acme.?' }]),
    );
    expect(topics.map(({ errorCode }) => errorCode)).not.toContain(0);
    for (const { errorMessage } of topics) expect(errorMessage).not.toMatch(/secret|acme/);
  });

  it('validates without effect', async () => {
    const under = await open();
    const { topics } = await under.controller.createTopics(
      createRequest([{ name: 'acme.t', partitions: 4 }, { name: 'acme.?' }], true),
    );
    expect(topics.map(({ errorCode, numPartitions }) => [errorCode, numPartitions])).toEqual([
      [0, 4],
      [ErrorCode.INVALID_TOPIC_EXCEPTION, -1],
    ]);
    expect(under.controller.topicByName('acme.t')).toBeUndefined();
    expect(under.folders.folders.size).toBe(0);
  });

  it('keeps to the limits of a topic, a namespace and the broker, inside one request too', async () => {
    const limits = {
      ...DEFAULT_TOPIC_LIMITS,
      partitionsPerTopicMax: 5,
      partitionsPerNamespaceMax: 8,
      partitionsMax: 12,
    };
    const under = await open({ limits });
    expect(
      await create(
        under,
        { name: 'acme.a', partitions: 5 },
        { name: 'acme.b', partitions: 6 },
        { name: 'acme.c', partitions: 4 },
        { name: 'acme.d', partitions: 3 },
        { name: 'globex.a', partitions: 5 },
        { name: 'globex.b', partitions: 4 },
      ),
    ).toEqual({
      'acme.a': 0,
      'acme.b': ErrorCode.INVALID_PARTITIONS,
      'acme.c': ErrorCode.POLICY_VIOLATION,
      'acme.d': 0,
      'globex.a': ErrorCode.POLICY_VIOLATION,
      'globex.b': 0,
    });
    expect(await create(under, { name: 'acme.e' })).toEqual({
      'acme.e': ErrorCode.POLICY_VIOLATION,
    });
  });

  it('a dry run does not tell what other namespaces take', async () => {
    const limits = { ...DEFAULT_TOPIC_LIMITS, partitionsPerNamespaceMax: 8, partitionsMax: 12 };
    const under = await open({ limits });
    await create(under, { name: 'globex.a', partitions: 7 });
    const dryRun = createRequest([{ name: 'acme.a', partitions: 8 }], true);
    const { topics } = await under.controller.createTopics(dryRun);
    expect(topics[0]!.errorCode).toBe(0);
    const tooMany = createRequest([{ name: 'acme.a', partitions: 9 }], true);
    expect((await under.controller.createTopics(tooMany)).topics[0]!.errorCode).toBe(
      ErrorCode.POLICY_VIOLATION,
    );
  });

  it('refuses a request that names too many topics', async () => {
    const under = await open({ limits: { ...DEFAULT_TOPIC_LIMITS, topicsPerRequestMax: 1 } });
    const codes = await create(under, { name: 'acme.a' }, { name: 'acme.b' });
    expect(Object.values(codes)).toEqual([ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST]);
  });

  it('answers a storage error and leaves no folder when one cannot be made', async () => {
    const under = await open();
    under.folders.unmakeable.add('acme.a-3');
    expect(
      await create(under, { name: 'acme.a', partitions: 6 }, { name: 'acme.b', partitions: 2 }),
    ).toEqual({ 'acme.a': ErrorCode.KAFKA_STORAGE_ERROR, 'acme.b': 0 });
    expect([...under.folders.folders.keys()]).toEqual(['acme.b-0', 'acme.b-1']);
  });

  it('answers a storage error and leaves no folder when the record cannot be stored', async () => {
    const under = await open();
    under.log.append = () => Promise.reject(new StorageError('no space left'));
    expect(await create(under, { name: 'acme.a' })).toEqual({
      'acme.a': ErrorCode.KAFKA_STORAGE_ERROR,
    });
    expect(under.controller.topicByName('acme.a')).toBeUndefined();
    expect(under.folders.folders.size).toBe(0);
  });

  it('shows a topic only once its record is durable', async () => {
    const under = await open();
    const append = under.log.append.bind(under.log);
    let seenBefore: unknown = 'not asked';
    under.log.append = async (records) => {
      expect(under.folders.folders.size).toBe(1);
      await append(records);
      seenBefore = under.controller.topicByName('acme.a');
    };
    await create(under, { name: 'acme.a' });
    expect(seenBefore).toBeUndefined();
    expect(under.controller.topicByName('acme.a')).toBeDefined();
  });

  it('refuses a change whose time has passed before its turn', async () => {
    let nowMs = 0;
    const clock = { ...systemClock, monotonicMs: () => nowMs };
    const under = await open({}, newDirectory(), new FoldersInMemory(), clock);
    const append = under.log.append.bind(under.log);
    let release = (): void => {};
    under.log.append = async (records) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      under.log.append = append;
      return append(records);
    };
    const first = create(under, { name: 'acme.a' });
    const impatient = { ...createRequest([{ name: 'acme.b' }]), timeoutMs: 10 };
    const second = under.controller.createTopics(impatient);
    await vi.waitFor(() => expect(under.folders.folders.size).toBe(1));
    nowMs = 11;
    release();
    expect(await first).toEqual({ 'acme.a': 0 });
    expect((await second).topics[0]?.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT);
    expect(under.controller.topicByName('acme.b')).toBeUndefined();
  });

  it('makes no change whose right is gone by its turn', async () => {
    const under = await open();
    await create(under, { name: 'acme.a' });
    const call = { isStillPermitted: () => false };
    const { controller } = under;
    const created = await controller.createTopics(createRequest([{ name: 'acme.b' }]), call);
    const added = await controller.createPartitions(
      {
        topics: [{ name: 'acme.a', count: 2, assignments: null }],
        timeoutMs: 1,
        validateOnly: false,
      },
      call,
    );
    const deleted = await controller.deleteTopics(
      deleteRequest([{ name: 'acme.a', topicId: ZERO_UUID }]),
      call,
    );
    const results = [...created.topics, ...added.results, ...deleted.responses];
    expect(results.map(({ errorCode }) => errorCode)).toEqual(
      Array(3).fill(ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    );
    expect([...under.folders.folders.keys()]).toEqual(['acme.a-0']);
  });

  it('has a bounded number of changes waiting', async () => {
    const under = await open({ limits: { ...DEFAULT_TOPIC_LIMITS, waitingChangesMax: 3 } });
    const names = Array.from({ length: 10 }, (_, n) => `tenant-${n}.t`);
    const codes = await Promise.all(names.map((name) => create(under, { name })));
    const refused = codes.flatMap(Object.values).filter((code) => code !== 0);
    expect(refused.length).toBe(7);
    expect(new Set(refused)).toEqual(new Set([ErrorCode.REQUEST_TIMED_OUT]));
  });
});

describe('deleting topics', () => {
  it('by name and by id, with both in the answer', async () => {
    const under = await open();
    await create(under, { name: 'acme.a', partitions: 2 }, { name: 'acme.b' }, { name: 'acme.c' });
    const a = under.controller.topicByName('acme.a')!;
    const b = under.controller.topicByName('acme.b')!;
    const { responses } = await under.controller.deleteTopics(
      deleteRequest([
        { name: 'acme.a', topicId: ZERO_UUID },
        { name: null, topicId: b.topicId },
      ]),
    );
    const ok = { errorCode: 0, errorMessage: null };
    expect(responses).toEqual([
      { name: 'acme.a', topicId: a.topicId, ...ok },
      { name: 'acme.b', topicId: b.topicId, ...ok },
    ]);
    expect(under.controller.topicByName('acme.a')).toBeUndefined();
    expect(under.controller.topicById(b.topicId)).toBeUndefined();
    expect([...under.folders.folders.keys()]).toEqual(['acme.c-0']);
  });

  it('by name alone, as up to version 5', async () => {
    const under = await open();
    await create(under, { name: 'acme.a' });
    const { responses } = await under.controller.deleteTopics(
      deleteRequest([], ['acme.a', 'acme.b']),
    );
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([
      0,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]);
  });

  it('refuses what is not there, not one of name and id, or mentioned twice', async () => {
    const under = await open();
    await create(under, { name: 'acme.a' }, { name: 'acme.b' });
    const { topicId } = under.controller.topicByName('acme.a')!;
    const unknownId = 'BBBBBBBBBBBBBBBBBBBBBB';
    const { responses } = await under.controller.deleteTopics(
      deleteRequest([
        { name: 'acme.missing', topicId: ZERO_UUID },
        { name: null, topicId: unknownId },
        { name: null, topicId: ZERO_UUID },
        { name: 'acme.b', topicId },
        { name: 'acme.a', topicId: ZERO_UUID },
        { name: null, topicId },
      ]),
    );
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ErrorCode.UNKNOWN_TOPIC_ID,
      ErrorCode.INVALID_REQUEST,
      ErrorCode.INVALID_REQUEST,
      ErrorCode.INVALID_REQUEST,
      ErrorCode.INVALID_REQUEST,
    ]);
    expect(responses[1]).toMatchObject({ name: null, topicId: unknownId });
    expect(responses[5]).toMatchObject({ name: null, topicId });
    expect(under.controller.topicsIn('acme').length).toBe(2);
  });

  it('keeps topic and folders when the record cannot be stored', async () => {
    const under = await open();
    await create(under, { name: 'acme.a' });
    under.log.append = () => Promise.reject(new StorageError('no space left'));
    const { responses } = await under.controller.deleteTopics(deleteRequest([], ['acme.a']));
    expect(responses[0]?.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(under.controller.topicByName('acme.a')).toBeDefined();
    expect(under.folders.folders.size).toBe(1);
  });

  it('gives a new id to a name that is used again', async () => {
    const under = await open();
    await create(under, { name: 'acme.a' });
    const { topicId } = under.controller.topicByName('acme.a')!;
    await under.controller.deleteTopics(deleteRequest([], ['acme.a']));
    await create(under, { name: 'acme.a' });
    expect(under.controller.topicByName('acme.a')?.topicId).not.toBe(topicId);
  });
});

describe('adding partitions', () => {
  it('raises the count and makes folders for the new ones alone', async () => {
    const under = await open();
    await create(under, { name: 'acme.a', partitions: 2 });
    const before = under.controller.topicByName('acme.a')!;
    const { results } = await under.controller.createPartitions(addPartitions('acme.a', 4));
    expect(results).toEqual([{ name: 'acme.a', errorCode: 0, errorMessage: null }]);
    const after = under.controller.topicByName('acme.a')!;
    expect(after).toMatchObject({ partitionCount: 4, topicId: before.topicId });
    expect(after.leaders.length).toBe(4);
    expect(under.folders.folders.size).toBe(4);
  });

  it.each<[string, string, number, number[][] | null, number]>([
    ['a topic that is not there', 'acme.b', 3, null, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['the same count', 'acme.a', 2, null, ErrorCode.INVALID_PARTITIONS],
    ['fewer', 'acme.a', 1, null, ErrorCode.INVALID_PARTITIONS],
    ['nonsense', 'acme.a', -7, null, ErrorCode.INVALID_PARTITIONS],
    ['too many', 'acme.a', 2 ** 31 - 1, null, ErrorCode.INVALID_PARTITIONS],
    ['too few assignments', 'acme.a', 4, [[1]], ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ['another broker', 'acme.a', 3, [[2]], ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ['two replicas', 'acme.a', 3, [[1, 2]], ErrorCode.INVALID_REPLICA_ASSIGNMENT],
  ])('refuses %s', async (_, name, count, brokers, errorCode) => {
    const under = await open();
    await create(under, { name: 'acme.a', partitions: 2 });
    const answer = await under.controller.createPartitions(addPartitions(name, count, brokers));
    expect(answer.results[0]?.errorCode).toBe(errorCode);
    expect(under.controller.topicByName('acme.a')?.partitionCount).toBe(2);
    expect(under.folders.folders.size).toBe(2);
  });

  it('removes only the new folders when the record cannot be stored', async () => {
    const under = await open();
    await create(under, { name: 'acme.a', partitions: 2 });
    under.log.append = () => Promise.reject(new StorageError('no space left'));
    const { results } = await under.controller.createPartitions(
      addPartitions('acme.a', 4, [[1], [1]]),
    );
    expect(results[0]?.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect([...under.folders.folders.keys()]).toEqual(['acme.a-0', 'acme.a-1']);
  });

  it('validates without effect, and refuses a topic named twice', async () => {
    const under = await open();
    await create(under, { name: 'acme.a' });
    const validated = { ...addPartitions('acme.a', 4), validateOnly: true };
    expect((await under.controller.createPartitions(validated)).results[0]?.errorCode).toBe(0);
    expect(under.controller.topicByName('acme.a')?.partitionCount).toBe(1);
    const once = addPartitions('acme.a', 4);
    const twice = { ...once, topics: [...once.topics, ...once.topics] };
    const { results } = await under.controller.createPartitions(twice);
    expect(results).toMatchObject([{ name: 'acme.a', errorCode: ErrorCode.INVALID_REQUEST }]);
  });
});

describe('a restart', () => {
  it('finds topics, ids, partitions and configs again, from records and from a snapshot', async () => {
    for (const snapshotAfterBytes of [1_000_000, 1]) {
      const directory = newDirectory();
      const first = await open({ snapshotAfterBytes }, directory);
      await create(
        first,
        { name: 'acme.a', partitions: 2, configs: { 'segment.ms': '65000' } },
        { name: 'acme.gone' },
        { name: 'globex.b' },
      );
      await first.controller.createPartitions(addPartitions('acme.a', 5));
      await first.controller.deleteTopics(deleteRequest([], ['acme.gone']));
      const before = ['acme', 'globex'].map((namespace) => first.controller.topicsIn(namespace));
      await first.close();
      const second = await open({ snapshotAfterBytes }, directory, first.folders);
      const after = ['acme', 'globex'].map((namespace) => second.controller.topicsIn(namespace));
      expect(after).toEqual(before);
      expect(second.folders.folders.size).toBe(6);
    }
  });

  it('removes the folders of no topic and of deleted topics whose name is used again', async () => {
    const directory = newDirectory();
    const first = await open({}, directory);
    await create(first, { name: 'acme.a' });
    const { topicId } = first.controller.topicByName('acme.a')!;
    await first.close();
    const folders = new FoldersInMemory();
    const other = 'CCCCCCCCCCCCCCCCCCCCCC';
    await folders.createLog('acme.a', 0, other);
    await folders.createLog('acme.a', 1, topicId);
    await folders.createLog('acme.orphan', 0, other);
    const second = await open({}, directory, folders);
    expect([...second.folders.folders.values()]).toEqual([
      { topic: 'acme.a', partition: 0, topicId },
    ]);
  });

  it('refuses to start, deleting nothing, when topics are there but no metadata', async () => {
    const folders = new FoldersInMemory();
    await folders.createLog('acme.a', 0, 'CCCCCCCCCCCCCCCCCCCCCC');
    await expect(open({}, newDirectory(), folders)).rejects.toThrow(/no cluster metadata/);
    expect(folders.folders.size).toBe(1);
  });

  it('refuses to start as another node', async () => {
    const directory = newDirectory();
    const first = await open({ nodeId: 1 }, directory);
    await create(first, { name: 'acme.a' });
    await first.close();
    await expect(open({ nodeId: 2 }, directory)).rejects.toThrow(ConfigError);
  });

  it.each([
    ['an unknown type', { type: 'moon-phase', version: 1, data: {} }],
    ['a newer version', { type: 'topic', version: 2, data: {} }],
    ['a topic without id', { type: 'topic', version: 1, data: { name: 'a', leaders: [1] } }],
    ['a removal of nothing', { type: 'topic-removed', version: 1, data: { topicId: 'x' } }],
  ])('refuses to start on %s', async (_, record) => {
    const directory = newDirectory();
    const first = await open({}, directory);
    await first.log.append([record]);
    await first.close();
    await expect(open({}, directory)).rejects.toThrow(StorageError);
  });

  it('never gives a producer id twice', async () => {
    const directory = newDirectory();
    const ids = new Set<number>();
    for (let restart = 0; restart < 4; restart++) {
      const under = await open({ snapshotAfterBytes: 300 }, directory);
      for (let n = 0; n < 50; n++) {
        const answer = await under.controller.initProducerId('acme', producer());
        expect(answer).toMatchObject({ errorCode: 0, producerEpoch: 0 });
        ids.add(answer.producerId);
      }
      await under.close();
    }
    expect(ids.size).toBe(200);
  });
});

const producer = (change: object = {}) => ({
  transactionalId: null,
  transactionTimeoutMs: 60_000,
  producerId: -1,
  producerEpoch: -1,
  enable2Pc: false,
  keepPreparedTxn: false,
  ...change,
});

describe('producer ids', () => {
  it('of one namespace do not depend on another, and go on after a restart', async () => {
    const directory = newDirectory();
    const ids = async (namespace: string, before: number) => {
      const under = await open({}, directory);
      for (let n = 0; n < before; n++) {
        await under.controller.initProducerId('globex', producer());
      }
      const found: number[] = [];
      for (let n = 0; n < 3; n++) {
        found.push((await under.controller.initProducerId(namespace, producer())).producerId);
      }
      await under.close();
      return found;
    };
    const first = await ids('acme', 0);
    expect(await ids('initech', 1500)).toEqual(first);
    const later = await ids('acme', 0);
    expect(new Set([...first, ...later]).size).toBe(6);
  });

  it('of every namespace go on behind those of a log that had one counter for all', async () => {
    const directory = newDirectory();
    const under = await open({}, directory);
    const [first, second] = [
      await under.controller.initProducerId('acme', producer()),
      await under.controller.initProducerId('acme', producer()),
    ];
    await under.log.append([{ type: 'producer-numbers', version: 1, data: { next: 5000 } }]);
    await under.close();
    const again = await open({}, directory);
    const next = await again.controller.initProducerId('globex', producer());
    expect(next.errorCode).toBe(0);
    expect([first!.producerId, second!.producerId]).not.toContain(next.producerId);
    await again.close();
  });

  it.each([
    [
      'a transactional id',
      { transactionalId: 't' },
      ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ],
    ['an empty transactional id', { transactionalId: '' }, ErrorCode.INVALID_REQUEST],
    ['an id without epoch', { producerId: 5 }, ErrorCode.INVALID_REQUEST],
    ['an epoch without id', { producerEpoch: 5 }, ErrorCode.INVALID_REQUEST],
  ])('are refused to %s', async (_, change, errorCode) => {
    const { controller } = await open();
    const answer = await controller.initProducerId('acme', producer(change));
    expect(answer).toMatchObject({ errorCode, producerId: -1, producerEpoch: -1 });
  });

  it('are new even for a producer that has one', async () => {
    const { controller } = await open();
    const first = await controller.initProducerId('acme', producer());
    const { producerId } = first;
    const again = await controller.initProducerId(
      'acme',
      producer({ producerId, producerEpoch: 0 }),
    );
    expect(again.errorCode).toBe(0);
    expect(again.producerId).not.toBe(producerId);
  });

  it('are refused for now when the counter cannot be stored', async () => {
    const under = await open();
    under.log.append = () => Promise.reject(new StorageError('no space left'));
    const answer = await under.controller.initProducerId('acme', producer());
    expect(answer.errorCode).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
  });
});

describe('topics of a namespace', () => {
  it('are its own, sorted, and the same list until one changes', async () => {
    const under = await open();
    await create(under, { name: 'acme.b' }, { name: 'acme.a' }, { name: 'globex.c' });
    const { controller } = under;
    const listed = controller.topicsIn('acme');
    expect(listed.map(({ name }) => name)).toEqual(['acme.a', 'acme.b']);
    await create(under, { name: 'globex.d' });
    expect(controller.topicsIn('acme')).toBe(listed);
    await create(under, { name: 'acme.c' });
    expect(controller.topicsIn('acme').length).toBe(3);
    expect(controller.topicsIn('acm')).toEqual([]);
    expect(controller.topicsIn('')).toEqual([]);
  });
});
