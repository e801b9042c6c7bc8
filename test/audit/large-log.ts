/** A signed log of very many records, made without waiting for the disk at each of them. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessFields, lineAfter } from '../../src/audit/audit-record.ts';
import { type ChainHead, EMPTY_CHAIN, GENESIS, hashOf } from '../../src/audit/chain.ts';
import { signCheckpoint } from '../../src/audit/checkpoint.ts';
import type { SigningKey } from '../../src/audit/signing-key.ts';
import { access, subject } from './audit-fixture.ts';

const PER_CHECKPOINT = 10_000;
const PER_FILE = 250_000;
const START_MS = Date.UTC(2026, 10, 22);

export async function writeLargeLog(
  directory: string,
  key: SigningKey,
  records: number,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  let head: ChainHead = EMPTY_CHAIN;
  let previous = GENESIS;
  for (let n = 1; head.sequence < records; n += 1) {
    const first = head.sequence + 1;
    const number = String(Math.floor(head.sequence / PER_FILE) + 1).padStart(6, '0');
    const file = `access-20261122-${number}.ndjson`;
    const lines: string[] = [];
    for (let at = 0; at < PER_CHECKPOINT; at += 1) {
      const fields = accessFields(subject(), access({ resourceName: `t-${head.sequence}` }), null);
      const line = lineAfter(head, { level: 'info', atMs: START_MS + head.sequence, fields });
      head = { sequence: head.sequence + 1, hash: hashOf(line.slice(0, -1)) };
      lines.push(line);
    }
    appendFileSync(join(directory, file), lines.join(''));
    const checkpoint = { v: 1, log: 'log', boot: 'boot', n, prev: previous, file } as const;
    const time = new Date(START_MS).toISOString();
    const range = { first, last: head.sequence, head: head.hash };
    const line = await signCheckpoint({ ...checkpoint, time, stream: 'access', ...range }, key);
    appendFileSync(join(directory, 'checkpoints-20261122-000001.jws'), `${line}\n`);
    previous = hashOf(line);
  }
}
