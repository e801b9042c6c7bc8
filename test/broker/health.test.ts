import { describe, expect, it } from 'vitest';
import type { HealthCheck } from '../../src/admin/admin-services.ts';
import { systemClock } from '../../src/base/clock.ts';
import { type HealthParts, healthOf } from '../../src/broker/health.ts';
import { Lifecycle } from '../../src/broker/lifecycle.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
type Certificates = HealthParts['certificates'][number];

const certificateOf = (name: Certificates['name'], expiresAtMs: number): Certificates => ({
  name,
  refusal: null,
  material: { expiresAtMs } as Certificates['material'],
});

const status = (refusal: object | null) =>
  ({ policyStatus: () => ({ refusal }) }) as unknown as HealthParts['authorizer'];

function well(changes: Partial<HealthParts> = {}): HealthParts {
  return {
    lifecycle: new Lifecycle(),
    process: { delayP99Ms: 3 },
    servers: { mtls: { isListening: true }, sasl: null },
    engine: { health: { failure: null, offlinePartitions: [] } },
    audit: { healthy: true },
    authorizer: status(null),
    certificates: [
      certificateOf('mtls', NOW_MS + 90 * DAY_MS),
      certificateOf('admin', NOW_MS + 90 * DAY_MS),
    ],
    crls: [{ problem: null }],
    external: null,
    fleet: { problem: null },
    ...changes,
  };
}

const unwell = (changes: Partial<HealthParts>): HealthCheck[] =>
  healthOf(well(changes), NOW_MS).filter(({ state }) => state !== 'ok');

describe('the health of the broker', () => {
  it('names every part, each of them well', () => {
    expect(healthOf(well(), NOW_MS)).toEqual(
      [
        'lifecycle',
        'listeners',
        'storage',
        'audit',
        'policy',
        'certificates-mtls',
        'certificates-admin',
        'crl',
        'event-loop',
        'fleet-view',
      ].map((name) => ({ name, state: 'ok', reason: null })),
    );
  });

  it('fails while it drains', async () => {
    const lifecycle = new Lifecycle();
    await lifecycle.drain(0, systemClock);
    expect(unwell({ lifecycle })).toMatchObject([{ name: 'lifecycle', state: 'failed' }]);
  });

  it('fails when a listener is closed, and says which', () => {
    const servers = { mtls: { isListening: true }, sasl: { isListening: false } };
    const [check, ...more] = unwell({ servers });
    expect(more).toEqual([]);
    expect(check).toMatchObject({ name: 'listeners', state: 'failed' });
    expect(check!.reason).toMatch(/: sasl\.$/);
  });

  it.each([
    [
      'the log directory is offline',
      { failure: 'the disk is gone', offlinePartitions: [] },
      'failed',
    ],
    ['partitions are damaged', { failure: null, offlinePartitions: ['acme.t-0'] }, 'degraded'],
  ])('says that %s, and no name of a tenant', (_, health, state) => {
    const [check] = unwell({ engine: { health } });
    expect(check).toMatchObject({ name: 'storage', state });
    expect(check!.reason).not.toContain('acme');
  });

  it('fails when the audit log cannot be written', () => {
    expect(unwell({ audit: { healthy: false } })).toMatchObject([
      { name: 'audit', state: 'failed' },
    ]);
  });

  it('is degraded by a refused policy and a CRL that is due', () => {
    const refusal = { file: 'devices.csv', line: 3, reason: 'no such operation', atMs: 0 };
    expect(unwell({ authorizer: status(refusal), crls: [{ problem: 'it is due' }] })).toEqual([
      { name: 'policy', state: 'degraded', reason: expect.stringContaining('devices.csv:3') },
      { name: 'crl', state: 'degraded', reason: expect.stringContaining('it is due') },
    ]);
  });

  it('is degraded by a certificate that ends soon, and fails when clients refuse it', () => {
    const mtls = (leftMs: number) => [certificateOf('mtls', NOW_MS + leftMs)];
    expect(unwell({ certificates: mtls(8 * DAY_MS) })).toEqual([]);
    expect(unwell({ certificates: mtls(6 * DAY_MS) })).toMatchObject([
      { name: 'certificates-mtls', state: 'degraded' },
    ]);
    expect(unwell({ certificates: mtls(0) })).toMatchObject([
      { name: 'certificates-mtls', state: 'failed' },
    ]);
    expect(unwell({ certificates: [certificateOf('admin', NOW_MS - 1)] })).toMatchObject([
      { name: 'certificates-admin', state: 'degraded' },
    ]);
  });

  it('is degraded by an event loop that comes late', () => {
    expect(unwell({ process: { delayP99Ms: 499 } })).toEqual([]);
    expect(unwell({ process: { delayP99Ms: 812.4 } })).toEqual([
      { name: 'event-loop', state: 'degraded', reason: expect.stringContaining('812 ms') },
    ]);
  });
});
