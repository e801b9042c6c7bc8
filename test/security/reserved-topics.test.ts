import { describe, expect, it } from 'vitest';
import { SUPPORTED_OPERATIONS } from '../../src/security/acl/operation.ts';
import type { AuthorizationResult, Authorizer } from '../../src/security/authorizer.ts';
import type { KafkaPrincipal } from '../../src/security/principal.ts';
import { ReservedTopics } from '../../src/security/reserved-topics.ts';

const YES: AuthorizationResult = { allowed: true, rule: 'everything', origin: 'test' };
const generous: Authorizer = {
  epoch: 1,
  epochIn: () => 2,
  authorize: () => YES,
  authorizeIn: () => YES,
  authorizeByResourceType: () => YES,
  outside: { concerns: () => true, known: () => YES, ask: () => Promise.resolve(YES) },
};
const ADA: KafkaPrincipal = {
  principalType: 'User',
  name: 'ada',
  tenant: 'acme',
  fleet: null,
  groups: [],
  expiresAtMs: null,
} as unknown as KafkaPrincipal;
const HOST = '10.0.0.1';
const reserved = new ReservedTopics(generous, (topic) => topic === '__audit');

const allowed = { READ: true, DESCRIBE: true, DESCRIBE_CONFIGS: true } as Record<string, boolean>;

describe.each(SUPPORTED_OPERATIONS.TOPIC)('%s on a topic of the broker', (operation) => {
  const isAllowed = allowed[operation] ?? false;
  const action = { operation, resourceType: 'TOPIC', resourceName: '__audit' } as const;
  const question = { principal: ADA, host: HOST, action, anyResource: false, client: null };

  it(`is ${isAllowed ? 'as the rules say' : 'refused whatever the rules say'}`, async () => {
    expect(reserved.authorize(ADA, HOST, action).allowed).toBe(isAllowed);
    expect(reserved.authorizeIn('acme', ADA, HOST, action).allowed).toBe(isAllowed);
    expect(reserved.outside!.known(question)!.allowed).toBe(isAllowed);
    expect((await reserved.outside!.ask(question)).allowed).toBe(isAllowed);
  });

  it('is as the rules say on any other topic, and on other things of that name', () => {
    const other = { ...action, resourceName: 'telemetry' };
    expect(reserved.authorize(ADA, HOST, other)).toBe(YES);
    const group = { ...action, resourceType: 'GROUP' } as const;
    expect(reserved.authorize(ADA, HOST, group)).toBe(YES);
  });
});

describe('topics of the broker', () => {
  it('change neither epochs nor what is asked of any topic', () => {
    expect([reserved.epoch, reserved.epochIn('acme')]).toEqual([1, 2]);
    expect(reserved.authorizeByResourceType(ADA, HOST, 'WRITE', 'TOPIC')).toBe(YES);
    const { outside: _, ...local } = generous;
    expect(new ReservedTopics(local, () => true).outside).toBeUndefined();
  });
});
