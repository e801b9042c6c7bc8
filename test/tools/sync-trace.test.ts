import { describe, expect, test } from 'vitest';
import { summariseSyncTrace } from './sync-trace.ts';

const append = '7  pwritev(25</d/acme.telemetry-0/0.log>, [{""..., 90}], 1, 0) = 90';
const answer = '7  write(30<TCP:[127.0.0.1:9093->127.0.0.1:40000]>, ""..., 64) = 64';
const other = '7  write(31<TCP:[127.0.0.1:9643->127.0.0.1:40001]>, ""..., 64) = 64';
const sync = '8  fdatasync(25</d/acme.telemetry-0/0.log>) = 0';

const unsynced = (...lines: string[]): number =>
  summariseSyncTrace(lines.join('\n'), 9093).unsyncedAnswers.length;

describe('sync trace', () => {
  test('counts what it sees', () => {
    const summary = summariseSyncTrace([append, sync, answer, other].join('\n'), 9093);
    expect(summary).toEqual({ appends: 1, syncs: 1, answers: 1, unsyncedAnswers: [] });
  });

  test.each([
    ['an answer before any sync', [append, answer, sync]],
    ['a sync of another file', [append, '8  fdatasync(26</d/acme.telemetry-1/0.log>) = 0', answer]],
    [
      'a failed sync',
      [append, '8  fdatasync(25</d/acme.telemetry-0/0.log>) = -1 EIO (Input/output)', answer],
    ],
    [
      'an answer during the sync',
      [append, '8  fdatasync(25</d/acme.telemetry-0/0.log> <unfinished ...>', answer],
    ],
    [
      'a sync that began before the append',
      [
        '8  fdatasync(25</d/acme.telemetry-0/0.log> <unfinished ...>',
        append,
        '8  <... fdatasync resumed>) = 0',
        answer,
      ],
    ],
  ])('finds %s', (_, lines) => {
    expect(unsynced(...lines)).toBe(1);
  });

  test('accepts a sync in two halves, and an answer for which nothing was appended', () => {
    const halves = [
      '8  fdatasync(25</d/acme.telemetry-0/0.log> <unfinished ...>',
      '8  <... fdatasync resumed>) = 0',
    ];
    expect(unsynced(answer, append, ...halves, answer, answer)).toBe(0);
  });
});
