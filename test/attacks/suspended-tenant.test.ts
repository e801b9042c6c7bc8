/** Threat: devices of a suspended tenant stay connected, or come back. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

describeRequiring(['built-broker'], 'a suspended tenant', () => {
  const fixture = useBroker();

  it('loses its connections at once, gets no new ones, and comes back when resumed', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const neighbour = await fixture.connect('globex', 'device-1');
    const suspended = await adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/suspend', {});
    expect(suspended.status).toBe(200);
    expect(await device.isClosed(1000)).toBe(true);

    const again = await fixture.connect('acme', 'device-2');
    expect(await again.isClosed()).toBe(true);
    const line = await fixture.audited('security', (one) => one.reason === 'tenant_inactive');
    expect(line).toMatchObject({ type: 'authentication', outcome: 'failure' });
    expect((await neighbour.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);

    await adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/resume', {});
    const resumed = await fixture.connect('acme', 'device-1');
    const { topics } = await resumed.call(ApiKey.Metadata, 12, { topics: null });
    expect(topics.map(({ name }) => name)).toEqual(['telemetry']);
  });

  it('has its suspension in the security log', async () => {
    const line = await fixture.audited(
      'security',
      (one) => one.type === 'administration' && String(one.reason).includes('suspend'),
    );
    expect(line.outcome).toBe('success');
  });
});
