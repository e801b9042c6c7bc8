/**
 * Kafka's own Java client by SASL inside TLS: SCRAM users made by kafka-configs, and OAUTHBEARER
 * with tokens of a real issuer, renewed on the standing connection (KIP-368).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity, javaProperties, writeProperties } from '../tools/client-identity.ts';
import { kafkaCli } from '../tools/java.ts';
import { CLIENT_SECRET, type OidcIssuer, SCOPE, startOidcIssuer } from '../tools/oidc-issuer.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const TOKEN_SECONDS = 8;
const PASSWORD = 'pencil and paper';
const LOGIN_MODULE = 'org.apache.kafka.common.security';

describeRequiring(['built-broker', 'java-tools'], 'Java by SASL', () => {
  let broker: BrokerProcess;
  let issuer: OidcIssuer;
  let work: string;

  beforeAll(async () => {
    work = temporaryDirectory('sasl-java');
    issuer = await startOidcIssuer({ clients: ['service-1'], tokenSeconds: TOKEN_SECONDS });
    const file = join(work, 'issuers.yaml');
    writeFileSync(
      file,
      `issuers:\n  - issuer: ${issuer.issuer}\n    audience: ${issuer.audience}\n` +
        `    jwks.url: ${issuer.jwksUrl}\n    tenants: [acme]\n`,
    );
    const env = {
      BREAKWATER_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      BREAKWATER_SASL_OAUTHBEARER_ISSUERS_FILE: file,
    };
    broker = await startBroker({ env });
  });
  afterAll(async () => {
    await broker?.dispose();
    await issuer?.stop();
    if (work !== undefined) removeDirectory(work);
  });

  const bootstrap = (): string => `127.0.0.1:${broker.saslPort}`;

  /** Properties of a SASL client. */
  const saslClient = (name: string, sasl: Readonly<Record<string, string>>): string => {
    const { caFile } = clientIdentity(broker.certsDir, 'acme', 'device-1');
    return writeProperties(work, name, {
      'bootstrap.servers': bootstrap(),
      'security.protocol': 'SASL_SSL',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': caFile,
      ...sasl,
    });
  };
  const scramClient = (mechanism: string, user: string, password: string): string =>
    saslClient(`${mechanism}-${user.replace('/', '-')}`, {
      'sasl.mechanism': mechanism,
      'sasl.jaas.config':
        `${LOGIN_MODULE}.scram.ScramLoginModule required ` +
        `username="${user}" password="${password}";`,
    });
  const administration = (...args: string[]) => {
    const identity = clientIdentity(broker.certsDir, 'acme', 'admin-1');
    const properties = javaProperties(identity, broker.bootstrap);
    const config = writeProperties(work, 'admin', properties);
    const connection = ['--bootstrap-server', broker.bootstrap, '--command-config', config];
    return kafkaCli('kafka-configs', [...connection, ...args]);
  };
  const consoleWrite = (config: string, value: string) =>
    kafkaCli(
      'kafka-console-producer',
      ['--bootstrap-server', bootstrap(), '--command-config', config, '--topic', 'telemetry'],
      { input: `${value}\n` },
    );

  test.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'])(
    '%s: kafka-configs makes the user, the user writes',
    async (mechanism) => {
      const user = ['--entity-type', 'users', '--entity-name', 'service-1'];
      const config = `${mechanism}=[iterations=8192,password=${PASSWORD}]`;
      const made = await administration('--alter', ...user, '--add-config', config);
      expect(made.code, made.text).toBe(0);
      const client = scramClient(mechanism, 'acme/service-1', PASSWORD);
      const written = await consoleWrite(client, mechanism);
      expect(written.code, written.text).toBe(0);
      expect(written.text).not.toMatch(/ERROR|Exception/);

      const removed = await administration('--alter', ...user, '--delete-config', mechanism);
      expect(removed.code, removed.text).toBe(0);
      const refused = await consoleWrite(client, mechanism);
      expect(refused.text).toMatch(/SaslAuthenticationException|Authentication failed/);
    },
  );

  test('OAUTHBEARER: a producer outlives its token by renewing it', async () => {
    const config = saslClient('oauth', {
      'sasl.mechanism': 'OAUTHBEARER',
      'sasl.login.callback.handler.class': `${LOGIN_MODULE}.oauthbearer.OAuthBearerLoginCallbackHandler`,
      'sasl.oauthbearer.token.endpoint.url': issuer.tokenUrl,
      'sasl.login.refresh.min.period.seconds': '1',
      'sasl.login.refresh.buffer.seconds': '1',
      'sasl.jaas.config':
        `${LOGIN_MODULE}.oauthbearer.OAuthBearerLoginModule required ` +
        `clientId="service-1" clientSecret="${CLIENT_SECRET}" scope="${SCOPE}";`,
    });
    const perSecond = 20;
    const records = perSecond * TOKEN_SECONDS * 3;
    const result = await kafkaCli(
      'kafka-producer-perf-test',
      [
        ...['--topic', 'telemetry', '--num-records', String(records), '--record-size', '100'],
        ...['--throughput', String(perSecond), '--command-config', config],
      ],
      {
        timeoutMs: 90_000,
        jvmOptions: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${issuer.tokenUrl}`],
      },
    );
    expect(result.code, result.text).toBe(0);
    expect(result.text).toContain(`${records} records sent`);
    expect(result.text).not.toMatch(/Exception|ERROR/);
    const directory = join(broker.dataDir, 'audit');
    const text = readdirSync(directory)
      .filter((name) => name.startsWith('security'))
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');
    expect(text.match(/"reason":"OAUTHBEARER renewed"/g)?.length ?? 0).toBeGreaterThanOrEqual(2);
  });
});
