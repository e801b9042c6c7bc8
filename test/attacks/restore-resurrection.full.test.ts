/**
 * Threat: a restored backup, or an older copy of the data folder, brings back a revoked certificate,
 * a suspended device, a deleted rule or user, or a deleted tenant's data.
 */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { type CliResult, runInProcess } from '../cli/run-cli.ts';
import { aclFilter, creation, WIRE } from '../tools/acls.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const batch = (value: string): Buffer =>
  buildRecordBatch([{ timestampMs: 1, key: null, value: Buffer.from(value), headers: [] }]);

describeRequiring(['built-broker'], 'a restored broker', () => {
  const root = temporaryDirectory('restore');
  const [certsDir, before, backups] = ['certs', 'before', 'backups'].map((name) =>
    join(root, name),
  );
  const watermark = join(root, 'watermark.json');
  const running = new Set<BrokerProcess>();
  afterAll(async () => {
    for (const broker of running) await broker.dispose();
    removeDirectory(root);
  });

  const start = async (dataDir: string): Promise<BrokerProcess> => {
    const broker = await startBroker({
      dataDir,
      certsDir: certsDir!,
      env: {
        BREAKWATER_BACKUP_DIR: backups!,
        BREAKWATER_BACKUP_MIN_FREE_BYTES: '0',
        BREAKWATER_SECURITY_WATERMARK_FILE: watermark,
      },
    });
    running.add(broker);
    return broker;
  };
  const stop = async (broker: BrokerProcess): Promise<void> => {
    await broker.stop();
    running.delete(broker);
  };
  const connect = (broker: BrokerProcess, name: string, tenant = 'acme', certs = certsDir!) =>
    WireClient.connect(broker.port, clientIdentity(certs, tenant, name));
  const isServed = async (broker: BrokerProcess, name: string, tenant = 'acme') => {
    const client = await connect(broker, name, tenant);
    const answer = await client.call(ApiKey.ApiVersions, 0, {}).catch(() => null);
    client.close();
    return answer?.errorCode === 0;
  };
  const online = (broker: BrokerProcess, line: string): Promise<CliResult> =>
    runInProcess([
      ...line.split(' '),
      ...['--url', `https://127.0.0.1:${broker.adminPort}`, '--certs', certsDir!],
    ]);
  const produce = async (broker: BrokerProcess, name: string, topic: string, value: string) => {
    const client = await connect(broker, name);
    const { responses } = await client.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records: batch(value) }] }],
    });
    client.close();
    return responses[0]!.partitionResponses[0]!.errorCode;
  };
  const read = async (broker: BrokerProcess, tenant: string): Promise<string> => {
    const client = await connect(broker, 'service-1', tenant);
    const { responses } = await client.call(ApiKey.Fetch, 11, {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [
        {
          topic: 'telemetry',
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }],
        },
      ],
    });
    client.close();
    return responses[0]!.partitions[0]!.records?.toString('latin1') ?? '';
  };
  const rule = { principal: 'User:device-1', resourceName: 'wished', operation: WIRE.WRITE };

  /** Backup, then: device-2 revoked, a rule deleted, a user removed, globex deleted. */
  beforeAll(async () => {
    const broker = await start(before!);
    const admin = await connect(broker, 'admin-1');
    await admin.call(ApiKey.CreateTopics, 7, {
      topics: [
        { name: 'wished', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 5000,
      validateOnly: false,
    });
    await admin.call(ApiKey.CreateAcls, 3, { creations: [creation(rule)] });
    expect(await produce(broker, 'device-1', 'wished', 'while it was allowed')).toBe(0);
    expect(await produce(broker, 'device-1', 'telemetry', 'kept by the backup')).toBe(0);
    const made = await online(broker, 'backup --out first --json');
    expect([made.code, made.stderr]).toEqual([0, '']);
    expect(JSON.parse(made.stdout)).toMatchObject({ state: 'complete', skipped: [] });
    cpSync(before!, join(root, 'older-copy'), {
      recursive: true,
      filter: (path) => !path.endsWith('.sock'),
    });

    expect((await online(broker, 'cert revoke --tenant acme --device device-2')).code).toBe(0);
    const filters = [aclFilter({ resourceNameFilter: 'wished' })];
    const gone = await admin.call(ApiKey.DeleteAcls, 3, { filters });
    expect(gone.filterResults[0]!.matchingAcls.length).toBe(1);
    admin.close();
    expect((await online(broker, 'tenant delete globex --yes')).code).toBe(0);
    expect(await produce(broker, 'device-1', 'wished', 'no more')).toBe(
      ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    );
    await stop(broker);
  }, 60_000);

  const restoreTo = (name: string, ...more: string[]): Promise<CliResult> =>
    runInProcess(
      [
        'restore',
        '--from',
        join(backups!, 'first'),
        '--data-dir',
        join(root, name),
        '--json',
      ].concat(more),
    );

  it('with the newest security metadata serves all but those', async () => {
    const restored = await restoreTo('proven', '--current-data-dir', before!);
    expect([restored.code, restored.stderr]).toEqual([0, '']);
    expect(JSON.parse(restored.stdout)).toMatchObject({
      proof: 'current-data-dir',
      unproven: [],
      purged: ['globex'],
    });
    const broker = await start(join(root, 'proven'));
    expect(await isServed(broker, 'device-1')).toBe(true);
    expect(await isServed(broker, 'device-2')).toBe(false);
    expect(await isServed(broker, 'device-1', 'globex')).toBe(false);
    expect(await read(broker, 'acme')).toContain('kept by the backup');
    expect(await produce(broker, 'device-1', 'wished', 'again')).toBe(
      ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    );
    expect(existsSync(join(root, 'proven', 'globex.telemetry-0'))).toBe(false);
    await stop(broker);
    // The same log, as it was before the revocations.
    await expect(start(join(root, 'older-copy'))).rejects.toThrow(/was in force/);
  });

  it('without it shuts every tenant out, until each is taken over by its name', async () => {
    const restored = await restoreTo('unproven');
    expect([restored.code, restored.stderr]).toEqual([0, '']);
    expect(JSON.parse(restored.stdout)).toMatchObject({
      proof: null,
      unproven: ['acme', 'globex'],
    });
    const broker = await start(join(root, 'unproven'));
    for (const name of ['device-1', 'device-2', 'service-1', 'admin-1']) {
      expect(await isServed(broker, name), name).toBe(false);
    }
    const resumed = await online(broker, 'tenant resume acme');
    expect([resumed.code, resumed.stderr]).toEqual([
      1,
      expect.stringContaining('--accept-restored'),
    ]);
    expect((await online(broker, 'tenant describe acme')).stdout).toContain('may be lost');
    expect((await online(broker, 'cert revoke --tenant acme --device device-2')).code).toBe(0);
    expect((await online(broker, 'tenant resume acme --accept-restored')).code).toBe(0);
    expect(await isServed(broker, 'device-1')).toBe(true);
    expect(await isServed(broker, 'device-2')).toBe(false);
    expect(await isServed(broker, 'device-1', 'globex')).toBe(false);
    await stop(broker);
    // The folder of before is another one's by now: nobody goes back to it by mistake.
    await expect(start(before!)).rejects.toThrow(/is not the one that was in force/);
  });

  it('is not started on an older copy of the data folder, nor on an empty one', async () => {
    const known = readFileSync(watermark, 'utf8');
    await expect(start(join(root, 'older-copy'))).rejects.toThrow(/security metadata/);
    await expect(start(join(root, 'empty'))).rejects.toThrow(/is empty, but there were tenants/);
    expect(readFileSync(watermark, 'utf8')).toBe(known);
  });

  it('takes no folder of before that is another broker’s or older than what was in force', async () => {
    const other = await restoreTo('refused', '--current-data-dir', join(root, 'unproven'));
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('not of the broker')]);
    const stale = await restoreTo(
      'refused',
      '--watermark',
      watermark,
      '--current-data-dir',
      before!,
    );
    expect([stale.code, stale.stderr]).toEqual([1, expect.stringContaining('older than what was')]);
    expect(existsSync(join(root, 'refused', 'security-lineage'))).toBe(false);
  });

  it('goes into an empty folder only, and only from a backup that is as it was', async () => {
    const full = await restoreTo('before');
    expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('is not empty')]);
    cpSync(join(backups!, 'first'), join(backups!, 'edited'), { recursive: true });
    const path = join(backups!, 'edited', 'data', 'metadata', '__security_metadata-0');
    const log = join(path, '00000000000000000000.log');
    const bytes = readFileSync(log);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(log, bytes);
    const edited = await runInProcess([
      'restore',
      '--from',
      join(backups!, 'edited'),
      '--data-dir',
      join(root, 'new'),
    ]);
    expect([edited.code, edited.stderr]).toEqual([1, expect.stringContaining('was changed')]);
    expect(existsSync(join(root, 'new'))).toBe(false);
  });

  it('has in its log where it came from', async () => {
    const broker = await start(join(root, 'unproven'));
    const status = await adminRequest(broker, 'GET', '/v1/tenants');
    expect(status.status).toBe(200);
    const audit = join(root, 'unproven', 'audit');
    const lines = readdirSync(audit)
      .filter((name) => name.startsWith('security-') && name.endsWith('.ndjson'))
      .flatMap((name) => readFileSync(join(audit, name), 'utf8').split('\n'));
    const restored = lines.filter((line) => line.includes('"reason":"restored"'));
    expect(restored.length).toBe(1);
    expect(JSON.parse(restored[0]!)).toMatchObject({
      facts: { backup: 'first', proof: 'none', tenantsShutOut: 2 },
    });
    await stop(broker);
  });
});
