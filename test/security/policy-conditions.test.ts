/** Rules with a time window or with what a certificate or token says; decisions at their edges. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are meant literally
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { ManualClock } from '../engine/embedded/log/manual-clock.ts';
import {
  HOST,
  openAuthorizer,
  type PolicyFolderFixture,
  policyFolder,
  principal,
  service,
  topic,
} from './policy-fixture.ts';

const HOUR_MS = 3_600_000;

describe('rules with conditions', () => {
  let folder: PolicyFolderFixture;
  let clock: ManualClock;
  let authorizer: CasbinAuthorizer;
  beforeEach(() => {
    folder = policyFolder();
    // A Monday.
    clock = new ManualClock(Date.UTC(2030, 5, 10, 7));
  });
  afterEach(() => folder.close());
  const open = async (...lines: string[]): Promise<void> => {
    folder.write('acme.csv', ...lines);
    authorizer = await openAuthorizer(folder.directory, { clock });
  };
  const ada = service('acme', 'ada');
  const reads = () => authorizer.authorize(ada, HOST, topic('READ', 't'));

  it('hold in their window only, and what is remembered ends at its edge', async () => {
    await open('p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow, Mon-Fri/08:00-18:00');
    const before = authorizer.epochIn('acme');
    expect(reads()).toEqual({
      allowed: false,
      rule: null,
      origin: null,
      validUntilMs: Date.UTC(2030, 5, 10, 8),
    });
    clock.advance(HOUR_MS - 1);
    expect(reads().allowed).toBe(false);
    expect(authorizer.epochIn('acme')).toBe(before);
    clock.advance(1);
    expect(authorizer.epochIn('acme')).toBeGreaterThan(before);
    expect(reads()).toEqual({
      allowed: true,
      rule: 'p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow, Mon-Fri/08:00-18:00',
      origin: 'acme.csv:1',
      validUntilMs: Date.UTC(2030, 5, 10, 18),
    });
    clock.advance(10 * HOUR_MS);
    expect(reads().allowed).toBe(false);
  });

  it('deny in their window what is allowed always', async () => {
    await open(
      'p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow',
      'p, User:*, acme, TOPIC, LITERAL, *, ALL, *, deny, daily/08:00-08:30/UTC',
    );
    const any = () => authorizer.authorizeByResourceType(ada, HOST, 'READ', 'TOPIC').allowed;
    expect([reads().allowed, any()]).toEqual([true, true]);
    clock.advance(HOUR_MS);
    expect([any(), reads().allowed]).toEqual([false, false]);
    clock.advance(HOUR_MS / 2);
    expect([reads().allowed, any()]).toEqual([true, true]);
  });

  it('a clock that is set back does not keep an allow', async () => {
    await open('p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow, Mon-Fri/08:00-18:00');
    const now = { ms: Date.UTC(2030, 5, 10, 9) };
    const setBack = { ...clock, nowMs: () => now.ms, monotonicMs: () => 0, setTimer: () => never };
    const never = { cancel: () => {} };
    authorizer = await openAuthorizer(folder.directory, { clock: setBack });
    expect(reads().allowed).toBe(true);
    now.ms = Date.UTC(2030, 5, 10, 3);
    expect(reads().allowed).toBe(false);
  });

  it('do not void what other tenants remember', async () => {
    await open(
      'p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow, Mon-Fri/08:00-18:00',
      'p, User:ada, globex, TOPIC, LITERAL, t, READ, *, allow',
    );
    reads();
    authorizer.authorize(service('globex', 'ada'), HOST, topic('READ', 't'));
    const before = authorizer.epochIn('globex');
    const all = authorizer.epoch;
    clock.advance(HOUR_MS);
    expect(authorizer.epoch).toBeGreaterThan(all);
    expect(authorizer.epochIn('globex')).toBe(before);
  });

  it('end with their window though the authorizer itself made room and forgot them', async () => {
    await open('p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow, Mon-Fri/06:00-18:00');
    authorizer = await openAuthorizer(folder.directory, { clock, decisionsMax: 40 });
    expect(reads().allowed).toBe(true);
    const epoch = authorizer.epochIn('acme');
    for (let n = 0; n < 100; n += 1) {
      authorizer.authorize(service('globex', `s${n}`), HOST, topic('READ', 't'));
    }
    expect(authorizer.epochIn('acme')).toBe(epoch);
    clock.advance(11 * HOUR_MS);
    expect(authorizer.epochIn('acme')).toBeGreaterThan(epoch);
    expect(reads().allowed).toBe(false);
  });

  it('explain that it is not the time', async () => {
    await open('p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow, Mon-Fri/08:00-18:00');
    const { sentence, considered } = authorizer.explain(ada, HOST, topic('READ', 't'));
    expect(sentence).toMatch(/one rule speaks about it, but not at this time\.$/);
    expect(considered[0]).toMatchObject({ hostMatches: true, inWindow: false });
  });

  it('a window that is not in order is refused with file and line', async () => {
    await open('p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow');
    folder.write('acme.csv', '# x', 'p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow, Mon');
    const { refusal } = await authorizer.reload();
    expect(refusal).toMatchObject({ file: 'acme.csv', line: 2 });
    expect(refusal?.reason).toContain('time window "Mon"');
    expect(reads().allowed).toBe(true);
  });

  it('say what the certificate or token says', async () => {
    await open(
      'p, User:*, acme, TOPIC, PREFIXED, ${cert.ou}., READ, *, allow',
      'p, User:*, acme, TOPIC, LITERAL, x-${token.site}-${principal}, READ, *, allow',
      'p, User:*, acme, TOPIC, LITERAL, secret-${cert.o}, READ, *, deny',
    );
    const asks = (attributes: Record<string, string>, name: string): boolean =>
      authorizer.authorize(principal('acme', 'ada', { attributes }), HOST, topic('READ', name))
        .allowed;
    expect(asks({ 'cert.ou': 'plant-1' }, 'plant-1.log')).toBe(true);
    expect(asks({ 'cert.ou': 'plant-2' }, 'plant-1.log')).toBe(false);
    expect(asks({}, 'plant-1.log')).toBe(false);
    expect(asks({}, '.log')).toBe(false);
    expect(asks({ 'token.site': 's1' }, 'x-s1-ada')).toBe(true);
    expect(asks({ 'token.site': 's2' }, 'x-s1-ada')).toBe(false);
    // What breaks the grammar of names grants nothing, and a deny with it denies everything.
    expect(asks({ 'cert.ou': 'a+b' }, 'a+b.log')).toBe(false);
    expect(asks({ 'cert.ou': 'plant-1', 'cert.o': 'Two Words' }, 'plant-1.log')).toBe(false);
  });

  it('roles: the evidence has the path', async () => {
    await open(
      'g, User:ada, Role:lead, acme',
      'g, Role:lead, Role:reader, *',
      'p, Role:reader, acme, TOPIC, LITERAL, t, READ, *, allow',
    );
    expect(reads().rolePath).toEqual(['User:ada', 'Role:lead', 'Role:reader']);
    expect(authorizer.explain(ada, HOST, topic('READ', 't')).sentence).toMatch(
      /since User:ada holds Role:lead, which holds Role:reader\.$/,
    );
  });
});
