/** Quotas and limits over the wire: at the limit, above it, raised, lowered, removed; whom they concern. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const KIB = 1024;
const TOPIC = 'telemetry';
const { NONE, POLICY_VIOLATION, MESSAGE_TOO_LARGE, THROTTLING_QUOTA_EXCEEDED } = ErrorCode;

type Values = Readonly<Record<string, number | null>>;

describeRequiring(['built-broker'], 'quotas and limits, over the wire', () => {
  const fixture = useBroker();

  const set = async (scope: object, values: Values, tenant: string | null = 'acme') => {
    const body = { ...(tenant !== null && { tenant }), ...scope, values };
    const { status, body: answer } = await adminRequest(fixture.broker, 'POST', '/v1/quotas', body);
    expect([status, answer]).toEqual([200, expect.anything()]);
  };
  const usage = async (tenant = 'acme') => {
    const path = `/v1/quotas?tenant=${tenant}&usage=true`;
    const { body } = await adminRequest(fixture.broker, 'GET', path);
    return (body as { quotas: { scope: Values; values: Values; usage: Values }[] }).quotas;
  };
  const connect = (name = 'service-1', clientId = 'wire-client', tenant = 'acme') =>
    WireClient.connect(fixture.broker.port, fixture.who(tenant, name), { clientId });

  async function produce(client: WireClient, bytes: number, topic = TOPIC) {
    const records = buildRecordBatch([{ timestampMs: 1, key: null, value: Buffer.alloc(bytes) }]);
    const answer = await client.call(ApiKey.Produce, 9, {
      transactionalId: null,
      acks: 1,
      timeoutMs: 5000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    });
    const [partition] = answer.responses[0]!.partitionResponses;
    const { errorCode, errorMessage } = partition!;
    return { throttleMs: answer.throttleTimeMs, errorCode, errorMessage };
  }

  const fetch = async (client: WireClient, maxBytes = 1024 * KIB) => {
    const answer = await client.call(ApiKey.Fetch, 11, {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic: TOPIC,
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: maxBytes }],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    } as never);
    const records = answer.responses[0]?.partitions[0]?.records?.length ?? 0;
    return { throttleMs: answer.throttleTimeMs, records };
  };

  const endOf = async (client: WireClient, name: string): Promise<number> => {
    const { topics } = await client.call(ApiKey.ListOffsets, 7, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    } as never);
    const { errorCode, offset } = topics[0]!.partitions[0]!;
    expect(errorCode).toBe(NONE);
    return Number(offset);
  };

  /** How long a further request on the connection is unanswered. */
  const silenceOf = async (client: WireClient): Promise<number> => {
    const beganMs = performance.now();
    await client.call(ApiKey.ApiVersions, 0, {});
    return performance.now() - beganMs;
  };

  it('throttles a producer that has used its burst: told at once, then the connection is silent', async () => {
    await set({ user: 'device-1' }, { producer_byte_rate: 100 * KIB });
    const [client, other] = [await connect('device-1'), await connect('device-1')];
    const quick = await produce(client, 1000 * KIB);
    const beganMs = performance.now();
    const over = await produce(client, 200 * KIB);
    expect(quick.throttleMs).toBeLessThan(30);
    expect([over.throttleMs > 1000, over.throttleMs < 2100]).toEqual([true, true]);
    // The answer itself does not wait.
    expect(performance.now() - beganMs).toBeLessThan(900);
    // The quota is the user's, over all its connections: this one waits longer.
    expect((await produce(other, 300 * KIB)).throttleMs).toBeGreaterThan(over.throttleMs);
    expect(await silenceOf(client)).toBeGreaterThan(500);
    const line = await fixture.audited('security', ({ reason }) => reason === 'quota_throttled');
    expect(line).toMatchObject({ tenant: 'acme', principal: 'User:device-1' });
    expect(JSON.stringify(line)).toContain('producer_byte_rate');
    const [quota] = await usage();
    expect(quota).toMatchObject({ scope: { user: 'device-1' } });
    expect(quota!.usage.producer_byte_rate).toBeGreaterThan(100 * KIB);
    await set({ user: 'device-1' }, { producer_byte_rate: null });
    expect((await produce(other, 500 * KIB)).throttleMs).toBe(0);
    for (const one of [client, other]) one.close();
  });

  it('frees who waits as soon as the quota is removed, and holds one that is lowered', async () => {
    await set({ clientId: '<default>' }, { producer_byte_rate: KIB });
    const client = await connect('service-1', 'eager');
    expect((await produce(client, 100 * KIB)).throttleMs).toBeGreaterThan(60_000);
    // A client id of its own has a quota of its own, and another tenant has none.
    const second = await connect('service-1', 'other');
    expect((await produce(second, 4 * KIB)).throttleMs).toBe(0);
    const silence = silenceOf(client);
    await set({ clientId: '<default>' }, { producer_byte_rate: null });
    expect(await silence).toBeLessThan(1500);
    await set({ user: 'service-1', clientId: 'eager' }, { producer_byte_rate: 2 * KIB });
    expect((await produce(client, 40 * KIB)).throttleMs).toBeGreaterThan(5000);
    await set({ user: 'service-1', clientId: 'eager' }, { producer_byte_rate: null });
    for (const one of [client, second]) one.close();
  });

  it('holds a Fetch back that passes the quota, and gives it out once it was waited for', async () => {
    const client = await connect();
    for (let index = 0; index < 3; index++) await produce(client, 300 * KIB);
    await set({ user: 'service-1' }, { consumer_byte_rate: 500 * KIB });
    const told: { throttleMs: number; records: number }[] = [];
    while (!told.some(({ throttleMs }) => throttleMs > 0)) told.push(await fetch(client));
    expect(told.length).toBeGreaterThan(4);
    expect(told.at(-1)!.records).toBe(0);
    expect(told[0]).toMatchObject({ throttleMs: 0 });
    expect(told[0]!.records).toBeGreaterThan(300 * KIB);
    const beganMs = performance.now();
    expect((await fetch(client)).records).toBeGreaterThan(0);
    expect(performance.now() - beganMs).toBeGreaterThan(told.at(-1)!.throttleMs * 0.8);
    await set({ user: 'service-1' }, { consumer_byte_rate: null });
    client.close();
  });

  it('counts the time that requests take', async () => {
    await set({ user: 'service-1' }, { request_percentage: 0.001 });
    const client = await connect();
    let throttled = 0;
    for (let index = 0; index < 40 && throttled === 0; index++) {
      const { throttleTimeMs } = await client.call(ApiKey.Metadata, 9, { topics: null } as never);
      throttled = throttleTimeMs;
    }
    expect([throttled > 0, throttled <= 1000]).toEqual([true, true]);
    await set({ user: 'service-1' }, { request_percentage: null });
    client.close();
  });

  it('refuses topics while the quota of changes is used up, each by itself; older versions wait', async () => {
    await set({ user: 'admin-1' }, { controller_mutation_rate: 1 });
    const client = await connect('admin-1');
    const create = async (version: number, names: string[], numPartitions: number) => {
      const answer = await client.call(ApiKey.CreateTopics, version, {
        topics: names.map((name) => ({ name, numPartitions, replicationFactor: 1 })),
        timeoutMs: 5000,
        validateOnly: false,
      } as never);
      const codes = names.map((name) => answer.topics.find((t) => t.name === name)?.errorCode);
      return { codes, throttleMs: answer.throttleTimeMs };
    };
    const first = await create(7, ['q-1', 'q-2', 'q-3'], 6);
    expect(first.codes).toEqual([NONE, NONE, THROTTLING_QUOTA_EXCEEDED]);
    expect([first.throttleMs > 0, first.throttleMs <= 1000]).toEqual([true, true]);
    const second = await create(5, ['q-4'], 1);
    expect(second.codes).toEqual([NONE]);
    expect(second.throttleMs).toBeGreaterThan(0);
    const deleted = await client.call(ApiKey.DeleteTopics, 6, {
      topics: [{ name: 'q-1', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
      timeoutMs: 5000,
    } as never);
    const code = deleted.responses[0]!.errorCode;
    expect([NONE, THROTTLING_QUOTA_EXCEEDED]).toContain(code);
    await set({ user: 'admin-1' }, { controller_mutation_rate: null });
    client.close();
  });

  it('holds the ceilings of a tenant, a fleet and a device, and no tenant sees them', async () => {
    for (const scope of [{}, { device: 'service-1' }]) {
      await set(scope, { producer_byte_rate: 200 * KIB });
      const client = await connect();
      // A second's worth is granted to who was quiet, and what is over is waited for.
      const { throttleMs } = await produce(client, 400 * KIB);
      expect([throttleMs > 900, throttleMs < 2100]).toEqual([true, true]);
      const foreign = await connect('service-1', 'wire-client', 'globex');
      expect((await produce(foreign, 500 * KIB)).throttleMs).toBe(0);
      const shown = await foreign
        .call(ApiKey.DescribeClientQuotas, 1, {
          components: [],
          strict: false,
        } as never)
        .catch(() => null);
      expect(shown?.entries ?? []).toEqual([]);
      // What was used is paid for before the next limit counts.
      await silenceOf(client);
      for (const one of [client, foreign]) one.close();
      await set(scope, { producer_byte_rate: null });
    }
    const admin = await connect('admin-1');
    await set({ fleet: 'nowhere' }, { request_rate: 5 });
    const { entries } = await admin.call(ApiKey.DescribeClientQuotas, 1, {
      components: [],
      strict: false,
    } as never);
    expect(entries).toEqual([]);
    await set({ fleet: 'nowhere' }, { request_rate: null });
    admin.close();
  });

  it('refuses what is beyond a hard limit with a sentence, and lets it through once it is raised', async () => {
    const client = await connect('admin-1');
    const here = client.call(ApiKey.Metadata, 9, { topics: null } as never);
    // The audit topic is the broker's: it is there, and counts for none of the limits.
    const isOfBroker = ({ isInternal }: { isInternal: boolean }) => isInternal;
    expect((await here).topics.filter(isOfBroker)).toMatchObject([{ name: '__audit' }]);
    const topics = (await here).topics.length - 1;
    const create = async (name: string, numPartitions: number) => {
      const answer = await client.call(ApiKey.CreateTopics, 7, {
        topics: [{ name, numPartitions, replicationFactor: 1 }],
        timeoutMs: 5000,
        validateOnly: false,
      } as never);
      return answer.topics[0]!;
    };
    await set({}, { topics: topics + 1 });
    expect(await create('limit-1', 1)).toMatchObject({ errorCode: NONE });
    const refused = await create('limit-2', 1);
    expect(refused).toMatchObject({ errorCode: POLICY_VIOLATION });
    expect(refused.errorMessage).toMatch(/^The tenant may have [0-9]+ topics/);
    await set({}, { topics: topics + 2 });
    expect(await create('limit-2', 1)).toMatchObject({ errorCode: NONE });
    await set({}, { topics: null, partitions: 1 });
    expect(await create('limit-3', 1)).toMatchObject({ errorCode: POLICY_VIOLATION });
    const grown = await client.call(ApiKey.CreatePartitions, 3, {
      topics: [{ name: 'limit-2', count: 2, assignments: null }],
      timeoutMs: 5000,
      validateOnly: false,
    } as never);
    expect(grown.results).toMatchObject([{ errorCode: POLICY_VIOLATION }]);
    await set({}, { partitions: null, message_bytes: 10 * KIB });
    expect(await produce(client, 9 * KIB)).toMatchObject({ errorCode: NONE });
    expect(await produce(client, 11 * KIB)).toMatchObject({ errorCode: MESSAGE_TOO_LARGE });
    await set({}, { message_bytes: null, stored_bytes: 1 });
    const full = await produce(client, KIB);
    expect(full).toMatchObject({ errorCode: POLICY_VIOLATION });
    expect(full.errorMessage).toMatch(/may store 1 bytes/);
    // More than once, so that it is not only what was on its way before.
    for (let round = 0; round < 3; round++) {
      const published = await endOf(client, '__audit');
      const guest = await connect('device-2');
      await silenceOf(guest);
      guest.close();
      const end = () => endOf(client, '__audit');
      await expect.poll(end, { timeout: 10_000 }).toBeGreaterThan(published);
    }
    await set({}, { stored_bytes: 1024 * 1024 * KIB });
    const { results } = await client.call(ApiKey.DescribeLogDirs, 4, { topics: null } as never);
    const sizeOf = (ofBroker: boolean): number =>
      results
        .flatMap((result) => result.topics)
        .filter(({ name }) => (name === '__audit') === ofBroker)
        .flatMap(({ partitions }) => partitions)
        .reduce((sum, { partitionSize }) => sum + Number(partitionSize), 0);
    expect(sizeOf(true)).toBeGreaterThan(0);
    const used = async () => (await usage()).find(({ values }) => 'stored_bytes' in values)?.usage;
    const stored = { stored_bytes: sizeOf(false) };
    await expect.poll(used, { timeout: 5_000 }).toMatchObject(stored);
    await set({}, { stored_bytes: null });
    expect(await produce(client, KIB)).toMatchObject({ errorCode: NONE });
    const line = await fixture.audited('security', ({ reason }) => reason === 'limit_reached');
    expect(line).toMatchObject({ tenant: 'acme', principal: 'User:admin-1' });
    client.close();
  });

  it('lets in so many groups, and those that are there go on', async () => {
    const client = await connect();
    const commit = async (groupId: string) => {
      const answer = await client.call(ApiKey.OffsetCommit, 8, {
        groupId,
        topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
      } as never);
      return answer.topics[0]!.partitions[0]!.errorCode;
    };
    expect(await commit('svc-1')).toBe(NONE);
    await set({}, { groups: 2 });
    expect(await commit('svc-2')).toBe(NONE);
    expect(await commit('svc-3')).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    expect(await commit('svc-1')).toBe(NONE);
    await set({}, { groups: 3 });
    expect(await commit('svc-3')).toBe(NONE);
    const [used] = (await usage()).filter(({ values }) => values.groups !== undefined);
    expect(used!.usage.groups).toBe(3);
    await set({}, { groups: null });
    client.close();
  });

  it('refuses connections beyond their number or their rate, and tells why in the audit log', async () => {
    await set({ device: 'device-2' }, { connections: 2 });
    const held = [await connect('device-2'), await connect('device-2')];
    for (const client of held) expect(await silenceOf(client)).toBeLessThan(2000);
    const third = await connect('device-2');
    expect(await third.isClosed()).toBe(true);
    await fixture.audited('security', ({ reason }) => reason === 'quota_connections');
    held[0]!.close();
    await held[0]!.closed;
    await expect
      .poll(async () => {
        const again = await connect('device-2');
        const isIn = await silenceOf(again).then(
          () => true,
          () => false,
        );
        again.close();
        return isIn;
      })
      .toBe(true);
    held[1]!.close();
    await set({ device: 'device-2' }, { connections: null });

    await set({ ip: '127.0.0.1' }, { connection_creation_rate: 1 });
    const outcomes: boolean[] = [];
    for (let index = 0; index < 13; index++) {
      const client = await connect('device-2');
      outcomes.push(
        await silenceOf(client).then(
          () => true,
          () => false,
        ),
      );
      client.close();
    }
    expect(outcomes.slice(0, 9)).not.toContain(false);
    expect(outcomes).toContain(false);
    await set({ ip: '127.0.0.1' }, { connection_creation_rate: null });
    const line = await fixture.audited('security', (one) => one.reason === 'quota_connection_rate');
    expect(line).toMatchObject({ tenant: 'acme', principal: 'User:device-2' });
  });

  it.each([
    [{ tenant: 'acme', fleet: 'a', device: 'b', values: { connections: 1 } }, 400],
    [{ tenant: 'acme', user: 'a', fleet: 'b', values: { producer_byte_rate: 1 } }, 400],
    [{ tenant: 'acme', fleet: 'a', values: { topics: 1 } }, 400],
    [{ tenant: 'acme', user: 'a', values: { topics: 1 } }, 400],
    [{ tenant: 'acme', values: { topics: 0 } }, 400],
    [{ tenant: 'acme', values: { topics: 1.5 } }, 400],
    [{ tenant: 'acme', values: { nonsense: 1 } }, 400],
    [{ tenant: 'acme', values: {} }, 400],
    [{ tenant: 'acme' }, 400],
    [{ user: 'a', values: { producer_byte_rate: 1 } }, 400],
    [{ values: { topics: 5 } }, 400],
    [{ tenant: 'nobody', values: { topics: 5 } }, 404],
  ])('refuses %j', async (body, status) => {
    const answer = await adminRequest(fixture.broker, 'POST', '/v1/quotas', body);
    expect(answer.status).toBe(status);
  });
});
