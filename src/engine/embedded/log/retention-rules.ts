/**
 * Owns which of a log's oldest segments may go (Kafka's UnifiedLog.deleteOldSegments): those below
 * the log's start, those whose youngest record is older than retention.ms, and those without which
 * the log still holds retention.bytes. Always whole segments below the high watermark, oldest first;
 * the active one too when all of it is expired, never an empty one. A segment whose records bear no
 * time counts from when it was begun or opened.
 */
import type { LogConfig } from './log-config.ts';
import type { UnifiedLog } from './unified-log.ts';

/** For what is no matter of age or size: only what lies below the log's start goes. */
export const BELOW_START_ONLY = { retentionMs: -1, retentionBytes: -1 } as const;

export type RetentionLimits = Pick<LogConfig, 'retentionMs' | 'retentionBytes'>;

/** The end of the last segment that may go; 0 when none may. */
export function retainedFrom(log: UnifiedLog, limits: RetentionLimits, nowMs: number): number {
  const { segments } = log.local;
  const { retentionMs, retentionBytes } = limits;
  const oldestMs = retentionMs < 0 ? Number.NEGATIVE_INFINITY : nowMs - retentionMs;
  let spareBytes = retentionBytes < 0 ? -1 : log.local.sizeBytes - retentionBytes;
  let from = 0;
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1];
    const end = next?.baseOffset ?? log.logEndOffset;
    if (end > log.highWatermark || (next === undefined && segment.sizeBytes === 0)) break;
    const isSpare = spareBytes >= 0 && spareBytes >= segment.sizeBytes;
    const mayGo = isSpare || end <= log.logStartOffset || segment.youngestMs < oldestMs;
    if (!mayGo) break;
    spareBytes -= segment.sizeBytes;
    from = end;
  }
  return from;
}
