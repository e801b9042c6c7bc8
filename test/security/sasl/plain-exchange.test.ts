/** PLAIN, message by message: what it takes, what it refuses and after which work. */
import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/base/clock.ts';
import { PasswordWork } from '../../../src/security/sasl/password-work.ts';
import { plainMechanism } from '../../../src/security/sasl/plain-exchange.ts';
import type { SaslStep } from '../../../src/security/sasl/sasl-mechanism.ts';
import type { ScramLookup } from '../../../src/security/sasl/scram-exchange.ts';
import {
  SCRAM_MECHANISMS,
  type ScramMechanism,
  scramKeys,
} from '../../../src/security/scram/scram-mechanism.ts';

const [sha256, sha512] = SCRAM_MECHANISMS as readonly [ScramMechanism, ScramMechanism];
const SALT = Buffer.from('salt');
const PASSWORD = 'pässword, with = and ,';

const stored = (mechanism: ScramMechanism, password: string, iterations = 4096) => {
  const { digest, digestBytes } = mechanism;
  const keys = scramKeys(mechanism, pbkdf2Sync(password, SALT, iterations, digestBytes, digest));
  return {
    salt: SALT.toString('base64'),
    iterations,
    storedKey: keys.storedKey.toString('base64'),
    serverKey: keys.serverKey.toString('base64'),
  };
};

const users: Record<string, Partial<Record<string, ReturnType<typeof stored>>>> = {
  both: {
    [sha256.name]: stored(sha256, PASSWORD),
    [sha512.name]: stored(sha512, PASSWORD, 8192),
  },
  short: { [sha256.name]: stored(sha256, PASSWORD) },
  long: { [sha512.name]: stored(sha512, PASSWORD) },
};

/** Counts what is salted. */
class CountedWork extends PasswordWork {
  readonly mechanisms: string[] = [];

  override salted(...args: Parameters<PasswordWork['salted']>): Promise<Buffer> {
    this.mechanisms.push(args[1].name);
    return super.salted(...args);
  }
}

/** Time stands still, and each timer ends at once and is remembered. */
const stillClock = (timers: number[]): Clock => ({
  nowMs: () => 0,
  monotonicMs: () => 0,
  setTimer(delayMs, run) {
    timers.push(delayMs);
    queueMicrotask(run);
    return { cancel: () => {} };
  },
});

const begin = (serverTenant: string | null = 'acme') => {
  const work = new CountedWork();
  const timers: number[] = [];
  const lookup: ScramLookup = ({ tenant, user }, mechanism) =>
    tenant === 'acme' ? users[user]?.[mechanism] : undefined;
  const exchange = plainMechanism({
    lookup,
    work,
    clock: stillClock(timers),
    decoySecret: Buffer.alloc(32, 3),
  }).begin({ remoteAddress: '127.0.0.1', serverTenant });
  const say = async (token: string | Buffer): Promise<SaslStep> =>
    exchange.evaluate(Buffer.from(token));
  return { exchange, say, work, timers };
};
const BOTH = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

describe('PLAIN', () => {
  it.each(['both', 'short', 'long'])('lets in who has the password: %s', async (user) => {
    for (const message of [`\0${user}\0${PASSWORD}`, `${user}\0${user}\0${PASSWORD}`]) {
      const { say, timers, work } = begin();
      const step = await say(message);
      expect(step).toMatchObject({
        kind: 'success',
        token: Buffer.alloc(0),
        identity: { tenant: 'acme', name: user, expiresAtMs: null },
      });
      expect(timers).toEqual([]);
      expect(work.mechanisms).toEqual(BOTH);
      if (step.kind === 'success') expect(step.identity.isStillGood?.()).toBe(true);
    }
  });

  it.each<[string, string, (string | null)?]>([
    ['a wrong password', `\0both\0wrong`],
    ['an unknown user', `\0nobody\0${PASSWORD}`],
    ['a user of another tenant', `\0globex/both\0${PASSWORD}`, null],
    ['a password that begins the same', `\0both\0${PASSWORD}x`],
  ])('refuses %s after the same work, later', async (_what, message, server = 'acme') => {
    const { say, work, timers } = begin(server);
    expect(await say(message)).toMatchObject({ kind: 'failure', reason: 'sasl_bad_credentials' });
    expect(work.mechanisms).toEqual(BOTH);
    expect(timers).toEqual([100]);
  });

  it.each<[string, string | Buffer, string?]>([
    ['nothing', ''],
    ['no NUL', 'both'],
    ['one NUL', `both\0${PASSWORD}`],
    ['three NULs', `\0both\0${PASSWORD}\0`],
    ['no user', `\0\0${PASSWORD}`],
    ['no password', '\0both\0'],
    ['another authorization id', `short\0both\0${PASSWORD}`],
    ['bytes that are no UTF-8', Buffer.from('\0both\0p\u00e4', 'latin1')],
    ['a surrogate in UTF-8', Buffer.from([0, 0x62, 0, 0xed, 0xa0, 0x80])],
    ['a long name', `\0${'x'.repeat(256)}\0${PASSWORD}`],
    ['a long authorization id', `${'x'.repeat(256)}\0both\0${PASSWORD}`],
    ['a long password', `\0both\0${'x'.repeat(1025)}`],
    ['a very long message', `\0both\0${'x'.repeat(60_000)}`],
    ['a name that cannot be', `\0../both\0${PASSWORD}`, 'sasl_bad_credentials'],
    ['a tenant that the server name contradicts', `\0globex/both\0${PASSWORD}`, 'sasl_no_tenant'],
  ])('refuses %s without any work', async (_what, message, reason = 'sasl_malformed') => {
    const { say, work, timers } = begin();
    expect(await say(message)).toMatchObject({ kind: 'failure', reason });
    expect(work.mechanisms).toEqual([]);
    expect(timers).toEqual([100]);
  });

  it('takes one message', async () => {
    const { say } = begin();
    await say(`\0both\0wrong`);
    expect(await say(`\0both\0${PASSWORD}`)).toMatchObject({ reason: 'sasl_malformed' });
  });

  it('wipes the message, whatever comes of it', async () => {
    for (const message of [`\0both\0${PASSWORD}`, `\0both\0wrong`, 'x']) {
      const { exchange } = begin();
      const token = Buffer.from(message);
      await exchange.evaluate(token);
      expect(token).toEqual(Buffer.alloc(token.length));
    }
  });

  it('is over when the credential changes that proved it', async () => {
    const { say } = begin();
    const step = await say(`\0long\0${PASSWORD}`);
    if (step.kind !== 'success') throw new Error('not let in');
    const before = users.long!;
    users.long = { [sha512.name]: stored(sha512, 'another') };
    expect(step.identity.isStillGood?.()).toBe(false);
    users.long = {};
    expect(step.identity.isStillGood?.()).toBe(false);
    users.long = before;
    expect(step.identity.isStillGood?.()).toBe(true);
  });

  it('says that it is busy when an address floods it, and no more', async () => {
    const { say } = begin();
    const work = new PasswordWork();
    const flood = Array.from({ length: 514 }, () =>
      work.salted('127.0.0.1', sha256, { password: Buffer.from('x'), salt: SALT, iterations: 9 }),
    );
    const exchange = plainMechanism({
      lookup: () => undefined,
      work,
      clock: stillClock([]),
      decoySecret: Buffer.alloc(32),
    }).begin({ remoteAddress: '127.0.0.1', serverTenant: 'acme' });
    const step = await exchange.evaluate(Buffer.from(`\0both\0${PASSWORD}`));
    expect(step).toMatchObject({ kind: 'failure', reason: 'sasl_busy' });
    await Promise.all(flood);
    expect((await say(`\0both\0${PASSWORD}`)).kind).toBe('success');
  });
});
