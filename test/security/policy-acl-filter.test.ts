import { describe, expect, it } from 'vitest';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import { type AclFilter, filterAccepts } from '../../src/security/acl/acl-filter.ts';

const binding = (fields: Partial<AclBinding> = {}): AclBinding => ({
  resourceType: 'TOPIC',
  resourceName: 'logs.a',
  patternType: 'LITERAL',
  principal: 'User:ada',
  host: '*',
  operation: 'READ',
  permission: 'ALLOW',
  ...fields,
});
const all = {
  prefixed: binding({ patternType: 'PREFIXED', resourceName: 'logs.' }),
  wildcard: binding({ resourceName: '*' }),
  exact: binding(),
  other: binding({ resourceName: 'other' }),
};
const EVERYTHING = Object.keys(all) as (keyof typeof all)[];

const cases: [string, AclFilter, (keyof typeof all)[]][] = [
  ['nothing takes everything', {}, EVERYTHING],
  ['nulls takes everything', { resourceName: null, principal: null, operation: null }, EVERYTHING],
  ['ANY takes the name itself', { resourceName: 'logs.a', patternType: 'ANY' }, ['exact']],
  ['ANY takes both pattern types', { resourceName: 'logs.' }, ['prefixed']],
  [
    'MATCH takes what affects the name',
    { resourceName: 'logs.a', patternType: 'MATCH' },
    ['prefixed', 'wildcard', 'exact'],
  ],
  ['MATCH of * takes it alone', { resourceName: '*', patternType: 'MATCH' }, ['wildcard']],
  ['LITERAL and no name', { patternType: 'LITERAL' }, ['wildcard', 'exact', 'other']],
  ['PREFIXED and no name', { patternType: 'PREFIXED' }, ['prefixed']],
  ['LITERAL and a name', { resourceName: 'logs.', patternType: 'LITERAL' }, []],
  ['another type', { resourceType: 'GROUP' }, []],
  ['another principal, exactly', { principal: 'User:Ada' }, []],
  ['User:*, which is no wildcard in a filter', { principal: 'User:*' }, []],
  ['the operation ALL, which is itself', { operation: 'ALL' }, []],
  ['another permission', { permission: 'DENY' }, []],
  ['another host, exactly', { host: '10.0.0.1' }, []],
];

describe('a filter with', () => {
  for (const [name, filter, expected] of cases) {
    it(name, () => {
      const accepted = Object.entries(all).filter(([, rule]) => filterAccepts(filter, rule));
      expect(accepted.map(([key]) => key)).toEqual(expected);
    });
  }
});
