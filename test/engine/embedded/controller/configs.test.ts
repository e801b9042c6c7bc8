import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigType } from '../../../../src/engine/embedded/controller/config-value.ts';
import {
  type ControllerSettings,
  DEFAULT_TOPIC_LIMITS,
} from '../../../../src/engine/embedded/controller/controller-settings.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { removeDirectory, temporaryDirectory } from '../../../tools/temporary-directory.ts';
import { type ControllerUnderTest, createRequest, openController } from './controller-fixture.ts';

const TOPIC = 2;
const BROKER = 4;
const GROUP = 32;
const CLIENT_METRICS = 16;
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3] as const;
const { INVALID_CONFIG, INVALID_REQUEST, NONE } = ErrorCode;

const SETTINGS: Partial<ControllerSettings> = {
  topicDefaults: { 'segment.ms': '60000', 'segment.bytes': '1073741824' },
  limits: { ...DEFAULT_TOPIC_LIMITS, configuredGroupsPerNamespaceMax: 3 },
  brokerConfigs: [
    {
      name: 'group.max.size',
      type: ConfigType.INT,
      value: '7',
      default: '65000',
      isSet: true,
      doc: 'Members.',
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
};

let directory: string;
let under: ControllerUnderTest;

beforeEach(async () => {
  directory = temporaryDirectory('configs');
  under = await openController(directory, SETTINGS);
  await under.controller.createTopics(
    createRequest([
      { name: 'acme.a', partitions: 3, configs: { 'segment.bytes': '2097152' } },
      { name: 'acme.b', partitions: 2 },
      { name: 'globex.a', partitions: 1 },
    ]),
  );
});

afterEach(async () => {
  await under.close();
  removeDirectory(directory);
});

async function reopen(settings: Partial<ControllerSettings> = SETTINGS): Promise<void> {
  await under.close();
  under = await openController(directory, settings, under.folders);
}

async function describeOne(
  resourceType: number,
  resourceName: string,
  configurationKeys: string[] | null = null,
  include = true,
) {
  const { results } = await under.controller.describeConfigs({
    resources: [{ resourceType, resourceName, configurationKeys }],
    includeSynonyms: include,
    includeDocumentation: include,
  });
  return results[0]!;
}

type Change = readonly [operation: number, name: string, value?: string | null];

async function alterOne(
  resourceType: number,
  resourceName: string,
  changes: readonly Change[],
  validateOnly = false,
) {
  const configs = changes.map(([configOperation, name, value = null]) => {
    return { name, configOperation, value };
  });
  const { responses } = await under.controller.incrementalAlterConfigs({
    resources: [{ resourceType, resourceName, configs }],
    validateOnly,
  });
  return responses[0]!;
}

async function replaceOne(
  resourceType: number,
  resourceName: string,
  texts: Readonly<Record<string, string | null>>,
) {
  const configs = Object.entries(texts).map(([name, value]) => ({ name, value }));
  const { responses } = await under.controller.alterConfigs({
    resources: [{ resourceType, resourceName, configs }],
    validateOnly: false,
  });
  return responses[0]!;
}

/** Value and source of one config. */
async function inForce(type: number, resource: string, name: string) {
  const { configs } = await describeOne(type, resource);
  const found = configs.find((config) => config.name === name);
  return found === undefined ? undefined : [found.value, found.configSource];
}

const segmentBytes = (topic: string): number =>
  under.controller.topicByName(topic)!.config.segmentBytes;

describe('describing configs', () => {
  it('shows value, source and synonyms of a topic config', async () => {
    const { configs } = await describeOne(TOPIC, 'acme.a');
    const one = (name: string) => configs.find((config) => config.name === name);
    expect(one('segment.bytes')).toEqual({
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
    expect(one('segment.ms')).toMatchObject({
      value: '60000',
      configSource: 4,
      synonyms: [
        { name: 'log.roll.ms', value: '60000', source: 4 },
        { name: 'log.roll.ms', value: '604800000', source: 5 },
      ],
    });
    expect(one('min.insync.replicas')).toMatchObject({ value: '1', configSource: 5 });
  });

  it('has the value in force as first synonym, everywhere', async () => {
    await alterOne(BROKER, 'acme.', [[SET, 'log.roll.ms', '150000']]);
    await alterOne(BROKER, 'acme.1', [[SET, 'log.roll.ms', '140000']]);
    await alterOne(GROUP, 'acme.g', [[SET, 'consumer.session.timeout.ms', '46000']]);
    for (const [type, name, least] of [
      [TOPIC, 'acme.a', 15],
      [BROKER, 'acme.1', 20],
      [BROKER, 'acme.', 1],
      [GROUP, 'acme.g', 2],
    ] as const) {
      const { configs } = await describeOne(type, name);
      expect(configs.length).toBeGreaterThanOrEqual(least);
      for (const { name: config, value, configSource, synonyms } of configs) {
        expect([config, value, configSource]).toEqual([
          config,
          synonyms[0]?.value ?? null,
          synonyms[0]?.source,
        ]);
      }
    }
  });

  it('shows the keys asked for, and leaves out what was not asked for', async () => {
    const some = await describeOne(TOPIC, 'acme.a', ['segment.ms', 'no.such'], false);
    expect(some.configs).toMatchObject([{ name: 'segment.ms', synonyms: [], documentation: null }]);
    expect((await describeOne(TOPIC, 'acme.a', [])).configs.length).toBeGreaterThan(10);
  });

  it("shows this broker: the defaults of topics, the operator's read-only, secrets as null", async () => {
    const { configs } = await describeOne(BROKER, 'acme.1');
    const one = (name: string) => configs.find((config) => config.name === name);
    expect(one('log.roll.ms')).toMatchObject({ value: '60000', configSource: 4, readOnly: false });
    expect(one('log.segment.bytes')).toMatchObject({ configSource: 5 });
    expect(one('node.id')).toMatchObject({ value: '1', readOnly: true });
    expect(one('group.max.size')).toMatchObject({ value: '7', configSource: 4, readOnly: true });
    expect(one('ssl.key')).toMatchObject({ value: null, isSensitive: true });
    expect((await describeOne(BROKER, 'acme.')).configs).toEqual([]);
  });

  it('shows a group of any name, with a word on what its configs do', async () => {
    const { configs } = await describeOne(GROUP, 'acme.never-there');
    expect(configs).toMatchObject([
      { name: 'consumer.heartbeat.interval.ms', value: '5000', configSource: 5 },
      { name: 'consumer.session.timeout.ms', value: '45000', configSource: 5 },
    ]);
    for (const { documentation } of configs) {
      expect(documentation).toContain('without effect on classic groups');
    }
  });

  it('describes thousands of topics in turns', async () => {
    const topics = Array.from({ length: 3000 }, (_, i) => ({
      name: `many.t${i}`,
      partitions: 1,
      configs: i % 2 === 0 ? { 'segment.ms': String(100_000 + i) } : {},
    }));
    await under.controller.createTopics(createRequest(topics));
    let ticks = 0;
    const ticker = setInterval(() => (ticks += 1), 0);
    const { results } = await under.controller.describeConfigs({
      resources: topics.map(({ name }) => {
        return { resourceType: TOPIC, resourceName: name, configurationKeys: null };
      }),
      includeSynonyms: false,
      includeDocumentation: false,
    });
    clearInterval(ticker);
    expect(ticks).toBeGreaterThan(0);
    expect(results.map(({ resourceName }) => resourceName)).toEqual(topics.map((t) => t.name));
    const ofTopic = (index: number) =>
      results[index]!.configs.find(({ name }) => name === 'segment.ms');
    expect(ofTopic(10)).toMatchObject({ value: '100010', configSource: 1 });
    expect(ofTopic(11)).toMatchObject({ value: '60000', configSource: 4 });
  });

  it('gives synonyms and documentation of a thousand resources at a time', async () => {
    const resources = Array.from({ length: 1001 }, (_, i) => {
      return { resourceType: GROUP, resourceName: `acme.g${i}`, configurationKeys: null };
    });
    for (const [includeSynonyms, includeDocumentation, refused] of [
      [true, false, 1],
      [false, true, 1],
      [false, false, 0],
    ] as const) {
      const request = { resources, includeSynonyms, includeDocumentation };
      const { results } = await under.controller.describeConfigs(request);
      const codes = results.map(({ errorCode }) => errorCode);
      expect(codes.filter((code) => code !== NONE)).toHaveLength(refused);
      expect(codes[1000]).toBe(refused === 1 ? INVALID_REQUEST : NONE);
    }
  });

  it.each([
    [TOPIC, 'acme.missing', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    [TOPIC, 'acme.?', ErrorCode.INVALID_TOPIC_EXCEPTION],
    [TOPIC, 'acme.', ErrorCode.INVALID_TOPIC_EXCEPTION],
    [BROKER, 'acme.2', INVALID_REQUEST],
    [BROKER, 'acme.one', INVALID_REQUEST],
    [8, 'acme.1', INVALID_REQUEST],
    [CLIENT_METRICS, 'acme.', INVALID_REQUEST],
    [CLIENT_METRICS, 'acme.a b', INVALID_REQUEST],
    [GROUP, 'acme.', INVALID_REQUEST],
    [GROUP, `acme.${'g'.repeat(256)}`, INVALID_REQUEST],
    [99, 'acme.x', INVALID_REQUEST],
  ])(
    'refuses resource type %i named %j, to describe and to alter',
    async (type, name, errorCode) => {
      const refusal = { errorCode, resourceType: type, resourceName: name };
      expect(await describeOne(type, name)).toMatchObject({ ...refusal, configs: [] });
      expect(await alterOne(type, name, [[DELETE, 'segment.ms']])).toMatchObject(refusal);
      expect(await replaceOne(type, name, {})).toMatchObject(refusal);
    },
  );
});

describe('subscriptions to client metrics', () => {
  const expected = [
    {
      metrics: ['a.', 'b.'],
      intervalMs: 1000,
      match: [{ attribute: 'client_id', pattern: 'x=.*' }],
    },
  ];

  it('are their namespace’s own, across restarts and snapshots, until the last config is deleted', async () => {
    const verdict = await alterOne(CLIENT_METRICS, 'acme.latency', [
      [SET, 'metrics', ' a., b. '],
      [SET, 'interval.ms', '1000'],
      [SET, 'match', 'client_id=x=.*'],
    ]);
    expect(verdict.errorCode).toBe(NONE);
    const check = (): void => {
      expect(under.controller.clientMetricsSubscriptions('acme')).toEqual(expected);
      expect(under.controller.clientMetricsSubscriptions('globex')).toEqual([]);
    };
    check();
    const same = under.controller.clientMetricsSubscriptions('acme');
    expect(under.controller.clientMetricsSubscriptions('acme')).toBe(same);
    await reopen();
    check();
    await reopen({ ...SETTINGS, snapshotAfterBytes: 1 });
    await alterOne(CLIENT_METRICS, 'globex.other', [[SET, 'metrics', '*']]);
    await alterOne(CLIENT_METRICS, 'globex.other', [[DELETE, 'metrics']]);
    await reopen();
    check();
    await replaceOne(CLIENT_METRICS, 'acme.latency', {});
    expect(under.controller.clientMetricsSubscriptions('acme')).toEqual([]);
  });

  it.each([
    ['interval.ms', '99'],
    ['interval.ms', '3600001'],
    ['match', 'client_id'],
    ['match', 'client_id='],
    ['match', 'colour=red'],
    ['match', 'client_id=a,client_id=b'],
    ['metrics', 'x'.repeat(5000)],
    ['no.such', '1'],
  ])('refuse %s=%s', async (name, value) => {
    const verdict = await alterOne(CLIENT_METRICS, 'acme.bad', [[SET, name, value]]);
    expect(verdict.errorCode).toBe(ErrorCode.INVALID_CONFIG);
    expect(under.controller.clientMetricsSubscriptions('acme')).toEqual([]);
  });

  it('are few', async () => {
    for (let count = 0; count < 64; count++) {
      await alterOne(CLIENT_METRICS, `acme.s${count}`, [[SET, 'metrics', '*']]);
    }
    const beyond = await alterOne(CLIENT_METRICS, 'acme.beyond', [[SET, 'metrics', '*']]);
    expect(beyond.errorCode).toBe(ErrorCode.POLICY_VIOLATION);
    const other = await alterOne(CLIENT_METRICS, 'globex.first', [[SET, 'metrics', '*']]);
    expect(other.errorCode).toBe(NONE);
  });
});

describe('altering topic configs', () => {
  it('sets and deletes, live and across restarts', async () => {
    expect(
      await alterOne(TOPIC, 'acme.a', [
        [SET, 'segment.ms', ' +65000 '],
        [DELETE, 'segment.bytes'],
        [DELETE, 'max.message.bytes'],
      ]),
    ).toEqual({ errorCode: NONE, errorMessage: null, resourceType: TOPIC, resourceName: 'acme.a' });
    const check = async (): Promise<void> => {
      expect(await inForce(TOPIC, 'acme.a', 'segment.ms')).toEqual(['65000', 1]);
      expect(await inForce(TOPIC, 'acme.a', 'segment.bytes')).toEqual(['1073741824', 5]);
      expect(under.controller.topicByName('acme.a')!.config.segmentMs).toBe(65000);
    };
    await check();
    for (const partition of [0, 1, 2]) {
      const told = under.folders.configs.get(`acme.a-${partition}`);
      expect(told).toMatchObject({ segmentMs: 65000, segmentBytes: 1073741824 });
    }
    expect(under.folders.configs.has('acme.b-0')).toBe(false);
    await reopen();
    await check();
    await reopen({ ...SETTINGS, snapshotAfterBytes: 1 });
    await alterOne(TOPIC, 'acme.b', [[SET, 'segment.ms', '67000']]);
    await reopen();
    await check();
    expect(await inForce(TOPIC, 'acme.b', 'segment.ms')).toEqual(['67000', 1]);
  });

  it("refuses a limit of messages above the operator's, which would not hold", async () => {
    const limited = (most: number) => ({
      ...SETTINGS,
      topicDefaults: { ...SETTINGS.topicDefaults, 'max.message.bytes': String(most) },
    });
    await reopen(limited(5000));
    const refused = {
      errorCode: ErrorCode.INVALID_CONFIG,
      errorMessage: expect.stringContaining('at most 5000'),
    };
    const set = (value: string) => alterOne(TOPIC, 'acme.b', [[SET, 'max.message.bytes', value]]);
    expect(await set('5001')).toMatchObject(refused);
    expect(await replaceOne(TOPIC, 'acme.b', { 'max.message.bytes': '5001' })).toMatchObject(
      refused,
    );
    const configs = { 'max.message.bytes': '5001' };
    const created = await under.controller.createTopics(
      createRequest([{ name: 'acme.c', configs }]),
    );
    expect(created.topics).toMatchObject([refused]);
    const ofBrokers = await alterOne(BROKER, 'acme.', [[SET, 'message.max.bytes', '5001']]);
    expect(ofBrokers).toMatchObject({ ...refused, errorCode: INVALID_REQUEST });
    expect(await set('5000')).toMatchObject({ errorCode: NONE });
    // What was set under a higher limit stands in nobody's way.
    await reopen(limited(4000));
    expect(await alterOne(TOPIC, 'acme.b', [[SET, 'segment.ms', '67000']])).toMatchObject({
      errorCode: NONE,
    });
    expect(await set('4001')).toMatchObject({ errorCode: ErrorCode.INVALID_CONFIG });
  });

  it('keeps topic id, partitions and what a later growth needs', async () => {
    const { topicId } = under.controller.topicByName('acme.b')!;
    await alterOne(TOPIC, 'acme.b', [[SET, 'segment.ms', '67000']]);
    await under.controller.createPartitions({
      topics: [{ name: 'acme.b', count: 5, assignments: null }],
      timeoutMs: 1000,
      validateOnly: false,
    });
    const grown = under.controller.topicByName('acme.b')!;
    expect([grown.topicId, grown.partitionCount, grown.config.segmentMs]).toEqual([
      topicId,
      5,
      67000,
    ]);
  });

  it('a topic of the same name begins without the configs of the one before', async () => {
    await alterOne(TOPIC, 'acme.b', [[SET, 'segment.ms', '67000']]);
    await under.controller.deleteTopics({ topics: [], topicNames: ['acme.b'], timeoutMs: 1000 });
    await under.controller.createTopics(createRequest([{ name: 'acme.b', partitions: 1 }]));
    await reopen();
    expect(await inForce(TOPIC, 'acme.b', 'segment.ms')).toEqual(['60000', 4]);
  });

  it.each<[string, readonly Change[], number, RegExp]>([
    ['a bad value', [[SET, 'segment.ms', 'soon']], INVALID_CONFIG, /segment\.ms.*whole number/],
    ['a value below the floor', [[SET, 'segment.bytes', '1']], INVALID_CONFIG, /segment\.bytes/],
    ['an unknown config', [[SET, 'no.such', '1']], INVALID_CONFIG, /Unknown.*no\.such/],
    ["a broker's name", [[SET, 'log.segment.bytes', '2097152']], INVALID_CONFIG, /Unknown/],
    ['no value', [[SET, 'segment.ms', null]], INVALID_REQUEST, /value is needed/],
    ['no value to append', [[APPEND, 'cleanup.policy', null]], INVALID_REQUEST, /value is needed/],
    [
      'a config given twice',
      [
        [SET, 'segment.ms', '65000'],
        [DELETE, 'segment.ms'],
      ],
      INVALID_REQUEST,
      /more than once/,
    ],
    [
      'more configs than there can be',
      Array.from({ length: 1000 }, (_, i): Change => [DELETE, `c${i}`]),
      INVALID_REQUEST,
      /at most 1000/,
    ],
    ['an operation that there is not', [[4, 'segment.ms', '1']], INVALID_REQUEST, /operation 4/],
    ['appending to a number', [[APPEND, 'segment.ms', '1']], INVALID_CONFIG, /not LIST/],
    ['subtracting from a text', [[SUBTRACT, 'compression.type', 'x']], INVALID_CONFIG, /not LIST/],
    [
      'another value of a fixed config',
      [[SET, 'min.insync.replicas', '2']],
      INVALID_CONFIG,
      /only 1/,
    ],
    ['a prototype as a name', [[SET, '__proto__', '1']], INVALID_CONFIG, /Unknown/],
  ])('refuses %s, and the whole resource with it', async (_what, changes, errorCode, text) => {
    const before = await describeOne(TOPIC, 'acme.a');
    const answer = await alterOne(TOPIC, 'acme.a', [[SET, 'flush.ms', '10'], ...changes]);
    expect(answer.errorCode).toBe(errorCode);
    expect(answer.errorMessage).toMatch(text);
    expect(answer.errorMessage).not.toContain('acme');
    expect(await describeOne(TOPIC, 'acme.a')).toEqual(before);
    expect(under.folders.configs.size).toBe(0);
  });

  it('accepts the one value of a fixed config', async () => {
    expect(await alterOne(TOPIC, 'acme.a', [[SET, 'min.insync.replicas', '1']])).toMatchObject({
      errorCode: NONE,
    });
    expect(await inForce(TOPIC, 'acme.a', 'min.insync.replicas')).toEqual(['1', 1]);
  });

  it('appends to lists and subtracts from them, from the default on', async () => {
    const changed = (operation: number, value: string) =>
      alterOne(TOPIC, 'acme.a', [[operation, 'cleanup.policy', value]]);
    expect(await changed(APPEND, 'delete')).toMatchObject({ errorCode: NONE });
    expect(await inForce(TOPIC, 'acme.a', 'cleanup.policy')).toEqual(['delete', 1]);
    expect(await changed(SUBTRACT, 'compact')).toMatchObject({ errorCode: NONE });
    expect(await changed(SUBTRACT, 'delete')).toMatchObject({ errorCode: INVALID_CONFIG });
    expect(await inForce(TOPIC, 'acme.a', 'cleanup.policy')).toEqual(['delete', 1]);
  });

  it('changes nothing when it only validates', async () => {
    const before = await describeOne(TOPIC, 'acme.a');
    const answer = await alterOne(TOPIC, 'acme.a', [[SET, 'segment.ms', '65000']], true);
    expect(answer.errorCode).toBe(NONE);
    const bad = await alterOne(TOPIC, 'acme.a', [[SET, 'segment.ms', 'x']], true);
    expect(bad.errorCode).toBe(INVALID_CONFIG);
    expect(await describeOne(TOPIC, 'acme.a')).toEqual(before);
  });

  it('AlterConfigs replaces all that is set', async () => {
    expect(await replaceOne(TOPIC, 'acme.a', { 'segment.ms': '65000' })).toMatchObject({
      errorCode: NONE,
    });
    expect(await inForce(TOPIC, 'acme.a', 'segment.ms')).toEqual(['65000', 1]);
    expect(segmentBytes('acme.a')).toBe(1073741824);
    const bad = await replaceOne(TOPIC, 'acme.a', { 'segment.ms': null });
    expect(bad.errorCode).toBe(INVALID_REQUEST);
    await reopen();
    expect(await inForce(TOPIC, 'acme.a', 'segment.ms')).toEqual(['65000', 1]);
    await replaceOne(TOPIC, 'acme.a', {});
    expect(await inForce(TOPIC, 'acme.a', 'segment.ms')).toEqual(['60000', 4]);
  });

  it('refuses every mention of a resource that is named twice, and takes the others', async () => {
    const change = (resourceName: string, value: string) => ({
      resourceType: TOPIC,
      resourceName,
      configs: [{ name: 'segment.ms', configOperation: SET, value }],
    });
    const { responses } = await under.controller.incrementalAlterConfigs({
      resources: [
        change('acme.a', '101000'),
        change('acme.b', '102000'),
        change('acme.a', '103000'),
      ],
      validateOnly: false,
    });
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([
      INVALID_REQUEST,
      NONE,
      INVALID_REQUEST,
    ]);
    expect(await inForce(TOPIC, 'acme.a', 'segment.ms')).toEqual(['60000', 4]);
    expect(await inForce(TOPIC, 'acme.b', 'segment.ms')).toEqual(['102000', 1]);
  });

  it('is refused, and nothing changed, while too many changes wait', async () => {
    await reopen({ limits: { ...DEFAULT_TOPIC_LIMITS, waitingChangesMax: 0 } });
    expect(await alterOne(TOPIC, 'acme.b', [[SET, 'segment.ms', '67000']])).toMatchObject({
      errorCode: ErrorCode.REQUEST_TIMED_OUT,
      errorMessage: expect.stringContaining('nothing was changed'),
    });
    expect(await inForce(TOPIC, 'acme.b', 'segment.ms')).toEqual(['604800000', 5]);
  });

  it.each([
    [TOPIC, 'acme.b', ErrorCode.TOPIC_AUTHORIZATION_FAILED],
    [BROKER, 'acme.', ErrorCode.CLUSTER_AUTHORIZATION_FAILED],
    [GROUP, 'acme.g', ErrorCode.GROUP_AUTHORIZATION_FAILED],
  ])(
    'is refused when the right is gone by its turn (%i)',
    async (resourceType, name, errorCode) => {
      const append = vi.spyOn(under.log, 'append');
      const resources = [{ resourceType, resourceName: name, configs: [] }];
      const call = { isStillPermitted: () => false };
      const request = { resources, validateOnly: false };
      for (const answer of [
        await under.controller.incrementalAlterConfigs(request, call),
        await under.controller.alterConfigs(request, call),
      ]) {
        expect(answer.responses).toMatchObject([{ errorCode, resourceName: name }]);
      }
      expect(append).not.toHaveBeenCalled();
    },
  );

  it('is refused, and nothing changed, when it cannot be stored', async () => {
    vi.spyOn(under.log, 'append').mockRejectedValueOnce(new Error('no space left'));
    expect(await alterOne(BROKER, 'acme.', [[SET, 'log.roll.ms', '67000']])).toMatchObject({
      errorCode: ErrorCode.KAFKA_STORAGE_ERROR,
    });
    expect(await inForce(TOPIC, 'acme.b', 'segment.ms')).toEqual(['60000', 4]);
    expect(under.folders.configs.size).toBe(0);
    expect(await alterOne(BROKER, 'acme.', [[SET, 'log.roll.ms', '67000']])).toMatchObject({
      errorCode: NONE,
    });
    expect(await inForce(TOPIC, 'acme.b', 'segment.ms')).toEqual(['67000', 3]);
  });

  it('alters more topics than one append takes, in turns', async () => {
    const names = Array.from({ length: 600 }, (_, i) => `many.t${i}`);
    const topics = names.map((name) => ({ name, partitions: 2 }));
    await under.controller.createTopics(createRequest(topics));
    const { responses } = await under.controller.incrementalAlterConfigs({
      resources: names.map((resourceName, index) => ({
        resourceType: TOPIC,
        resourceName,
        configs: [{ name: 'segment.ms', configOperation: SET, value: String(100_000 + index) }],
      })),
      validateOnly: false,
    });
    expect(responses.every(({ errorCode }) => errorCode === NONE)).toBe(true);
    await reopen();
    for (const [index, name] of names.entries()) {
      expect(under.controller.topicByName(name)!.config.segmentMs).toBe(100_000 + index);
      expect(under.folders.configs.get(`${name}-1`)?.segmentMs).toBe(100_000 + index);
    }
  });
});

describe("altering brokers' configs", () => {
  it("sets the defaults of the namespace's topics, present and future, and of no other's", async () => {
    await alterOne(BROKER, 'acme.', [[SET, 'log.segment.bytes', '3145728']]);
    expect(segmentBytes('acme.a')).toBe(2097152);
    expect(segmentBytes('acme.b')).toBe(3145728);
    expect(segmentBytes('globex.a')).toBe(1073741824);
    expect(under.folders.configs.get('acme.b-1')?.segmentBytes).toBe(3145728);
    expect(under.folders.configs.has('globex.a-0')).toBe(false);
    const { topics } = await under.controller.createTopics(
      createRequest([{ name: 'acme.new', partitions: 1 }]),
    );
    expect(topics[0]!.configs!.find(({ name }) => name === 'segment.bytes')).toMatchObject({
      value: '3145728',
      configSource: 3,
    });
    await reopen();
    expect(segmentBytes('acme.b')).toBe(3145728);
    expect(segmentBytes('acme.new')).toBe(3145728);
    await alterOne(BROKER, 'acme.', [[DELETE, 'log.segment.bytes']]);
    expect(segmentBytes('acme.b')).toBe(1073741824);
    await reopen();
    expect(segmentBytes('acme.new')).toBe(1073741824);
  });

  it('one broker goes before all brokers, and both before the operator', async () => {
    await alterOne(BROKER, 'acme.', [[SET, 'log.roll.ms', '150000']]);
    await alterOne(BROKER, 'acme.1', [[SET, 'log.roll.ms', '140000']]);
    await alterOne(TOPIC, 'acme.b', [[SET, 'segment.ms', '130000']]);
    await reopen({ ...SETTINGS, snapshotAfterBytes: 1 });
    await alterOne(GROUP, 'acme.g', [[SET, 'consumer.session.timeout.ms', '46000']]);
    await reopen();
    const { configs } = await describeOne(TOPIC, 'acme.b', ['segment.ms']);
    expect(configs[0]!.synonyms).toEqual([
      { name: 'segment.ms', value: '130000', source: 1 },
      { name: 'log.roll.ms', value: '140000', source: 2 },
      { name: 'log.roll.ms', value: '150000', source: 3 },
      { name: 'log.roll.ms', value: '60000', source: 4 },
      { name: 'log.roll.ms', value: '604800000', source: 5 },
    ]);
    expect(await inForce(BROKER, 'acme.1', 'log.roll.ms')).toEqual(['140000', 2]);
    const all = await describeOne(BROKER, 'acme.');
    expect(all.configs).toMatchObject([
      { name: 'log.roll.ms', value: '150000', configSource: 3, synonyms: [{ source: 3 }] },
    ]);
    expect((await describeOne(BROKER, 'globex.')).configs).toEqual([]);
    expect(await inForce(BROKER, 'globex.1', 'log.roll.ms')).toEqual(['60000', 4]);
  });

  it.each([
    ['num.partitions', '3', /read-only/],
    ['group.max.size', '9', /read-only/],
    ['ssl.key', 'secret', /read-only/],
    ['log.dirs', '/etc', /cannot be updated dynamically/],
    ['segment.bytes', '2097152', /cannot be updated dynamically/],
    ['log.segment.bytes', 'x', /Invalid value for broker config log\.segment\.bytes/],
    ['min.insync.replicas', '2', /only 1/],
  ])('refuses %s=%s', async (name, value, text) => {
    for (const resource of ['acme.', 'acme.1']) {
      const answer = await alterOne(BROKER, resource, [[SET, name, value]]);
      expect(answer.errorCode).toBe(INVALID_REQUEST);
      expect(answer.errorMessage).toMatch(text);
      expect(answer.errorMessage).not.toContain('secret');
    }
  });
});

describe("altering groups' configs", () => {
  it('keeps them, and lists the groups that have some', async () => {
    expect(
      await alterOne(GROUP, 'acme.g', [[SET, 'consumer.session.timeout.ms', '46000']]),
    ).toMatchObject({ errorCode: NONE });
    await reopen();
    const { configs } = await describeOne(GROUP, 'acme.g', ['consumer.session.timeout.ms']);
    expect(configs[0]).toMatchObject({
      value: '46000',
      configSource: 8,
      synonyms: [
        { name: 'consumer.session.timeout.ms', value: '46000', source: 8 },
        { name: 'group.consumer.session.timeout.ms', value: '45000', source: 5 },
      ],
    });
    const listed = (namespace: string) =>
      under.controller.listConfigResources(namespace, { resourceTypes: [GROUP] }, 1);
    expect(listed('acme').configResources).toEqual([
      { resourceName: 'acme.g', resourceType: GROUP },
    ]);
    expect(listed('globex').configResources).toEqual([]);
    await replaceOne(GROUP, 'acme.g', {});
    await reopen();
    expect(listed('acme').configResources).toEqual([]);
  });

  it.each([
    ['consumer.session.timeout.ms', '1', /45000 to 60000/],
    ['share.session.timeout.ms', '46000', /no share groups/],
    ['streams.num.standby.replicas', '1', /no streams groups/],
    ['session.timeout.ms', '1', /Unknown group config/],
  ])('refuses %s=%s', async (name, value, text) => {
    const answer = await alterOne(GROUP, 'acme.g', [[SET, name, value]]);
    expect(answer.errorCode).toBe(INVALID_CONFIG);
    expect(answer.errorMessage).toMatch(text);
  });

  it('bounds how many groups of a namespace have configs', async () => {
    const change = (group: string, operation: number = SET) => ({
      resourceType: GROUP,
      resourceName: group,
      configs: [
        { name: 'consumer.session.timeout.ms', configOperation: operation, value: '46000' },
      ],
    });
    const codes = async (...resources: ReturnType<typeof change>[]) => {
      const request = { resources, validateOnly: false };
      const { responses } = await under.controller.incrementalAlterConfigs(request);
      return responses.map(({ errorCode }) => errorCode);
    };
    const names = ['acme.1', 'acme.2', 'acme.3', 'acme.4'];
    const { POLICY_VIOLATION } = ErrorCode;
    expect(await codes(...names.map((name) => change(name)))).toEqual([0, 0, 0, POLICY_VIOLATION]);
    expect(await codes(change('globex.1'), change('acme.3'))).toEqual([NONE, NONE]);
    expect(await codes(change('acme.1', DELETE))).toEqual([NONE]);
    expect(await codes(change('acme.4'))).toEqual([NONE]);
  });
});

describe('listing config resources', () => {
  const listed = (resourceTypes: number[], apiVersion = 1) => {
    const { errorCode, configResources } = under.controller.listConfigResources(
      'acme',
      { resourceTypes },
      apiVersion,
    );
    const names = configResources.map((one) => `${one.resourceType}:${one.resourceName}`);
    return errorCode === NONE ? names : errorCode;
  };

  it('lists the types asked for, or all', async () => {
    await alterOne(GROUP, 'acme.g', [[SET, 'consumer.session.timeout.ms', '46000']]);
    expect(listed([])).toEqual(['2:acme.a', '2:acme.b', '4:acme.1', '32:acme.g']);
    expect(listed([TOPIC, TOPIC])).toEqual(['2:acme.a', '2:acme.b']);
    expect(listed([8, 16])).toEqual([]);
    expect(listed([TOPIC, 3])).toBe(ErrorCode.UNSUPPORTED_VERSION);
    expect(listed([], 0)).toEqual([]);
  });
});
