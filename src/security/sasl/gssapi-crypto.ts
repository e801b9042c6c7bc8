/**
 * Kerberos encryption types 17 and 18 (RFC 3961, RFC 3962) and 19 and 20 (RFC 8009) by node:crypto:
 * keys derived for a usage, encryption with its check, and the checksum of GSS tokens.
 * Invariant: nothing is given out that was not checked, and checks are compared in constant time.
 */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { MalformedKerberos } from './gssapi-der.ts';

const BLOCK = 16;
/** Which of the keys of one usage (RFC 3961 section 5.3). */
const CHECKSUM = 0x99;
const ENCRYPTION = 0xaa;
const INTEGRITY = 0x55;

interface EncryptionType {
  readonly keyBytes: 16 | 32;
  readonly hash: 'sha1' | 'sha256' | 'sha384';
  /** Of the checksum, and of what stands behind a ciphertext. */
  readonly macBytes: number;
  /** Of the keys for checksums and integrity. */
  readonly macKeyBytes: number;
  /** RFC 8009 derives by HMAC and authenticates the ciphertext, RFC 3962 neither. */
  readonly isSha2: boolean;
}

const ENCRYPTION_TYPES: ReadonlyMap<number, EncryptionType> = new Map<number, EncryptionType>([
  [17, { keyBytes: 16, hash: 'sha1', macBytes: 12, macKeyBytes: 16, isSha2: false }],
  [18, { keyBytes: 32, hash: 'sha1', macBytes: 12, macKeyBytes: 32, isSha2: false }],
  [19, { keyBytes: 16, hash: 'sha256', macBytes: 16, macKeyBytes: 16, isSha2: true }],
  [20, { keyBytes: 32, hash: 'sha384', macBytes: 24, macKeyBytes: 24, isSha2: true }],
]);

/** What Kerberos calls them, for messages. */
export const ENCRYPTION_TYPES_SERVED =
  'aes128-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96, aes128-cts-hmac-sha256-128, aes256-cts-hmac-sha384-192';

export const isServedEncryptionType = (type: number): boolean => ENCRYPTION_TYPES.has(type);

export interface KerberosKey {
  readonly type: number;
  readonly bytes: Buffer;
}

/** Throws MalformedKerberos for a type that is not served or a length that is not the type's. */
function typeOf({ type, bytes }: KerberosKey): EncryptionType {
  const found = ENCRYPTION_TYPES.get(type);
  if (found === undefined) throw new MalformedKerberos(`encryption type ${type} is not served`);
  if (bytes.length !== found.keyBytes) throw new MalformedKerberos('a key of a wrong length');
  return found;
}

/** Decrypts and checks. Throws MalformedKerberos when it is not of this key and usage. */
export function decrypt(key: KerberosKey, usage: number, ciphertext: Buffer): Buffer {
  const type = typeOf(key);
  const macAt = ciphertext.length - type.macBytes;
  if (macAt < BLOCK) throw new MalformedKerberos('a ciphertext that is too short');
  const body = ciphertext.subarray(0, macAt);
  const plain = ctsDecrypt(derive(key, usage, ENCRYPTION), body);
  const expected = macOf(key, usage, INTEGRITY, checked(type, body, plain));
  if (!timingSafeEqual(expected, ciphertext.subarray(macAt))) {
    throw new MalformedKerberos('a ciphertext that is not of this key');
  }
  return plain.subarray(BLOCK);
}

/** Encrypts behind `confounder`, which is 16 random bytes. */
export function encrypt(
  key: KerberosKey,
  usage: number,
  plain: Buffer,
  confounder: Buffer,
): Buffer {
  const type = typeOf(key);
  const all = Buffer.concat([confounder, plain]);
  const body = ctsEncrypt(derive(key, usage, ENCRYPTION), all);
  return Buffer.concat([body, macOf(key, usage, INTEGRITY, checked(type, body, all))]);
}

/** The checksum of a wrap token (RFC 4121 section 4.2.4). */
export function checksum(key: KerberosKey, usage: number, message: Buffer): Buffer {
  return macOf(key, usage, CHECKSUM, message);
}

export const checksumBytes = (key: KerberosKey): number => typeOf(key).macBytes;

/** RFC 8009 section 5 checks the (zero) cipher state and the ciphertext, RFC 3961 the plaintext. */
function checked(type: EncryptionType, body: Buffer, plain: Buffer): Buffer {
  return type.isSha2 ? Buffer.concat([Buffer.alloc(BLOCK), body]) : plain;
}

function macOf(key: KerberosKey, usage: number, purpose: number, message: Buffer): Buffer {
  const { hash, macBytes } = typeOf(key);
  const mac = createHmac(hash, derive(key, usage, purpose))
    .update(message)
    .digest();
  return mac.subarray(0, macBytes);
}

function derive(key: KerberosKey, usage: number, purpose: number): Buffer {
  const { isSha2, hash, keyBytes, macKeyBytes } = typeOf(key);
  const constant = Buffer.alloc(5);
  constant.writeUInt32BE(usage);
  constant[4] = purpose;
  if (!isSha2) return derivedByBlocks(key.bytes, nFold(constant), keyBytes);
  const bytes = purpose === ENCRYPTION ? keyBytes : macKeyBytes;
  const input = Buffer.alloc(4 + constant.length + 1 + 4);
  input.writeUInt32BE(1);
  constant.copy(input, 4);
  input.writeUInt32BE(bytes * 8, 4 + constant.length + 1);
  return createHmac(hash, key.bytes).update(input).digest().subarray(0, bytes);
}

/** DR of RFC 3961 section 5.1. */
function derivedByBlocks(base: Buffer, constant: Buffer, bytes: number): Buffer {
  const blocks: Buffer[] = [];
  for (let last = constant; blocks.length * BLOCK < bytes; blocks.push(last)) {
    last = cipher(base, 'ecb', last);
  }
  return Buffer.concat(blocks);
}

/** n-fold of RFC 3961 section 5.1, to one block: each repetition is rotated by 13 bits more. */
function nFold(input: Buffer): Buffer {
  const bits = input.length * 8;
  const length = leastCommonMultiple(input.length, BLOCK);
  const sum = new Array<number>(BLOCK).fill(0);
  for (let at = 0; at < length; at += 1) {
    const rotation = 13 * Math.floor(at / input.length);
    let byte = 0;
    for (let bit = 0; bit < 8; bit += 1) {
      const from = ((((at % input.length) * 8 + bit - rotation) % bits) + bits) % bits;
      byte = (byte << 1) | ((input[from >> 3]! >> (7 - (from & 7))) & 1);
    }
    sum[at % BLOCK]! += byte;
  }
  // Ones' complement addition: what overflows at the front comes back at the end.
  for (let carry = 0, round = 0; round === 0 || carry > 0; round += 1) {
    for (let at = BLOCK - 1; at >= 0; at -= 1) {
      const value = sum[at]! + carry;
      sum[at] = value & 0xff;
      carry = value >> 8;
    }
  }
  return Buffer.from(sum);
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** CBC with ciphertext stealing and a zero vector (RFC 3962 section 5). */
function ctsDecrypt(key: Buffer, body: Buffer): Buffer {
  if (body.length === BLOCK) return decipher(key, 'ecb', body);
  const tail = ((body.length - 1) % BLOCK) + 1;
  const lastFullAt = body.length - tail - BLOCK;
  const lastFull = decipher(key, 'ecb', body.subarray(lastFullAt, lastFullAt + BLOCK));
  const partial = body.subarray(lastFullAt + BLOCK);
  const last = Buffer.from(lastFull.subarray(0, tail));
  for (let at = 0; at < tail; at += 1) last[at]! ^= partial[at]!;
  const whole = Buffer.concat([body.subarray(0, lastFullAt), partial, lastFull.subarray(tail)]);
  return Buffer.concat([decipher(key, 'cbc', whole), last]);
}

function ctsEncrypt(key: Buffer, plain: Buffer): Buffer {
  if (plain.length === BLOCK) return cipher(key, 'ecb', plain);
  const tail = ((plain.length - 1) % BLOCK) + 1;
  const padded = Buffer.concat([plain, Buffer.alloc(BLOCK - tail)]);
  const encrypted = cipher(key, 'cbc', padded);
  const front = encrypted.length - 2 * BLOCK;
  return Buffer.concat([
    encrypted.subarray(0, front),
    encrypted.subarray(front + BLOCK),
    encrypted.subarray(front, front + tail),
  ]);
}

function cipher(key: Buffer, mode: 'cbc' | 'ecb', bytes: Buffer): Buffer {
  const vector = mode === 'ecb' ? null : Buffer.alloc(BLOCK);
  const aes = createCipheriv(`aes-${key.length * 8}-${mode}`, key, vector).setAutoPadding(false);
  return Buffer.concat([aes.update(bytes), aes.final()]);
}

function decipher(key: Buffer, mode: 'cbc' | 'ecb', bytes: Buffer): Buffer {
  const vector = mode === 'ecb' ? null : Buffer.alloc(BLOCK);
  const aes = createDecipheriv(`aes-${key.length * 8}-${mode}`, key, vector).setAutoPadding(false);
  return Buffer.concat([aes.update(bytes), aes.final()]);
}
