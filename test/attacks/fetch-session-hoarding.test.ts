/** Threat: one tenant takes all fetch sessions, so that the others' consumers fall back to full fetches. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import type { FetchRequest } from '../../src/protocol/schemas/01-fetch.ts';
import { FetchSessionCache } from '../../src/server/fetch-session.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const SLOTS = 4;

describeRequiring(['built-broker'], 'fetch sessions of a hoarding tenant', () => {
  const fixture = useBroker({
    args: ['--set', `max.incremental.fetch.session.cache.slots=${SLOTS}`],
  });

  async function opened(client: WireClient): Promise<number> {
    const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 };
    const { sessionId } = await client.call(ApiKey.Fetch, 11, {
      maxWaitMs: 0,
      sessionId: 0,
      sessionEpoch: 0,
      topics: [{ topic: 'telemetry', partitions: [partition] }],
    });
    return sessionId;
  }

  it('make room for another tenant, up to its share', async () => {
    const hoarder = await fixture.connect('acme', 'service-1');
    const hoarded: number[] = [];
    for (let n = 0; n < 3 * SLOTS; n += 1) hoarded.push(await opened(hoarder));
    expect(hoarded.filter((id) => id > 0)).toHaveLength(SLOTS);

    const victim = await fixture.connect('globex', 'service-1');
    const own = [await opened(victim), await opened(victim), await opened(victim)];
    expect(own.map((id) => id > 0)).toEqual([true, true, false]);

    // The hoarder lost as many, and gets none of the other's back.
    expect(await opened(hoarder)).toBe(0);
    const ends: number[] = [];
    for (const sessionId of hoarded.slice(0, SLOTS)) {
      const answer = await hoarder.call(ApiKey.Fetch, 11, { sessionId, sessionEpoch: 1 });
      ends.push(answer.errorCode);
    }
    expect(ends.filter((code) => code === ErrorCode.FETCH_SESSION_ID_NOT_FOUND)).toHaveLength(2);
    const kept = await victim.call(ApiKey.Fetch, 11, { sessionId: own[0]!, sessionEpoch: 1 });
    expect(kept.errorCode).toBe(ErrorCode.NONE);
  });
});

describe('partitions of fetch sessions', () => {
  const session = (sessions: FetchSessionCache, tenant: string, count: number): number => {
    const partitions = Array.from({ length: count }, (_, partition) => ({
      partition,
      fetchOffset: 0,
    }));
    const request = {
      sessionId: 0,
      sessionEpoch: 0,
      topics: [{ topic: 't', topicId: ZERO_UUID, partitions }],
      forgottenTopicsData: [],
    } as unknown as FetchRequest;
    const context = sessions.open(request, `${tenant}/service-1`, 11);
    if (typeof context === 'number') throw new Error(`refused with ${context}`);
    return context.finish({
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: 0,
      responses: [],
      nodeEndpoints: [],
    }).sessionId;
  };

  it('are shared among the tenants that hold any', () => {
    const sessions = new FetchSessionCache(1000, systemClock, systemRandom);
    const hoarded = Array.from({ length: 12 }, () => session(sessions, 'acme', 40_000));
    expect(hoarded.filter((id) => id > 0)).toHaveLength(10);
    expect(sessions.partitionCount).toBe(400_000);

    const fair = Array.from({ length: 6 }, () => session(sessions, 'globex', 40_000));
    expect(fair.map((id) => id > 0)).toEqual([true, true, true, true, true, false]);
    expect(session(sessions, 'acme', 40_000)).toBe(0);
    expect(session(sessions, 'initech', 40_000)).toBeGreaterThan(0);
    expect(sessions.partitionCount).toBeLessThanOrEqual(400_000);
    expect(sessions.size).toBe(10);
  });

  it('of a session that grows beyond what is left push out the largest holder, not its own tenant', () => {
    const sessions = new FetchSessionCache(1000, systemClock, systemRandom);
    for (let n = 0; n < 10; n += 1) session(sessions, 'acme', 39_900);
    const id = session(sessions, 'globex', 1000);
    const grown = {
      sessionId: id,
      sessionEpoch: 1,
      topics: [
        {
          topic: 'u',
          topicId: ZERO_UUID,
          partitions: [...Array(2000).keys()].map((partition) => ({ partition, fetchOffset: 0 })),
        },
      ],
      forgottenTopicsData: [],
    } as unknown as FetchRequest;
    expect(sessions.open(grown, 'globex/service-1', 11)).toBeTypeOf('object');
    expect(sessions.partitionCount).toBeLessThanOrEqual(400_000);
    expect(sessions.size).toBe(10);
  });
});
