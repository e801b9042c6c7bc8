import { describe, expect, it } from 'vitest';
import { createLogger, type LogLevel } from '../../src/base/logger.ts';
import type { BegunRequest } from '../../src/network/connection.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { RequestLog } from '../../src/server/request-log.ts';
import type { Session } from '../../src/server/session.ts';
import { handClock } from '../tools/hand-clock.ts';

const subject = { tenant: 'acme', principal: 'User:device-1', connectionId: 'c1' };
const session = { subject } as Session;

function scene(level: LogLevel, slowMs: number) {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line));
  const clock = handClock();
  const log = new RequestLog(createLogger(level, { write }), clock, slowMs);
  const request = (apiKey: number): BegunRequest => {
    const arrivedMs = clock.monotonicMs();
    const [begunMs, returnedMs] = [arrivedMs + 2, arrivedMs + 5];
    return { apiKey, frameBytes: 100, arrivedMs, begunMs, returnedMs };
  };
  return {
    lines,
    clock,
    answered: (apiKey: number, afterMs: number): void => {
      const begun = request(apiKey);
      log.answered(session, begun, begun.arrivedMs + afterMs);
    },
  };
}

describe('the log of requests', () => {
  it('says which request took long, of whom, and where the time went', () => {
    const { lines, answered } = scene('info', 50);
    answered(ApiKey.Produce, 50);
    expect(lines).toEqual([]);
    answered(ApiKey.Produce, 51);
    expect(lines).toMatchObject([
      {
        level: 'warn',
        code: 'slow-request',
        api: 'Produce',
        ...subject,
        requestBytes: 100,
        totalMs: 51,
        queueMs: 2,
        localMs: 3,
        leftOut: 0,
      },
    ]);
  });

  it('says so once a second at most, with the number of those it left out', () => {
    const { lines, clock, answered } = scene('info', 50);
    for (let count = 0; count < 1000; count++) answered(ApiKey.Metadata, 60);
    clock.pass(999);
    answered(ApiKey.Metadata, 60);
    expect(lines).toHaveLength(1);
    clock.pass(1);
    answered(ApiKey.Metadata, 60);
    expect(lines.map(({ leftOut }) => leftOut)).toEqual([0, 1000]);
  });

  it.each([ApiKey.Fetch, ApiKey.JoinGroup, ApiKey.SyncGroup])('lets API %i wait', (apiKey) => {
    const { lines, answered } = scene('info', 50);
    answered(apiKey, 30_000);
    expect(lines).toEqual([]);
  });

  it('calls nothing slow where that is turned off', () => {
    const { lines, answered } = scene('info', 0);
    answered(ApiKey.Produce, 1e9);
    expect(lines).toEqual([]);
  });

  it('tells of each request while the level is debug, a hundred a second at most', () => {
    const { lines, clock, answered } = scene('debug', 50);
    for (let count = 0; count < 150; count++) answered(ApiKey.Fetch, 1);
    expect(lines).toHaveLength(100);
    expect(lines[0]).toMatchObject({ level: 'debug', code: 'request', api: 'Fetch' });
    clock.pass(1000);
    answered(ApiKey.Fetch, 1);
    expect(lines.at(-1)?.leftOut).toBe(50);
  });
});
