/**
 * Whatever happens to audit topics, each line of the log is in its tenant's topic and in the
 * operator's once, in the order of its stream: random runs of events, of queues that overflow, logs
 * that fail and heal, and restarts.
 */
import { expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { access, denied, subject } from '../audit/audit-fixture.ts';
import { seededRandom } from '../crash/power-cut-file-system.ts';
import { testSeed } from '../tools/test-seed.ts';
import { AuditTopicsFixture, failingProduce, OPERATORS, TOPIC } from './audit-topics-fixture.ts';

const TENANTS = ['acme', 'globex', 'office'];
const RUNS = 4;
const STEPS = 25;
const BURST_MAX = 120;

type Fields = Readonly<Record<string, unknown>>;
const eventOf = (line: string): unknown[] => {
  const { time, type, tenant, resource, decision } = JSON.parse(line) as Fields;
  return [time, type, tenant, resource, decision];
};

async function run(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const fixture = new AuditTopicsFixture();
  const broken = new Set<string>();
  const through = (engine: Engine): Engine => failingProduce(engine, (name) => broken.has(name));
  const start = () =>
    fixture.start({ through, queueCharsMax: 1_000 + below(60_000), fileBytesMax: 64 * 1024 });
  let events = 0;
  const happen = (): void => {
    const tenant = TENANTS[below(TENANTS.length)]!;
    const who = subject({ tenant, principal: `User:${below(3)}` });
    for (let left = below(BURST_MAX); left > 0; left -= 1) {
      const resourceName = `event-${events++}`;
      const event = below(4) === 0 ? denied({ resourceName }) : access({ resourceName });
      fixture.running.audit.access(who, event);
    }
  };
  try {
    await start();
    for (let step = 0; step < STEPS; step += 1) {
      const what = below(10);
      const topic = `${TENANTS[below(TENANTS.length)]!}.${below(3) === 0 ? OPERATORS : TOPIC}`;
      if (what < 6) happen();
      else if (what === 6) broken.add(topic);
      else if (what === 7) broken.clear();
      else if (what === 8) await new Promise((resolve) => setTimeout(resolve, below(60)));
      else {
        await fixture.stop();
        // The topics are made while their logs can be written.
        await start();
      }
    }
    broken.clear();
    const last = subject({ tenant: null, principal: null });
    fixture.running.audit.access(last, denied({ resourceName: 'the-last' }));
    for (const tenant of TENANTS) {
      fixture.running.audit.access(subject({ tenant }), access({ resourceName: 'the-last' }));
    }
    await fixture.running.audit.durable();
    const isThere =
      (count: number) =>
      (values: readonly string[]): boolean =>
        values.filter((value) => value.includes('"the-last"')).length >= count;
    const all = await fixture.values(`office.${OPERATORS}`, isThere(1 + TENANTS.length), 60_000);
    const published = new Set(all);
    expect(published.size).toBe(all.length);
    for (const stream of ['security', 'access'] as const) {
      const lines = fixture.lines(stream).filter((line) => line.includes('"type":"access"'));
      const inTopic = new Set(lines);
      expect(all.filter((line) => inTopic.has(line))).toEqual(lines);
      for (const tenant of TENANTS) {
        const own = await fixture.values(`${tenant}.${TOPIC}`, isThere(1), 60_000);
        const ofTenant = lines.filter((line) => line.includes(`"tenant":"${tenant}"`)).map(eventOf);
        const decision = stream === 'security' ? 'deny' : 'allow';
        const found = own.map(eventOf).filter(([, type, , , how]) => {
          return type === 'access' && how === decision;
        });
        expect(found).toEqual(ofTenant);
      }
    }
  } finally {
    await fixture.dispose();
  }
}

const seed = testSeed('audit topics', 20261122);
it.each(Array.from({ length: RUNS }, (_, index) => seed + index))(
  'each event is published once, in order: seed %i',
  run,
  120_000,
);
