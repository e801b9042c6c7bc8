/**
 * Threat: administration leads out of the tenant: to another's topics, users, quotas and counts, or
 * to the machine underneath. Each administrator holds every right in its own virtual cluster.
 */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const MINE = ['vault', 'globex.telemetry', '__cluster_metadata', 'acme.vault', 'nowhere'];
const SECRET = Buffer.alloc(32, 7);

describeRequiring(['built-broker'], "an administrator's reach", () => {
  const fixture = useBroker();
  let acme: WireClient;
  let globex: WireClient;

  const quota = (entityType: string, entityName: string | null, key: string, value: number) => ({
    entity: [{ entityType, entityName }],
    ops: [{ key, value, remove: false }],
  });
  const credential = (name: string, iterations: number) => ({
    name,
    mechanism: 1,
    iterations,
    salt: Buffer.from('salt'),
    saltedPassword: Buffer.from(SECRET),
  });

  it('begins with something to find in both', async () => {
    acme = await fixture.connect('acme', 'admin-1');
    globex = await fixture.connect('globex', 'admin-1');
    await acme.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: 'vault', numPartitions: 3, replicationFactor: 1 }],
      timeoutMs: 5000,
    });
    const quotas = { entries: [quota('user', 'shared', 'producer_byte_rate', 111)] };
    await acme.call(ApiKey.AlterClientQuotas, 1, quotas);
    await acme.call(ApiKey.AlterClientQuotas, 1, {
      entries: [quota('ip', '192.0.2.7', 'connection_creation_rate', 111)],
    });
    await acme.call(ApiKey.AlterUserScramCredentials, 0, {
      upsertions: [credential('shared', 5111), credential('secret-agent', 5111)],
    });
  });

  it('does not see the quotas of another tenant, and changes only its own of the same name', async () => {
    const seen = await globex.call(ApiKey.DescribeClientQuotas, 1, {});
    expect(seen.entries).toEqual([]);
    await globex.call(ApiKey.AlterClientQuotas, 1, {
      entries: [
        quota('user', 'shared', 'producer_byte_rate', 222),
        quota('ip', '192.0.2.7', 'connection_creation_rate', 222),
      ],
    });
    const { entries } = await acme.call(ApiKey.DescribeClientQuotas, 1, {});
    const values = entries!.flatMap((entry) => entry.values.map(({ value }) => value));
    expect(values).toEqual([111, 111]);
  });

  it('does not see, replace or delete the credentials of another tenant', async () => {
    const ask = (client: WireClient) =>
      client.call(ApiKey.DescribeUserScramCredentials, 0, { users: null });
    expect((await ask(globex)).results).toEqual([]);
    const named = await globex.call(ApiKey.DescribeUserScramCredentials, 0, {
      users: [{ name: 'secret-agent' }, { name: 'no-such-user' }],
    });
    const told = named.results.map(({ errorCode, errorMessage }) => ({ errorCode, errorMessage }));
    // The answer is the same whether another tenant has such a user or not.
    expect(told[0]).toEqual(told[1]);
    expect(told[0]!.errorCode).toBe(ErrorCode.RESOURCE_NOT_FOUND);
    const deleted = await globex.call(ApiKey.AlterUserScramCredentials, 0, {
      deletions: [{ name: 'secret-agent', mechanism: 1 }],
      upsertions: [credential('shared', 4222)],
    });
    expect(deleted.results.find(({ user }) => user === 'secret-agent')!.errorCode).toBe(
      ErrorCode.RESOURCE_NOT_FOUND,
    );
    const { results } = await ask(acme);
    expect(results.map((one) => [one.user, one.credentialInfos[0]!.iterations])).toEqual([
      ['shared', 5111],
      ['secret-agent', 5111],
    ]);
  });

  it('sees the sizes of its own topics only, no path, and not how full the disk is', async () => {
    const all = await globex.call(ApiKey.DescribeLogDirs, 5, { topics: null });
    expect(all.results).toHaveLength(1);
    expect(all.results[0]!.topics.map(({ name }) => name)).toEqual(['__audit', 'telemetry']);
    expect(all.results[0]).toMatchObject({ logDir: 'log-dir-0', totalBytes: -1, usableBytes: -1 });
    const topics = [...MINE, 'acme.telemetry'].map((topic) => ({ topic, partitions: [0, 1, 2] }));
    const named = await globex.call(ApiKey.DescribeLogDirs, 5, { topics });
    expect(named.results[0]!.topics).toEqual([]);
    const text = JSON.stringify([all, named]);
    expect(text).not.toContain(fixture.broker.dataDir);
    expect(text).not.toContain('acme.vault","partitions":[{');
  });

  it('cannot try out paths of the machine', async () => {
    const topics = [{ name: 'telemetry', partitions: [0] }];
    const paths = [fixture.broker.dataDir, '/', '', 'log-dir-1', 'log-dir-00', `log-dir-0/`];
    const { results } = await globex.call(ApiKey.AlterReplicaLogDirs, 2, {
      dirs: paths.map((path, n) => ({
        path,
        topics: [{ name: 'telemetry', partitions: [n % 6] }],
      })),
    });
    const codes = results.flatMap(({ partitions }) => partitions.map((one) => one.errorCode));
    expect(new Set(codes)).toEqual(new Set([ErrorCode.LOG_DIR_NOT_FOUND]));
    const own = await globex.call(ApiKey.AlterReplicaLogDirs, 2, {
      dirs: [{ path: 'log-dir-0', topics }],
    });
    expect(own.results[0]!.partitions[0]!.errorCode).toBe(ErrorCode.NONE);
  });

  it.each(MINE)('elects, moves and describes nothing of %s', async (name) => {
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    const elected = await globex.call(ApiKey.ElectLeaders, 2, {
      electionType: 0,
      topicPartitions: [{ topic: name, partitions: [0] }],
    });
    const moved = await globex.call(ApiKey.AlterPartitionReassignments, 1, {
      topics: [{ name, partitions: [{ partitionIndex: 0, replicas: [0] }] }],
    });
    const relocated = await globex.call(ApiKey.AlterReplicaLogDirs, 2, {
      dirs: [{ path: 'log-dir-0', topics: [{ name, partitions: [0] }] }],
    });
    const producers = await globex.call(ApiKey.DescribeProducers, 0, {
      topics: [{ name, partitionIndexes: [0] }],
    });
    expect([
      elected.replicaElectionResults[0]!.partitionResult[0]!.errorCode,
      moved.responses[0]!.partitions[0]!.errorCode,
      relocated.results[0]!.partitions[0]!.errorCode,
      producers.topics[0]!.partitions[0]!.errorCode,
    ]).toEqual([unknown, unknown, unknown, unknown]);
    expect(elected.replicaElectionResults[0]!.topic).toBe(name);
  });

  it('counts no changes of other tenants by the metadata quorum', async () => {
    const ask = () =>
      globex.call(ApiKey.DescribeQuorum, 2, {
        topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }],
      });
    const offsets = async (): Promise<number[]> => {
      const [partition] = (await ask()).topics[0]!.partitions;
      expect(partition!.currentVoters).toHaveLength(1);
      return [partition!.highWatermark, ...partition!.currentVoters.map((one) => one.logEndOffset)];
    };
    expect(await offsets()).toEqual([-1, -1]);
    await acme.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: 'one-more', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 5000,
    });
    expect(await offsets()).toEqual([-1, -1]);
  });
});
