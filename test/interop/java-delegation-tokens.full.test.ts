/**
 * Apache Kafka's own kafka-delegation-tokens over mutual TLS and SASL, and its Java client that logs
 * in by a token (and, since it is the same listener, by PLAIN).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity, javaProperties, writeProperties } from '../tools/client-identity.ts';
import { createToken, renewToken, tokenBrokerEnv } from '../tools/delegation-tokens.ts';
import { kafkaCli } from '../tools/java.ts';
import { upsertScramUser } from '../tools/scram-users.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { startToolShell, type ToolResult, type ToolShell } from '../tools/tool-shell.ts';
import { WireClient } from '../tools/wire-client.ts';

const PASSWORD = 'pencil and paper';
const LOGIN_MODULE = 'org.apache.kafka.common.security';
const LIVES_MS = 5000;

describeRequiring(['built-broker', 'java-tools'], 'kafka-delegation-tokens', () => {
  let broker: BrokerProcess;
  let shell: ToolShell;
  let work: string;
  let files = 0;

  beforeAll(async () => {
    work = temporaryDirectory('token-java');
    shell = startToolShell();
    broker = await startBroker({
      env: {
        ...tokenBrokerEnv(),
        BREAKWATER_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256,SCRAM-SHA-512,PLAIN',
      },
    });
    await upsertScramUser(await wire('admin-1'), 'service-1', PASSWORD);
  });
  afterAll(async () => {
    await shell?.end();
    await broker?.dispose();
    if (work !== undefined) removeDirectory(work);
  });

  const who = (name: string, tenant = 'acme') => clientIdentity(broker.certsDir, tenant, name);
  const wire = (name: string) => WireClient.connect(broker.port, who(name));
  const sasl = (): string => `127.0.0.1:${broker.saslPort}`;
  const properties = (settings: Record<string, string>): string => {
    files += 1;
    return writeProperties(work, `client-${files}`, settings);
  };
  const byCertificate = (name: string, tenant = 'acme'): string =>
    properties(javaProperties(who(name, tenant), broker.bootstrap));
  const bySasl = (mechanism: string, login: string): string =>
    properties({
      'bootstrap.servers': sasl(),
      'security.protocol': 'SASL_SSL',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': who('device-1').caFile,
      'sasl.mechanism': mechanism,
      'sasl.jaas.config': `${LOGIN_MODULE}.${login};`,
    });
  const byPassword = (mechanism = 'SCRAM-SHA-512'): string => {
    const module = mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule';
    const login = `${module} required username="acme/service-1" password="${PASSWORD}"`;
    return bySasl(mechanism, login);
  };
  const byToken = ({ id, hmac }: { id: string; hmac: string }, mechanism = 'SCRAM-SHA-256') =>
    bySasl(
      mechanism,
      `scram.ScramLoginModule required username="${id}" password="${hmac}" tokenauth="true"`,
    );
  const tokens = (config: string, bootstrap: string, ...args: string[]): Promise<ToolResult> =>
    shell.run('kafka-delegation-tokens', [
      ...['--bootstrap-server', bootstrap, '--command-config', config],
      ...args,
    ]);
  const good = async (result: Promise<ToolResult>): Promise<string> => {
    const { code, text } = await result;
    expect(text).not.toMatch(/Exception/);
    expect(code, text).toBe(0);
    return text;
  };
  /** Rows of the tool's table. */
  const rows = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([id]) => /^acme\/.{22}$/.test(id ?? ''))
      .map(([id = '', hmac = '', owner, requester, ...rest]) => ({
        id,
        hmac,
        owner,
        requester,
        rest,
      }));
  const listed = async (config: string, bootstrap: string, ...args: string[]) =>
    rows(await good(tokens(config, bootstrap, '--describe', ...args)));
  const write = (config: string, value: string) =>
    kafkaCli(
      'kafka-console-producer',
      ['--bootstrap-server', sasl(), '--command-config', config, '--topic', 'telemetry'],
      { input: `${value}\n` },
    );
  const read = (config: string, count: number) =>
    kafkaCli('kafka-console-consumer', [
      ...['--bootstrap-server', sasl(), '--command-config', config, '--topic', 'telemetry'],
      ...['--group', 'svc-tokens', '--from-beginning', '--max-messages', String(count)],
      ...['--timeout-ms', '30000'],
    ]);

  test('--create, --describe, --renew and --expire, over mutual TLS and over SASL', async () => {
    const ways: [string, string, string][] = [
      [byCertificate('device-1'), broker.bootstrap, 'device-1'],
      [byPassword(), sasl(), 'service-1'],
    ];
    for (const [config, bootstrap, owner] of ways) {
      const created = await good(
        tokens(
          config,
          bootstrap,
          ...['--create', '--max-life-time-period', '-1'],
          ...['--renewer-principal', 'User:device-2'],
        ),
      );
      const [token, ...others] = rows(created);
      expect(others).toEqual([]);
      expect(token).toMatchObject({ owner: `User:${owner}`, requester: `User:${owner}` });
      expect(token!.rest[0]).toBe('[User:device-2]');
      expect(Buffer.from(token!.hmac, 'base64')).toHaveLength(64);
      const own = ['--owner-principal', `User:${owner}`];
      expect(await listed(config, bootstrap, ...own)).toEqual([token]);
      // Without an owner the tool asks for those of an empty list, here as with Apache Kafka.
      expect(await listed(config, bootstrap)).toEqual([]);
      const renewer = byCertificate('device-2');
      const asRenewer = await listed(renewer, broker.bootstrap, ...own);
      expect(asRenewer).toEqual([token]);
      const hmac = ['--hmac', token!.hmac];
      const day = ['--renew', ...hmac, '--renew-time-period', '-1'];
      expect(await good(tokens(renewer, broker.bootstrap, ...day))).toContain('New expiry date');
      const stranger = await tokens(byCertificate('admin-1'), broker.bootstrap, ...day);
      expect(stranger.text).toContain('DelegationTokenOwnerMismatchException');
      const foreign = await tokens(byCertificate('admin-1', 'globex'), broker.bootstrap, ...day);
      expect(foreign.text).toContain('DelegationTokenNotFoundException');
      const now = ['--expire', ...hmac, '--expiry-time-period', '-1'];
      expect(await good(tokens(config, bootstrap, ...now))).toContain('New expiry date');
      expect(await listed(config, bootstrap, ...own)).toEqual([]);
    }
  });

  test('--create for another owner takes the right to it (KIP-373)', async () => {
    const create = ['--create', '--max-life-time-period', '60000'];
    const owner = ['--owner-principal', 'User:service-1'];
    const device = byCertificate('device-2');
    const refused = await tokens(device, broker.bootstrap, ...create, ...owner);
    expect(refused.text).toContain('DelegationTokenAuthorizationException');
    const admin = byCertificate('admin-1');
    const [token] = rows(await good(tokens(admin, broker.bootstrap, ...create, ...owner)));
    expect(token).toMatchObject({ owner: 'User:service-1', requester: 'User:admin-1' });
    const written = await write(byToken(token!, 'SCRAM-SHA-512'), 'for another');
    expect(written.code, written.text).toBe(0);
    expect(written.text).not.toMatch(/ERROR|Exception/);
    const gone = ['--expire', '--hmac', token!.hmac, '--expiry-time-period', '-1'];
    await good(tokens(byPassword(), sasl(), ...gone));
  });

  test('a producer and a consumer log in by a token until it is ended', async () => {
    const owner = byPassword();
    const create = ['--create', '--max-life-time-period', '-1'];
    const [token] = rows(await good(tokens(owner, sasl(), ...create)));
    const config = byToken(token!);
    const written = await write(config, 'by a token');
    expect(written.text).not.toMatch(/ERROR|Exception/);
    const consumed = await read(config, 1);
    expect(consumed.text).toContain('Processed a total of 1 messages');
    const more = await tokens(config, sasl(), ...create);
    expect(more.text).toContain('UnsupportedByAuthenticationException');
    const gone = ['--expire', '--hmac', token!.hmac, '--expiry-time-period', '-1'];
    await good(tokens(owner, sasl(), ...gone));
    const refused = await write(config, 'too late');
    expect(refused.text).toMatch(/SaslAuthenticationException|Authentication failed/);
  });

  test('a producer outlives what its token had left, since that is renewed (KIP-368)', async () => {
    const owner = await wire('device-1');
    const made = await createToken(owner);
    expect(made.errorCode).toBe(0);
    const renew = async (): Promise<void> => {
      expect((await renewToken(owner, made.hmac, LIVES_MS)).errorCode).toBe(0);
    };
    await renew();
    const renewing = setInterval(() => void renew(), LIVES_MS / 5);
    const config = byToken({ id: made.tokenId, hmac: made.hmac.toString('base64') });
    const perSecond = 20;
    const records = (perSecond * LIVES_MS * 3) / 1000;
    const result = await kafkaCli(
      'kafka-producer-perf-test',
      [
        ...['--topic', 'telemetry', '--num-records', String(records), '--record-size', '100'],
        ...['--throughput', String(perSecond), '--command-config', config],
        ...['--bootstrap-server', sasl()],
      ],
      { timeoutMs: 60_000 },
    ).finally(() => clearInterval(renewing));
    owner.close();
    expect(result.code, result.text).toBe(0);
    expect(result.text).toContain(`${records} records sent`);
    expect(result.text).not.toMatch(/Exception|ERROR/);
    const directory = join(broker.dataDir, 'audit');
    const text = readdirSync(directory)
      .filter((name) => name.startsWith('security'))
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');
    expect(text.match(/"reason":"SCRAM-SHA-256 renewed"/g)?.length ?? 0).toBeGreaterThanOrEqual(2);
  });

  test('PLAIN by the Java client', async () => {
    const written = await write(byPassword('PLAIN'), 'by PLAIN');
    expect(written.code, written.text).toBe(0);
    expect(written.text).not.toMatch(/ERROR|Exception/);
  });
});
