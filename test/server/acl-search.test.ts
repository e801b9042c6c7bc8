/** Filters over rules against a small reference written from Kafka's words, and what bounds them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import type { AclFilter } from '../../src/security/acl/acl-filter.ts';
import { matchesOfEach, type SearchLimits } from '../../src/server/acl-search.ts';
import { testSeed } from '../tools/test-seed.ts';

const SEED = testSeed('acl-search', 3_716_506);

/** Few values of each field, so that filters meet rules. */
const NAMES = ['*', 'a', 'ab', 'abc', 'b', 'abcd'];
const PRINCIPALS = ['User:ada', 'User:eve', 'User:*', 'Fleet:f'];
const HOSTS = ['*', '10.0.0.1', '10.0.0.0/8'];
const bindings: fc.Arbitrary<AclBinding> = fc.record({
  resourceType: fc.constantFrom('TOPIC', 'GROUP', 'CLUSTER'),
  resourceName: fc.constantFrom(...NAMES),
  patternType: fc.constantFrom('LITERAL', 'PREFIXED'),
  principal: fc.constantFrom(...PRINCIPALS),
  host: fc.constantFrom(...HOSTS),
  operation: fc.constantFrom('READ', 'WRITE', 'DESCRIBE', 'ALL'),
  permission: fc.constantFrom('ALLOW', 'DENY'),
});
const orNull = <T>(values: readonly T[]) => fc.constantFrom(null, ...values);
const filters: fc.Arbitrary<AclFilter> = fc.record({
  resourceType: orNull(['TOPIC', 'GROUP', 'CLUSTER', 'USER'] as const),
  resourceName: orNull([...NAMES, '', 'abcde', 'x'.repeat(300)]),
  patternType: fc.constantFrom('ANY', 'MATCH', 'LITERAL', 'PREFIXED'),
  principal: orNull([...PRINCIPALS, '']),
  host: orNull([...HOSTS, '10.0.0.2']),
  operation: orNull(['READ', 'WRITE', 'DESCRIBE', 'ALL'] as const),
  permission: orNull(['ALLOW', 'DENY'] as const),
});

/** "Everything that affects the resource": the literal name, `*`, and the prefixes of the name. */
const affecting = (name: string): Set<string> =>
  new Set([
    `LITERAL ${name}`,
    'LITERAL *',
    ...Array.from({ length: name.length + 1 }, (_, end) => `PREFIXED ${name.slice(0, end)}`),
  ]);

function reference(filter: AclFilter, rule: AclBinding): boolean {
  const plain = ['resourceType', 'principal', 'host', 'operation', 'permission'] as const;
  if (plain.some((field) => (filter[field] ?? rule[field]) !== rule[field])) return false;
  const { resourceName, patternType } = filter;
  if (patternType === 'MATCH') {
    return (
      resourceName === null ||
      resourceName === undefined ||
      affecting(resourceName).has(`${rule.patternType} ${rule.resourceName}`)
    );
  }
  const type = patternType === 'ANY' || patternType === undefined ? rule.patternType : patternType;
  return type === rule.patternType && (resourceName ?? rule.resourceName) === rule.resourceName;
}

const search = (
  asked: readonly AclFilter[],
  rules: readonly AclBinding[],
  limits?: SearchLimits,
) => {
  const work = matchesOfEach(asked, rules, limits);
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
};

describe('filters over rules', () => {
  it('find what the reference finds, with few filters and with many', () => {
    const rules = fc.uniqueArray(bindings, {
      maxLength: 40,
      selector: (one) => JSON.stringify(one),
    });
    fc.assert(
      fc.property(fc.array(filters, { maxLength: 12 }), rules, (asked, all) => {
        const found = search(asked, all);
        const expected = asked.map((filter) => all.filter((rule) => reference(filter, rule)));
        expect(found.map((one) => new Set(one))).toEqual(expected.map((one) => new Set(one)));
        expect(found.map((one) => one?.length)).toEqual(expected.map((one) => one.length));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  const rule = (n: number): AclBinding => ({
    resourceType: 'TOPIC',
    resourceName: `t${n}`,
    patternType: 'LITERAL',
    principal: 'User:ada',
    host: '*',
    operation: 'READ',
    permission: 'ALLOW',
  });
  const many = Array.from({ length: 20_000 }, (_, n) => rule(n));

  it('answer one filter in full, however much it finds', () => {
    expect(search([{}], many, { comparisonsMax: 10, matchesMax: 10 })[0]).toHaveLength(20_000);
  });

  it('beyond the limits answer none of the filters that follow', () => {
    const everything = Array.from({ length: 1000 }, () => ({}));
    const found = search(everything, many);
    expect(found[0]).toHaveLength(20_000);
    expect(found[1]).toHaveLength(20_000);
    expect(found.slice(2).every((one) => one === null)).toBe(true);
    const nothing = Array.from({ length: 1000 }, () => ({ principal: 'User:nobody' }));
    const searched = search(nothing, many);
    expect(searched.filter((one) => one !== null)).toHaveLength(99);
  });

  it('that name their resource are thousands in one request', () => {
    const asked = many.map(({ resourceName }) => ({ resourceName }));
    expect(search(asked, many).every((one) => one?.length === 1)).toBe(true);
  });
});
