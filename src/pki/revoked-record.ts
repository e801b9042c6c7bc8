/**
 * Owns the note of what was revoked from here: `<tenant>/revoked.ndjson`, beside the CA's key.
 *
 * The broker's state decides; this note is for issuing. A name's revocation covers certificates
 * whose validity began by then, and certificates begin a little in the past: the next one for that
 * name has to begin after its revocation, or it would be born revoked.
 */
import { join } from 'node:path';
import { appendLine, fileExists, readIfThere } from '../base/credential-files.ts';
import { type Pki, writingTo } from './pki-directory.ts';

const SECOND_MS = 1000;

const directoryOf = (pki: Pki, tenant: string): string => join(pki.caKeysDir, tenant);
const recordPath = (pki: Pki, tenant: string): string =>
  join(directoryOf(pki, tenant), 'revoked.ndjson');

/** Does nothing where the tenant's CA is not kept. */
export function recordRevokedName(
  pki: Pki,
  tenant: string,
  revoked: { readonly name: string; readonly revokedAtMs: number },
): void {
  if (!fileExists(directoryOf(pki, tenant))) return;
  const { durable } = writingTo(pki, false);
  appendLine(recordPath(pki, tenant), JSON.stringify(revoked), { access: 'private', durable });
}

/** When the next certificate of the name may begin, a whole second; null: at any time. */
export function earliestStartMs(pki: Pki, tenant: string, name: string): number | null {
  return earliestStartsMs(pki, tenant).get(name) ?? null;
}

/** Whether all certificates of the name, the newest given, are revoked with it. */
export function isRevoked(
  startsMs: ReadonlyMap<string, number>,
  { name, validFromMs }: { readonly name: string; readonly validFromMs: number | null },
): boolean {
  return (validFromMs ?? 0) < (startsMs.get(name) ?? 0);
}

/** The same of every name that was revoked. */
export function earliestStartsMs(pki: Pki, tenant: string): ReadonlyMap<string, number> {
  const startsMs = new Map<string, number>();
  for (const line of (readIfThere(recordPath(pki, tenant)) ?? '').split('\n')) {
    const record = parseLine(line);
    if (record === null) continue;
    const startMs = (Math.floor(record.revokedAtMs / SECOND_MS) + 1) * SECOND_MS;
    startsMs.set(record.name, Math.max(startsMs.get(record.name) ?? 0, startMs));
  }
  return startsMs;
}

function parseLine(line: string): { name: string; revokedAtMs: number } | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const { name, revokedAtMs } = Object(value) as Record<string, unknown>;
  return typeof name === 'string' && typeof revokedAtMs === 'number' ? { name, revokedAtMs } : null;
}
