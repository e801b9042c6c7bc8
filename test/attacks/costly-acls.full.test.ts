/**
 * Threat: a tenant's administrator uses the ACL API to hold up everybody else: very many rules or
 * filters in a request, rules that make decisions dear, changes without end.
 */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { aclFilter, creation, WIRE } from '../tools/acls.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

/** Far below what these took without their bounds, far above what a busy machine adds. */
const WAIT_MAX_MS = 1500;

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** For everyone of the tenant: on nested prefixes of one name, from networks that all match. */
const nested = times(1024, (n) =>
  creation({
    resourceName: 'x'.repeat(1 + Math.floor(n / 8)),
    resourcePatternType: WIRE.PREFIXED,
    principal: 'User:*',
    host: ['*', '127.0.0.1', '127.0.0.0/8', '0.0.0.0/0'][n % 4]!,
    operation: n % 8 < 4 ? WIRE.READ : WIRE.ALL,
  }),
);

const ATTACKS: readonly [string, (client: WireClient) => Promise<unknown>][] = [
  [
    '12,000 new rules in one request',
    async (client) => {
      const creations = times(12_000, (n) =>
        creation({ resourceName: `n${n}`, principal: `User:u${n % 300}` }),
      );
      const { results } = await client.call(ApiKey.CreateAcls, 3, { creations });
      expect(results.every(({ errorCode }) => errorCode === 0)).toBe(true);
    },
  ],
  [
    'all rules described, five times at once',
    async (client) => {
      const answers = await Promise.all(
        times(5, () => client.call(ApiKey.DescribeAcls, 3, aclFilter())),
      );
      for (const { resources } of answers) expect(resources.length).toBeGreaterThan(12_000);
    },
  ],
  [
    '30,000 rules that are refused',
    (client) =>
      client.call(ApiKey.CreateAcls, 3, {
        creations: times(30_000, () => creation({ resourceName: '', principal: '', host: '' })),
      }),
  ],
  [
    '40,000 filters over 12,000 rules',
    async (client) => {
      const filters = times(40_000, () => aclFilter({ principalFilter: '' }));
      const { filterResults } = await client.call(ApiKey.DeleteAcls, 3, { filters });
      expect(filterResults[0]).toMatchObject({ errorCode: 0, matchingAcls: [] });
      expect(filterResults.at(-1)).toMatchObject({ errorCode: ErrorCode.POLICY_VIOLATION });
    },
  ],
  [
    'decisions over a thousand rules that all match, about 2,000 names',
    async (client) => {
      const { results } = await client.call(ApiKey.CreateAcls, 3, { creations: nested });
      expect(results.every(({ errorCode }) => errorCode === 0)).toBe(true);
      const topics = times(2_000, (n) => ({ name: `${'x'.repeat(150)}${n}` }));
      await client.call(ApiKey.Metadata, 12, { topics, allowAutoTopicCreation: false });
    },
  ],
  [
    'all of the rules removed at once',
    async (client) => {
      const filters = [aclFilter({ principalFilter: null })];
      const { filterResults } = await client.call(ApiKey.DeleteAcls, 3, { filters });
      const removed = filterResults[0]!.matchingAcls.filter(({ errorCode }) => errorCode === 0);
      expect(removed.length).toBeGreaterThan(12_000);
    },
  ],
];

describeRequiring(['built-broker'], 'costly ACL requests', () => {
  const fixture = useBroker();

  /** Calls ApiVersions over and over during `work`; the longest wait for an answer. */
  async function longestWaitMs(victim: WireClient, work: Promise<unknown>): Promise<number> {
    let isDone = false;
    const ended = work.finally(() => {
      isDone = true;
    });
    ended.catch(() => {});
    let longestMs = 0;
    while (!isDone) {
      const beganMs = performance.now();
      await victim.call(ApiKey.ApiVersions, 0, {});
      longestMs = Math.max(longestMs, performance.now() - beganMs);
      await Promise.race([ended.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 2))]);
    }
    await ended;
    return longestMs;
  }

  // One after the other: each finds the rules of those before.
  it.each(ATTACKS)('%s', async (name, attack) => {
    const victim = await fixture.connect('globex', 'device-1');
    const attacker = await fixture.connect('acme', 'admin-1');
    const waitMs = await longestWaitMs(victim, attack(attacker));
    console.info(`${name}: a neighbour waited ${waitMs.toFixed(0)} ms at most`);
    expect(waitMs).toBeLessThan(WAIT_MAX_MS);
  });

  it('changes without end: a long request of a neighbour still comes to its end', async () => {
    const attacker = await fixture.connect('acme', 'admin-1');
    const neighbour = await fixture.connect('globex', 'admin-1');
    let isDone = false;
    let changes = 0;
    const toggling = (async () => {
      while (!isDone) {
        const rule = creation({ resourceName: 'toggled' });
        await attacker.call(ApiKey.CreateAcls, 3, { creations: [rule] });
        const filters = [aclFilter({ resourceNameFilter: 'toggled' })];
        await attacker.call(ApiKey.DeleteAcls, 3, { filters });
        changes += 2;
      }
    })();
    const topics = times(20_000, (n) => ({ name: `long-${n}` }));
    const answer = await neighbour.call(ApiKey.Metadata, 12, {
      topics,
      allowAutoTopicCreation: false,
    });
    isDone = true;
    await toggling;
    expect(answer.topics).toHaveLength(20_000);
    expect(changes).toBeGreaterThan(0);
  });
});
