/**
 * librdkafka by SASL inside TLS: OAUTHBEARER with its own OIDC client (client credentials at a real
 * issuer over HTTPS), whose tokens it renews on the standing connection (KIP-368), and SCRAM.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureDevCertificates } from '../../src/pki/dev-certificates.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { runCommand } from '../tools/child-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { CLIENT_SECRET, type OidcIssuer, SCOPE, startOidcIssuer } from '../tools/oidc-issuer.ts';
import { projectRoot } from '../tools/project-root.ts';
import { upsertScramUser } from '../tools/scram-users.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { cachedPython, describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

/** librdkafka looks each second whether four fifths of it are over, and renews after nine tenths. */
const TOKEN_SECONDS = 20;
const TOPIC = 'telemetry';
const script = join(projectRoot, 'test', 'interop', 'python-consumer', 'roundtrip.py');

describeRequiring(['built-broker', 'confluent-kafka'], 'librdkafka by SASL', () => {
  let broker: BrokerProcess;
  let issuer: OidcIssuer;
  let work: string;
  let caFile: string;

  beforeAll(async () => {
    work = temporaryDirectory('sasl-librdkafka');
    const certsDir = join(work, 'certs');
    await ensureDevCertificates(certsDir);
    const file = (name: string): string => join(certsDir, name);
    caFile = file('ca.crt');
    const tls = { cert: readFileSync(file('broker.crt')), key: readFileSync(file('broker.key')) };
    const clients = ['robot', 'stranger'];
    issuer = await startOidcIssuer({ clients, tokenSeconds: TOKEN_SECONDS, tls });
    const issuers = join(work, 'issuers.yaml');
    writeFileSync(
      issuers,
      `issuers:\n  - issuer: ${issuer.issuer}\n    audience: ${issuer.audience}\n` +
        `    jwks.url: ${issuer.jwksUrl}\n    tenants: [acme]\n` +
        `    scope.roles:\n      ${SCOPE}: [robots]\n`,
    );
    const env = {
      BREAKWATER_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      BREAKWATER_SASL_OAUTHBEARER_ISSUERS_FILE: issuers,
      // How the broker comes to trust the certificate of an issuer with a CA of its own.
      NODE_EXTRA_CA_CERTS: caFile,
    };
    broker = await startBroker({ certsDir, env });
    const group = { resourceType: 'GROUP', resourceName: 'svc-', patternType: 'PREFIXED' };
    for (const resource of [{ resourceType: 'TOPIC', resourceName: TOPIC }, group]) {
      const rule = { principal: 'Role:robots', permission: 'ALLOW', operation: 'ALL', ...resource };
      const { status } = await adminRequest(broker, 'POST', '/v1/tenants/acme/acls', rule);
      expect(status).toBe(201);
    }
  }, 60_000);
  afterAll(async () => {
    await broker?.dispose();
    await issuer?.stop();
    if (work !== undefined) removeDirectory(work);
  });

  const roundTrip = async (
    sasl: Readonly<Record<string, string>>,
    seconds: number,
  ): Promise<{ stdout: string; stderr: string }> => {
    const config = join(work, 'client.json');
    writeFileSync(
      config,
      JSON.stringify({
        'bootstrap.servers': `127.0.0.1:${broker.saslPort}`,
        'broker.address.family': 'v4',
        'security.protocol': 'SASL_SSL',
        'ssl.ca.location': caFile,
        ...sasl,
      }),
    );
    const args = [script, config, TOPIC, String(seconds)];
    const { stdout, stderr } = await runCommand(cachedPython, args, { timeoutMs: 60_000 });
    // Which id the broker gave it for telemetry is a note, no complaint.
    const complaints = stderr.split('\n').filter((line) => !line.includes('|GETSUBSCRIPTIONS|'));
    return { stdout: stdout.toString('utf8'), stderr: complaints.join('\n').trim() };
  };
  const oidc = (clientId: string, more: Readonly<Record<string, string>> = {}) => ({
    'sasl.mechanism': 'OAUTHBEARER',
    'sasl.oauthbearer.method': 'oidc',
    'sasl.oauthbearer.client.id': clientId,
    'sasl.oauthbearer.client.secret': CLIENT_SECRET,
    'sasl.oauthbearer.scope': SCOPE,
    'sasl.oauthbearer.token.endpoint.url': issuer.tokenUrl,
    'https.ca.location': caFile,
    ...more,
  });
  const securityLog = (): string => {
    const directory = join(broker.dataDir, 'audit');
    return readdirSync(directory)
      .filter((name) => name.startsWith('security'))
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');
  };
  const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;

  test('OAUTHBEARER: writes by a role of its token, outlives it by renewal, and reads', async () => {
    const seconds = TOKEN_SECONDS * 1.2;
    const result = await roundTrip(oidc('robot'), seconds);
    expect(result.stderr).toBe('');
    const [, written, read] = /written (\d+)\nread (\d+)\n/.exec(result.stdout) ?? [];
    expect(Number(written)).toBeGreaterThan(seconds);
    expect(read).toBe(written);
    const log = securityLog();
    expect(count(log, /"reason":"OAUTHBEARER renewed"/g)).toBeGreaterThanOrEqual(1);
    expect(log).toContain('"tokenRoles":"Role:robots"');
    // Nothing was cut off and connected anew.
    expect(log).not.toContain('"reason":"expired"');
    expect(log + result.stdout).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
  });

  test('OAUTHBEARER: without the scope the same client may not write', async () => {
    const { 'sasl.oauthbearer.scope': _scope, ...unscoped } = oidc('stranger');
    const result = await roundTrip(unscoped, 0);
    expect(result.stdout).toBe('written 0\n');
    expect(result.stderr).toMatch(/authoriz/i);
  });

  test('OAUTHBEARER: a token endpoint that cannot prove itself gets no secret', async () => {
    const { 'https.ca.location': _ca, ...unproven } = oidc('robot');
    const result = await roundTrip(unproven, 0);
    expect(result.stdout).toBe('written 0\n');
    expect(result.stderr).toMatch(/token|certificate/i);
  });

  test.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'])('%s', async (mechanism) => {
    const admin = await WireClient.connect(
      broker.port,
      clientIdentity(broker.certsDir, 'acme', 'admin-1'),
    );
    await upsertScramUser(admin, 'service-1', 'a password');
    admin.close();
    const login = { 'sasl.username': 'acme/service-1', 'sasl.password': 'a password' };
    const result = await roundTrip({ 'sasl.mechanism': mechanism, ...login }, 1);
    expect(result.stderr).toBe('');
    expect(result.stdout).toMatch(/^written (\d+)\nread \1\n$/);
  });
});
