/** Which word counts in each mode, and what is remembered of it, for how long and for whom. */
import { expect, it } from 'vitest';
import type {
  AuthorizationResult,
  Authorizer,
  Question,
} from '../../../src/security/authorizer.ts';
import { authzen } from '../../../src/security/external/authzen.ts';
import { ExternalAuthorizer } from '../../../src/security/external/external-authorizer.ts';
import {
  AUTHORIZER_MODES,
  type AuthorizerMode,
  parseExternalSettings,
} from '../../../src/security/external/external-settings.ts';
import { PdpError, type PdpRequest } from '../../../src/security/external/pdp-protocol.ts';
import { principal, question } from './questions.ts';
import { TestClock } from './test-clock.ts';

type Word = boolean | 'fails';

function scene(mode: AuthorizerMode, { local = true, external = true as Word, ttl = {} } = {}) {
  const clock = new TestClock();
  const state = { local, external, calls: 0 };
  const told: string[] = [];
  const word = (): AuthorizationResult => ({ allowed: state.local, rule: 'p', origin: 'a.csv:1' });
  const policy: Authorizer = {
    epoch: 7,
    epochIn: () => 7,
    authorize: word,
    authorizeIn: word,
    authorizeByResourceType: word,
  };
  const authorizer = new ExternalAuthorizer({
    local: policy,
    clock,
    decisionsMax: 100,
    reports: {
      failed: (tenant) => void told.push(`failed ${tenant}`),
      circuit: (tenant, _pdp, isOpen) => void told.push(`circuit ${tenant} ${isOpen}`),
      differs: () => void told.push('differs'),
    },
  });
  const cache = { 'allow.ttl.ms': 1000, 'deny.ttl.ms': 100, max: 50, ...ttl };
  const text = JSON.stringify({
    pdps: { one: { protocol: 'authzen', url: 'https://pdp', cache } },
    default: { mode, pdp: 'one' },
  });
  const http = {
    call: async ({ body }: PdpRequest): Promise<unknown> => {
      state.calls += 1;
      if (state.external === 'fails') throw new PdpError('timeout', 'late');
      const decision = state.external;
      const { evaluations } = JSON.parse(body) as { evaluations?: unknown[] };
      return evaluations === undefined
        ? { decision }
        : { evaluations: evaluations.map(() => ({ decision })) };
    },
    close() {},
  };
  authorizer.apply(parseExternalSettings(`${text}\n# end\n`), () => ({
    http,
    protocol: authzen({ basePath: '', batchMax: 50 }),
  }));
  const ask = async (one: Question): Promise<AuthorizationResult> => {
    const asking = authorizer.ask(one);
    await Promise.resolve();
    clock.advance(1);
    return asking;
  };
  return { clock, state, told, authorizer, ask };
}

const OUTCOMES: Record<AuthorizerMode, (local: boolean, external: Word) => boolean> = {
  local: (local) => local,
  external: (_local, external) => external === true,
  'local-and-external': (local, external) => local && external === true,
  'external-with-local-fallback': (local, external) => (external === 'fails' ? local : external),
  shadow: (local) => local,
};

for (const mode of AUTHORIZER_MODES) {
  it.each([
    [true, true],
    [true, false],
    [true, 'fails'],
    [false, true],
    [false, false],
    [false, 'fails'],
  ] as const)(`${mode}: the policy says %s, the PDP %s`, async (local, external) => {
    const { authorizer, ask, clock } = scene(mode, { local, external });
    const expected = OUTCOMES[mode](local, external);
    const one = question('topic');
    const { host, action } = one;
    // At once: nothing that has to be asked for is allowed, except what the policy alone decides.
    const atOnce = authorizer.authorize(one.principal, host, action).allowed;
    expect(atOnce).toBe(mode === 'local' || mode === 'shadow' ? local : false);
    expect((await ask(one)).allowed).toBe(expected);
    expect(authorizer.known(one)?.allowed ?? expected).toBe(expected);
    const explaining = authorizer.explain(one, local);
    await Promise.resolve();
    clock.advance(1);
    const explained = await explaining;
    expect(explained.allowed).toBe(expected);
    const heard = external === 'fails' ? 'failed' : external ? 'allow' : 'deny';
    expect(explained.answer?.decision).toBe(mode === 'local' ? undefined : heard);
    expect(authorizer.concerns('acme')).toBe(mode !== 'local' && mode !== 'shadow');
  });
}

it('allows and denials are remembered for their own time, failures never', async () => {
  const { clock, state, authorizer, ask } = scene('external');
  expect((await ask(question('a'))).allowed).toBe(true);
  clock.advance(999);
  expect(authorizer.known(question('a'))).toMatchObject({ origin: 'external:one, cached' });
  clock.advance(1);
  expect(authorizer.known(question('a'))).toBeUndefined();
  state.external = false;
  await ask(question('b'));
  clock.advance(99);
  expect(authorizer.known(question('b'))?.allowed).toBe(false);
  clock.advance(1);
  expect(authorizer.known(question('b'))).toBeUndefined();
  state.external = 'fails';
  expect((await ask(question('c'))).origin).toBe('external:one failed (timeout)');
  expect(authorizer.known(question('c'))).toBeUndefined();
});

it('whatever the PDP is told makes another decision', async () => {
  const { authorizer, ask } = scene('external');
  const one = question('a');
  await ask(one);
  expect(authorizer.known(question('a'))?.allowed).toBe(true);
  const others: Question[] = [
    question('b'),
    question('a', { host: '10.0.0.2' }),
    question('a', { operation: 'READ' }),
    question('a', { resourceType: 'GROUP' }),
    question('a', { clientId: 'other' }),
    question('a', { who: principal('acme', 'device-2') }),
    question('a', { who: principal('globex', 'device-1') }),
    question('a', { who: principal('acme', 'device-1', { fleet: 'other' }) }),
    question('a', { who: principal('acme', 'device-1', { kind: 'service' }) }),
    question('a', { who: principal('acme', 'device-1', { authentication: 'SCRAM-SHA-256' }) }),
    question('a', { who: principal('acme', 'device-1', { roles: ['admin'] }) }),
    { ...one, anyResource: true },
    { ...one, client: null },
  ];
  for (const other of others) expect(authorizer.known(other)).toBeUndefined();
});

it('however many want the same decision, it is asked for once', async () => {
  const { clock, state, authorizer } = scene('external');
  const asking = Promise.all(Array.from({ length: 30 }, () => authorizer.ask(question('a'))));
  clock.advance(1);
  expect((await asking).every(({ allowed }) => allowed)).toBe(true);
  expect(state.calls).toBe(1);
});

it('an invalidation forgets, begins a new epoch, and keeps out what was asked before', async () => {
  const { clock, authorizer, ask } = scene('external');
  await ask(question('a'));
  const late = authorizer.ask(question('b'));
  const [mine, others] = [authorizer.epochIn('acme'), authorizer.epochIn('globex')];
  expect(authorizer.invalidate('acme')).toBe(1);
  expect(authorizer.epochIn('acme')).toBeGreaterThan(mine);
  expect(authorizer.epochIn('globex')).toBe(others);
  clock.advance(1);
  expect((await late).allowed).toBe(true);
  expect(authorizer.known(question('a'))).toBeUndefined();
  expect(authorizer.known(question('b'))).toBeUndefined();
});

it('memory is bounded for each tenant, and shared out among those that ask', async () => {
  const { authorizer, ask } = scene('external');
  const fill = async (tenant: string): Promise<void> => {
    const who = principal(tenant, 'device-1');
    for (let index = 0; index < 200; index++) await ask(question(`topic-${index}`, { who }));
  };
  const cached = () => authorizer.status().map((one) => one.cached);
  await fill('acme');
  expect(cached()).toEqual([50]);
  await fill('globex');
  expect(cached()).toEqual([50, 50]);
  // 100 among three.
  await ask(question('a', { who: principal('third', 'device-1') }));
  expect(cached()).toEqual([33, 33, 1]);
  const newest = authorizer.known(question('topic-199', { who: principal('globex', 'device-1') }));
  expect(newest?.allowed).toBe(true);
});

it('operators are decided by the policy, whatever the default is', () => {
  const { authorizer } = scene('external');
  expect(authorizer.concerns('')).toBe(false);
});
