/** Kerberos encryption against the values of RFC 8009, appendix A, and of MIT's own tests. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksum, decrypt, encrypt } from '../../../src/security/sasl/gssapi-crypto.ts';
import { MalformedKerberos } from '../../../src/security/sasl/gssapi-der.ts';
import { randomKey } from '../../tools/forged-ticket.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const BASE_128 = '3705d96080c17728a0e800eab6e0d23c';
const BASE_256 = '6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52';

describe('known values', () => {
  it.each([
    [
      19,
      BASE_128,
      2,
      '',
      '7e5895eaf2672435bad817f545a37148',
      'ef85fb890bb8472f4dab20394dca781dad877eda39d50c870c0d5a0a8e48c718',
    ],
    [
      19,
      BASE_128,
      2,
      '000102030405',
      '7bca285e2fd4130fb55b1a5c83bc5b24',
      '84d7f30754ed987bab0bf3506beb09cfb55402cef7e6877ce99e247e52d16ed4421dfdf8976c',
    ],
    [
      20,
      BASE_256,
      2,
      '',
      'f764e9fa15c276478b2c7d0c4e5f58e4',
      '41f53fa5bfe7026d91faf9be959195a058707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c',
    ],
  ])('type %i, key %s, usage %i, plaintext "%s"', (type, key, usage, plain, confounder, cipher) => {
    const served = { type, bytes: hex(key) };
    expect(encrypt(served, usage, hex(plain), hex(confounder)).toString('hex')).toBe(cipher);
    expect(decrypt(served, usage, hex(cipher)).toString('hex')).toBe(plain);
  });

  it('type 17 (MIT t_decrypt)', () => {
    const key = { type: 17, bytes: hex('5a5c0f0ba54f3828b2195e66ca24a289') };
    const cipher = hex('49ff8e11c173d9583a3254fbe7b1f1df36c538e8416784a1672e6676');
    expect(decrypt(key, 0, cipher).length).toBe(0);
  });
});

describe('every type', () => {
  const TYPES = [17, 18, 19, 20] as const;
  const usages = fc.nat({ max: 1024 });

  it.each(TYPES)('%i: what is encrypted comes back, under its key and usage alone', (type) => {
    const plain = fc.uint8Array({ maxLength: 100 });
    fc.assert(
      fc.property(plain, usages, (bytes, usage) => {
        const key = randomKey(type);
        const cipher = encrypt(key, usage, Buffer.from(bytes), randomKey(17).bytes);
        expect(decrypt(key, usage, cipher).equals(bytes)).toBe(true);
        expect(() => decrypt(key, usage + 1, cipher)).toThrow(MalformedKerberos);
        expect(() => decrypt(randomKey(type), usage, cipher)).toThrow(MalformedKerberos);
        const changed = Buffer.from(cipher);
        changed[cipher.length >> 1]! ^= 1;
        expect(() => decrypt(key, usage, changed)).toThrow(MalformedKerberos);
      }),
    );
  });

  it.each(TYPES)('%i: a ciphertext of any length is refused and never crashes', (type) => {
    for (let length = 0; length < 64; length += 1) {
      expect(() => decrypt(randomKey(type), 2, Buffer.alloc(length))).toThrow(MalformedKerberos);
    }
  });

  it('a key of a wrong length or of a type that is not served is refused', () => {
    for (const type of TYPES) {
      expect(() => checksum({ type, bytes: Buffer.alloc(15) }, 22, Buffer.alloc(1))).toThrow();
    }
    for (const type of [0, 1, 3, 16, 23, 25, -128]) {
      const key = { type, bytes: Buffer.alloc(16) };
      expect(() => checksum(key, 22, Buffer.alloc(1))).toThrow(MalformedKerberos);
    }
  });
});
