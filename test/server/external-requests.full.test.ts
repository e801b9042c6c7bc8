/**
 * Requests of tenants that a PDP decides: what is asked, in how many messages, what is recorded, and
 * what happens to a request that waits, to the settings, and to what is remembered.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { runCli } from '../cli/run-cli.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { type AuditLine, useBroker } from '../tools/broker-fixture.ts';
import { type ExternalFields, externalFile } from '../tools/external-authorizer.ts';
import { type StubPdp, startStubPdp } from '../tools/stub-pdp.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const { NONE, TOPIC_AUTHORIZATION_FAILED } = ErrorCode;
const pdp: StubPdp = await startStubPdp();

const settings = (
  acme: { mode: string; pdp?: string },
  ttlMs: number,
  more: object = {},
): ExternalFields => ({
  pdps: {
    central: {
      url: pdp.url,
      'timeout.ms': 5000,
      cache: { 'allow.ttl.ms': ttlMs, 'deny.ttl.ms': ttlMs },
      ...more,
    },
  },
  tenants: { acme },
});
const EXTERNAL = { mode: 'external', pdp: 'central' };
const file = externalFile(settings(EXTERNAL, 0));

const oneRecord = (): Buffer =>
  buildRecordBatch([
    { timestampMs: Date.now(), key: null, value: Buffer.from('value'), headers: [] },
  ]);

const produced = async (client: WireClient, names: readonly string[]): Promise<number[]> => {
  const records = oneRecord();
  const answer = await client.call(ApiKey.Produce, 9, {
    acks: 1,
    timeoutMs: 5000,
    topicData: names.map((name) => ({ name, partitionData: [{ index: 0, records }] })),
  });
  return answer.responses.map(({ partitionResponses }) => partitionResponses[0]!.errorCode);
};

describeRequiring(['built-broker'], 'requests that a PDP decides', () => {
  const fixture = useBroker({
    env: {
      BREAKWATER_AUTHORIZER_EXTERNAL_FILE: file.path,
      BREAKWATER_POLICY_RELOAD_INTERVAL_MS: '50',
    },
  });
  let admin: WireClient;
  let device: WireClient;

  const told = (text: string): number => fixture.broker.stderr().split(text).length - 1;

  async function takeOver(fields: ExternalFields): Promise<void> {
    const before = told('authorizer file is in force');
    // Files that say the same change nothing.
    file.write({ ...fields, pdps: { ...fields.pdps, [`unused${before}`]: { url: pdp.url } } });
    await expect.poll(() => told('authorizer file is in force')).toBe(before + 1);
  }

  const accesses = (matches: (line: AuditLine) => boolean): AuditLine[] =>
    [...fixture.audit('access'), ...fixture.audit('security')].filter(
      (line) => line.type === 'access' && matches(line),
    );

  beforeAll(async () => {
    pdp.decide = () => true;
    admin = await fixture.connect('acme', 'admin-1');
    device = await fixture.connect('acme', 'device-1');
    await admin.call(ApiKey.CreateTopics, 7, {
      topics: ['one', 'two', 'three'].map((name) => ({
        name,
        numPartitions: 1,
        replicationFactor: 1,
      })),
      timeoutMs: 5000,
    });
  });
  beforeEach(() => {
    pdp.decide = () => true;
    pdp.forget();
  });
  afterAll(() => pdp.close());

  it('one message asks for all topics of a request; each decision is recorded once', async () => {
    pdp.decide = ({ resourceName }) => resourceName !== 'two';
    const client = await fixture.connect('acme', 'device-2');
    expect((await produced(client, ['one', 'two', 'three'])).sort()).toEqual([0, 0, 29]);
    expect(pdp.messages).toBe(1);
    expect(pdp.asked.map(({ subjectId, resourceId }) => [subjectId, resourceId])).toEqual(
      ['one', 'two', 'three'].map((name) => ['acme/User:device-2', `acme/${name}`]),
    );
    const isThis = ({ api, principal }: AuditLine): boolean =>
      api === 'Produce' && principal === 'User:device-2';
    await expect.poll(() => accesses(isThis).length).toBe(3);
    const seen = accesses(isThis).map(({ resource, decision, rule, origin }) => ({
      resource,
      decision,
      rule,
      origin,
    }));
    expect(seen).toContainEqual({
      resource: 'two',
      decision: 'deny',
      rule: 'pdp central denies',
      origin: 'external:central',
    });
    expect(new Set(seen.map(({ resource }) => resource)).size).toBe(3);
  });

  it('answers keep their order while a decision is waited for', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    pdp.decide = async ({ resourceName }) => {
      if (resourceName === 'one') await held;
      return true;
    };
    const order: string[] = [];
    const note = (what: string) => (): number => order.push(what);
    const body = (name: string) => ({
      acks: 1,
      timeoutMs: 5000,
      topicData: [{ name, partitionData: [{ index: 0, records: oneRecord() }] }],
    });
    const first = device.call(ApiKey.Produce, 9, body('one')).then(note('first'));
    const second = device.call(ApiKey.Produce, 9, body('two')).then(note('second'));
    const third = device.call(ApiKey.ApiVersions, 0, {}).then(note('third'));
    await expect.poll(() => pdp.asked.length).toBe(1);
    release();
    await Promise.all([first, second, third]);
    expect(order).toEqual(['first', 'second', 'third']);
  });

  it('Metadata of all topics shows what the PDP allows, with the operations it allows', async () => {
    pdp.decide = ({ resourceName, operation }) =>
      resourceName === 'two' && ['DESCRIBE', 'READ'].includes(operation);
    const { topics } = await device.call(ApiKey.Metadata, 9, {
      topics: null,
      includeTopicAuthorizedOperations: true,
    });
    expect(
      topics.map(({ name, topicAuthorizedOperations }) => [name, topicAuthorizedOperations]),
    ).toEqual([['two', (1 << 3) | (1 << 8)]]);
    expect(pdp.messages).toBeLessThanOrEqual(3);
  });

  it('a parked fetch is asked for again once its allow is over', async () => {
    const wait = device.call(ApiKey.Fetch, 11, {
      maxWaitMs: 3000,
      minBytes: 1,
      topics: [
        { topic: 'three', partitions: [{ partition: 0, fetchOffset: 1, partitionMaxBytes: 1000 }] },
      ],
    });
    await expect.poll(() => pdp.asked.length).toBe(1);
    pdp.decide = ({ operation }) => operation === 'WRITE';
    expect(await produced(admin, ['three'])).toEqual([NONE]);
    const { responses } = await wait;
    expect(responses[0]!.partitions[0]!.errorCode).toBe(TOPIC_AUTHORIZATION_FAILED);
    expect(responses[0]!.partitions[0]!.records).toHaveLength(0);
  });

  it('an incremental fetch session survives decisions that have to be waited for', async () => {
    const topics = [
      { topic: 'one', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
    ];
    const full = await device.call(ApiKey.Fetch, 11, { sessionId: 0, sessionEpoch: 0, topics });
    const { sessionId } = full;
    expect(sessionId).toBeGreaterThan(0);
    for (const sessionEpoch of [1, 2, 3]) {
      const next = await device.call(ApiKey.Fetch, 11, {
        sessionId,
        sessionEpoch,
        topics: [],
        maxWaitMs: 0,
      });
      expect([next.errorCode, next.sessionId]).toEqual([NONE, sessionId]);
    }
  });

  it('what is remembered is not asked for, on any connection, until it is invalidated', async () => {
    await takeOver(settings(EXTERNAL, 60_000));
    pdp.forget();
    expect(await produced(device, ['one'])).toEqual([NONE]);
    expect(pdp.asked).toHaveLength(1);
    const other = await fixture.connect('acme', 'device-1');
    pdp.decide = () => false;
    expect(await produced(device, ['one'])).toEqual([NONE]);
    expect(await produced(other, ['one'])).toEqual([NONE]);
    expect(pdp.asked).toHaveLength(1);
    const path = '/v1/tenants/acme/authorizer/invalidate';
    const reply = await adminRequest(fixture.broker, 'POST', path);
    expect(reply).toEqual({ status: 200, body: { tenant: 'acme', forgotten: 1 } });
    expect(await produced(device, ['one'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
    expect(pdp.asked).toHaveLength(2);
    await fixture.audited('security', ({ reason }) => reason === 'authorizer-invalidate');
    const isCached = ({ origin }: AuditLine): boolean => origin === 'external:central, cached';
    await expect.poll(() => accesses(isCached).length).toBeGreaterThan(0);
  });

  it('the command line tells how asking goes, and forgets', async () => {
    const { broker } = fixture;
    const command = async (...args: string[]): Promise<string> => {
      const url = `https://127.0.0.1:${broker.adminPort}`;
      const env = { BREAKWATER_ADMIN_URL: url, BREAKWATER_CERTS_DIR: broker.certsDir };
      const { code, stdout, stderr } = await runCli(['authorizer', ...args], { env });
      expect(stderr).toBe('');
      expect(code).toBe(0);
      return stdout;
    };
    const [tenant] = JSON.parse(await command('status', '--json')) as Record<string, unknown>[];
    expect(tenant).toMatchObject({ tenant: 'acme', mode: 'external', pdp: 'central', asked: 2 });
    expect(await command('status')).toMatch(/acme +external +central +closed +2 +0/);
    expect(await command('invalidate', '--tenant', 'acme')).toBe('1 decisions of acme forgotten\n');
  });

  it('explain tells the mode and what the PDP says, and the verdict of both', async () => {
    pdp.decide = () => ({ decision: true, context: { id: 'd-1', reason: 'for a test' } });
    const { body } = await adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/acls/explain', {
      user: 'device-1',
      fleet: 'dev',
      operation: 'WRITE',
      resourceType: 'TOPIC',
      resourceName: 'one',
    });
    expect(body).toMatchObject({
      allowed: true,
      external: {
        mode: 'external',
        pdp: 'central',
        answer: { decision: 'allow', words: 'pdp central allows: decision d-1: for a test' },
      },
    });
    expect((body as { sentence: string }).sentence).toMatch(
      /The tenant's mode is external, where central answers: .*: allowed\.$/,
    );
  });

  it('local-and-external needs both; what the policy denies is not asked', async () => {
    await takeOver(settings({ mode: 'local-and-external', pdp: 'central' }, 0));
    pdp.forget();
    // The policy allows device-1 telemetry, and not "one".
    expect(await produced(device, ['one'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
    expect(pdp.asked).toHaveLength(0);
    expect(await produced(device, ['telemetry'])).toEqual([NONE]);
    expect(pdp.asked).toHaveLength(1);
    pdp.decide = () => false;
    expect(await produced(device, ['telemetry'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
  });

  it('the policy decides as fallback only while the PDP fails', async () => {
    await takeOver(settings({ mode: 'external-with-local-fallback', pdp: 'central' }, 0));
    pdp.decide = () => false;
    expect(await produced(device, ['telemetry'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
    pdp.answer = (_request, response) => void response.writeHead(503).end();
    expect(await produced(device, ['telemetry'])).toEqual([NONE]);
    expect(await produced(device, ['one'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
    pdp.answer = null;
    const isSaid = ({ origin }: AuditLine): boolean =>
      String(origin).includes('since external:central failed (status)');
    await expect.poll(() => accesses(isSaid).length).toBe(2);
  });

  it('shadow never waits and never decides, and tells differences', async () => {
    await takeOver(settings({ mode: 'shadow', pdp: 'central' }, 0));
    pdp.answer = () => {}; // It never answers.
    const beganMs = performance.now();
    expect(await produced(device, ['telemetry'])).toEqual([NONE]);
    expect(performance.now() - beganMs).toBeLessThan(2000);
    pdp.answer = null;
    pdp.decide = () => false;
    // Another question: the first may still wait for its answer.
    const other = await fixture.connect('acme', 'device-2');
    expect(await produced(other, ['telemetry'])).toEqual([NONE]);
    const line = await fixture.audited('security', ({ reason }) => reason === 'shadow-difference');
    expect(line.facts).toMatchObject({
      tenant: 'acme',
      policy: 'allow',
      resourceName: 'telemetry',
    });
  });

  it('a broken file is refused and told, and the last good one stays', async () => {
    await takeOver(settings(EXTERNAL, 0));
    pdp.decide = () => false;
    file.write('tenants: {}\n');
    await fixture.audited('security', ({ reason }) => reason === 'external-authorizer-refused');
    expect(await produced(device, ['telemetry'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
    const ready = await adminRequest(fixture.broker, 'GET', '/readyz');
    expect(JSON.stringify(ready.body)).toContain('external-authorizer');
    expect(JSON.stringify(ready.body)).toContain('# end');
    const missing = { url: 'https://localhost:1', tls: { ca: 'not-there.pem' } };
    file.write({ pdps: { p: missing }, tenants: { acme: { mode: 'external', pdp: 'p' } } });
    await fixture.audited('security', ({ detail }) => String(detail).includes('not-there.pem'));
    expect(await produced(device, ['telemetry'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
  });

  it('mutual TLS: the PDP sees who asks, and who it is is checked', async () => {
    const { certsDir } = fixture.broker;
    const own = (name: string): string => join(certsDir, name);
    const secure = await startStubPdp({
      cert: readFileSync(own('broker.crt')),
      key: readFileSync(own('broker.key')),
      ca: readFileSync(own('client-ca.crt')),
      requestCert: true,
      rejectUnauthorized: true,
    });
    try {
      secure.decide = () => true;
      const files = {
        certificate: own('acme/service-1.crt'),
        key: own('acme/service-1.key'),
      };
      const url = secure.url;
      await takeOver(settings(EXTERNAL, 0, { url, tls: { ca: own('ca.crt'), ...files } }));
      expect(await produced(device, ['one'])).toEqual([NONE]);
      // Without a certificate it does not answer, and another CA's word is not taken.
      await takeOver(settings(EXTERNAL, 0, { url, tls: { ca: own('ca.crt') } }));
      expect(await produced(device, ['one'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
      await takeOver(settings(EXTERNAL, 0, { url, tls: { ca: own('client-ca.crt'), ...files } }));
      expect(await produced(device, ['one'])).toEqual([TOPIC_AUTHORIZATION_FAILED]);
      expect(secure.messages).toBe(1);
    } finally {
      await secure.close();
    }
  });
});
