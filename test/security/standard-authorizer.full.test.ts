/** The real org.apache.kafka.metadata.authorizer.StandardAuthorizer beside ours. */
import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import { SUPPORTED_OPERATIONS } from '../../src/security/acl/operation.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { runJava } from '../tools/java.ts';
import { testSeed } from '../tools/test-seed.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { openAuthorizer, policyFolder } from './policy-fixture.ts';
import {
  ADDRESSES,
  ANY_OPERATIONS,
  answersOf,
  type Case,
  MATRIX_FILE,
  matrix,
  OPERATIONS,
  type Question,
  readMatrix,
  scriptOf,
  TYPES,
} from './standard-authorizer.ts';

const POLICIES = 500;
const QUESTIONS_A_POLICY = 100;

const of = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const NAMES = ['a', 'ab', 'abc', 'abcd', 'A', 'b', 'a.b', '*', 'User:ada'];
const USERS = ['ada', 'ada', 'bob', 'Ada'];

const ruleArbitrary: fc.Arbitrary<AclBinding> = of(TYPES)
  .chain((resourceType) =>
    fc.record({
      resourceType: fc.constant(resourceType),
      resourceName: resourceType === 'CLUSTER' ? of(['kafka-cluster', '*']) : of(NAMES),
      patternType:
        resourceType === 'CLUSTER' ? fc.constant('LITERAL') : of(['LITERAL', 'PREFIXED'] as const),
      principal: of(['User:*', ...USERS.map((user) => `User:${user}`)]),
      host: of(['*', '*', '10.0.0.1', '10.0.0.3']),
      operation: of(['ALL', 'ALL', ...SUPPORTED_OPERATIONS[resourceType]] as const),
      permission: of(['ALLOW', 'ALLOW', 'DENY'] as const),
    }),
  )
  .filter(
    // Topic names with a star in them, other than the star alone, and prefixes of a star are refused.
    ({ resourceType, patternType, resourceName }) =>
      !(resourceType === 'TOPIC' && patternType === 'PREFIXED' && resourceName === '*'),
  );

const questionArbitrary: fc.Arbitrary<Question> = of([...TYPES, 'TOPIC', 'GROUP'] as const)
  .chain((type) =>
    fc.record({
      user: of(USERS),
      address: of(ADDRESSES),
      // Now and then one that means nothing on the type.
      operation: fc.oneof(
        { weight: 9, arbitrary: of(SUPPORTED_OPERATIONS[type]) },
        { weight: 1, arbitrary: of(OPERATIONS) },
      ),
      type: fc.constant(type),
      name: type === 'CLUSTER' ? of(['kafka-cluster', null]) : of([...NAMES, 'abx', 'zzz', null]),
    }),
  )
  .filter(({ name, operation }) => name !== null || ANY_OPERATIONS.includes(operation));

const caseArbitrary: fc.Arbitrary<Case> = fc.record({
  key: fc.constant('random'),
  // Kafka's authorizer is never given a rule twice.
  rules: fc.uniqueArray(ruleArbitrary, {
    minLength: 5,
    maxLength: 30,
    size: 'max',
    selector: (rule) => JSON.stringify(rule),
  }),
  questions: fc.array(questionArbitrary, {
    minLength: QUESTIONS_A_POLICY,
    maxLength: QUESTIONS_A_POLICY,
  }),
});

/** Kafka's answers, as one text of `1` and `0` for each case. */
async function kafkaAnswers(cases: readonly Case[]): Promise<string[]> {
  const result = await runJava('AuthorizeLines', [], { input: scriptOf(cases) });
  expect(result.code, result.text).toBe(0);
  const all = result.stdout.toString().replaceAll('\n', '');
  let at = 0;
  const answers = cases.map(({ questions }) => {
    at += questions.length;
    return all.slice(at - questions.length, at);
  });
  expect(all).toHaveLength(at);
  return answers;
}

describeRequiring(['java-tools'], "Apache Kafka's StandardAuthorizer", () => {
  const folder = policyFolder();
  let authorizer: CasbinAuthorizer;
  beforeAll(async () => {
    folder.write('none.csv');
    authorizer = await openAuthorizer(folder.directory);
  });
  afterAll(() => folder.close());

  it('answers the matrix as the file says', async () => {
    const cases = matrix();
    const answers = await kafkaAnswers(cases);
    const found = Object.fromEntries(cases.map(({ key }, index) => [key, answers[index]!]));
    if (process.env.BREAKWATER_WRITE_MATRIX === '1') {
      writeFileSync(MATRIX_FILE, `${JSON.stringify(found, null, 2)}\n`);
    }
    expect(readMatrix()).toEqual(found);
  });

  it('and ours agree on random rules and questions', async () => {
    const seed = testSeed('standard-authorizer', 2_718_281);
    const cases = fc.sample(caseArbitrary, { seed, numRuns: POLICIES });
    const answers = await kafkaAnswers(cases);
    let allowed = 0;
    for (const [index, one] of cases.entries()) {
      const ours = answersOf(authorizer, one);
      const kafkas = answers[index]!;
      allowed += kafkas.replaceAll('0', '').length;
      if (ours === kafkas) continue;
      const at = [...ours].findIndex((answer, n) => answer !== kafkas[n]);
      const question = one.questions[at];
      expect({ rules: one.rules, question, answer: ours[at] }).toEqual({
        rules: one.rules,
        question,
        answer: kafkas[at],
      });
    }
    const asked = POLICIES * QUESTIONS_A_POLICY;
    process.stdout.write(`${asked} questions, ${allowed} allowed by both\n`);
    expect(allowed / asked).toBeGreaterThan(0.05);
  });
});
