/** Dynamic rules that come and go one by one, and many on one name: the verdicts stay the same. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import { fewEnough } from '../../src/security/policy-few.ts';
import { openPolicyModel, type PolicyModel } from '../../src/security/policy-model.ts';
import { PolicyRoles } from '../../src/security/policy-roles.ts';
import type { PolicyRule } from '../../src/security/policy-rule.ts';
import { testSeed } from '../tools/test-seed.ts';
import {
  device,
  openAuthorizer,
  type PolicyFolderFixture,
  policyFolder,
  service,
} from './policy-fixture.ts';

const SEED = testSeed('dynamic-rules', 1_405_055);

let folder: PolicyFolderFixture;
let model: PolicyModel;
beforeAll(async () => {
  folder = policyFolder();
  folder.write(
    'acme.csv',
    'g, User:ada, Role:staff, acme',
    'p, User:eve, acme, TOPIC, LITERAL, c, READ, *, deny',
  );
  model = await openPolicyModel();
});
afterAll(() => folder.close());

const HOSTS = ['*', '10.0.0.1', '10.0.0.0/8', '10.1.0.0/16'];
const bindings: fc.Arbitrary<AclBinding> = fc
  .record({
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable is meant literally
    resourceName: fc.constantFrom('*', 'a', 'ab', 'c', '${principal}', 'x.${principal}.'),
    patternType: fc.constantFrom('LITERAL', 'PREFIXED'),
    principal: fc.constantFrom('User:ada', 'User:eve', 'User:*', 'Fleet:f', 'Role:staff'),
    host: fc.constantFrom(...HOSTS),
    operation: fc.constantFrom('READ', 'WRITE', 'DESCRIBE', 'ALL'),
    permission: fc.constantFrom('ALLOW', 'DENY'),
  })
  .map((fields) => ({ resourceType: 'TOPIC', ...fields }) as AclBinding)
  .filter(
    ({ patternType, resourceName }) =>
      patternType === 'LITERAL' || !(resourceName.endsWith('}') || resourceName === '*'),
  );

const CALLERS = [service('acme', 'ada'), service('acme', 'eve'), device('acme', 'dan', 'f')];
const ASKED = ['a', 'abc', 'c', 'ada', 'x.dan.y', 'nothing'].flatMap((resourceName) =>
  (['READ', 'DESCRIBE'] as const).map((operation) => ({
    operation,
    resourceName,
    resourceType: 'TOPIC' as const,
  })),
);

describe('dynamic rules', () => {
  it('that come and go one by one decide as the same list taken at once', async () => {
    const [step, whole] = [
      await openAuthorizer(folder.directory),
      await openAuthorizer(folder.directory),
    ];
    const verdicts = (authorizer: typeof step): boolean[] =>
      CALLERS.flatMap((caller) =>
        ['10.0.0.1', '10.1.2.3', '192.168.0.1'].flatMap((host) =>
          ASKED.map((action) => authorizer.authorize(caller, host, action).allowed),
        ),
      );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.array(bindings, { maxLength: 4 })), { maxLength: 8 }),
        (changes) => {
          const held = new Map<string, AclBinding>();
          for (const [isAdded, list] of changes) {
            const distinct = new Map(list.map((one) => [JSON.stringify(one), one]));
            const touched = [...distinct].filter(([key]) => held.has(key) !== isAdded);
            for (const [key, one] of touched) isAdded ? held.set(key, one) : held.delete(key);
            // What goes is named by an equal binding, not by the object that came.
            const named = touched.map(([, one]) => ({ ...one }));
            const change = isAdded
              ? { added: touched.map(([, one]) => one), removed: [] }
              : { added: [], removed: named };
            const before = step.epochIn('acme');
            step.changeDynamicRules('acme', [...held.values()], change);
            expect(step.epochIn('acme')).toBeGreaterThan(before);
            whole.setDynamicRules('acme', [...held.values()]);
            expect(verdicts(step)).toEqual(verdicts(whole));
          }
          const rest = [...held.values()];
          step.changeDynamicRules('acme', [], { added: [], removed: rest });
          expect(step.policyStatus().dynamicRules).toBe(0);
        },
      ),
      { seed: SEED, numRuns: 60 },
    );
  });

  it('of one tenant leave the epoch of another alone', async () => {
    const authorizer = await openAuthorizer(folder.directory);
    const [acme, globex] = [authorizer.epochIn('acme'), authorizer.epochIn('globex')];
    authorizer.setDynamicRules('acme', []);
    expect(authorizer.epochIn('acme')).toBeGreaterThan(acme);
    expect(authorizer.epochIn('globex')).toBe(globex);
    await authorizer.reload();
    expect(authorizer.epochIn('globex')).toBeGreaterThan(globex);
  });

  it('in great number on one name: what Casbin is asked is few, and its verdict the same', () => {
    const rules: fc.Arbitrary<PolicyRule> = fc.record({
      subject: fc.constant('User:ada'),
      domain: fc.constant('acme'),
      resourceType: fc.constant('TOPIC' as const),
      patternType: fc.constant('LITERAL' as const),
      resourceName: fc.constantFrom('a', '*'),
      operation: fc.constantFrom('READ' as const, 'ALL' as const),
      host: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom('10.0.0.2', '10.9.0.0/16', '2001:db8::1') },
        { weight: 1, arbitrary: fc.constantFrom('*', '10.0.0.1') },
      ),
      effect: fc.oneof(
        { weight: 9, arbitrary: fc.constant('allow' as const) },
        { weight: 1, arbitrary: fc.constant('deny' as const) },
      ),
      when: fc.constantFrom('*', '*', 'daily/00:00-06:00', 'daily/06:00-24:00'),
      file: fc.constant('dynamic'),
      line: fc.constant(0),
    });
    const request = {
      subject: 'User:ada',
      fleetSubject: '',
      domain: 'acme',
      attributes: {},
      host: '10.0.0.1',
      resourceType: 'TOPIC',
      resourceName: 'a',
      operation: 'READ',
      timeMs: Date.UTC(2030, 0, 1, 5, 59),
    };
    const roles = new PolicyRoles([]);
    fc.assert(
      fc.property(fc.array(rules, { maxLength: 150, size: 'max' }), (candidates) => {
        const few = fewEnough(candidates, request.host, request.timeMs);
        expect(few.length).toBeLessThanOrEqual(64);
        expect(model.decide(request, few, roles).allowed).toBe(
          model.decide(request, candidates, roles).allowed,
        );
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});
