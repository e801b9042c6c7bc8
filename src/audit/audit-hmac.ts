/**
 * Owns the keyed hashes that stand in records for values that must not be read. Pure but for the key.
 *
 * Invariant: the same value of the same field under the same key is the same text, so that records
 * can be searched and counted by it; without the key nothing can be tried out against it.
 */
import { createHmac } from 'node:crypto';
import { isReadableByOthers, readBytesRequired } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import type { RecordFields } from './audit-record.ts';

/** What may be hidden: the names of fields in a record. */
export const HMAC_FIELDS = [
  'principal',
  'fleet',
  'certificate',
  'address',
  'clientId',
  'resource',
] as const;

export interface AuditHmac {
  readonly fields: readonly string[];
  readonly key: Buffer;
}

const KEY_BYTES_MIN = 32;
const HASH_BYTES = 16;
const PREFIX = 'hmac:';

/** The text that stands for `value` in the field; for a search as well as for writing. */
export function hmacOf(key: Buffer, field: string, value: string): string {
  const digest = createHmac('sha256', key).update(`${field}\0${value}`).digest();
  return PREFIX + digest.toString('base64url', 0, HASH_BYTES);
}

/** Throws ConfigError when the file is missing, short, or open to other users. */
export function readHmacKey(path: string): Buffer {
  let key: Buffer;
  try {
    key = readBytesRequired(path, 'make one with "head -c 32 /dev/urandom" and mode 0600');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`audit.hmac.key.file: ${why}`, { cause });
  }
  if (key.length < KEY_BYTES_MIN) {
    throw new ConfigError(`audit.hmac.key.file: ${path} has fewer than ${KEY_BYTES_MIN} bytes.`);
  }
  if (isReadableByOthers(path)) {
    throw new ConfigError(
      `audit.hmac.key.file: ${path} is open to other users: run "chmod 600 ${path}".`,
    );
  }
  return key;
}

/** The fields with the hidden ones replaced, in `facts` as well. */
export function hideFields(fields: RecordFields, hmac: AuditHmac): RecordFields {
  const hidden = hideIn(fields, hmac);
  const { facts } = fields;
  if (typeof facts === 'object' && facts !== null) hidden.facts = hideIn({ ...facts }, hmac);
  return hidden;
}

function hideIn(values: RecordFields, { fields, key }: AuditHmac): RecordFields {
  const hidden: RecordFields = { ...values };
  for (const field of fields) {
    const value = hidden[field];
    if (typeof value === 'string') hidden[field] = hmacOf(key, field, value);
  }
  return hidden;
}
