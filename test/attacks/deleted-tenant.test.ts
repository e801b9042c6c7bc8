/**
 * Threat: a deleted tenant's devices stay connected or come back, its name is taken over with its
 * data, its certificates work in a later tenant of the name, or nobody can say what was deleted.
 */
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { creation } from '../tools/acls.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { joinGroup } from '../tools/group-member.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const SECRET = 'known to the first acme only';
const records = buildRecordBatch([
  { timestampMs: 1, key: null, value: Buffer.from(SECRET), headers: [] },
]);

describeRequiring(['built-broker'], 'a deleted tenant', () => {
  const fixture = useBroker({ env: { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' } });
  /** The certificates of the first tenant, which the deletion puts aside. */
  const before = temporaryDirectory('deleted-certs');
  beforeAll(() => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
    cpSync(fixture.broker.certsDir, before, { recursive: true });
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    removeDirectory(before);
  });

  const run = async (line: string) => runInProcess(line.split(' '));
  const produce = (client: WireClient) =>
    client.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: 'telemetry', partitionData: [{ index: 0, records }] }],
    });

  it('needs its name twice', async () => {
    const unconfirmed = await adminRequest(fixture.broker, 'DELETE', '/v1/tenants/acme');
    expect(unconfirmed.status).toBe(400);
    const wrong = await adminRequest(fixture.broker, 'DELETE', '/v1/tenants/acme?confirm=globex');
    expect(wrong).toMatchObject({ status: 400, body: { code: 'not-confirmed' } });
    const nobody = await adminRequest(
      fixture.broker,
      'DELETE',
      '/v1/tenants/nobody?confirm=nobody',
    );
    expect(nobody.status).toBe(404);
    const { code, stderr } = await run('tenant delete acme');
    expect([code, stderr.includes('--yes')]).toEqual([2, true]);
    expect(await adminRequest(fixture.broker, 'GET', '/v1/tenants/acme')).toMatchObject({
      body: { state: 'active' },
    });
  });

  it('loses connections, data, groups and rules, and the proof tells how much', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const service = await fixture.connect('acme', 'service-1');
    const admin = await fixture.connect('acme', 'admin-1');
    const neighbour = await fixture.connect('globex', 'device-1');
    expect((await produce(device)).responses[0]!.partitionResponses[0]!.errorCode).toBe(0);
    await produce(neighbour);
    await joinGroup(service, 'svc-readers');
    const creations = [creation({ principal: 'User:device-1', resourceName: 'wished' })];
    await admin.call(ApiKey.CreateAcls, 3, { creations });
    const closed = Promise.all([device, service, admin].map((client) => client.isClosed(5000)));

    const { code, stdout, stderr } = await run('tenant delete acme --yes --json');
    expect([code, stderr]).toEqual([0, '']);
    expect(await closed).toEqual([true, true, true]);
    // telemetry, and the audit topic.
    const proof = { topics: 2, partitions: 7, groups: 1, rules: 1, cas: 1 };
    expect(JSON.parse(stdout)).toMatchObject({ state: 'deleted', counts: proof });

    for (const reason of ['tenant-delete', 'tenant-delete-begun', 'tenant-purged']) {
      const line = await fixture.audited('security', (one) => one.reason === reason);
      const { facts } = line as { facts?: object };
      expect(facts).toMatchObject({ tenant: 'acme' });
      if (reason !== 'tenant-delete') expect(facts).toMatchObject(proof);
    }
    const folders = readdirSync(fixture.broker.dataDir).filter((name) => name.includes('acme'));
    expect(folders).toEqual([]);
    expect((await neighbour.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    expect(await adminRequest(fixture.broker, 'GET', '/v1/tenants/acme')).toMatchObject({
      status: 404,
    });
  });

  it('leaves nothing of its security state or of its groups on the disk', () => {
    const metadata = join(fixture.broker.dataDir, 'metadata');
    const filesThatHold = (text: RegExp): string[] =>
      readdirSync(metadata)
        .filter((name) => name.startsWith('__'))
        .flatMap((folder) => readdirSync(join(metadata, folder)).map((file) => join(folder, file)))
        .filter((file) => text.test(readFileSync(join(metadata, file), 'latin1')));
    expect(filesThatHold(/"wished"/)).toEqual([]);
    // Its one trace: the tombstone, whose log was rewritten.
    for (const file of filesThatHold(/svc-readers/)) expect(file).toContain('.compacted.log');
  });

  it('is not made again with its old CA, and its certificates work in no later tenant', async () => {
    const caCertificate = readFileSync(join(before, 'acme', 'ca.crt'), 'utf8');
    const again = await adminRequest(fixture.broker, 'POST', '/v1/tenants', {
      name: 'acme',
      caCertificate,
    });
    expect(again).toMatchObject({ status: 409, body: { code: 'ca-retired' } });
    expect(existsSync(join(fixture.broker.certsDir, 'acme'))).toBe(false);

    expect(await run('tenant create acme')).toMatchObject({ code: 0, stderr: '' });
    const added = await adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/cas', {
      caCertificate,
    });
    expect(added.status).toBe(409);
    for (const name of ['device-1', 'service-1', 'admin-1']) {
      const old = clientIdentity(before, 'acme', name);
      const client = await WireClient.connect(fixture.broker.port, old);
      expect(await client.isClosed(), name).toBe(true);
      client.close();
    }
  });

  it('shows a later tenant of its name nothing', async () => {
    expect(await run('cert issue --tenant acme --service service-1')).toMatchObject({ code: 0 });
    const client = await fixture.connect('acme', 'service-1');
    const { topics } = await client.call(ApiKey.Metadata, 12, { topics: null });
    // Its own audit topic, and none of the old tenant's.
    expect(topics.map(({ name }) => name)).toEqual(['__audit']);
    const { groups } = await client.call(ApiKey.ListGroups, 4, {});
    expect(groups).toEqual([]);
    expect((await run('topic create --tenant acme telemetry --partitions 1')).code).toBe(0);
    const answer = await client.call(ApiKey.ListOffsets, 7, {
      replicaId: -1,
      topics: [{ name: 'telemetry', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    });
    const [partition] = answer.topics[0]!.partitions;
    expect(partition).toMatchObject({ errorCode: ErrorCode.NONE, offset: 0 });
    const acls = await run('acl list --tenant acme --json');
    expect(acls.stdout).not.toContain('wished');
  });
});
