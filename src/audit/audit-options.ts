/** What an audit log on disk is opened with, and what holds where nothing is said. */
import type { Clock } from '../base/clock.ts';
import type { FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import type { AuditHmac } from './audit-hmac.ts';
import type { Keeping } from './audit-keeper.ts';
import type { StreamName } from './checkpoint.ts';
import type { OnCompressed } from './compress-file.ts';
import type { SigningKey } from './signing-key.ts';

export interface DurableRecord {
  readonly stream: StreamName;
  readonly tenant: string | null;
  /** Without its newline. */
  readonly line: string;
}

export interface FileAuditLogOptions {
  /** `<data>/audit`; made when missing. */
  readonly directory: string;
  readonly clock?: Clock;
  readonly files?: FileSystem;
  readonly logger?: Logger;
  /** Within it equal accesses of a connection become one counted line; 0: a line for each. */
  readonly repeatWindowMs?: number;
  /** Tenants whose accesses are written one by one. */
  readonly detailTenants?: readonly string[];
  /** A file is left for a new one when it would grow beyond this. */
  readonly fileBytesMax?: number;
  /** What each stream holds in memory while the disk does not take it. */
  readonly queueBytesMax?: number;
  /** What the records of a tenant may take on the disk in a day; strangers together are one. */
  readonly tenantDailyBytes?: number;
  /** Space that is kept for operators' records, let go when the disk is full. */
  readonly reserveBytes?: number;
  /** Kinds of access that are counted at the same time, for all connections together. */
  readonly repeatEntriesMax?: number;
  /** Refusals of a source about the same thing that are written out in a second. */
  readonly equalPerSecond?: number;
  /** Refused accesses a second and source that are written out. */
  readonly denialsPerSecond?: number;
  /** The same for a tenant, whose CA may make any number of sources. */
  readonly tenantDenialsPerSecond?: number;
  /** The same of failed authentications, connections and broken frames, for a tenant. */
  readonly tenantFailuresPerSecond?: number;
  /** Signs checkpoints; without it the log is a chain that nobody vouches for. */
  readonly signingKey?: SigningKey;
  readonly checkpointIntervalMs?: number;
  /** Gets a copy of all checkpoints. */
  readonly checkpointCopyDirectory?: string | null;
  /** Compression and retention, which need a signing key; without it every file stays as it is. */
  readonly keeping?: Keeping;
  /** Called with the path of a file that was compressed. */
  readonly onCompressed?: OnCompressed;
  /** Fields whose values are hidden. */
  readonly hmac?: AuditHmac;
  /** Called in order for each line that is durable (security) or written (access). Must not throw. */
  readonly onRecord?: (record: DurableRecord) => void;
}

export const AUDIT_DEFAULTS = {
  repeatWindowMs: 1_000,
  detailTenants: [] as readonly string[],
  fileBytesMax: 256 * 1024 * 1024,
  queueBytesMax: 16 * 1024 * 1024,
  tenantDailyBytes: 4 * 1024 * 1024 * 1024,
  reserveBytes: 0,
  repeatEntriesMax: 65_536,
  equalPerSecond: 10,
  denialsPerSecond: 1_000,
  tenantDenialsPerSecond: 2_000,
  tenantFailuresPerSecond: 500,
  checkpointIntervalMs: 1_000,
};

export type AuditSettings = typeof AUDIT_DEFAULTS;
