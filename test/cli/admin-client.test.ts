/** How a command speaks to the broker: what is sent again after a lost connection, and the pages. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type AdminClient, withAdmin } from '../../src/cli/admin-client.ts';
import { ensureDevCertificates } from '../../src/pki/dev-certificates.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly key: string | undefined;
}

type Reaction = 'lose' | { readonly status: number; readonly body?: object };

let dir: string;
let server: Server;
/** What the server does with each request in turn. */
let reactions: Reaction[] = [];
const seen: Seen[] = [];

beforeAll(async () => {
  dir = temporaryDirectory('admin-client');
  await ensureDevCertificates(dir);
  const read = (name: string): Buffer => readFileSync(join(dir, name));
  server = createServer({ cert: read('broker.crt'), key: read('broker.key') }, react);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.close();
  removeDirectory(dir);
});
afterEach(() => {
  seen.length = 0;
});

function react(request: IncomingMessage, response: ServerResponse): void {
  const key = request.headers['idempotency-key'];
  seen.push({
    method: request.method ?? '',
    path: request.url ?? '',
    key: typeof key === 'string' ? key : undefined,
  });
  const reaction = reactions.shift() ?? { status: 500 };
  request.resume().on('end', () => {
    if (reaction === 'lose') request.socket.destroy();
    else response.writeHead(reaction.status).end(JSON.stringify(reaction.body ?? {}));
  });
}

const run = <T>(script: Reaction[], use: (client: AdminClient) => Promise<T>): Promise<T> => {
  reactions = script;
  const { port } = server.address() as AddressInfo;
  return withAdmin({ url: `https://127.0.0.1:${port}`, certs: dir }, use);
};

describe('a request whose connection is lost', () => {
  test('is sent once more, a change by POST under the same key', async () => {
    const made = { status: 201, body: { name: 'alarms' } };
    const answer = await run(['lose', made], (client) => client.call('POST', '/v1/x', {}));
    expect(answer).toEqual({ name: 'alarms' });
    const [first, second, ...more] = seen;
    expect(more).toEqual([]);
    expect(first?.key).toMatch(/^[\w-]{20,}$/);
    expect(second).toEqual(first);
  });

  test('takes another key for another change, and none for reading', async () => {
    await run([{ status: 200 }, { status: 200 }, { status: 200 }], async (client) => {
      await client.call('POST', '/v1/x', {});
      await client.call('POST', '/v1/x', {});
      await client.call('GET', '/v1/x');
    });
    expect(new Set(seen.map(({ key }) => key)).size).toBe(3);
    expect(seen[2]?.key).toBeUndefined();
  });

  test('waits while the first is under way', async () => {
    const inUse = { status: 409, body: { code: 'idempotency-key-in-use', detail: 'Under way.' } };
    const script: Reaction[] = ['lose', inUse, inUse, { status: 201, body: { done: true } }];
    expect(await run(script, (client) => client.call('POST', '/v1/x', {}))).toEqual({ done: true });
    expect(new Set(seen.map(({ key }) => key)).size).toBe(1);
  });

  test('is done when what it removes is gone by then, and only then', async () => {
    const none: Reaction = { status: 404, body: { code: 'no-such-topic', detail: 'None.' } };
    expect(await run(['lose', none], (client) => client.call('DELETE', '/v1/x'))).toBeNull();
    await expect(run([none], (client) => client.call('DELETE', '/v1/x'))).rejects.toThrow('None.');
    await expect(run(['lose', none], (client) => client.call('GET', '/v1/x'))).rejects.toThrow(
      'None.',
    );
  });

  test('is given up when it is lost again', async () => {
    await expect(
      run(['lose', 'lose'], (client) => client.call('POST', '/v1/x', {})),
    ).rejects.toThrow(/closed the connection/);
    expect(seen).toHaveLength(2);
  });
});

test('a refusal is told with what to do next', async () => {
  const refusal = { status: 403, body: { detail: 'Not you.', next: 'ask ada' } };
  await expect(run([refusal], (client) => client.call('GET', '/v1/x'))).rejects.toThrow(
    'the broker refused: Not you.\nask ada',
  );
});

describe('pages', () => {
  const page = (items: readonly number[], next: string | null) => ({
    status: 200,
    body: { items, next },
  });
  const all = (script: Reaction[], most?: number) =>
    run(script, (client) => client.all('/v1/x', { a: 'b&c' }, ['items'], most));
  const objects = (...ids: number[]) => ids.map((id) => ({ id })) as unknown as number[];

  test('are walked to the last', async () => {
    const found = await all([page(objects(1, 2), 'c-1'), page([], 'c-2'), page(objects(3), null)]);
    expect(found.items).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    expect(seen.map(({ path }) => path)).toEqual([
      '/v1/x?a=b%26c&limit=1000',
      '/v1/x?a=b%26c&limit=1000&cursor=c-1',
      '/v1/x?a=b%26c&limit=1000&cursor=c-2',
    ]);
  });

  test('end where enough was seen', async () => {
    await all([page(objects(1, 2), 'c-1'), page(objects(3), 'c-2')], 3);
    expect(seen.map(({ path }) => path.match(/limit=\d+/)?.[0])).toEqual(['limit=3', 'limit=1']);
  });

  test('that do not get on are not followed', async () => {
    const stuck = page(objects(1), 'c-1');
    await expect(all([stuck, stuck])).rejects.toThrow('do not end');
  });
});
