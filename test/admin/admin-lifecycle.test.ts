/** The admin listener over time: new certificates, a certificate that ends, the end itself. */
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startAdminServer } from '../../src/admin/admin-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { issueBroker } from '../../src/pki/issue.ts';
import { openPki } from '../../src/pki/pki-directory.ts';
import { loadTlsMaterial, secureContextOptions } from '../../src/security/tls-context.ts';
import { type AdminFixture, startFixture } from './admin-fixture.ts';

let admin: AdminFixture;
beforeEach(async () => {
  admin = await startFixture({ limits: { requestTimeoutMs: 60_000 } });
});
afterEach(() => admin.dispose());

describe('certificates', () => {
  test('a new server certificate serves new connections; those that stand stay', async () => {
    const before = await admin.connect();
    const serialBefore = before.getPeerX509Certificate()?.serialNumber;
    issueBroker(openPki(admin.certsDir), ['127.0.0.1'], { force: true });
    const file = (name: string): string => join(admin.certsDir, name);
    const files = {
      certificate: file('broker.crt'),
      key: file('broker.key'),
      clientCa: file('operator-ca.crt'),
    };
    admin.server.setSecureContext(
      secureContextOptions(loadTlsMaterial(files, systemClock.nowMs())),
    );
    const after = await admin.connect();
    expect(after.getPeerX509Certificate()?.serialNumber).not.toBe(serialBefore);
    before.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    const [answer] = (await once(before, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200/);
    before.destroy();
    after.destroy();
  });

  test('an operator who is no longer admitted is cut off at the next request', async () => {
    const socket = await admin.connect();
    const ask = async (): Promise<string> => {
      socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
      return Promise.race([
        once(socket, 'data').then(([chunk]) => String(chunk)),
        once(socket, 'close').then(() => 'closed'),
      ]);
    };
    expect(await ask()).toMatch(/^HTTP\/1\.1 200/);
    admin.admits = false;
    expect(await ask()).not.toMatch(/^HTTP\/1\.1 200/);
    expect(admin.audit.story().at(-1)).toBe('security revoked failure');
    if (!socket.closed) await once(socket, 'close');
    expect(admin.server.connectionCount).toBe(0);
  });
});

describe('the end', () => {
  test('a request that was begun is answered, an idle connection is closed', async () => {
    const idle = await admin.connect();
    const busy = await admin.connect();
    busy.write(
      'POST /v1/tenants/acme/topics HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
        'content-length: 16\r\n\r\n{"name":',
    );
    await expect.poll(() => admin.server.connectionCount).toBe(2);
    const closing = admin.server.close(30_000);
    const data = once(busy, 'data');
    busy.write('"alarm"}');
    expect(String((await data)[0])).toMatch(/^HTTP\/1\.1 (201|503)/);
    await closing;
    idle.destroy();
    busy.destroy();
    await expect(admin.call('GET', '/healthz')).rejects.toThrow();
  });

  test('many requests on one connection leave nothing behind', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const socket = await admin.connect();
    const pipelined = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(50);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.write(pipelined);
    await expect.poll(() => text.split('HTTP/1.1 200').length - 1).toBe(50);
    socket.destroy();
    await expect.poll(() => admin.server.connectionCount).toBe(0);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  test('who never finishes a request is cut off after the grace', async () => {
    const stuck = await admin.connect();
    stuck.on('error', () => {});
    stuck.write('POST /v1/tenants HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n');
    await expect.poll(() => admin.server.connectionCount).toBe(1);
    const closed = once(stuck, 'close');
    stuck.resume();
    await admin.server.close(50);
    await closed;
  });

  test('an address that is taken is an error with its port, and who has it stays', async () => {
    const start = startAdminServer({ ...admin.deps, port: admin.port });
    await expect(start).rejects.toMatchObject({ code: 'EADDRINUSE', port: admin.port });
    expect((await admin.call('GET', '/healthz')).status).toBe(200);
  });
});
