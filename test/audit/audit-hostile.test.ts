/**
 * Threat: what a client sends (client ids, resource names, certificates' names) forges a line of the
 * audit log, hides one, steers the terminal of who reads it, or fills memory and disk.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Repeats } from '../../src/audit/audit-record.ts';
import { type FileAuditLogOptions, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import { RepeatCounter } from '../../src/audit/repeat-counter.ts';
import { testSeed } from '../tools/test-seed.ts';
import {
  type AuditFolder,
  access,
  auditFolder,
  denied,
  failure,
  ManualClock,
  subject,
  until,
} from './audit-fixture.ts';

let folder: AuditFolder;
let clock: ManualClock;
beforeEach(() => {
  folder = auditFolder();
  clock = new ManualClock();
});
afterEach(() => folder.close());

const open = (options: Partial<FileAuditLogOptions> = {}) =>
  openFileAuditLog({ directory: folder.directory, clock, ...options });

/** One character of each kind that ends lines, quotes, or moves a terminal's cursor. */
const HOSTILE = [
  '\n{"level":"warn","v":1,"seq":9,"type":"access","decision":"allow"}\n',
  '\r\n',
  '"}\n{"',
  '\\',
  '\u0000',
  '\u001b[2J\u001b[31m',
  '\u0085\u2028\u2029',
  '\u202e\u200f',
  '\ud800',
  '\udfff\ud800',
  '__proto__',
  '%s %d %j',
];

/** Any code units, lone surrogates included. */
const TEXT = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300, size: 'max' })
  .map((units) => String.fromCharCode(...units));

describe('a hostile string', () => {
  for (const [index, text] of HOSTILE.entries()) {
    it(`stays inside its field (${JSON.stringify(text)})`, async () => {
      const log = open();
      log.access(subject(), access({ clientId: text, resourceName: text }));
      log.access(
        subject({ principal: text, connectionId: `c${index}` }),
        denied({ clientId: text }),
      );
      log.security(subject(), failure({ reason: text, detail: text, facts: { [text]: text } }));
      await log.close();
      for (const stream of ['access', 'security'] as const) {
        expect(folder.text(stream)).toMatch(/^[\x20-\x7e\n]*$/);
      }
      expect(folder.records('access')).toHaveLength(1);
      const [, denial, failed] = folder.records('security');
      expect(folder.records('security')).toHaveLength(3);
      const value = Buffer.from(text).toString() === text ? text : expect.any(String);
      expect(folder.records('access')[0]).toMatchObject({ clientId: value, resource: value });
      expect(denial).toMatchObject({ principal: value, decision: 'deny' });
      expect(failed).toMatchObject({ reason: value, detail: value });
    });
  }

  it('of any kind leaves one whole line for each event', async () => {
    const seed = testSeed('audit-hostile', 8_951_270);
    const texts = fc.sample(TEXT, { seed, numRuns: 200 });
    const log = open({ repeatWindowMs: 0 });
    for (const text of texts) log.access(subject(), denied({ clientId: text, resourceName: text }));
    await log.close();
    expect(folder.text('security')).toMatch(/^[\x20-\x7e\n]*$/);
    const records = folder.records('security').slice(1);
    expect(records).toHaveLength(texts.length);
    for (const [index, text] of texts.entries()) {
      if (text.length <= 255 && Buffer.from(text).toString() === text)
        expect(records[index]).toMatchObject({ clientId: text, resource: text });
    }
  });

  it('is cut, and its length stays visible', async () => {
    const log = open();
    const long = 'x'.repeat(32_767);
    const facts = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, index) => [`f${index}`, long]),
    );
    log.access(
      subject({ principal: long, tenant: long }),
      denied({ clientId: long, resourceName: long }),
    );
    log.security(subject(), failure({ reason: long, detail: long, facts }));
    await log.close();
    const [, denial, failed] = folder.records('security');
    expect(denial?.resource).toBe(`${'x'.repeat(255)}...(32767 characters)`);
    expect(JSON.stringify(denial).length).toBeLessThan(2_500);
    expect(JSON.stringify(failed).length).toBeLessThan(40_000);
  });
});

describe('a flood', () => {
  it('of equal denials is two lines a window', async () => {
    const log = open();
    const who = subject();
    for (let index = 0; index < 100_000; index += 1) log.access(who, denied());
    await log.close();
    const denials = folder.records('security').slice(1);
    expect(denials).toHaveLength(2);
    expect(denials[1]).toMatchObject({ count: 99_999, resource: 'telemetry', decision: 'deny' });
  });

  it('of denials for ever new names is bounded in lines and memory, and counted', async () => {
    const log = open({ denialsPerSecond: 100 });
    const who = subject();
    for (let index = 0; index < 50_000; index += 1) {
      log.access(who, denied({ resourceName: `n${index}` }));
    }
    await log.durable();
    expect(log.healthy).toBe(true);
    clock.advance(1_000);
    await log.close();
    const denials = folder.records('security').slice(1);
    expect(denials).toHaveLength(101);
    expect(denials.at(-1)).toMatchObject({
      principal: 'User:device-1',
      address: '127.0.0.1',
      reason: 'denied',
      count: 49_900,
    });
  });

  it('of one caller leaves the lines of another alone', async () => {
    const log = open({ denialsPerSecond: 10 });
    const [eve, ada] = [subject({ principal: 'User:eve' }), subject({ principal: 'User:ada' })];
    for (let index = 0; index < 10_000; index += 1) {
      log.access(eve, denied({ resourceName: `n${index}` }));
    }
    log.access(ada, denied({ resourceName: 'mine' }));
    await log.close();
    const resources = folder.records('security').map(({ resource }) => resource);
    expect(resources).toContain('mine');
  });

  it('of strangers from one address is ten lines a second and a count', async () => {
    const log = open();
    for (let second = 0; second < 3; second += 1) {
      for (let index = 0; index < 1_000; index += 1) {
        const stranger = subject({ connectionId: `c${index}`, tenant: null, principal: null });
        log.security(stranger, failure({ type: 'connection', reason: 'handshake-failed' }));
      }
      clock.advance(1_000);
    }
    await log.close();
    const records = folder.records('security').slice(1);
    expect(records).toHaveLength(33);
    const total = records.reduce((sum, { count }) => sum + Number(count ?? 1), 0);
    expect(total).toBe(3_000);
  });

  it('of strangers from everywhere is bounded in memory, and counted', async () => {
    const log = open({ equalPerSecond: 1 });
    for (let index = 0; index < 11_000; index += 1) {
      const remoteAddress = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
      for (let attempt = 0; attempt < 3; attempt += 1) {
        log.security(subject({ remoteAddress, tenant: null, principal: null }), failure());
      }
    }
    await until(() => log.healthy);
    clock.advance(1_000);
    await log.close();
    const records = folder.records('security').slice(1);
    const seen = records.filter(({ type }) => type === 'authentication');
    const total = seen.reduce((sum, { count }) => sum + Number(count ?? 1), 0);
    // What the queue could not take in one go is a record as well.
    const lost = records
      .filter(({ reason }) => reason === 'audit-lines-lost')
      .reduce((sum, { facts }) => sum + Number((facts as { lines: number }).lines), 0);
    expect(total + lost).toBe(11_000 * 3);
    expect(seen.some(({ reason, address }) => reason === 'others' && address === null)).toBe(true);
  });

  it('never swallows administration, policy or certificates', async () => {
    const log = open();
    for (let index = 0; index < 500; index += 1) {
      log.security(subject(), failure({ type: 'administration', reason: 'refused' }));
    }
    await log.close();
    expect(folder.records('security')).toHaveLength(501);
  });
});

describe('counting repeats', () => {
  it('loses and invents nothing, whatever comes in whatever order', () => {
    const seed = testSeed('repeat-counter', 2_265_414);
    const subjects = [subject({ connectionId: 'a' }), subject({ connectionId: 'b' })];
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ who: fc.nat(1), name: fc.nat(3), kind: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.constant('sweep' as const) },
      { weight: 1, arbitrary: fc.constant('part' as const) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300, size: 'max' }),
        fc.integer({ min: 1, max: 40 }),
        (steps, entriesMax) => {
          const written = new Map<string, number>();
          const given = new Map<string, number>();
          const add = (map: Map<string, number>, key: string, count: number): void => {
            map.set(key, (map.get(key) ?? 0) + count);
          };
          const counter = new RepeatCounter(
            clock,
            entriesMax,
            (who, event, repeats: Repeats | null) =>
              add(
                written,
                `${who.connectionId} ${event.resourceName} ${event.api}`,
                repeats?.count ?? 1,
              ),
          );
          for (const next of steps) {
            if (next === 'sweep') counter.sweep();
            else if (next === 'part') counter.sweep(1);
            else {
              const who = subjects[next.who]!;
              const event = access({ resourceName: `n${next.name}`, api: `a${next.kind}` });
              add(given, `${who.connectionId} ${event.resourceName} ${event.api}`, 1);
              counter.record(who, event);
            }
            expect(counter.size).toBeLessThanOrEqual(entriesMax);
          }
          counter.restartSweep();
          counter.sweep();
          expect(Object.fromEntries(written)).toEqual(Object.fromEntries(given));
          counter.sweep();
          expect(counter.size).toBe(0);
        },
      ),
      { seed, numRuns: 100 },
    );
  });
});
