/** Changes that are sent again under one Idempotency-Key. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { created } from '../../src/admin/admin-route.ts';
import { IdempotencyKeys } from '../../src/admin/idempotency.ts';
import { AdminError } from '../../src/admin/problem.ts';
import { systemClock } from '../../src/base/clock.ts';
import { type AdminFixture, type Answer, DENIED, startFixture } from './admin-fixture.ts';

const PATH = '/v1/tenants/acme/topics';
let admin: AdminFixture;
const allowAll = () => ({ allowed: true, rule: 'p, test', origin: 'test.csv:1' });

beforeAll(async () => {
  admin = await startFixture();
});
afterAll(() => admin.dispose());
afterEach(() => {
  admin.decide = allowAll;
  admin.audit.failing = false;
  admin.audit.events.length = 0;
});

const post = (key: string, body: object, path = PATH): Promise<Answer> =>
  admin.call('POST', path, { body, headers: { 'idempotency-key': key } });
const timesOf = (line: string): number => admin.audit.story().filter((one) => one === line).length;

describe('a change with a key', () => {
  test('is done once, answered as the first time, and its access recorded each time', async () => {
    const first = await post('k-1', { name: 'once' });
    const second = await post('k-1', { name: 'once' });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json).toEqual(first.json);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    expect(second.headers['idempotency-replayed']).toBe('true');
    expect(timesOf('acted topic-create')).toBe(1);
    expect(timesOf('security topic-create success')).toBe(1);
    expect(timesOf(`access POST /v1/tenants/:tenant/topics CREATE TOPIC acme/once allow`)).toBe(2);
  });

  test('is refused with another body, path or query', async () => {
    await post('k-2', { name: 'mine' });
    const others = [
      await post('k-2', { name: 'other' }),
      await post('k-2', {}, '/v1/tenants/acme/suspend'),
    ];
    for (const answer of others) {
      expect([answer.status, answer.json.code]).toEqual([422, 'idempotency-key-reused']);
    }
    expect(timesOf('acted topic-create')).toBe(1);
    expect(admin.topics.has('other')).toBe(false);
  });

  test('is not answered to who may not do it any more', async () => {
    await post('k-3', { name: 'secret' });
    admin.decide = () => DENIED;
    expect((await post('k-3', { name: 'secret' })).status).toBe(403);
  });

  test('is answered with its refusal, and done when it failed inside', async () => {
    const refused = await post('k-4', { name: 'once' });
    expect([refused.status, refused.json.code]).toEqual([409, 'topic-already-exists']);
    admin.topics.delete('once');
    expect((await post('k-4', { name: 'once' })).status).toBe(409);
    admin.audit.failing = true;
    expect((await post('k-5', { name: 'once' })).status).toBe(503);
    admin.audit.failing = false;
    expect((await post('k-5', { name: 'once' })).status).toBe(201);
  });

  test.each(['', ' ', 'a b', 'ä', 'x'.repeat(129)])('%j is no key', async (key) => {
    const sent = Buffer.from(key, 'utf8').toString('latin1');
    const answer = await post(sent, { name: 'never' });
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid-field']);
    expect(answer.json.detail).toMatch(/^"idempotency-key" must be 1 to 128/);
    expect(admin.topics.has('never')).toBe(false);
  });
});

describe('the memory of keys', () => {
  const answer = created({ done: true });
  const act = () => Promise.resolve(answer);

  test('one caller knows nothing of another', async () => {
    const keys = new IdempotencyKeys(systemClock);
    await keys.once('ada', 'k', 1, act);
    expect((await keys.once('bob', 'k', 2, act)).isReplay).toBe(false);
  });

  test('a key is in use while its request is under way', async () => {
    const keys = new IdempotencyKeys(systemClock);
    let finish = (): void => {};
    const first = keys.once('ada', 'k', 1, async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return answer;
    });
    await expect(keys.once('ada', 'k', 1, act)).rejects.toMatchObject({
      status: 409,
      code: 'idempotency-key-in-use',
    });
    await expect(keys.once('ada', 'k', 2, act)).rejects.toMatchObject({ status: 422 });
    finish();
    expect((await first).isReplay).toBe(false);
    expect((await keys.once('ada', 'k', 1, act)).isReplay).toBe(true);
  });

  test('a key is forgotten after an hour, and no sooner', async () => {
    let nowMs = 0;
    const keys = new IdempotencyKeys({ ...systemClock, monotonicMs: () => nowMs });
    await keys.once('ada', 'k', 1, act);
    nowMs = 3_599_999;
    expect((await keys.once('ada', 'k', 1, act)).isReplay).toBe(true);
    nowMs = 3_600_001;
    expect((await keys.once('ada', 'k', 2, act)).isReplay).toBe(false);
  });

  test('is bounded for a caller, who loses the oldest of its own', async () => {
    const keys = new IdempotencyKeys(systemClock, { keysOfCallerMax: 4 });
    await keys.once('bob', 'k', 1, act);
    for (let count = 0; count < 50; count += 1) await keys.once('ada', `k-${count}`, 1, act);
    expect(keys.size).toBe(5);
    expect((await keys.once('bob', 'k', 1, act)).isReplay).toBe(true);
    expect((await keys.once('ada', 'k-49', 1, act)).isReplay).toBe(true);
    expect((await keys.once('ada', 'k-0', 1, act)).isReplay).toBe(false);
  });

  test('is bounded in all: who has been away longest is forgotten', async () => {
    const keys = new IdempotencyKeys(systemClock, { callersMax: 3 });
    for (let count = 0; count < 50; count += 1) await keys.once(`caller-${count}`, 'k', 1, act);
    expect(keys.size).toBeLessThanOrEqual(3);
    expect((await keys.once('caller-49', 'k', 1, act)).isReplay).toBe(true);
  });

  test('a tenant that names callers without end makes nobody else forget', async () => {
    const keys = new IdempotencyKeys(systemClock, { callersMax: 32 });
    let done = 0;
    const act = async () => {
      done += 1;
      return created({});
    };
    await keys.once('operator', 'k', {}, act);
    await keys.once('of globex', 'k', {}, act, 'globex');
    for (let at = 0; at < 100; at += 1) await keys.once(`acme ${at}`, 'k', {}, act, 'acme');
    expect(done).toBe(102);
    expect((await keys.once('operator', 'k', {}, act)).isReplay).toBe(true);
    expect((await keys.once('of globex', 'k', {}, act, 'globex')).isReplay).toBe(true);
    expect((await keys.once('acme 99', 'k', {}, act, 'acme')).isReplay).toBe(true);
    expect(keys.size).toBe(6);
  });

  test('nor one whose answers are large', async () => {
    const keys = new IdempotencyKeys(systemClock);
    const act = async () => created({ text: 'x'.repeat(15_000) });
    await keys.once('operator', 'k', {}, act);
    for (let at = 0; at < 1500; at += 1) {
      await keys.once(`acme ${at % 10}`, `k${at}`, {}, act, 'acme');
    }
    expect((await keys.once('operator', 'k', {}, act)).isReplay).toBe(true);
    expect(keys.size).toBeLessThan(200);
  });

  test('what is under way is never forgotten, so too many at once are refused', async () => {
    const keys = new IdempotencyKeys(systemClock, { keysOfCallerMax: 2 });
    const never = () => new Promise<typeof answer>(() => {});
    void keys.once('ada', 'a', 1, never);
    void keys.once('ada', 'b', 1, never);
    await expect(keys.once('ada', 'c', 1, act)).rejects.toMatchObject({ status: 429 });
    await expect(keys.once('ada', 'a', 1, act)).rejects.toMatchObject({ status: 409 });
  });

  test('an answer that is too large is not kept', async () => {
    const keys = new IdempotencyKeys(systemClock);
    const large = () => Promise.resolve(created({ text: 'x'.repeat(20_000) }));
    await keys.once('ada', 'k', 1, large);
    expect(keys.size).toBe(0);
  });

  test('what fails inside is forgotten, what the caller did wrong is told again', async () => {
    const keys = new IdempotencyKeys(systemClock);
    const fail = (error: Error) => () => Promise.reject(error);
    await expect(keys.once('ada', 'k', 1, fail(new Error('disk')))).rejects.toThrow('disk');
    const refusal = new AdminError(404, 'no-such-topic', 'There is none.');
    await expect(keys.once('ada', 'k', 1, fail(refusal))).rejects.toThrow('There is none.');
    await expect(keys.once('ada', 'k', 1, act)).rejects.toMatchObject({ code: 'no-such-topic' });
  });
});
