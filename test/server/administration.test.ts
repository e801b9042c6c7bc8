/** Quotas, SCRAM credentials and what an administrator asks of the cluster, byte for byte. */
import { pbkdf2Sync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const SALT = Buffer.from('Tz7tKQ0vC1yq-a-salt-of-this-test');
const SHA_256 = 1;
const SHA_512 = 2;
const salted = (bytes = 32): Buffer =>
  pbkdf2Sync('correct horse', SALT, 4096, bytes, bytes === 32 ? 'sha256' : 'sha512');
const upsertion = (name: string, change: object = {}) => ({
  name,
  mechanism: SHA_256,
  iterations: 4096,
  salt: SALT,
  saltedPassword: salted(),
  ...change,
});

const set = (key: string, value: number) => ({ key, value, remove: false });
const remove = (key: string) => ({ key, value: 0, remove: true });
const user = (entityName: string | null) => [{ entityType: 'user', entityName }];

describeRequiring(['built-broker'], 'administration over the wire', () => {
  const fixture = useBroker();
  let connected: WireClient | undefined;
  const admin = async (): Promise<WireClient> => {
    connected ??= await fixture.connect('acme', 'admin-1');
    return connected;
  };

  const alterQuotas = async (entries: object[], validateOnly = false) => {
    const body = { entries, validateOnly } as never;
    const answer = await (await admin()).call(ApiKey.AlterClientQuotas, 1, body);
    return answer.entries.map(({ errorCode }) => errorCode);
  };
  const quotasOf = async (components: object[] = [], strict = false) => {
    const body = { components, strict } as never;
    return (await admin()).call(ApiKey.DescribeClientQuotas, 1, body);
  };
  const alterScram = async (upsertions: object[], deletions: object[] = []) => {
    const body = { upsertions, deletions } as never;
    const answer = await (await admin()).call(ApiKey.AlterUserScramCredentials, 0, body);
    return Object.fromEntries(answer.results.map((one) => [one.user, one.errorCode]));
  };
  const scramOf = async (users: string[] | null) => {
    const body = { users: users?.map((name) => ({ name })) ?? null };
    const answer = await (await admin()).call(ApiKey.DescribeUserScramCredentials, 0, body);
    return answer.results;
  };

  it('sets quotas entity by entity: what is wrong with one leaves the others', async () => {
    const bad = ErrorCode.INVALID_REQUEST;
    const codes = await alterQuotas([
      { entity: user('device-1'), ops: [set('producer_byte_rate', 1024)] },
      { entity: user('device-2'), ops: [set('producer_byte_rate', 5), set('no_such_key', 1)] },
      {
        entity: user('device-3'),
        ops: [set('producer_byte_rate', 5), remove('producer_byte_rate')],
      },
      { entity: [...user('x'), ...user('y')], ops: [] },
      { entity: [{ entityType: 'planet', entityName: 'x' }], ops: [] },
      { entity: user('twice'), ops: [set('producer_byte_rate', 1)] },
      { entity: user('twice'), ops: [set('producer_byte_rate', 2)] },
      { entity: [], ops: [] },
    ]);
    expect(codes).toEqual([ErrorCode.NONE, bad, bad, bad, bad, bad, bad]);
    const { entries } = await quotasOf();
    expect(entries).toEqual([
      { entity: user('device-1'), values: [{ key: 'producer_byte_rate', value: 1024 }] },
    ]);
  });

  it('checks without changing when it is asked to', async () => {
    const entry = { entity: user('dry'), ops: [set('request_percentage', 50)] };
    expect(await alterQuotas([entry], true)).toEqual([ErrorCode.NONE]);
    expect(await alterQuotas([{ ...entry, ops: [set('request_percentage', 0)] }], true)).toEqual([
      ErrorCode.INVALID_REQUEST,
    ]);
    expect(JSON.stringify(await quotasOf())).not.toContain('dry');
    const asked = fixture.audit('security').filter(({ reason }) => reason === 'client-quota-alter');
    expect(JSON.stringify(asked)).not.toContain('dry');
  });

  it('finds quotas by exact name, default, any name, and strictly', async () => {
    const client = (entityName: string | null) => ({ entityType: 'client-id', entityName });
    await alterQuotas([
      { entity: [...user('ada'), client('pump')], ops: [set('consumer_byte_rate', 1)] },
      { entity: user(null), ops: [set('consumer_byte_rate', 2)] },
      {
        entity: [{ entityType: 'ip', entityName: '192.0.2.7' }],
        ops: [set('connection_creation_rate', 3)],
      },
    ]);
    const values = async (components: object[], strict = false) => {
      const { entries } = await quotasOf(components, strict);
      return entries!.flatMap((entry) => entry.values.map(({ value }) => value)).sort();
    };
    const component = (entityType: string, matchType: number, match: string | null = null) => ({
      entityType,
      matchType,
      match,
    });
    expect(await values([component('user', 0, 'ada')])).toEqual([1]);
    expect(await values([component('user', 0, 'ada')], true)).toEqual([]);
    expect(await values([component('user', 1)])).toEqual([2]);
    expect(await values([component('user', 2), component('client-id', 2)], true)).toEqual([1]);
    expect(await values([component('ip', 2)])).toEqual([3]);
    const refused = [
      [component('', 2)],
      [component('user', 2), component('user', 1)],
      [component('user', 0)],
      [component('user', 1, 'ada')],
      [component('user', 9)],
      [component('user', 2), component('ip', 2)],
    ];
    for (const components of refused) {
      expect(await quotasOf(components)).toMatchObject({
        errorCode: ErrorCode.INVALID_REQUEST,
        entries: null,
      });
    }
    const unknown = await quotasOf([component('planet', 2)]);
    expect(unknown).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION, entries: null });
  });

  it('refuses more entities at once than it checks in one turn', async () => {
    const entries = Array.from({ length: 1001 }, (_, n) => ({ entity: user(`u${n}`), ops: [] }));
    const codes = await alterQuotas(entries);
    expect(new Set(codes)).toEqual(new Set([ErrorCode.INVALID_REQUEST]));
  });

  it('keeps SCRAM credentials, user by user', async () => {
    const wrong = ErrorCode.UNACCEPTABLE_CREDENTIAL;
    expect(
      await alterScram(
        [
          upsertion('ada'),
          upsertion('bob', { mechanism: SHA_512, saltedPassword: salted(64), iterations: 16_384 }),
          upsertion('few', { iterations: 4095 }),
          upsertion('many', { iterations: 16_385 }),
          upsertion('short', { saltedPassword: salted().subarray(1) }),
          upsertion('saltless', { salt: Buffer.alloc(0) }),
          upsertion('plain', { mechanism: 3 }),
          upsertion('twice'),
          upsertion('twice', { mechanism: SHA_512, saltedPassword: salted(64) }),
          upsertion('odd name'),
          upsertion(''),
        ],
        [{ name: 'nobody', mechanism: SHA_256 }],
      ),
    ).toEqual({
      ada: ErrorCode.NONE,
      bob: ErrorCode.NONE,
      few: wrong,
      many: wrong,
      short: wrong,
      saltless: wrong,
      plain: ErrorCode.UNSUPPORTED_SASL_MECHANISM,
      twice: ErrorCode.DUPLICATE_RESOURCE,
      'odd name': wrong,
      '': wrong,
      nobody: ErrorCode.RESOURCE_NOT_FOUND,
    });
    expect(await scramOf(null)).toEqual([
      {
        user: 'ada',
        errorCode: 0,
        errorMessage: null,
        credentialInfos: [{ mechanism: SHA_256, iterations: 4096 }],
      },
      {
        user: 'bob',
        errorCode: 0,
        errorMessage: null,
        credentialInfos: [{ mechanism: SHA_512, iterations: 16_384 }],
      },
    ]);
    const some = await scramOf(['bob', 'eve', 'ada', 'ada']);
    expect(some.map((one) => [one.user, one.errorCode])).toEqual([
      ['bob', ErrorCode.NONE],
      ['eve', ErrorCode.RESOURCE_NOT_FOUND],
      ['ada', ErrorCode.DUPLICATE_RESOURCE],
    ]);
  });

  it('deletes SCRAM credentials, and refuses to do two things to one user', async () => {
    await alterScram([upsertion('cleo')]);
    const deletion = { name: 'cleo', mechanism: SHA_256 };
    expect(await alterScram([upsertion('cleo')], [deletion])).toEqual({
      cleo: ErrorCode.DUPLICATE_RESOURCE,
    });
    expect(await alterScram([], [deletion, deletion])).toEqual({
      cleo: ErrorCode.DUPLICATE_RESOURCE,
    });
    expect(await alterScram([], [{ ...deletion, mechanism: SHA_512 }])).toEqual({
      cleo: ErrorCode.RESOURCE_NOT_FOUND,
    });
    expect(await alterScram([], [deletion])).toEqual({ cleo: ErrorCode.NONE });
    expect((await scramOf(['cleo']))[0]!.errorCode).toBe(ErrorCode.RESOURCE_NOT_FOUND);
  });

  it('refuses more credentials at once than it makes keys for in one turn', async () => {
    const many = Array.from({ length: 501 }, (_, n) => upsertion(`u${n}`));
    const codes = Object.values(await alterScram(many));
    expect(new Set(codes)).toEqual(new Set([ErrorCode.INVALID_REQUEST]));
    expect((await scramOf(['u0']))[0]!.errorCode).toBe(ErrorCode.RESOURCE_NOT_FOUND);
  });

  it('records each change, with names and numbers, and no secret anywhere on the disk', async () => {
    const change = (line: { reason?: string }): string =>
      JSON.stringify((line as { facts?: object }).facts);
    const quota = await fixture.audited(
      'security',
      (line) => line.reason === 'client-quota-alter' && change(line).includes('device-1'),
    );
    expect(change(quota)).toContain('set producer_byte_rate=1024');
    const scram = await fixture.audited(
      'security',
      (line) => line.reason === 'scram-credential-set' && change(line).includes('bob'),
    );
    expect(change(scram)).toContain('SCRAM-SHA-512');
    await fixture.audited('security', (line) => line.reason === 'scram-credential-delete');

    const directory = fixture.broker.dataDir;
    const files = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const texts = [
      ...files.map((path) => readFileSync(path)),
      Buffer.from(fixture.broker.stderr()),
    ];
    for (const secret of [salted(), salted(64)]) {
      for (const form of ['base64', 'base64url', 'hex'] as const) {
        expect(texts.some((text) => text.includes(secret.toString(form)))).toBe(false);
      }
      expect(texts.some((text) => text.includes(secret))).toBe(false);
    }
    // Keys and salts are where they belong and nowhere else.
    const salt = SALT.toString('base64');
    const holders = files.filter((path) => readFileSync(path).includes(salt));
    expect(holders.length).toBeGreaterThan(0);
    expect(holders.every((path) => path.includes('__security_metadata-0'))).toBe(true);
  });

  it('shows the producers of a partition to those who may read it', async () => {
    const service = await fixture.connect('acme', 'service-1');
    const { producerId } = await service.call(ApiKey.InitProducerId, 4, {
      transactionalId: null,
      transactionTimeoutMs: 1000,
    });
    const record = { timestampMs: 5000, key: null, value: Buffer.from('x'), headers: [] };
    const records = buildRecordBatch([record], { producerId, producerEpoch: 0, baseSequence: 0 });
    await service.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: 'telemetry', partitionData: [{ index: 2, records }] }],
    });
    const ask = (client: WireClient) =>
      client.call(ApiKey.DescribeProducers, 0, {
        topics: [
          { name: 'telemetry', partitionIndexes: [2, 99] },
          { name: 'nowhere', partitionIndexes: [0] },
        ],
      });
    const { topics } = await ask(service);
    expect(topics[0]!.partitions[0]!.activeProducers).toEqual([
      {
        producerId,
        producerEpoch: 0,
        lastSequence: 0,
        lastTimestamp: 5000,
        coordinatorEpoch: -1,
        currentTxnStartOffset: -1,
      },
    ]);
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    expect(topics[0]!.partitions[1]!.errorCode).toBe(unknown);
    expect(topics[1]!.partitions[0]!.errorCode).toBe(unknown);
    const device = await fixture.connect('acme', 'device-1');
    const refused = await ask(device);
    const codes = refused.topics.flatMap(({ partitions }) => partitions.map((p) => p.errorCode));
    expect(new Set(codes)).toEqual(new Set([ErrorCode.TOPIC_AUTHORIZATION_FAILED]));
  });

  it('says in every version that a cluster request is refused', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const refused = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
    const topicPartitions = [{ topic: 'telemetry', partitions: [0] }];
    for (const version of [0, 1, 2]) {
      const body = { electionType: 0, topicPartitions, timeoutMs: 1000 };
      const answer = await device.call(ApiKey.ElectLeaders, version, body);
      expect(answer.replicaElectionResults[0]!.partitionResult[0]!.errorCode).toBe(refused);
      const quorum = await device.call(ApiKey.DescribeQuorum, version, { topics: [] });
      expect(quorum).toMatchObject({ errorCode: refused, topics: [] });
    }
    for (const version of [1, 2, 3, 4, 5]) {
      const answer = await device.call(ApiKey.DescribeLogDirs, version, { topics: null });
      expect(answer.results).toEqual([]);
      expect(answer.errorCode).toBe(version >= 3 ? refused : 0);
    }
  });

  it('names what was asked for as it was asked for, when the request fails as a whole', async () => {
    const client = await admin();
    const topicPartitions = [{ topic: 'telemetry', partitions: [0] }];
    const body = { electionType: 7, topicPartitions };
    const { errorCode, replicaElectionResults } = await client.call(ApiKey.ElectLeaders, 2, body);
    expect(errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect(replicaElectionResults.map(({ topic }) => topic)).toEqual(['telemetry']);
  });

  it('answers every version of what it serves', async () => {
    const client = await admin();
    const topics = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }];
    const partitions = [0];
    for (const version of [0, 1, 2]) {
      const quorum = await client.call(ApiKey.DescribeQuorum, version, { topics });
      expect(quorum.topics[0]!.partitions[0]!.errorCode).toBe(0);
      const body = { electionType: 0, topicPartitions: [{ topic: 'telemetry', partitions }] };
      const elected = await client.call(ApiKey.ElectLeaders, version, body);
      expect(elected.replicaElectionResults[0]!.partitionResult[0]!.errorCode).toBe(
        ErrorCode.ELECTION_NOT_NEEDED,
      );
    }
    for (const version of [1, 2, 3, 4, 5]) {
      const answer = await client.call(ApiKey.DescribeLogDirs, version, { topics: null });
      expect(answer.results[0]!.topics.map(({ name }) => name)).toContain('telemetry');
    }
    for (const version of [1, 2]) {
      const dirs = [{ path: 'log-dir-0', topics: [{ name: 'telemetry', partitions }] }];
      const answer = await client.call(ApiKey.AlterReplicaLogDirs, version, { dirs });
      expect(answer.results[0]!.partitions).toEqual([{ partitionIndex: 0, errorCode: 0 }]);
    }
    for (const version of [0, 1]) {
      const asked = [{ partitionIndex: 0, replicas: null }];
      const answer = await client.call(ApiKey.AlterPartitionReassignments, version, {
        topics: [{ name: 'telemetry', partitions: asked }],
      });
      expect(answer.responses[0]!.partitions[0]!.errorCode).toBe(
        ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
      );
      expect((await client.call(ApiKey.DescribeClientQuotas, version, {})).errorCode).toBe(0);
      const entries = [{ entity: user('v'), ops: [] }];
      const altered = await client.call(ApiKey.AlterClientQuotas, version, { entries });
      expect(altered.entries).toEqual([{ errorCode: 0, errorMessage: null, entity: user('v') }]);
    }
  });
});
