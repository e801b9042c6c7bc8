import { expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import type { FetchRequest } from '../../src/protocol/schemas/01-fetch.ts';
import { FetchSessionCache } from '../../src/server/fetch-session.ts';

const OWNER = 'acme/service-1';

function request(sessionId: number, sessionEpoch: number, partitions: number[]): FetchRequest {
  const asked = partitions.map((partition) => ({ partition, fetchOffset: 0 }));
  return {
    sessionId,
    sessionEpoch,
    topics: [{ topic: 't', topicId: ZERO_UUID, partitions: asked }],
    forgottenTopicsData: [],
  } as unknown as FetchRequest;
}

const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

const cache = (): FetchSessionCache => new FetchSessionCache(1000, systemClock, systemRandom);

function create(sessions: FetchSessionCache, partitions: number[]): number {
  const context = sessions.open(request(0, 0, partitions), OWNER, 11);
  if (typeof context === 'number') throw new Error(`refused with ${context}`);
  return context.finish({
    throttleTimeMs: 0,
    errorCode: 0,
    sessionId: 0,
    responses: [],
    nodeEndpoints: [],
  }).sessionId;
}

it('a session that grows beyond what one may remember is given up', () => {
  const sessions = cache();
  const id = create(sessions, range(0, 30_000));
  expect(id).toBeGreaterThan(0);
  expect(sessions.open(request(id, 1, range(30_000, 30_000)), OWNER, 11)).toBe(
    ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
  );
  expect(sessions).toMatchObject({ size: 0, partitionCount: 0 });
});

it('all sessions together remember a bounded number of partitions', () => {
  const sessions = cache();
  const ids = range(0, 20).map(() => create(sessions, range(0, 30_000)));
  expect(sessions.partitionCount).toBeLessThanOrEqual(400_000);
  expect(ids.slice(0, 13).every((id) => id > 0)).toBe(true);
  expect(ids.slice(13)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  sessions.open(request(ids[0]!, -1, []), OWNER, 11);
  expect(create(sessions, range(0, 30_000))).toBeGreaterThan(0);
});

it('a partition that is named twice counts once, as last named', () => {
  const sessions = cache();
  const context = sessions.open(request(0, -1, [3, 4, 3]), OWNER, 11);
  if (typeof context === 'number') throw new Error(`refused with ${context}`);
  const asked = context.topics.flatMap(({ partitions }) => partitions);
  expect(asked.map(({ partition }) => partition)).toEqual([3, 4]);
});
