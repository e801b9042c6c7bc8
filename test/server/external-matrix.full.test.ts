/**
 * Each served API of a tenant that a PDP decides, against the table of required rights: refused and
 * answered as under the policy, whatever has to be asked for.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import {
  AUTHORIZATION_CASES,
  type AuthorizationCase,
  type NeededRight,
  TOPIC,
} from '../scenarios/authorization.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { externalFile } from '../tools/external-authorizer.ts';
import { type Asked, type StubPdp, startStubPdp } from '../tools/stub-pdp.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const pdp: StubPdp = await startStubPdp();
const file = externalFile({
  pdps: {
    // Nothing is remembered: every decision of every request has to be asked for.
    central: { url: pdp.url, 'timeout.ms': 5000, cache: { 'allow.ttl.ms': 0, 'deny.ttl.ms': 0 } },
  },
  tenants: { globex: { mode: 'external', pdp: 'central' } },
});

const IMPLY: Readonly<Record<string, readonly string[]>> = {
  DESCRIBE: ['READ', 'WRITE', 'DELETE', 'ALTER'],
  DESCRIBE_CONFIGS: ['ALTER_CONFIGS'],
};

describeRequiring(['built-broker'], 'the rights that each API needs, decided by a PDP', () => {
  const fixture = useBroker({ env: { BREAKWATER_AUTHORIZER_EXTERNAL_FILE: file.path } });
  let granted: NeededRight[] = [];
  let stranger: WireClient;
  let admin: WireClient;

  const grants = (right: NeededRight, asked: Asked): boolean =>
    right.resourceType === asked.resourceType &&
    (asked.patternType === 'PREFIXED' || right.resourceName === asked.resourceName) &&
    [asked.operation, ...(IMPLY[asked.operation] ?? [])].includes(right.operation);

  beforeAll(async () => {
    pdp.decide = (asked) =>
      asked.principal === 'admin-1' || granted.some((right) => grants(right, asked));
    admin = await fixture.connect('globex', 'admin-1');
    stranger = await fixture.connect('globex', 'device-2');
  });
  afterAll(() => pdp.close());

  const ask = async (one: AuthorizationCase): Promise<string> =>
    JSON.stringify(await stranger.call(one.key, one.version, one.body as never));

  it.each(AUTHORIZATION_CASES.map((one) => [one.api, one] as const))(
    '%s is refused without, and answered with, each right that suffices',
    async (_api, one) => {
      await admin.call(ApiKey.CreateTopics, 7, {
        topics: [{ name: TOPIC, numPartitions: 1, replicationFactor: 1 }],
        timeoutMs: 5000,
      });
      const error = `"errorCode":${one.error}`;
      const given = one.given === undefined ? [] : [one.given];
      granted = given;
      pdp.forget();
      expect(await ask(one)).toContain(error);
      expect(pdp.asked.length).toBeGreaterThan(0);
      for (const right of one.anyOf) {
        granted = [...given, right];
        expect(await ask(one), JSON.stringify(right)).not.toContain(error);
        granted = given;
        if (one.key !== ApiKey.DeleteTopics) expect(await ask(one)).toContain(error);
      }
    },
  );

  it('nothing was decided without asking, allowed or denied', () => {
    const all = [...fixture.audit('access'), ...fixture.audit('security')];
    const lines = all.filter(({ tenant, type }) => tenant === 'globex' && type === 'access');
    for (const decision of ['allow', 'deny']) {
      expect(lines.filter((line) => line.decision === decision).length).toBeGreaterThan(20);
    }
    expect(fixture.broker.stderr()).not.toContain('could not be asked for any more');
    for (const { origin, rule } of lines) {
      if (String(rule).startsWith('listing')) continue;
      expect(origin).toBe('external:central');
    }
  });
});
