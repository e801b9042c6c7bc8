/** Answers of very many entries are made a few milliseconds at a time: others have their turn. */
import { expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { ClientQuotas } from '../../src/quota/client-quotas.ts';
import { ScramCredentials } from '../../src/security/scram/scram-credentials.ts';
import { describeClientQuotasApi } from '../../src/server/apis/48-describe-client-quotas.ts';
import { describeUserScramCredentialsApi } from '../../src/server/apis/50-describe-user-scram-credentials.ts';
import type { ApiDefinition } from '../../src/server/define-api.ts';
import type { RequestContext } from '../../src/server/request-context.ts';

const COUNT = 10_000;
const users = Array.from({ length: COUNT }, (_, index) => `user-${index}`);

/** A millisecond passes between two looks at the clock: a turn is over after a few looks. */
function context(): RequestContext {
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs++ };
  const quotas = new ClientQuotas(
    new Map(users.map((user) => [user, { entity: { user }, values: { producer_byte_rate: 1 } }])),
  );
  const credential = {
    mechanism: 'SCRAM-SHA-256' as const,
    iterations: 4096,
    salt: '',
    storedKey: '',
    serverKey: '',
  };
  const credentials = new ScramCredentials(
    new Map(users.map((user) => [user, [{ user, ...credential }]])),
  );
  return {
    session: { principal: { tenant: 'acme' } },
    services: {
      clock,
      security: { clientQuotas: () => quotas, scramCredentials: () => credentials },
    },
  } as unknown as RequestContext;
}

const CASES: readonly [string, ApiDefinition, object, string][] = [
  ['quotas', describeClientQuotasApi, { components: [], strict: false }, 'entries'],
  ['all SCRAM users', describeUserScramCredentialsApi, { users: null }, 'results'],
  [
    'named SCRAM users',
    describeUserScramCredentialsApi,
    { users: users.map((name) => ({ name })) },
    'results',
  ],
];

it.each(CASES)('%s', async (_shown, api, request, field) => {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const answer = (await api.handle(context(), request)) as Record<string, unknown[]>;
  isDone = true;
  expect(answer[field]).toHaveLength(COUNT);
  expect(turns).toBeGreaterThan(5);
});
