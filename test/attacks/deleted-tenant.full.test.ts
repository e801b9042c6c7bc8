/** Threat: a real client (kcat) goes on reading a tenant that is being deleted, or comes back to it. */
import { expect, it } from 'vitest';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { awaitExit, spawnReaped } from '../tools/child-process.ts';
import { kcatConnection } from '../tools/client-identity.ts';
import { kcat } from '../tools/kcat.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

describeRequiring(['built-broker', 'kcat'], 'kcat at work in a tenant that is deleted', () => {
  const fixture = useBroker();

  it('loses its connection, gets no other, and finds nothing', async () => {
    const { broker } = fixture;
    const device = fixture.who('acme', 'device-1');
    const service = fixture.who('acme', 'service-1');
    const written = await kcat(device, broker.bootstrap, ['-P', '-t', 'telemetry'], {
      input: 'before\n',
    });
    expect(written.code).toBe(0);
    const consumer = spawnReaped(
      'kcat',
      [
        ...kcatConnection(service, broker.bootstrap),
        '-C',
        '-u',
        '-t',
        'telemetry',
        '-o',
        'beginning',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let [read, said] = ['', ''];
    consumer.stdout?.on('data', (chunk: Buffer) => {
      read += chunk.toString();
    });
    consumer.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await expect.poll(() => read, { timeout: 10_000 }).toContain('before');

    const begun = await adminRequest(broker, 'DELETE', '/v1/tenants/acme?confirm=acme');
    expect(begun.status).toBe(200);
    await expect.poll(() => said, { timeout: 10_000 }).toMatch(/[Dd]isconnect|SSL|down/);
    await fixture.audited('security', ({ reason }) => reason === 'tenant-purged', 10_000);
    consumer.kill('SIGTERM');
    await awaitExit(consumer, 10_000).catch(() => undefined);
    expect(read).toBe('before\n');
    const late = await kcat(
      device,
      broker.bootstrap,
      [...['-P', '-t', 'telemetry', '-X', 'message.timeout.ms=2000']],
      { input: 'after\n' },
    );
    expect(late.code).not.toBe(0);
    const refused = fixture
      .audit('security')
      .filter(({ type, decision }) => type === 'authentication' && decision === 'deny');
    expect(refused.length).toBeGreaterThan(0);
  });
});
