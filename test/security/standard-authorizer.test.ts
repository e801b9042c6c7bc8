import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { openAuthorizer, policyFolder } from './policy-fixture.ts';
import { answersOf, matrix, readMatrix } from './standard-authorizer.ts';

describe("Kafka's matrix of ACLs", () => {
  const folder = policyFolder();
  let authorizer: CasbinAuthorizer;
  beforeAll(async () => {
    folder.write('none.csv');
    authorizer = await openAuthorizer(folder.directory);
  });
  afterAll(() => folder.close());

  it('gets the answers that StandardAuthorizer gave', () => {
    const expected = readMatrix();
    const cases = matrix();
    expect(Object.keys(expected)).toEqual(cases.map(({ key }) => key));
    let allowed = 0;
    for (const one of cases) {
      const answers = answersOf(authorizer, one);
      expect({ [one.key]: answers }).toEqual({ [one.key]: expected[one.key] });
      allowed += answers.replaceAll('0', '').length;
    }
    expect(allowed).toBeGreaterThan(10_000);
  });
});
