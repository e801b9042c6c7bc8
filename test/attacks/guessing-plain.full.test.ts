/**
 * Threat: somebody guesses passwords by PLAIN, whose refusals are told late, and goes away before
 * they are; or tells a right guess from a wrong one by the time that a refusal takes, during a
 * back-off or in the renewal of a login of his own.
 */
import { beforeAll, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const OWN = 'the password of the guesser';
const VICTIMS = 'the password of the victim';
const ALLOWED = 3;
/** What PLAIN lets every refusal take at least, less the clock's grain. */
const REFUSAL_MS = 98;
/** Longer than the first hold, so that it alone does not make answers come at the same time. */
const DELAY_MS = 1200;
const { SASL_AUTHENTICATION_FAILED } = ErrorCode;

function useGuesser(env: Record<string, string>) {
  const fixture = useBroker({
    env: {
      BREAKWATER_SASL_ENABLED_MECHANISMS: 'PLAIN',
      BREAKWATER_FAILED_AUTHENTICATION_MAX_PER_PRINCIPAL: String(ALLOWED),
      ...env,
    },
  });
  beforeAll(async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await upsertScramUser(admin, 'guesser', OWN);
    for (const name of ['victim', 'victim-2', 'victim-3']) {
      await upsertScramUser(admin, name, VICTIMS);
    }
  });
  const connect = () =>
    WireClient.connect(fixture.broker.saslPort, fixture.who('acme', 'device-1'));
  const said = async (client: WireClient, user: string, password: string) => {
    await client.call(ApiKey.SaslHandshake, 1, { mechanism: 'PLAIN' });
    const beganMs = performance.now();
    const authBytes = Buffer.from(`\0acme/${user}\0${password}`);
    const answer = await client.call(ApiKey.SaslAuthenticate, 2, { authBytes });
    const { errorCode, errorMessage } = answer;
    return { errorCode, errorMessage, tookMs: performance.now() - beganMs };
  };
  const login = async (user: string, password: string) => said(await connect(), user, password);
  return { fixture, connect, said, login };
}

describeRequiring(['built-broker'], 'a login that is renewed as somebody else', () => {
  const { fixture, connect, said, login } = useGuesser({
    BREAKWATER_CONNECTIONS_MAX_REAUTH_MS: '60000',
  });

  const renewedAs = async (user: string, password: string) => {
    const client = await connect();
    expect((await said(client, 'guesser', OWN)).errorCode).toBe(0);
    const answer = await said(client, user, password);
    expect(await client.isClosed(2000)).toBe(true);
    return answer;
  };

  it('is refused as late with the right password as with a wrong one', async () => {
    const wrong = await renewedAs('victim', 'wrong');
    const right = await renewedAs('victim', VICTIMS);
    for (const { errorCode, errorMessage, tookMs } of [wrong, right]) {
      expect(errorCode).toBe(SASL_AUTHENTICATION_FAILED);
      expect(errorMessage).toBe('Authentication failed.');
      expect(tookMs).toBeGreaterThanOrEqual(REFUSAL_MS);
    }
  });

  it('counts against the name that was tried, and is recorded with it', async () => {
    await Promise.all(
      Array.from({ length: ALLOWED + 1 }, (_, guess) => renewedAs('victim-2', `guess ${guess}`)),
    );
    expect((await login('victim-2', VICTIMS)).errorCode).toBe(SASL_AUTHENTICATION_FAILED);
    expect((await login('guesser', OWN)).errorCode).toBe(0);
    const guesses = fixture
      .audit('security')
      .filter(({ facts }) => JSON.stringify(facts ?? {}).includes('User:victim-2'));
    expect(guesses.length).toBeGreaterThan(ALLOWED);
  });

  it('and who goes away before the refusal has guessed all the same', async () => {
    const guessAndGo = async (_: unknown, guess: number) => {
      const client = await connect();
      const refusal = said(client, 'victim-3', `guess ${guess}`).catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, REFUSAL_MS / 3));
      client.close();
      await refusal;
    };
    await Promise.all(Array.from({ length: ALLOWED + 1 }, guessAndGo));
    const failures = () =>
      fixture.audit('security').filter((line) => JSON.stringify(line).includes('User:victim-3'));
    await expect.poll(() => failures().length, { timeout: 5000 }).toBeGreaterThan(ALLOWED);
    expect((await login('victim-3', VICTIMS)).errorCode).toBe(SASL_AUTHENTICATION_FAILED);
  });
});

describeRequiring(['built-broker'], 'a login during a back-off', () => {
  const { fixture, login } = useGuesser({
    BREAKWATER_CONNECTION_FAILED_AUTHENTICATION_DELAY_MS: String(DELAY_MS),
  });

  it('is refused as late with the right password as with a wrong one', async () => {
    const before = Array.from({ length: ALLOWED + 1 }, () => login('victim', 'wrong'));
    const counted = () =>
      fixture.audit('security').filter((line) => JSON.stringify(line).includes('User:victim'));
    await expect.poll(() => counted().length, { timeout: 5000 }).toBeGreaterThan(ALLOWED);
    const guesses = [login('victim', 'wrong'), login('victim', VICTIMS)];
    for (const { errorCode, tookMs } of await Promise.all(guesses)) {
      expect(errorCode).toBe(SASL_AUTHENTICATION_FAILED);
      expect(tookMs).toBeGreaterThanOrEqual(DELAY_MS + REFUSAL_MS);
    }
    await Promise.all(before);
  });
});
