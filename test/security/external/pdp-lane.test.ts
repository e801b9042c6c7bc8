/** How one tenant's questions travel: together, a few at a time, bounded in number and time. */
import { expect, it } from 'vitest';
import type { Question } from '../../../src/security/authorizer.ts';
import { authzen } from '../../../src/security/external/authzen.ts';
import { opa } from '../../../src/security/external/opa.ts';
import { PdpLane } from '../../../src/security/external/pdp-lane.ts';
import {
  PdpError,
  type PdpProtocol,
  type PdpRequest,
} from '../../../src/security/external/pdp-protocol.ts';
import { principal, question } from './questions.ts';
import { TestClock } from './test-clock.ts';

interface Sent {
  readonly message: PdpRequest;
  readonly timeoutMs: number;
  readonly size: number;
  answer(value: unknown): void;
  fail(error: PdpError): void;
}

const sizeOf = ({ body }: PdpRequest): number =>
  (JSON.parse(body) as { evaluations?: unknown[] }).evaluations?.length ?? 1;

function lane(
  more: Partial<ConstructorParameters<typeof PdpLane>[0]> = {},
  protocol: PdpProtocol = authzen({ basePath: '', batchMax: 50 }),
) {
  const clock = new TestClock();
  const sent: Sent[] = [];
  const circuits: boolean[] = [];
  const http = {
    call: (message: PdpRequest, { timeoutMs }: { timeoutMs: number }) =>
      new Promise<unknown>((answer, fail) => {
        sent.push({ message, timeoutMs, size: sizeOf(message), answer, fail });
      }),
    close() {},
  };
  const settings = {
    timeoutMs: 200,
    batchWaitMs: 1,
    concurrency: 2,
    queueMax: 100,
    circuit: { failures: 2, openMs: 1000 },
    ...more,
  };
  const onCircuit = (isOpen: boolean): void => void circuits.push(isOpen);
  return {
    clock,
    sent,
    circuits,
    lane: new PdpLane(settings, { http, protocol, clock, onCircuit }),
  };
}

const topics = (count: number, options = {}): Question[] =>
  Array.from({ length: count }, (_, index) => question(`topic-${index}`, options));

const allow = (one: Sent): void =>
  one.answer(
    one.size === 1
      ? { decision: true }
      : { evaluations: Array.from({ length: one.size }, () => ({ decision: true })) },
  );

const outcomeOf = (asking: Promise<unknown>): Promise<string> =>
  asking.then(
    () => 'answered',
    (error: PdpError) => error.failure,
  );

it('what comes within a moment goes together, in order', async () => {
  const { clock, sent, lane: one } = lane();
  const asking = Promise.all(topics(20).map((each) => one.ask(each)));
  expect(sent).toHaveLength(0);
  clock.advance(1);
  expect(sent.map(({ size }) => size)).toEqual([20]);
  const decisions = Array.from({ length: 20 }, (_, index) => ({ decision: index % 3 === 0 }));
  sent[0]!.answer({ evaluations: decisions });
  expect((await asking).map(({ allowed }) => allowed)).toEqual(
    decisions.map(({ decision }) => decision),
  );
});

it('a full message leaves at once; no more than so many are under way; the rest waits', async () => {
  const { clock, sent, lane: one } = lane({ queueMax: 1000 });
  const asking = topics(170).map((each) => one.ask(each));
  expect(sent.map(({ size }) => size)).toEqual([50, 50]);
  clock.advance(1);
  expect(sent).toHaveLength(2);
  allow(sent[0]!);
  await asking[0];
  await Promise.resolve();
  expect(sent.map(({ size }) => size)).toEqual([50, 50, 50]);
  expect(one.waiting).toBe(20);
});

it('the queue is bounded, and what waits in it for too long is told so', async () => {
  const { clock, sent, lane: one } = lane({ queueMax: 5, concurrency: 1 }, opa('/v1/data/a'));
  const first = one.ask(question('first'));
  const waiting = topics(5).map((each) => outcomeOf(one.ask(each)));
  expect(await outcomeOf(one.ask(question('one too many')))).toBe('overloaded');
  clock.advance(100);
  expect(await Promise.all(waiting)).toEqual(Array(5).fill('overloaded'));
  sent[0]!.answer({ result: true });
  expect(await first).toEqual({ allowed: true, reason: null });
  expect(sent).toHaveLength(1);
});

it('the time of a question counts from when it was asked, not from when it is sent', async () => {
  const { clock, sent, lane: one } = lane({ concurrency: 1 }, opa('/v1/data/a'));
  void outcomeOf(one.ask(question('a')));
  void outcomeOf(one.ask(question('b')));
  clock.advance(60);
  sent[0]!.answer({ result: true });
  await new Promise(setImmediate);
  expect(sent.map(({ timeoutMs }) => timeoutMs)).toEqual([200, 140]);
});

it('an id never stands in one message with two sets of properties', async () => {
  const { clock, sent, lane: one } = lane();
  const here = topics(3, { host: '10.0.0.1' });
  const there = topics(3, { host: '10.9.9.9' });
  const other = topics(3, { who: principal('globex', 'device-1') });
  for (const each of [here[0]!, there[0]!, here[1]!, there[1]!, ...other]) void one.ask(each);
  clock.advance(1);
  const hosts = sent.map(({ message }) =>
    (
      JSON.parse(message.body) as {
        evaluations: { subject: { id: string; properties: { host: string } } }[];
      }
    ).evaluations.map(({ subject }) => `${subject.id} ${subject.properties.host}`),
  );
  const acme = 'acme/User:device-1';
  expect(hosts).toEqual([
    [`${acme} 10.0.0.1`, `${acme} 10.0.0.1`, ...Array(3).fill('globex/User:device-1 10.0.0.1')],
    [`${acme} 10.9.9.9`, `${acme} 10.9.9.9`],
  ]);
});

it('after failures in a row nothing is sent, then one probe; each change is told once', async () => {
  const { clock, sent, circuits, lane: one } = lane({ concurrency: 1 }, opa('/v1/data/a'));
  const down = new PdpError('unreachable', 'refused');
  for (let failure = 0; failure < 2; failure++) {
    const asking = outcomeOf(one.ask(question('a')));
    sent.at(-1)!.fail(down);
    expect(await asking).toBe('unreachable');
  }
  await new Promise(setImmediate);
  expect(await outcomeOf(one.ask(question('a')))).toBe('circuit-open');
  expect(sent).toHaveLength(2);
  clock.advance(1000);
  const probe = outcomeOf(one.ask(question('a')));
  expect(await outcomeOf(one.ask(question('b')))).toBe('circuit-open');
  sent[2]!.fail(down);
  expect(await probe).toBe('unreachable');
  await new Promise(setImmediate);
  clock.advance(1000);
  const again = outcomeOf(one.ask(question('a')));
  sent[3]!.answer({ result: false });
  expect(await again).toBe('answered');
  expect(circuits).toEqual([true, false]);
});

it('a question that the PDP does not understand fails alone, and opens no circuit', async () => {
  const { clock, sent, circuits, lane: one } = lane({ concurrency: 8 });
  for (let round = 0; round < 3; round++) {
    const begun = sent.length;
    const asking = topics(3).map((each) => outcomeOf(one.ask(each)));
    clock.advance(1);
    expect(sent.slice(begun).map(({ size }) => size)).toEqual([3]);
    sent[begun]!.fail(new PdpError('refused', 'status 400'));
    await new Promise(setImmediate);
    const alone = sent.slice(begun + 1);
    expect(alone.map(({ size }) => size)).toEqual([1, 1, 1]);
    allow(alone[0]!);
    alone[1]!.fail(new PdpError('refused', 'status 400'));
    allow(alone[2]!);
    expect(await Promise.all(asking)).toEqual(['answered', 'refused', 'answered']);
  }
  expect(circuits).toEqual([]);
});

it('a message holds no more than so much of what clients say', () => {
  const { clock, sent, lane: one } = lane({ concurrency: 8 });
  for (let index = 0; index < 6; index++) void one.ask(question(`${index}${'x'.repeat(30_000)}`));
  clock.advance(1);
  expect(sent.map(({ size }) => size)).toEqual([2, 2, 2]);
});

it('what waits when the circuit opens is told at once', async () => {
  const { sent, lane: one } = lane(
    { concurrency: 1, circuit: { failures: 1, openMs: 1000 } },
    opa('/v1/data/a'),
  );
  const asking = topics(4).map((each) => outcomeOf(one.ask(each)));
  sent[0]!.fail(new PdpError('timeout', 'late'));
  expect(await Promise.all(asking)).toEqual(['timeout', ...Array(3).fill('circuit-open')]);
});

it('closing settles what waits, and leaves no timer', async () => {
  const { clock, lane: one } = lane();
  const asking = outcomeOf(one.ask(question('a')));
  one.close();
  expect(await asking).toBe('closed');
  expect(await outcomeOf(one.ask(question('a')))).toBe('closed');
  expect(clock.pending).toBe(0);
});
