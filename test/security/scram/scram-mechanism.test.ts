import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { expect, it } from 'vitest';
import {
  isScramIterations,
  scramKeys,
  scramMechanismByCode,
  scramMechanismByName,
} from '../../../src/security/scram/scram-mechanism.ts';

/** RFC 7677, section 3: the exchange of user "user" with password "pencil". */
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const NONCE = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const AUTH_MESSAGE =
  'n=user,r=rOprNGfwEbeRWgbNEkqO,' +
  `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,` +
  `c=biws,r=${NONCE}`;
const PROOF = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
const SERVER_SIGNATURE = '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=';

it('the keys of SCRAM-SHA-256 verify the exchange of RFC 7677', () => {
  const mechanism = scramMechanismByName('SCRAM-SHA-256')!;
  const { storedKey, serverKey } = scramKeys(
    mechanism,
    pbkdf2Sync('pencil', SALT, 4096, 32, 'sha256'),
  );
  const clientSignature = createHmac('sha256', storedKey).update(AUTH_MESSAGE).digest();
  const clientKey = Buffer.from(PROOF, 'base64').map((byte, at) => byte ^ clientSignature[at]!);
  expect(createHash('sha256').update(clientKey).digest()).toEqual(storedKey);
  const signature = createHmac('sha256', serverKey).update(AUTH_MESSAGE).digest('base64');
  expect(signature).toBe(SERVER_SIGNATURE);
});

it('the keys of SCRAM-SHA-512 are as long as its digest', () => {
  const mechanism = scramMechanismByCode(2)!;
  const keys = scramKeys(mechanism, pbkdf2Sync('pencil', SALT, 4096, 64, 'sha512'));
  expect(mechanism.name).toBe('SCRAM-SHA-512');
  expect([keys.storedKey.length, keys.serverKey.length]).toEqual([64, 64]);
  expect(keys.storedKey).not.toEqual(keys.serverKey);
});

it.each([
  [4095, false],
  [4096, true],
  [16_384, true],
  [16_385, false],
  [4096.5, false],
])('%d iterations: %s', (count, isTaken) => {
  expect(isScramIterations(count)).toBe(isTaken);
});

it('a code that Kafka does not know is no mechanism', () => {
  expect(scramMechanismByCode(0)).toBeUndefined();
  expect(scramMechanismByCode(3)).toBeUndefined();
});
