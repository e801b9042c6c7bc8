/**
 * Owns how the fields of a stored record are read: what is not as it was written stops the start.
 * Invariant: no message or cause tells what a field held; some hold secrets.
 */
import { StorageError } from '../base/errors.ts';
import type { StateRecord } from '../engine/engine.ts';

/** The name under which the engine opens the log of security events. */
export const SECURITY_METADATA_LOG = 'security_metadata';

export type Data = StateRecord['data'];

export function malformed(what: string, cause?: unknown): StorageError {
  return new StorageError(
    `The ${SECURITY_METADATA_LOG} log holds a record that makes no sense (${what}): ` +
      'restore the data folder from a backup.',
    { cause },
  );
}

export function text(value: unknown): string {
  if (typeof value !== 'string') throw malformed('a text is missing');
  return value;
}

export function texts(value: unknown): readonly string[] {
  return list(value).map(text);
}

export function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed('a list is missing');
  return value;
}

/** The fields of an object; of anything else none. */
export function fields(value: unknown): Data {
  return Object(value) as Data;
}
