/** OAUTHBEARER inside TLS: kafkajs with tokens of a real issuer. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity, nodeTlsOptions } from '../tools/client-identity.ts';
import { type OidcIssuer, startOidcIssuer } from '../tools/oidc-issuer.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

/** A broker that trusts the issuer for acme alone. */
interface Trusting {
  readonly issuer: OidcIssuer;
  readonly broker: BrokerProcess;
  stop(): Promise<void>;
}

async function trusting(tokenSeconds: number): Promise<Trusting> {
  const issuer = await startOidcIssuer({ clients: ['service-1', 'stranger'], tokenSeconds });
  const directory = temporaryDirectory('issuers');
  const file = join(directory, 'issuers.yaml');
  const entry = [
    `  - issuer: ${issuer.issuer}`,
    `    audience: ${issuer.audience}`,
    `    jwks.url: ${issuer.jwksUrl}`,
    '    tenants: [acme]',
  ];
  writeFileSync(file, `issuers:\n${entry.join('\n')}\n`);
  const env = {
    BREAKWATER_SASL_ENABLED_MECHANISMS: 'OAUTHBEARER',
    BREAKWATER_SASL_OAUTHBEARER_ISSUERS_FILE: file,
  };
  const broker = await startBroker({ env });
  return {
    issuer,
    broker,
    async stop() {
      await broker.dispose();
      await issuer.stop();
      removeDirectory(directory);
    },
  };
}

const kafkajs = ({ broker }: Trusting, token: () => Promise<string>): Kafka =>
  new Kafka({
    brokers: [`127.0.0.1:${broker.saslPort}`],
    ssl: { ca: nodeTlsOptions(clientIdentity(broker.certsDir, 'acme', 'device-1')).ca },
    sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: await token() }) },
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    authenticationTimeout: 5000,
  });

describeRequiring(['built-broker'], 'OAUTHBEARER', () => {
  let world: Trusting;
  beforeAll(async () => {
    world = await trusting(120);
  });
  afterAll(() => world?.stop());

  test('kafkajs writes with a token of the issuer', async () => {
    const producer = kafkajs(world, () => world.issuer.token('service-1')).producer();
    await producer.connect();
    const sent = await producer.send({
      topic: 'telemetry',
      acks: -1,
      messages: [{ value: 'with a token', partition: 1 }],
    });
    expect(sent[0]?.errorCode).toBe(0);
    await producer.disconnect();
  });

  test('a principal without rights gets in, and is allowed nothing', async () => {
    const producer = kafkajs(world, () => world.issuer.token('stranger')).producer();
    await producer.connect();
    await expect(
      producer.send({ topic: 'telemetry', messages: [{ value: 'no', partition: 1 }] }),
    ).rejects.toThrow();
    await producer.disconnect();
  });

  test('tokens that were tampered with, or of nobody, do not get in', async () => {
    const [header = '', payload = '', signature = ''] = (
      await world.issuer.token('service-1')
    ).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const forged = (more: object) =>
      Buffer.from(JSON.stringify({ ...claims, ...more })).toString('base64url');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    for (const token of [
      `${header}.${forged({ sub: 'admin-1' })}.${signature}`,
      `${header}.${forged({ iss: 'http://127.0.0.1:1' })}.${signature}`,
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
      `${header}.${payload}`,
      'x',
    ]) {
      const admin = kafkajs(world, async () => token).admin();
      // kafkajs takes the challenge for a success; what it asks next is refused.
      const use = admin.connect().then(() => admin.listTopics());
      await expect(use, token).rejects.toThrow();
    }
  });

  test('the access log tells who logged in, and never holds a token', async () => {
    const { readdirSync, readFileSync } = await import('node:fs');
    const directory = join(world.broker.dataDir, 'audit');
    const text = readdirSync(directory)
      .filter((name) => name.endsWith('.ndjson'))
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');
    expect(text).toContain('"reason":"OAUTHBEARER"');
    expect(text).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
    expect(world.broker.stderr()).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
  });
});
