/**
 * Threats: a password is guessed, many at once and by trying one on many names; a stranger fails in
 * the name of a device to lock it out; an address that goes on and on.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { scramClient, scramLogin } from '../tools/scram-login.ts';
import { upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const PASSWORD = 'correct horse battery staple';
const USER = 'acme/service-1';
const NO_CERTIFICATE = { cert: undefined, key: undefined };
const HOLD_MAX_MS = 1000;
const BAN_AFTER = 40;

describeRequiring(['built-broker'], 'who guesses', () => {
  const fixture = useBroker({
    env: {
      BREAKWATER_FAILED_AUTHENTICATION_BACKOFF_MAX_MS: String(HOLD_MAX_MS),
      BREAKWATER_BAN_AUTOMATIC_FAILURES: String(BAN_AFTER),
    },
  });
  beforeAll(async () => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
    await upsertScramUser(await fixture.connect('acme', 'admin-1'), 'service-1', PASSWORD);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
  });

  const run = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(line.split(' '));
    expect([code, stderr], line).toEqual([0, '']);
    return stdout;
  };
  const from = (localAddress: string) => ({ localAddress, servername: 'localhost' });
  const connect = (address: string): Promise<WireClient> =>
    WireClient.connect(fixture.broker.saslPort, fixture.who('acme', 'device-1'), {
      ...NO_CERTIFICATE,
      ...from(address),
    });
  /** Whether the login was taken; 'dropped' when there was no answer. */
  const login = async (address: string, user: string, password: string) => {
    const client = await connect(address).catch(() => null);
    if (client === null) return 'dropped';
    return scramLogin(client, user, password)
      .then(
        ({ errorCode }) => errorCode === 0,
        () => 'dropped' as const,
      )
      .finally(() => client.close());
  };
  const inTime = async <T>(work: Promise<T>): Promise<[T, number]> => {
    const beganMs = performance.now();
    return [await work, performance.now() - beganMs];
  };
  const many = <T>(count: number, of: (at: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, at) => of(at)));

  /** A login up to its last message, which goes out when the function is called. */
  const prepared = async (address: string, password: string) => {
    const client = await connect(address);
    await client.call(ApiKey.SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
    const messages = scramClient(USER, password);
    const { authBytes } = await client.call(ApiKey.SaslAuthenticate, 2, {
      authBytes: messages.first,
    });
    const last = messages.final(authBytes);
    return async (): Promise<boolean> => {
      const { errorCode } = await client.call(ApiKey.SaslAuthenticate, 2, { authBytes: last });
      client.close();
      return errorCode === 0;
    };
  };

  it('does not learn the password from guesses at once, not even from the right one', async () => {
    const guesser = '127.0.0.2';
    const wrong = await many(8, (at) => prepared(guesser, `guess ${at}`));
    const right = await prepared(guesser, PASSWORD);
    const answers = [...wrong, right].map((send) => send());
    // Meanwhile the device logs in elsewhere; the next time it is not even slowed down there.
    expect(await login('127.0.0.5', USER, PASSWORD)).toBe(true);
    const [isIn, tookMs] = await inTime(login('127.0.0.5', USER, PASSWORD));
    expect([isIn, tookMs < 900]).toEqual([true, true]);
    expect(await Promise.all(answers)).toEqual(answers.map(() => false));
    const line = await fixture.audited('security', ({ reason }) => reason === 'backed_off');
    expect(line).toMatchObject({ type: 'authentication', outcome: 'failure', address: guesser });
    expect(JSON.stringify(line)).toContain('User:service-1');
  });

  it('is let in with the right password once the hold is over', async () => {
    await expect
      .poll(() => login('127.0.0.2', USER, PASSWORD), { timeout: 5 * HOLD_MAX_MS, interval: 200 })
      .toBe(true);
  });

  it('and tries one password on many names is held up as an address, before TLS', async () => {
    const sprayer = '127.0.0.3';
    const spray = many(25, (at) => login(sprayer, `acme/nobody-${at}`, 'password1'));
    const reach = (): Promise<boolean> =>
      connect(sprayer).then(
        (client) => {
          client.close();
          return true;
        },
        () => false,
      );
    await expect.poll(reach, { timeout: 5000 }).toBe(false);
    expect(await spray).not.toContain(true);
    const line = await fixture.audited(
      'security',
      ({ reason, address }) => reason === 'backed_off' && address === sprayer,
    );
    expect(line).toMatchObject({
      type: 'connection',
      reason: 'backed_off',
      address: sprayer,
    });
    expect(await login('127.0.0.6', USER, PASSWORD)).toBe(true);
  });

  it('and goes on is banned, listed, and let in by an operator', async () => {
    const address = '127.0.0.4';
    const knock = async (): Promise<void> => {
      const who = fixture.who('acme', 'device-1');
      const options = { ...NO_CERTIFICATE, ...from(address) };
      const client = await WireClient.connect(fixture.broker.port, who, options).catch(() => null);
      await client?.isClosed(2 * HOLD_MAX_MS);
    };
    await many(BAN_AFTER, knock);
    await knock();
    const line = await fixture.audited('security', (one) => one.reason === 'banned_automatically');
    expect(line).toMatchObject({ type: 'connection', address: address });
    expect(JSON.stringify(line)).toContain(`"network":"${address}"`);
    expect(await login(address, USER, PASSWORD)).toBe('dropped');
    expect(await run('ban list')).toMatch(/^127\.0\.0\.4\s.*automatic/m);
    expect(await run('ban list --tenant acme')).toBe('nobody is banned\n');
    await run(`ban remove --address ${address}`);
    expect(await login(address, USER, PASSWORD)).toBe(true);
  });

  it('from behind the address of devices gets none of them dropped or banned', async () => {
    const shared = '127.0.0.7';
    const device = await WireClient.connect(
      fixture.broker.port,
      fixture.who('acme', 'device-1'),
      from(shared),
    );
    expect((await device.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    await many(BAN_AFTER + 10, (at) => login(shared, `acme/nobody-${at}`, 'password1'));
    expect(await run('ban list')).toBe('nobody is banned\n');
    const other = await WireClient.connect(
      fixture.broker.port,
      fixture.who('acme', 'device-2'),
      from(shared),
    );
    expect((await other.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    expect(await login(shared, USER, PASSWORD)).toBe(true);
    for (const client of [device, other]) client.close();
  });
});
