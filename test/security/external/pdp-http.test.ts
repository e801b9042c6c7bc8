/** Answers that are none, from a real server: garbage, slow, endless, foreign, elsewhere. */
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { authzen } from '../../../src/security/external/authzen.ts';
import { opa } from '../../../src/security/external/opa.ts';
import { PdpHttp } from '../../../src/security/external/pdp-http.ts';
import { PdpError, type PdpProtocol } from '../../../src/security/external/pdp-protocol.ts';
import { type StubPdp, sendJson, startStubPdp } from '../../tools/stub-pdp.ts';
import { question } from './questions.ts';

let pdp: StubPdp;
let http: PdpHttp;
const TIMEOUT_MS = 300;
const AUTHZEN = authzen({ basePath: '', batchMax: 50 });
const OPA = opa('/v1/data/kafka/authz/allow');

beforeAll(async () => {
  pdp = await startStubPdp();
});
beforeEach(() => {
  pdp.answer = null;
  pdp.decide = () => true;
  http?.close();
  http = new PdpHttp({
    url: new URL(pdp.url),
    tls: null,
    connectionsMax: 4,
    clock: systemClock,
    random: systemRandom,
  });
});
afterAll(async () => {
  http.close();
  await pdp.close();
});

async function outcome(protocol: PdpProtocol = AUTHZEN, count = 1): Promise<unknown> {
  const questions = Array.from({ length: count }, (_, index) => question(`topic-${index}`));
  const limits = { timeoutMs: TIMEOUT_MS, answerBytesMax: 20_000 };
  try {
    const answer = await http.call(protocol.request(questions), limits);
    return protocol.verdicts(answer, count).map(({ allowed }) => allowed);
  } catch (error) {
    if (error instanceof PdpError) return error.failure;
    throw error;
  }
}

const json = (response: ServerResponse, text: string): void =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(text);

it('answers of both protocols are taken in their order', async () => {
  pdp.decide = ({ resourceName }) => resourceName !== 'topic-1';
  expect(await outcome(AUTHZEN, 3)).toEqual([true, false, true]);
  expect(await outcome(AUTHZEN)).toEqual([true]);
  expect(await outcome(OPA)).toEqual([true]);
});

it.each([
  ['"true" as text', '{"decision":"true"}'],
  ['1', '{"decision":1}'],
  ['null', '{"decision":null}'],
  ['nothing', '{}'],
  ['a list', '[true]'],
  ['true alone', 'true'],
  ['an inherited name', '{"__proto__":{"decision":true}}'],
  ['half an object', '{"decision":true'],
  ['two objects', '{"decision":true}{"decision":true}'],
  ['no text at all', ''],
  ['text that is no UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('latin1')],
])('a decision that is %s is none', async (_what, text) => {
  pdp.answer = (_request, response) => json(response, text);
  expect(await outcome()).toBe('malformed');
});

it.each([
  ['one too few', '{"evaluations":[{"decision":true},{"decision":true}]}'],
  ['one too many', `{"evaluations":[${Array(4).fill('{"decision":true}').join(',')}]}`],
  [
    'one that is wrong',
    '{"evaluations":[{"decision":true},{"decision":true},{"decision":"true"}]}',
  ],
  ['none', '{"decision":true}'],
  ['a map', '{"evaluations":{"0":{"decision":true},"length":3}}'],
])('of a batch with %s nothing is taken', async (_what, text) => {
  pdp.answer = (_request, response) => json(response, text);
  expect(await outcome(AUTHZEN, 3)).toBe('malformed');
});

it.each([
  ['no result', '{}', [false]],
  ['allow in an object', '{"result":{"allow":true,"reason":"why"}}', [true]],
  ['text', '{"result":"true"}', 'malformed'],
  ['an object without it', '{"result":{"allowed":true}}', 'malformed'],
  ['a number', '{"result":1}', 'malformed'],
  ['null', '{"result":null}', 'malformed'],
])("OPA's result: %s", async (_what, text, expected) => {
  pdp.answer = (_request, response) => json(response, text);
  expect(await outcome(OPA)).toEqual(expected);
});

it.each([201, 204, 301, 302, 307, 401, 403, 500, 503])('status %i is no answer', async (status) => {
  let followed = false;
  pdp.answer = (request, response) => {
    if (request.url === '/elsewhere') followed = true;
    response.writeHead(status, { 'content-type': 'application/json', location: '/elsewhere' });
    response.end(status === 204 ? undefined : '{"decision":true}');
  };
  expect(await outcome()).toBe('status');
  expect(followed).toBe(false);
});

it('a status that says that the question is not understood is told apart', async () => {
  pdp.answer = (_request, response) => void response.writeHead(400).end();
  expect(await outcome()).toBe('refused');
});

it('an answer to another request is not taken', async () => {
  pdp.answer = (_request, response) => {
    response.setHeader('x-request-id', 'of somebody else');
    sendJson(response, { decision: true });
  };
  expect(await outcome()).toBe('malformed');
  pdp.answer = (request, response) => {
    response.setHeader('x-request-id', request.headers['x-request-id']!);
    sendJson(response, { decision: true });
  };
  expect(await outcome()).toEqual([true]);
});

it('what is no JSON by its own account, or encoded, is not taken', async () => {
  pdp.answer = (_request, response) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end('{"decision":true}');
  expect(await outcome()).toBe('malformed');
  pdp.answer = (_request, response) => {
    response.setHeader('content-encoding', 'gzip');
    sendJson(response, { decision: true });
  };
  expect(await outcome()).toBe('malformed');
});

it('an answer that does not end is cut off by size', async () => {
  pdp.answer = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = (): void => {
      if (!response.destroyed) response.write('['.repeat(10_000), () => setImmediate(more));
    };
    more();
  };
  expect(await outcome()).toBe('oversize');
});

it.each([
  ['never answers', () => {}],
  [
    'sends a byte now and then',
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    },
  ],
  [
    'sends headers now and then',
    (response: ServerResponse) => {
      response.socket?.write('HTTP/1.1 200 OK\r\n');
      const drip = setInterval(() => response.socket?.write('x-a: b\r\n'), 20);
      response.on('close', () => clearInterval(drip));
    },
  ],
])('a peer that %s is given up in time', async (_what, answer) => {
  pdp.answer = (_request, response) => answer(response);
  const beganMs = performance.now();
  expect(await outcome()).toBe('timeout');
  expect(performance.now() - beganMs).toBeLessThan(TIMEOUT_MS + 500);
});

it('an answer that breaks off, and a peer that is not there, are failures', async () => {
  pdp.answer = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
    response.write('{"decision":true}');
    setTimeout(() => response.destroy(), 10);
  };
  expect(await outcome()).toBe('unreachable');
  const gone = await startStubPdp();
  await gone.close();
  http.close();
  const url = new URL(gone.url);
  const clock = systemClock;
  http = new PdpHttp({ url, tls: null, connectionsMax: 1, clock, random: systemRandom });
  expect(await outcome()).toBe('unreachable');
});

it('a kept connection that the peer has closed is not held against it', async () => {
  expect(await outcome()).toEqual([true]);
  let isFirst = true;
  pdp.answer = (request, response) => {
    // As a peer does that closed just before the request came.
    if (isFirst) request.socket.resetAndDestroy();
    else sendJson(response, { decision: true });
    isFirst = false;
  };
  expect(await outcome()).toEqual([true]);
});

it('what a PDP says of its reasons comes as one short line, whatever it says', async () => {
  const reason = `a\u0000\u2028\u202e\r\n"b" ${'x'.repeat(1000)}`;
  pdp.answer = (_request, response) =>
    sendJson(response, { decision: false, context: { id: 'd-7', reason_admin: { en: reason } } });
  const one = [question('topic')];
  const limits = { timeoutMs: TIMEOUT_MS, answerBytesMax: 20_000 };
  const [verdict] = AUTHZEN.verdicts(await http.call(AUTHZEN.request(one), limits), 1);
  expect(verdict!.reason).toMatch(/^decision d-7: \{"en":"a/);
  expect(verdict!.reason!.length).toBeLessThanOrEqual(203);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  expect(verdict!.reason).not.toMatch(/[\u0000-\u001f\u2028\u202e]/);
});
