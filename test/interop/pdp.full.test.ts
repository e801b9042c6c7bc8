/**
 * Real policy decision points decide: Cerbos over AuthZEN for the tenant acme, Open Policy Agent
 * over its data API with mutual TLS for globex. Killed, frozen and started again under traffic.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { type ExternalFields, externalFile } from '../tools/external-authorizer.ts';
import { kcat } from '../tools/kcat.ts';
import { cerbos, opa, type RealPdp } from '../tools/real-pdp.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const ALLOW_TTL_MS = 1000;
const TIMEOUT_MS = 1000;
const OPEN_MS = 300;
const TOPICS_SHOWN = 60;
const ROUNDS = 150;
const { NONE, TOPIC_AUTHORIZATION_FAILED } = ErrorCode;

const file = externalFile({ pdps: {}, tenants: {} });

interface Status {
  readonly tenant: string;
  readonly circuit: string;
  readonly asked: number;
  readonly messages: number;
  readonly hits: number;
  readonly misses: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const produceTo = async (client: WireClient, name: string): Promise<number> => {
  const value = Buffer.from('a value');
  const records = buildRecordBatch([{ timestampMs: Date.now(), key: null, value, headers: [] }]);
  const answer = await client.call(ApiKey.Produce, 9, {
    acks: 1,
    timeoutMs: 5000,
    topicData: [{ name, partitionData: [{ index: 0, records }] }],
  });
  return answer.responses[0]!.partitionResponses[0]!.errorCode;
};

const at = (sortedMs: readonly number[], share: number): number =>
  sortedMs[Math.min(sortedMs.length - 1, Math.floor(share * sortedMs.length))]!;

describeRequiring(
  ['built-broker', 'cerbos', 'opa', 'kcat', 'linux-proc'],
  'real policy decision points',
  () => {
    const fixture = useBroker({ env: { BREAKWATER_AUTHORIZER_EXTERNAL_FILE: file.path } });
    const localMs: Record<string, number[]> = {};
    const pdps: Record<string, RealPdp> = {};

    let files = 0;
    const settings = (allowTtlMs: number): ExternalFields => {
      const { certsDir } = fixture.broker;
      files += 1;
      const usual = {
        // A file that says what the one before said would change nothing.
        'queue.max': 1000 + files,
        'timeout.ms': TIMEOUT_MS,
        circuit: { failures: 3, 'open.ms': OPEN_MS },
        cache: { 'allow.ttl.ms': allowTtlMs, 'deny.ttl.ms': 0 },
      };
      const device = (name: string): string => join(certsDir, 'globex', `service-1.${name}`);
      return {
        pdps: {
          cerbos: { url: pdps.acme!.url, ...usual },
          opa: {
            protocol: 'opa',
            url: pdps.globex!.url,
            path: '/v1/data/kafka/authz/allow',
            tls: { ca: join(certsDir, 'ca.crt'), certificate: device('crt'), key: device('key') },
            ...usual,
          },
        },
        tenants: {
          acme: { mode: 'external', pdp: 'cerbos' },
          globex: { mode: 'external', pdp: 'opa' },
        },
      };
    };

    /** Writes the file and waits until it is in force. */
    const takeOver = async (allowTtlMs: number): Promise<void> => {
      const taken = (): number =>
        fixture.broker.stderr().split('authorizer file is in force').length;
      const before = taken();
      file.write(settings(allowTtlMs));
      const deadlineMs = Date.now() + 10_000;
      while (taken() === before) {
        if (Date.now() > deadlineMs) throw new Error('the new file was not taken');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };

    const statusOf = async (tenant: string): Promise<Status> => {
      const { body } = await adminRequest(fixture.broker, 'GET', '/v1/authorizer');
      return (body as { tenants: Status[] }).tenants.find((one) => one.tenant === tenant)!;
    };

    const timed = async (client: WireClient, rounds = ROUNDS): Promise<number[]> => {
      const tookMs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const beganMs = performance.now();
        expect(await produceTo(client, 'telemetry')).toBe(NONE);
        tookMs.push(performance.now() - beganMs);
      }
      return tookMs.sort((a, b) => a - b);
    };

    beforeAll(async () => {
      for (const tenant of ['acme', 'globex']) {
        const admin = await fixture.connect(tenant, 'admin-1');
        const names = Array.from({ length: TOPICS_SHOWN }, (_, index) => `shown-${index}`);
        await admin.call(ApiKey.CreateTopics, 7, {
          topics: [...names, 'alarms', 'hidden'].map((name) => ({
            name,
            numPartitions: 1,
            replicationFactor: 1,
          })),
          timeoutMs: 20_000,
        });
        const device = await fixture.connect(tenant, 'device-1');
        await timed(device, 20);
        localMs[tenant] = await timed(device);
      }
      const own = (name: string): string => join(fixture.broker.certsDir, name);
      pdps.acme = await cerbos();
      pdps.globex = await opa({
        certificate: own('broker.crt'),
        key: own('broker.key'),
        clientCa: own('client-ca.crt'),
      });
      await Promise.all([pdps.acme.start(), pdps.globex.start()]);
      await takeOver(0);
    }, 60_000);
    afterAll(() => Promise.all(Object.values(pdps).map((pdp) => pdp.kill9())));

    const each = it.each([
      ['acme', 'Cerbos'],
      ['globex', 'OPA'],
    ]);

    each('%s: %s allows and denies; the reason is recorded', async (tenant) => {
      const device = await fixture.connect(tenant, 'device-1');
      // The policy would refuse this topic to no service, and the first to no device.
      const service = await fixture.connect(tenant, 'service-1');
      expect(await produceTo(device, 'telemetry')).toBe(NONE);
      expect(await produceTo(device, 'alarms')).toBe(TOPIC_AUTHORIZATION_FAILED);
      expect(await produceTo(service, 'telemetry')).toBe(TOPIC_AUTHORIZATION_FAILED);
      const line = await fixture.audited(
        'security',
        (one) => one.tenant === tenant && one.decision === 'deny' && one.resource === 'alarms',
      );
      expect(line.origin).toMatch(/^external:/);
    });

    each('%s: %s is asked for a whole listing together', async (tenant) => {
      const service = await fixture.connect(tenant, 'service-1');
      const before = await statusOf(tenant);
      const { topics } = await service.call(ApiKey.Metadata, 12, { topics: null });
      const after = await statusOf(tenant);
      const names = topics.map(({ name }) => name);
      expect(names).toHaveLength(TOPICS_SHOWN);
      expect(names.every((name) => name?.startsWith('shown-'))).toBe(true);
      const asked = after.asked - before.asked;
      expect(asked).toBe(TOPICS_SHOWN + 4); // __audit, alarms, hidden, telemetry
      const messages = after.messages - before.messages;
      if (tenant === 'acme') expect(messages).toBeLessThanOrEqual(3);
      else expect(messages).toBe(asked);
    });

    each('%s: added latency and hit rate with %s', async (tenant, name) => {
      await takeOver(0);
      const device = await fixture.connect(tenant, 'device-1');
      await timed(device, 20);
      const askedMs = await timed(device);
      await takeOver(60_000);
      const before = await statusOf(tenant);
      const cachedMs = await timed(device);
      const after = await statusOf(tenant);
      const hits = after.hits - (before?.hits ?? 0);
      const misses = after.misses - (before?.misses ?? 0);
      const figures = (tookMs: readonly number[]): string => {
        const [p50, p99] = [0.5, 0.99].map((share) => at(tookMs, share));
        const [local50, local99] = [0.5, 0.99].map((share) => at(localMs[tenant]!, share));
        const added = [p50! - local50!, p99! - local99!].map((ms) => ms.toFixed(2));
        return `p50 ${p50!.toFixed(2)}, p99 ${p99!.toFixed(2)} (added ${added.join(', ')})`;
      };
      console.log(
        `${name}, ms a Produce: local ${figures(localMs[tenant]!)}; asked ${figures(askedMs)}; ` +
          `remembered ${figures(cachedMs)}; hit rate ${((100 * hits) / (hits + misses)).toFixed(1)} %`,
      );
      expect(misses).toBeLessThanOrEqual(2);
      expect(hits).toBeGreaterThanOrEqual(ROUNDS - 2);
      expect(at(askedMs, 0.5)).toBeLessThan(at(localMs[tenant]!, 0.5) + 50);
    });

    each('%s: %s is killed and started again under traffic', async (tenant) => {
      await takeOver(ALLOW_TTL_MS);
      const pdp = pdps[tenant]!;
      const device = await fixture.connect(tenant, 'device-1');
      const seen: { atMs: number; allowed: boolean }[] = [];
      let isOver = false;
      const endMs = Date.now() + 45_000;
      const traffic = (async () => {
        while (!isOver && Date.now() < endMs) {
          const beganMs = performance.now();
          const errorCode = await produceTo(device, 'telemetry');
          expect([NONE, TOPIC_AUTHORIZATION_FAILED]).toContain(errorCode);
          seen.push({ atMs: beganMs, allowed: errorCode === NONE });
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      const count = (allowed: boolean): number =>
        seen.filter((one) => one.allowed === allowed).length;
      await expect.poll(() => count(true), { timeout: 10_000 }).toBeGreaterThan(20);
      expect(count(false)).toBe(0);

      await pdp.kill9();
      const killedMs = performance.now();
      await expect.poll(() => count(false), { timeout: 10_000 }).toBeGreaterThan(50);
      const identity = fixture.who(tenant, 'device-1');
      const write = () =>
        kcat(
          identity,
          fixture.broker.bootstrap,
          ['-P', '-t', 'telemetry', '-p', '0', '-X', 'message.timeout.ms=3000'],
          {
            input: 'a line\n',
          },
        );
      expect((await write()).code).not.toBe(0);
      // Remembered allows carry on to their end, and nothing is allowed beyond it.
      const late = () => seen.filter((one) => one.atMs > killedMs + ALLOW_TTL_MS);
      await expect.poll(() => late().length, { timeout: 10_000 }).toBeGreaterThan(20);
      expect(late().filter((one) => one.allowed)).toEqual([]);

      const downTill = seen.length;
      await pdp.start();
      await expect
        .poll(() => seen.slice(downTill).filter((one) => one.allowed).length, { timeout: 15_000 })
        .toBeGreaterThan(20);
      isOver = true;
      await traffic;
      await expect.poll(() => produceTo(device, 'telemetry'), { timeout: 10_000 }).toBe(NONE);
      const written = await write();
      expect(written.code, written.text).toBe(0);
      await fixture.audited('security', (one) => one.reason === 'pdp-circuit-open');
      await fixture.audited('security', (one) => one.reason === 'pdp-circuit-closed');
    });

    each(
      '%s: a %s that stands still is given up in time, and never by allowing',
      async (tenant) => {
        await takeOver(0);
        const device = await fixture.connect(tenant, 'device-1');
        await expect.poll(() => produceTo(device, 'telemetry'), { timeout: 10_000 }).toBe(NONE);
        await pdps[tenant]!.freeze();
        try {
          for (let round = 0; round < 5; round++) {
            const beganMs = performance.now();
            expect(await produceTo(device, 'telemetry')).toBe(TOPIC_AUTHORIZATION_FAILED);
            expect(performance.now() - beganMs).toBeLessThan(TIMEOUT_MS + 2000);
          }
        } finally {
          pdps[tenant]!.thaw();
        }
        await expect.poll(() => produceTo(device, 'telemetry'), { timeout: 10_000 }).toBe(NONE);
      },
    );

    it('the circuit opens for the tenant whose PDP fails, and for no other', async () => {
      const globex = await fixture.connect('globex', 'device-1');
      const acme = await fixture.connect('acme', 'device-1');
      await pdps.acme!.kill9();
      for (let round = 0; round < 5; round++) {
        expect(await produceTo(acme, 'telemetry')).toBe(TOPIC_AUTHORIZATION_FAILED);
      }
      expect((await statusOf('acme')).circuit).not.toBe('closed');
      await expect.poll(() => produceTo(globex, 'telemetry'), { timeout: 10_000 }).toBe(NONE);
      expect((await statusOf('globex')).circuit).toBe('closed');
    });
  },
);
