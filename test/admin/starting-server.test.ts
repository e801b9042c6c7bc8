/** What the admin port answers before the admin API does. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type StartingServer, startStartingServer } from '../../src/admin/starting-server.ts';
import { type AdminFixture, startFixture } from './admin-fixture.ts';

let admin: AdminFixture;
let starting: StartingServer;
beforeEach(async () => {
  admin = await startFixture();
  await admin.server.close(0);
  starting = await startStartingServer({ ...admin.deps, port: admin.port });
});
afterEach(async () => {
  await starting.close();
  await admin.dispose();
});

describe('while the broker starts', () => {
  test('/healthz is well, /readyz is not, and says why', async () => {
    const alive = await admin.call('GET', '/healthz');
    expect([alive.status, alive.json.status]).toEqual([200, 'ok']);
    const ready = await admin.call('GET', '/readyz');
    expect([ready.status, ready.json.status]).toEqual([503, 'failed']);
    expect(ready.text).toContain('lifecycle');
  });

  test.each([
    ['GET', '/v1/status'],
    ['POST', '/v1/tenants'],
    ['GET', '/metrics'],
    ['DELETE', '/healthz'],
  ])('%s %s is to be tried again', async (method, path) => {
    const answer = await admin.call(method, path);
    expect([answer.status, answer.json.code]).toEqual([503, 'starting']);
    expect(answer.headers['retry-after']).toBe('1');
  });

  test('nothing is told to who is no operator', async () => {
    await expect(admin.call('GET', '/healthz', { as: null })).rejects.toThrow();
    await expect(admin.call('GET', '/healthz', { as: 'acme/device-1' })).rejects.toThrow();
    admin.admits = false;
    await expect(admin.call('GET', '/healthz')).rejects.toThrow();
    expect(admin.audit.story()).toContain('security revoked failure');
  });

  test('the port is free once it has closed, and connections have ended', async () => {
    const open = await admin.connect();
    const ended = new Promise((resolve) => open.once('close', resolve));
    open.resume();
    await starting.close();
    await ended;
    const again = await startStartingServer({ ...admin.deps, port: admin.port });
    expect((await admin.call('GET', '/healthz')).status).toBe(200);
    await again.close();
  });
});
