/** Advice on policies: what a finding says, and that what it calls needless is. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lintPolicy } from '../../src/security/policy-lint.ts';
import { parsePolicy } from '../../src/security/policy-parser.ts';
import { ruleText } from '../../src/security/policy-rule.ts';
import { ManualClock } from '../engine/embedded/log/manual-clock.ts';
import { testSeed } from '../tools/test-seed.ts';
import { policyArbitrary, policyText, requestArbitrary } from './casbin-differential.ts';
import { openAuthorizer, policyFolder } from './policy-fixture.ts';

const lint = async (...lines: string[]): Promise<string[]> => {
  const parsed = await parsePolicy('p.csv', `${lines.join('\n')}\n# end\n`);
  return lintPolicy(parsed).map(({ kind, line, message }) => `${line} ${kind}: ${message}`);
};

describe('a rule that another one makes needless', () => {
  it('is shadowed by a wider name, subject, tenant, operation or host', async () => {
    const wide = 'p, User:a, acme, TOPIC, PREFIXED, a, WRITE, *, allow';
    for (const narrow of [
      'p, User:a, acme, TOPIC, PREFIXED, ab, WRITE, *, allow',
      'p, User:a, acme, TOPIC, LITERAL, abc, WRITE, *, allow',
      'p, User:a, acme, TOPIC, LITERAL, abc, DESCRIBE, *, allow',
      'p, User:a, acme, TOPIC, LITERAL, abc, WRITE, 10.0.0.0/8, allow',
    ]) {
      expect((await lint(wide, narrow)).at(-1)).toBe(
        `2 shadowed: p.csv:1 says all of it: "${wide}"`,
      );
      expect((await lint(narrow, wide))[0]).toMatch(/^1 shadowed: p\.csv:2 /);
    }
    const everyone = 'p, User:*, *, TOPIC, LITERAL, abc, READ, 10.0.0.0/8, allow';
    const one = 'p, User:a, acme, TOPIC, LITERAL, abc, READ, 10.1.0.0/16, allow';
    expect((await lint(everyone, one)).at(-1)).toMatch(/^2 shadowed: p\.csv:1 /);
  });

  it('stays where it says something of its own', async () => {
    const known = 'p, User:a, acme, TOPIC, PREFIXED, ab, WRITE, 10.0.0.0/8, allow';
    for (const other of [
      'p, User:a, globex, TOPIC, LITERAL, abc, WRITE, 10.0.0.1, allow',
      'p, User:b, acme, TOPIC, LITERAL, abc, WRITE, 10.0.0.1, allow',
      'p, User:a, acme, TOPIC, LITERAL, abc, READ, 10.0.0.1, allow',
      'p, User:a, acme, TOPIC, LITERAL, abc, WRITE, 11.0.0.1, allow',
      'p, User:a, acme, TOPIC, LITERAL, a, WRITE, 10.0.0.1, allow',
      'p, User:a, acme, GROUP, LITERAL, abc, DESCRIBE, 10.0.0.1, allow',
    ]) {
      expect(await lint(known, other)).toEqual([]);
    }
  });

  it('at the same times, or always', async () => {
    const always = 'p, User:a, acme, TOPIC, LITERAL, abc, WRITE, *, allow';
    const atWork = `${always}, Mon-Fri/08:00-18:00/UTC`;
    expect(await lint(always, atWork)).toHaveLength(1);
    expect((await lint(atWork, always))[0]).toMatch(/^1 shadowed/);
    expect(await lint(atWork, atWork)).toHaveLength(1);
    expect(await lint(atWork, `${always}, Sat-Sun/08:00-18:00/UTC`)).toEqual([]);
  });

  it('of two that are the same is the second one', async () => {
    const rule = 'p, User:a, acme, TOPIC, LITERAL, abc, WRITE, *, allow';
    expect(await lint(rule, rule)).toEqual([`2 shadowed: p.csv:1 says all of it: "${rule}"`]);
  });

  it('is one for a member whose role allows the same', async () => {
    expect(
      await lint(
        'g, User:a, Role:writer, *',
        'p, Role:writer, acme, TOPIC, LITERAL, abc, WRITE, *, allow',
        'p, User:a, acme, TOPIC, LITERAL, abc, WRITE, *, allow',
      ),
    ).toEqual([expect.stringMatching(/^3 shadowed: p\.csv:2 /)]);
  });
});

describe('a rule that cannot take effect', () => {
  it('is an allow all of which a deny takes back', async () => {
    const allow = 'p, User:a, acme, TOPIC, LITERAL, abc, READ, *, allow';
    const message = 'the deny at p.csv:1 covers all that it allows, and a deny wins';
    const found = await lint('p, User:*, acme, TOPIC, LITERAL, abc, ALL, *, deny', allow);
    expect(found[0]).toContain(`2 unreachable: ${message}`);
    // READ includes DESCRIBE, which a deny of READ leaves.
    expect(await lint('p, User:*, acme, TOPIC, LITERAL, abc, READ, *, deny', allow)).toEqual([]);
  });

  it('is one for a role that nobody holds there', async () => {
    const rule = 'p, Role:r, acme, TOPIC, LITERAL, abc, READ, *, allow';
    expect((await lint(rule))[0]).toMatch(
      /^1 unreachable: no role link gives Role:r to anyone in tenant/,
    );
    expect((await lint('g, User:a, Role:r, globex', rule))[0]).toMatch(/^2 unreachable/);
    expect(await lint('g, Fleet:f, Role:r, *', rule)).toEqual([]);
    const chain = ['g, Role:s, Role:r, *', 'g, User:a, Role:s, acme'];
    expect(await lint(...chain, rule)).toEqual([]);
    // A role that only an unheld role inherits is held by nobody.
    expect((await lint('g, Role:s, Role:r, *', rule))[0]).toMatch(/^2 unreachable/);
  });

  it('is a link to a role without rules', async () => {
    expect((await lint('g, User:a, Role:r, acme'))[0]).toMatch(/^1 unreachable: no rule .* Role:r/);
  });
});

describe('a rule that allows more than it seems to', () => {
  it.each([
    ['p, User:*, *, TOPIC, LITERAL, abc, READ, *, allow', /every tenant/],
    ['p, User:*, acme, TOPIC, LITERAL, *, READ, *, allow', /everyone in tenant acme READ on every/],
    ['p, User:*, acme, TOPIC, LITERAL, abc, ALL, *, allow', /everyone in tenant acme ALL/],
    ['p, Fleet:f, acme, TOPIC, LITERAL, *, ALL, *, allow', /every device of Fleet:f/],
    ['p, User:a, acme, TOPIC, PREFIXED, x, READ, *, allow', /one character/],
    ['p, User:a, acme, GROUP, PREFIXED, *, READ, *, deny', /begin with an asterisk/],
    ['p, User:a, acme, TOPIC, LITERAL, abc, READ, 0.0.0.0/0, allow', /one family/],
  ])('is named: %s', async (rule, message) => {
    expect(await lint(rule)).toEqual([expect.stringMatching(message)]);
  });

  it('is not a deny, nor a rule for one user', async () => {
    expect(await lint('p, User:*, *, TOPIC, LITERAL, *, ALL, *, deny')).toEqual([]);
    expect(await lint('p, User:a, acme, TOPIC, LITERAL, *, ALL, *, allow')).toEqual([]);
  });
});

it('without the rules that it calls needless, a policy decides the same', async () => {
  const seed = testSeed('policy-lint', 4_410_233);
  let taken = 0;
  const property = fc.asyncProperty(
    policyArbitrary,
    fc.array(requestArbitrary, { minLength: 150, maxLength: 150 }),
    async ({ rules, links }, requests) => {
      const numbered = rules.map((rule, index) => ({ ...rule, line: index + 1 }));
      const needless = new Set(
        lintPolicy({ rules: numbered, links })
          .filter(({ kind, text }) => kind !== 'over-broad' && text.startsWith('p,'))
          .map(({ line }) => line),
      );
      const kept = numbered.filter(({ line }) => !needless.has(line));
      taken += needless.size;
      const folder = policyFolder();
      folder.write('a.csv', policyText({ rules, links }));
      const clock = new ManualClock();
      const before = await openAuthorizer(folder.directory, { clock });
      folder.write('a.csv', policyText({ rules: kept, links }));
      const after = await openAuthorizer(folder.directory, { clock });
      folder.close();
      const inTime = [...requests].sort((a, b) => a.timeMs - b.timeMs);
      for (const { principal: who, host, action, timeMs } of inTime) {
        clock.advance(Math.max(0, timeMs - clock.nowMs()));
        // What tokens give, the files do not tell.
        const principal = { ...who, roles: [] };
        const { allowed } = before.authorize(principal, host, action);
        const now = after.authorize(principal, host, action);
        expect(
          now.allowed,
          `without ${[...needless].map((line) => ruleText(rules[line - 1]!))}`,
        ).toBe(allowed);
      }
    },
  );
  await fc.assert(property, { seed, numRuns: 120 });
  expect(taken).toBeGreaterThan(250);
});
