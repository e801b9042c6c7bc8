/** Strangers and hostile operators: certificates that are not an operator's, and bad HTTP. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/base/logger.ts';
import { issueOperator } from '../../src/pki/issue.ts';
import { openPki } from '../../src/pki/pki-directory.ts';
import { type AdminFixture, startFixture } from './admin-fixture.ts';

let admin: AdminFixture;
const logLines: string[] = [];

beforeAll(async () => {
  const logger = createLogger('info', { write: (line) => logLines.push(line) });
  admin = await startFixture({ logger });
});
afterAll(() => admin.dispose());
afterEach(() => {
  admin.audit.events.length = 0;
});

/** Everything the peer sends until it closes. */
async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

const statusOf = (text: string): number => Number(text.split(' ')[1]);

describe('certificates', () => {
  const strangers = [null, 'acme/device-1', 'acme/service-1', 'acme/admin-1', 'broker'];

  test.each(strangers)('%s reaches no route, and the refusal is recorded', async (as) => {
    await expect(admin.call('GET', '/healthz', { as })).rejects.toThrow();
    await expect.poll(() => admin.audit.story()).toEqual([expect.stringMatching(/ failure$/)]);
    const [event] = admin.audit.events;
    expect(event?.security?.type).toBe('authentication');
    expect(event?.subject).toMatchObject({ listener: 'admin', principal: null });
  });

  test('an admitted operator is recorded once a connection', async () => {
    await admin.call('GET', '/healthz');
    expect(admin.audit.story()).toEqual(['security operator-admitted success']);
  });

  test('another operator certificate of the same CA is admitted under its own name', async () => {
    issueOperator(openPki(admin.certsDir), 'ada');
    await admin.call('GET', '/v1/tenants', { as: 'ada' });
    const access = admin.audit.events.find(({ kind }) => kind === 'access');
    expect(access?.subject?.principal).toBe('User:ada');
  });

  test('plain HTTP on the port is closed without an answer', async () => {
    const socket = connectTcp(admin.port, '127.0.0.1');
    socket.end('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    const text = await readAll(socket);
    expect(text).not.toContain('HTTP/1.1');
    await expect.poll(() => admin.audit.story()).toEqual(['security handshake-failed failure']);
  });
});

describe('connections', () => {
  test('strangers who hold sockets open push each other out, not the operators', async () => {
    const patient = await startFixture({ limits: { handshakeTimeoutMs: 60_000 } });
    const idlers = Array.from({ length: 20 }, () => connectTcp(patient.port, '127.0.0.1'));
    for (const idler of idlers) idler.on('error', () => {});
    await Promise.all(idlers.map((idler) => once(idler, 'connect')));
    const closed = () => idlers.filter((idler) => idler.readableEnded || idler.closed).length;
    for (const idler of idlers) idler.resume();
    await expect.poll(closed, { timeout: 5_000 }).toBe(12);
    expect((await patient.call('GET', '/healthz')).status).toBe(200);
    for (const idler of idlers) idler.destroy();
    await patient.dispose();
  });

  test('operators themselves are bounded, and the bound is recorded', async () => {
    const sockets = [];
    for (let count = 0; count < 8; count++) sockets.push(await admin.connect());
    await expect.poll(() => admin.server.connectionCount).toBe(8);
    await expect(admin.call('GET', '/healthz')).rejects.toThrow();
    expect(admin.audit.events.at(-1)?.security?.reason).toBe('max-connections');
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => admin.server.connectionCount).toBe(0);
  });

  test('a request that does not arrive in time is ended', async () => {
    const socket = await admin.connect();
    socket.write('POST /v1/tenants HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n');
    expect(statusOf(await readAll(socket))).toBe(408);
  });
});

describe('names', () => {
  const names = [
    '..',
    '%2e%2e',
    '..%2f..%2fetc%2fpasswd',
    'a%00b',
    'a%0ab',
    'a%2fb',
    'Acme',
    'acme%20',
    '%7e',
    'x'.repeat(64),
    'x'.repeat(5_000),
    '__proto__',
    'constructor',
    '%C3%A4',
    '%',
    '%zz',
    '*',
  ];

  test.each(names)('tenant %s is 400, 404 or 414 and reaches nothing', async (name) => {
    for (const method of ['GET', 'DELETE']) {
      const answer = await admin.call(method, `/v1/tenants/${name}/topics/alarms`);
      expect([400, 404, 414]).toContain(answer.status);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    }
    expect(admin.audit.story().filter((line) => !line.startsWith('security'))).not.toContain(
      'acted topic-delete',
    );
  });

  test.each(['.', '..', 'a/b', '../x', 'a\0', 'a\n# end', 'a,b', 'ä', 'x'.repeat(185), '', ' '])(
    'topic name %j is refused',
    async (name) => {
      const answer = await admin.call('POST', '/v1/tenants/acme/topics', { body: { name } });
      expect([answer.status, answer.json.code]).toEqual([400, 'invalid-field']);
      expect(admin.topics.size).toBe(0);
    },
  );

  test.each([
    '.',
    '..',
    '.hidden',
    'a/b',
    '../x',
    '/etc/x',
    'a\0',
    'x.partial',
    'x'.repeat(101),
    '',
  ])('a backup is not called %j, nor shares with one of that name', async (name) => {
    for (const body of [{ name }, { name: 'monday', since: name }]) {
      const answer = await admin.call('POST', '/v1/backups', { body });
      expect([answer.status, answer.json.code]).toEqual([400, 'invalid-field']);
    }
    expect(admin.audit.story()).not.toContain('acted backup-create');
  });

  test.each(['User:a\nb', 'User:', 'Group:x', 'User:\u0000', 'a', '', 7, null, ['User:x'], {}])(
    'principal %j is refused',
    async (principal) => {
      const body = {
        principal,
        permission: 'ALLOW',
        operation: 'READ',
        resourceType: 'TOPIC',
        resourceName: 'alarms',
      };
      const answer = await admin.call('POST', '/v1/tenants/acme/acls', { body });
      expect(answer.status).toBe(400);
      expect(admin.rules).toEqual([]);
    },
  );
});

describe('bodies', () => {
  const path = '/v1/tenants/acme/topics';

  test('a body above the limit is 413 and not read to its end', async () => {
    const socket = await admin.connect();
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
        'content-length: 1000000000\r\n\r\n{"name":"',
    );
    expect(statusOf(await readAll(socket))).toBe(413);
  });

  test('a chunked body above the limit is 413', async () => {
    const socket = await admin.connect();
    const chunk = 'x'.repeat(8_000);
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
        'transfer-encoding: chunked\r\n\r\n',
    );
    for (let count = 0; count < 10; count++) socket.write(`1f40\r\n${chunk}\r\n`);
    expect(statusOf(await readAll(socket))).toBe(413);
  });

  test.each([
    ['not JSON', '{"name":'],
    ['an array', '["alarms"]'],
    ['a text', '"alarms"'],
    ['a number', '7'],
    ['null', 'null'],
    ['empty', ''],
    ['a prototype', '{"name":"a","__proto__":{"x":1}}'],
    ['a constructor', '{"name":"a","constructor":{"prototype":{"x":1}}}'],
    ['an unknown field', '{"name":"a","isAdmin":true}'],
    ['the path parameter again', '{"name":"a","tenant":"globex"}'],
    ['a fraction of a partition', '{"name":"a","partitions":1.5}'],
    ['no partition', '{"name":"a","partitions":0}'],
    ['partitions as text', '{"name":"a","partitions":"3"}'],
    ['configs that are no texts', '{"name":"a","configs":{"retention.ms":1}}'],
    ['a config with a line end', '{"name":"a","configs":{"retention.ms":"1\\n2"}}'],
  ])('%s is 400', async (_what, rawBody) => {
    const answer = await admin.call('POST', path, { rawBody });
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(admin.topics.size).toBe(0);
  });

  test.each(['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'bogus'])(
    'content type %s is 415',
    async (contentType) => {
      const answer = await admin.call('POST', path, { rawBody: '{"name":"a"}', contentType });
      expect(answer.status).toBe(415);
    },
  );

  test('a query parameter that is given twice or not known is 400', async () => {
    const twice = await admin.call(
      'GET',
      '/v1/tenants/acme/acls?principal=User:a&principal=User:b',
    );
    expect(twice.status).toBe(400);
    expect((await admin.call('GET', '/v1/tenants?verbose=1')).status).toBe(400);
    expect((await admin.call('GET', '/v1/tenants/acme?tenant=globex')).status).toBe(400);
  });
});

describe('HTTP', () => {
  test.each([
    ['PUT', '/v1/tenants'],
    ['PATCH', '/v1/tenants/acme'],
    ['DELETE', '/v1/tenants'],
    ['HEAD', '/healthz'],
    ['OPTIONS', '/v1/tenants'],
    ['TRACE', '/healthz'],
  ])('%s %s is 405 and names what is allowed', async (method, path) => {
    const answer = await admin.call(method, path);
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toMatch(/GET|POST/);
  });

  test.each(['/', '/v1', '/v2/tenants', '//healthz', '/HEALTHZ', '/metrics/', '/../'])(
    '%s is 404',
    async (path) => {
      const answer = await admin.call('GET', path);
      expect([answer.status, answer.json.code]).toEqual([404, 'no-such-route']);
    },
  );

  test('headers above the limit are 431', async () => {
    const socket = await admin.connect();
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-big: ${'a'.repeat(64 * 1024)}\r\n\r\n`);
    expect(statusOf(await readAll(socket))).toBe(431);
  });

  test('a flood of small headers is bounded', async () => {
    const socket = await admin.connect();
    const flood = Array.from({ length: 5_000 }, (_, at) => `x-${at}: 1\r\n`).join('');
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\n${flood}\r\n`);
    expect(statusOf(await readAll(socket))).toBe(431);
  });

  test.each([
    ['two lengths', 'content-length: 1\r\ncontent-length: 2\r\n\r\nx'],
    ['length and chunks', 'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a bare line feed', 'x: 1\n y\r\n\r\n'],
    ['a space before the colon', 'x : 1\r\n\r\n'],
  ])('request smuggling by %s is 400', async (_what, rest) => {
    const socket = await admin.connect();
    socket.write(`POST /v1/tenants HTTP/1.1\r\nhost: x\r\n${rest}`);
    expect(statusOf(await readAll(socket))).toBe(400);
  });

  test('CONNECT and an upgrade are not followed', async () => {
    const tunnel = await admin.connect();
    tunnel.write('CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n');
    expect(await readAll(tunnel)).not.toContain(' 200 ');
    const answer = await admin.call('GET', '/healthz', {
      headers: { connection: 'upgrade', upgrade: 'h2c' },
    });
    expect(answer.status).toBe(200);
  });

  test('an internal error tells the caller nothing and the log everything', async () => {
    const answer = await admin.call('DELETE', '/v1/tenants/acme/topics/broken');
    expect([answer.status, answer.json.code]).toEqual([500, 'internal-error']);
    expect(answer.text).not.toMatch(/secret|\/var|at .*\.ts/);
    expect(logLines.join('')).toContain('secret detail');
  });

  test('answers may not be cached or sniffed', async () => {
    const { headers } = await admin.call('GET', '/healthz');
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });
});
