/** Each served API against the table of required rights, through real rules and a real connection. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { apis } from '../../src/server/apis/index.ts';
import {
  AUTHORIZATION_CASES,
  type AuthorizationCase,
  type NeededRight,
  TOPIC,
} from '../scenarios/authorization.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

/** APIs that ask for no right of their own, with the reason in their definition. */
const ASK_NOTHING: readonly number[] = [
  ApiKey.SaslHandshake,
  ApiKey.ApiVersions,
  ApiKey.SaslAuthenticate,
  ApiKey.DescribeCluster,
  ApiKey.GetTelemetrySubscriptions,
  ApiKey.PushTelemetry,
];
/**
 * Refuse nothing and show what each may see: test/server/groups-rights.test.ts and
 * test/server/delegation-tokens.test.ts.
 */
const SHOWS_LESS: readonly number[] = [ApiKey.ListGroups, ApiKey.DescribeDelegationToken];
/** A token's owner and renewers, by no rule: test/server/delegation-tokens.test.ts. */
const OF_ITS_OWNER: readonly number[] = [ApiKey.RenewDelegationToken, ApiKey.ExpireDelegationToken];

/** A policy under which nobody of a tenant may do anything but the administrator. */
describeRequiring(['built-broker'], 'the rights that each API needs', () => {
  const fixture = useBroker();
  let client: WireClient | undefined;

  /** globex's device-2 holds rights on telemetry and its own topics only: none of these. */
  async function stranger(): Promise<WireClient> {
    if (client === undefined) {
      const admin = await fixture.connect('globex', 'admin-1');
      await admin.call(ApiKey.CreateTopics, 7, {
        topics: [{ name: TOPIC, numPartitions: 1, replicationFactor: 1 }],
        timeoutMs: 5000,
      });
      // Its own right to write telemetry would allow an idempotent producer: deny it.
      await rule('POST', { resourceType: 'TOPIC', resourceName: '*', operation: 'WRITE' }, 'DENY');
      client = await fixture.connect('globex', 'device-2');
    }
    return client;
  }

  async function rule(
    method: 'POST' | 'DELETE',
    right: NeededRight,
    permission: 'ALLOW' | 'DENY' = 'ALLOW',
  ): Promise<void> {
    const path = '/v1/tenants/globex/acls';
    const binding = { ...right, principal: 'User:device-2', permission };
    const reply =
      method === 'POST'
        ? await adminRequest(fixture.broker, method, path, binding)
        : await adminRequest(fixture.broker, method, `${path}?${new URLSearchParams(binding)}`);
    expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
  }

  const ask = async (one: AuthorizationCase): Promise<string> => {
    const asker = await stranger();
    return JSON.stringify(await asker.call(one.key, one.version, one.body as never));
  };

  it('has a case for every API that asks for a right', () => {
    const served = Object.entries(apis).filter(([, entry]) => 'handle' in entry);
    const cases = AUTHORIZATION_CASES.map(({ key }) => key);
    const covered = new Set<number>([...ASK_NOTHING, ...SHOWS_LESS, ...OF_ITS_OWNER, ...cases]);
    expect(served.map(([key]) => Number(key)).filter((key) => !covered.has(key))).toEqual([]);
  });

  it.each(AUTHORIZATION_CASES.map((one) => [one.api, one] as const))(
    '%s is refused without, and answered with, each right that suffices',
    async (_api, one) => {
      const error = `"errorCode":${one.error}`;
      await stranger();
      if (one.given !== undefined) await rule('POST', one.given);
      expect(await ask(one)).toContain(error);
      for (const right of one.anyOf) {
        const lifts = right.operation === 'WRITE' && right.resourceType === 'TOPIC';
        const everyTopic = { ...right, resourceName: '*' };
        if (lifts) await rule('DELETE', everyTopic, 'DENY');
        await rule('POST', right);
        expect(await ask(one), JSON.stringify(right)).not.toContain(error);
        await rule('DELETE', right);
        if (lifts) await rule('POST', everyTopic, 'DENY');
        if (one.key !== ApiKey.DeleteTopics) expect(await ask(one)).toContain(error);
      }
      if (one.given !== undefined) await rule('DELETE', one.given);
    },
  );
});
