/** /readyz of a broker that stops: 503 while its clients are still served. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

describeRequiring(['built-broker'], 'readiness', () => {
  it('ends with the signal, the service not before the notice is over', async () => {
    const broker = await startBroker({ env: { BREAKWATER_SHUTDOWN_NOTICE_MS: '1500' } });
    try {
      const identity = clientIdentity(broker.certsDir, 'acme', 'service-1');
      const client = await WireClient.connect(broker.port, identity);
      expect((await adminRequest(broker, 'GET', '/readyz')).status).toBe(200);
      const level = { level: 'debug', durationMs: 60_000 };
      expect(await adminRequest(broker, 'POST', '/v1/log-level', level)).toMatchObject({
        status: 200,
        body: { level: 'debug', configured: 'info' },
      });
      await client.call(ApiKey.ApiVersions, 0, {});
      await expect.poll(() => broker.stderr()).toMatch(/"code":"request","api":"ApiVersions"/);
      const stopped = broker.stop();
      await expect
        .poll(() => adminRequest(broker, 'GET', '/readyz').then(({ status }) => status))
        .toBe(503);
      const { body } = await adminRequest(broker, 'GET', '/readyz');
      expect(body).toMatchObject({ status: 'failed' });
      expect((body as { checks: object[] }).checks).toContainEqual(
        expect.objectContaining({ name: 'lifecycle', state: 'failed' }),
      );
      expect((await client.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
      expect(await stopped).toBe(0);
      await client.closed;
    } finally {
      await broker.dispose();
    }
  });
});
