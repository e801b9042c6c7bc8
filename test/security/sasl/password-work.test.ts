/** The salting of passwords: right, bounded, and in turns. */
import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PasswordWork } from '../../../src/security/sasl/password-work.ts';
import { SCRAM_MECHANISMS } from '../../../src/security/scram/scram-mechanism.ts';

const mechanism = SCRAM_MECHANISMS[0]!;
const SALT = Buffer.from('a salt');
const salting = (iterations = 1) => ({ password: Buffer.from('pencil'), salt: SALT, iterations });

describe('the salting of passwords', () => {
  it.each(SCRAM_MECHANISMS)('is PBKDF2, and wipes what it was given, $name', async (one) => {
    const asked = salting(4096);
    const salted = await new PasswordWork().salted('1.1.1.1', one, asked);
    expect(salted).toEqual(pbkdf2Sync('pencil', SALT, 4096, one.digestBytes, one.digest));
    expect(asked.password).toEqual(Buffer.alloc(6));
  });

  it('lets an address that comes late go before the rest of a flood', async () => {
    const work = new PasswordWork();
    const ended: string[] = [];
    const one = (address: string, name: string) =>
      work.salted(address, mechanism, salting(2000)).then(() => ended.push(name));
    const flood = Array.from({ length: 40 }, (_, n) => one('1.1.1.1', `flood ${n}`));
    await one('2.2.2.2', 'late');
    // Two were under way, one of the flood had its turn, and threads end in any order.
    expect(ended.length).toBeLessThanOrEqual(6);
    await Promise.all(flood);
    expect(ended).toHaveLength(41);
  });

  it('refuses an address that has too much waiting, and not the others', async () => {
    const work = new PasswordWork();
    const begun = Array.from({ length: 514 }, () => work.salted('1.1.1.1', mechanism, salting()));
    const over = salting();
    await expect(work.salted('1.1.1.1', mechanism, over)).rejects.toMatchObject({
      code: 'PASSWORD_WORK_REFUSED',
    });
    expect(over.password).toEqual(Buffer.alloc(6));
    await work.salted('2.2.2.2', mechanism, salting());
    await Promise.all(begun);
    await work.salted('1.1.1.1', mechanism, salting());
  });

  it('refuses everybody when too much waits altogether', async () => {
    const work = new PasswordWork();
    const begun: Promise<unknown>[] = [];
    for (let n = 0; n < 4098; n += 1) {
      begun.push(work.salted(`10.0.${n % 100}.1`, mechanism, salting()));
    }
    await expect(work.salted('9.9.9.9', mechanism, salting())).rejects.toThrow(/too many/);
    await Promise.all(begun);
  });
});
