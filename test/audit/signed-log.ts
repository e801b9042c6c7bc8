/** A signed log of several files in a folder, and how a test looks at it and breaks it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FileAuditLogOptions, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import {
  makeSigningKey,
  readSigningKey,
  readVerifyingKey,
  type SigningKey,
  type VerifyingKey,
} from '../../src/audit/signing-key.ts';
import type { AuditReport } from '../../src/audit/verification.ts';
import { verifyAudit } from '../../src/audit/verifier.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';
import { access, denied, ManualClock, subject } from './audit-fixture.ts';

export interface KeyPair {
  readonly signing: SigningKey;
  readonly verifying: VerifyingKey;
}

export async function keyPair(): Promise<KeyPair> {
  const directory = mkdtempSync(join(tmpdir(), 'breakwater-audit-key-'));
  try {
    const { keyPath, publicPath } = makeSigningKey(directory);
    return {
      signing: await readSigningKey(keyPath),
      verifying: await readVerifyingKey(publicPath),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export const filesOf = (directory: string, prefix: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.startsWith(`${prefix}-`) && /\.(ndjson|jws)$/.test(name))
    .sort();

export const linesIn = (directory: string, name: string): string[] =>
  readFileSync(join(directory, name), 'latin1').split('\n').slice(0, -1);

export const putLines = (directory: string, name: string, lines: readonly string[]): void =>
  writeFileSync(join(directory, name), lines.map((line) => `${line}\n`).join(''));

export interface SignedLogOptions extends Partial<FileAuditLogOptions> {
  readonly rounds?: number;
  readonly recordsPerRound?: number;
}

/** Rounds of records, each with a checkpoint behind it. */
export async function writeSignedLog(
  directory: string,
  key: SigningKey,
  { rounds = 6, recordsPerRound = 5, ...options }: SignedLogOptions = {},
): Promise<void> {
  const clock = new ManualClock();
  const log = openFileAuditLog({
    directory,
    clock,
    fileBytesMax: 4_096,
    repeatWindowMs: 0,
    signingKey: key,
    ...options,
  });
  for (let round = 0; round < rounds; round += 1) {
    for (let at = 0; at < recordsPerRound; at += 1) {
      log.access(subject(), denied({ resourceName: `secret-${round}-${at}` }));
      log.access(subject(), access({ resourceName: `open-${round}-${at}` }));
      await log.durable();
    }
    clock.advance(100);
    await log.checkpoint();
  }
  await log.close();
}

export const verify = (
  directory: string,
  keys: readonly VerifyingKey[],
  anchor?: string,
): Promise<AuditReport> =>
  verifyAudit({
    files: nodeFileSystem,
    directory,
    keys,
    ...(anchor !== undefined && { anchors: { name: 'anchor.jws', text: anchor } }),
  });
