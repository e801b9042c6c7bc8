/** What proves a delegation token, and the passwords' work behind it. */
import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/base/random.ts';
import { PasswordWork, PasswordWorkRefused } from '../../../src/security/sasl/password-work.ts';
import { SCRAM_MECHANISMS, scramKeys } from '../../../src/security/scram/scram-mechanism.ts';
import { isTokenId, newTokenId, tokenName } from '../../../src/security/tokens/delegation-token.ts';
import { TokenKeys } from '../../../src/security/tokens/token-keys.ts';

const keysOf = (secret = 'a secret of thirty-two characters'): TokenKeys =>
  new TokenKeys(Buffer.from(secret), new PasswordWork());
const [sha256, sha512] = SCRAM_MECHANISMS;

describe('an HMAC', () => {
  const id = newTokenId(systemRandom);
  const hmac = keysOf().hmacOf('acme', id);

  it('is 64 bytes, always the same, and proves its token in its tenant', () => {
    expect(hmac).toHaveLength(64);
    expect(keysOf().hmacOf('acme', id)).toEqual(hmac);
    expect(keysOf().idOf('acme', hmac)).toBe(id);
  });

  it('proves nothing in another tenant, under another secret, or with a bit changed', () => {
    expect(keysOf().idOf('globex', hmac)).toBeNull();
    expect(keysOf('another secret of many characters').idOf('acme', hmac)).toBeNull();
    for (let bit = 0; bit < hmac.length * 8; bit += 1) {
      const changed = Buffer.from(hmac);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(keysOf().idOf('acme', changed), `bit ${bit}`).toBeNull();
    }
  });

  it.each([0, 16, 63, 65])('of %i bytes is none', (length) => {
    expect(keysOf().idOf('acme', Buffer.alloc(length, hmac))).toBeNull();
  });
});

describe('the SCRAM keys of a token', () => {
  it.each(SCRAM_MECHANISMS)('are those of its HMAC in base64, $name', async (mechanism) => {
    const id = newTokenId(systemRandom);
    const keys = keysOf();
    const asked = { tenant: 'acme', id, address: '127.0.0.1' };
    const made = await keys.scramKeysOf(mechanism, asked);
    const password = keys.hmacOf('acme', id).toString('base64');
    const { digest, digestBytes } = mechanism;
    const salted = pbkdf2Sync(password, made.salt, made.iterations, digestBytes, digest);
    expect(made).toMatchObject(scramKeys(mechanism, salted));
    expect(made.iterations).toBe(4096);
    expect(made.salt.toString()).toMatch(/^[0-9a-z]{20,26}$/);
    expect(await keysOf().scramKeysOf(mechanism, asked)).toEqual(made);
    expect(await keys.scramKeysOf(mechanism, asked)).toBe(made);
  });

  it('are made once for all that ask at once', async () => {
    let count = 0;
    class CountedWork extends PasswordWork {
      override salted(...args: Parameters<PasswordWork['salted']>): Promise<Buffer> {
        count += 1;
        return super.salted(...args);
      }
    }
    const keys = new TokenKeys(Buffer.from('secret'), new CountedWork());
    const asked = { tenant: 'acme', id: newTokenId(systemRandom), address: '127.0.0.1' };
    const made = await Promise.all(
      Array.from({ length: 9 }, () => keys.scramKeysOf(sha256!, asked)),
    );
    expect(new Set(made).size).toBe(1);
    expect(count).toBe(1);
  });

  it('when there was no room for them are made the next time', async () => {
    let isFull = true;
    class FullWork extends PasswordWork {
      override salted(...args: Parameters<PasswordWork['salted']>): Promise<Buffer> {
        return isFull ? Promise.reject(new PasswordWorkRefused('full')) : super.salted(...args);
      }
    }
    const keys = new TokenKeys(Buffer.from('secret'), new FullWork());
    const asked = { tenant: 'acme', id: newTokenId(systemRandom), address: '127.0.0.1' };
    await expect(keys.scramKeysOf(sha256!, asked)).rejects.toThrow('full');
    isFull = false;
    expect((await keys.scramKeysOf(sha256!, asked)).storedKey).toHaveLength(32);
  });

  it('differ by tenant, id and mechanism', async () => {
    const keys = keysOf();
    const id = newTokenId(systemRandom);
    const address = '127.0.0.1';
    const made = await Promise.all([
      keys.scramKeysOf(sha256!, { tenant: 'acme', id, address }),
      keys.scramKeysOf(sha512!, { tenant: 'acme', id, address }),
      keys.scramKeysOf(sha256!, { tenant: 'globex', id, address }),
      keys.scramKeysOf(sha256!, { tenant: 'acme', id: newTokenId(systemRandom), address }),
    ]);
    expect(new Set(made.map(({ salt }) => salt.toString())).size).toBe(4);
    expect(new Set(made.map(({ storedKey }) => storedKey.toString('hex'))).size).toBe(4);
  });
});

describe('an id', () => {
  it('is the user of a login, whatever the bytes', () => {
    const bytes = [Buffer.alloc(16, 0xff), Buffer.alloc(16, 0xfb), Buffer.alloc(16, 1)];
    const random = { bytes: () => bytes.shift()! };
    const id = newTokenId(random);
    // The first two would begin with "_" and "-".
    expect(id).toBe('AQEBAQEBAQEBAQEBAQEBAQ');
    expect(isTokenId(id)).toBe(true);
    expect(tokenName('acme', { id })).toBe(`acme/${id}`);
  });

  it.each(['', 'x', `${'A'.repeat(21)}B`, `-${'A'.repeat(21)}`, `${'A'.repeat(22)}A`])(
    '%j is none',
    (text) => {
      expect(isTokenId(text)).toBe(false);
    },
  );
});
