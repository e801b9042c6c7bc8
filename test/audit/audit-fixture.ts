/** Subjects, events, a clock that tests drive and a disk that fails on request. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccessEvent, AuditSubject, SecurityEvent } from '../../src/audit/audit-event.ts';
import type { Clock } from '../../src/base/clock.ts';
import { type FileHandle, type FileSystem, nodeFileSystem } from '../../src/base/file-system.ts';

export const subject = (fields: Partial<AuditSubject> = {}): AuditSubject => ({
  connectionId: 'c1',
  listener: 'mtls',
  remoteAddress: '127.0.0.1',
  remotePort: 50_000,
  tenant: 'acme',
  principal: 'User:device-1',
  fleet: null,
  certificateSerial: '0A',
  ...fields,
});

export const access = (fields: Partial<AccessEvent> = {}): AccessEvent => ({
  api: 'Produce',
  apiVersion: 9,
  clientId: 'pump',
  operation: 'WRITE',
  resourceType: 'TOPIC',
  resourceName: 'telemetry',
  allowed: true,
  rule: 'p, Fleet:dev, *, TOPIC, LITERAL, telemetry, WRITE, *, allow',
  origin: 'devices.csv:3',
  ...fields,
});

export const denied = (fields: Partial<AccessEvent> = {}): AccessEvent =>
  access({ allowed: false, rule: null, origin: null, ...fields });

export const failure = (fields: Partial<SecurityEvent> = {}): SecurityEvent => ({
  type: 'authentication',
  outcome: 'failure',
  reason: 'certificate-expired',
  ...fields,
});

/** Time stands until `advance`, which runs what is due, in order. */
export class ManualClock implements Clock {
  #nowMs: number;
  #timers: { atMs: number; run: () => void }[] = [];

  constructor(nowMs = Date.UTC(2026, 10, 22, 12)) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  get timers(): number {
    return this.#timers.length;
  }

  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= endMs);
      const next = due.sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = endMs;
  }
}

/** The real disk, until one of its faults is set. */
export interface FaultyDisk extends FileSystem {
  /** A write takes this many bytes and fails then; null: writes work. */
  bytesLeft: number | null;
  syncFails: boolean;
  /** Resolves the syncs one by one when set; null: syncs work at once. */
  holdSyncs: (() => void)[] | null;
  syncs: number;
}

const full = (): Error => Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });

export function faultyDisk(): FaultyDisk {
  const disk: FaultyDisk = {
    ...nodeFileSystem,
    bytesLeft: null,
    syncFails: false,
    holdSyncs: null,
    syncs: 0,
    openSync(path, mode): FileHandle {
      const handle = nodeFileSystem.openSync(path, mode);
      return {
        path,
        readSync: (buffer, position) => handle.readSync(buffer, position),
        read: (buffer, position) => handle.read(buffer, position),
        writevSync(buffers, position) {
          const bytes = Buffer.concat(buffers);
          if (disk.bytesLeft !== null && bytes.length > disk.bytesLeft) {
            handle.writevSync([bytes.subarray(0, disk.bytesLeft)], position);
            throw full();
          }
          if (disk.bytesLeft !== null) disk.bytesLeft -= bytes.length;
          handle.writevSync([bytes], position);
        },
        truncateSync: (sizeBytes) => handle.truncateSync(sizeBytes),
        sizeBytesSync: () => handle.sizeBytesSync(),
        async datasync() {
          disk.syncs += 1;
          const { holdSyncs } = disk;
          if (holdSyncs !== null) await new Promise<void>((resolve) => holdSyncs.push(resolve));
          if (disk.syncFails) throw Object.assign(new Error('EIO'), { code: 'EIO' });
          await handle.datasync();
        },
        datasyncSync: () => handle.datasyncSync(),
        closeSync: () => handle.closeSync(),
      };
    },
  };
  return disk;
}

export interface AuditFolder {
  readonly directory: string;
  /** The text of every file of a stream, oldest first. */
  text(stream: 'security' | 'access'): string;
  records(stream: 'security' | 'access'): Record<string, unknown>[];
  files(stream: 'security' | 'access'): string[];
  close(): void;
}

export function auditFolder(): AuditFolder {
  const root = mkdtempSync(join(tmpdir(), 'breakwater-audit-'));
  const directory = join(root, 'audit');
  const files = (stream: string): string[] =>
    readdirSync(directory)
      .filter((name) => name.startsWith(`${stream}-`))
      .sort();
  const text = (stream: string): string =>
    files(stream)
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');
  return {
    directory,
    files,
    text,
    records: (stream) =>
      text(stream)
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    close: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Lets the loop turn until the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (performance.now() < deadlineMs) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('the condition never held');
}
