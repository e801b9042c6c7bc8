/**
 * A change that has waited is made only if whoever asked for it may still make it: every API that
 * changes something, with a policy that changes while the record of the change is being written, and
 * again while the change waits for its turn.
 */
import { describe, expect, it } from 'vitest';
import type { AccessEvent, AuditSubject } from '../../src/audit/audit-event.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { KafkaError } from '../../src/base/errors.ts';
import type { Engine, EngineCall } from '../../src/engine/engine.ts';
import { ApiKey, apiName } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import { ClientQuotas } from '../../src/quota/client-quotas.ts';
import type { Action } from '../../src/security/authorizer.ts';
import { NO_ROLES } from '../../src/security/principal.ts';
import { ScramCredentials } from '../../src/security/scram/scram-credentials.ts';
import { servedApi } from '../../src/server/apis/index.ts';
import { RequestContext, type ServerServices } from '../../src/server/request-context.ts';
import { Session } from '../../src/server/session.ts';
import { noQuotas } from '../tools/no-quotas.ts';

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

type Moment = 'recording' | 'queue' | 'never';

/** Whoever may do all until `revokeAt`; whatever is changed is counted. */
class Scene {
  epoch = 1;
  allowed = true;
  forbidden: string | null = null;
  changes = 0;
  readonly decisions: AccessEvent[] = [];
  readonly #revokeAt: Moment;
  readonly #revoke: (scene: Scene) => void;
  readonly session: Session;

  constructor(revokeAt: Moment, revoke: (scene: Scene) => void) {
    this.#revokeAt = revokeAt;
    this.#revoke = revoke;
    this.session = new Session({
      principal: {
        principalType: 'User',
        name: 'ada',
        tenant: 'acme',
        kind: 'user',
        fleet: null,
        roles: NO_ROLES,
        authentication: 'mTLS',
        certificateSerial: null,
        expiresAtMs: null,
      },
      subject: { remoteAddress: '127.0.0.1' } as AuditSubject,
      engine: this.#engine(),
      clusterId: 'c',
      advertised: { host: 'localhost', port: 1 },
    });
  }

  #passes(moment: Moment): void {
    if (moment === this.#revokeAt) this.#revoke(this);
  }

  /** An engine, or a security state, in whose queue the change waits. */
  async change(isPermitted: () => boolean | Promise<boolean>): Promise<boolean> {
    await Promise.resolve();
    this.#passes('queue');
    if (!(await isPermitted())) return false;
    this.changes += 1;
    return true;
  }

  #engine(): Engine {
    const topic = { name: 't', topicId: TOPIC_ID, partitionCount: 1 };
    const empty = { topics: [], responses: [], results: [], errorCode: 0, throttleTimeMs: 0 };
    const act = async (
      request: { validateOnly?: boolean; resources?: unknown[] },
      call: EngineCall,
    ) => {
      const ok = { errorCode: 0, errorMessage: null, resourceType: 2, resourceName: 't' };
      const responses = request.resources?.map(() => ok) ?? [];
      if (request.validateOnly !== true) await this.change(call.isStillPermitted!);
      return { ...empty, responses };
    };
    const looked = { topicByName: () => topic, topicById: () => topic };
    return new Proxy(looked, {
      get: (target, name) => Reflect.get(target, name) ?? act,
    }) as unknown as Engine;
  }

  context(key: ApiKey, apiVersion: number, clock: Partial<Clock> = {}): RequestContext {
    const alter = async (
      _t: string,
      _c: unknown,
      options: { isPermitted: () => boolean | Promise<boolean> },
    ) => {
      if (await this.change(options.isPermitted)) return;
      throw new KafkaError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, 'gone');
    };
    const services = {
      clock: { ...systemClock, ...clock },
      quotas: noQuotas(systemClock),
      authorizer: {
        epochIn: () => this.epoch,
        authorize: (_principal: unknown, _host: string, action: Action) => ({
          allowed: this.allowed && action.resourceName !== this.forbidden,
          rule: null,
          origin: null,
        }),
      },
      audit: {
        healthy: true,
        pending: false,
        access: (_subject: AuditSubject, event: AccessEvent) => void this.decisions.push(event),
        security() {},
        durable: async () => {},
      },
      changes: { record: async () => this.#passes('recording') },
      metrics: { decided() {} },
      security: {
        clientQuotas: () => new ClientQuotas(new Map()),
        alterClientQuotas: alter,
        scramCredentials: () => new ScramCredentials(new Map()),
        alterScramCredentials: alter,
      },
    };
    const identity = { apiName: apiName(key), apiKey: key, apiVersion, clientId: 'x' };
    return new RequestContext(
      this.session,
      services as unknown as ServerServices,
      identity,
      () => {},
    );
  }
}

const resources = [{ resourceType: 2, resourceName: 't', configs: [] }];
const CHANGES: readonly [ApiKey, number, () => object][] = [
  [
    ApiKey.CreateTopics,
    7,
    () => ({
      topics: [{ name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1,
      validateOnly: false,
    }),
  ],
  [
    ApiKey.DeleteTopics,
    6,
    () => ({ topics: [{ name: 't', topicId: ZERO_UUID }], topicNames: [], timeoutMs: 1 }),
  ],
  [
    ApiKey.CreatePartitions,
    3,
    () => ({
      topics: [{ name: 't', count: 2, assignments: null }],
      timeoutMs: 1,
      validateOnly: false,
    }),
  ],
  [
    ApiKey.DeleteRecords,
    2,
    () => ({
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 1n }] }],
      timeoutMs: 1,
    }),
  ],
  [ApiKey.AlterConfigs, 2, () => ({ resources, validateOnly: false })],
  [ApiKey.IncrementalAlterConfigs, 1, () => ({ resources, validateOnly: false })],
  [ApiKey.DeleteGroups, 2, () => ({ groupsNames: ['g'] })],
  [
    ApiKey.OffsetDelete,
    0,
    () => ({ groupId: 'g', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] }),
  ],
  [
    ApiKey.AlterClientQuotas,
    1,
    () => ({
      entries: [
        {
          entity: [{ entityType: 'user', entityName: 'ada' }],
          ops: [{ key: 'producer_byte_rate', value: 1, remove: false }],
        },
      ],
      validateOnly: false,
    }),
  ],
  [
    ApiKey.AlterUserScramCredentials,
    0,
    () => ({
      deletions: [],
      upsertions: [
        {
          name: 'ada',
          mechanism: 1,
          iterations: 4096,
          salt: Buffer.alloc(16, 1),
          saltedPassword: Buffer.alloc(32, 1),
        },
      ],
    }),
  ],
];

/** Those that ask again between the record and the change, without any queue between. */
const WITHOUT_QUEUE: readonly ApiKey[] = [
  ApiKey.DeleteRecords,
  ApiKey.DeleteGroups,
  ApiKey.OffsetDelete,
];

async function run(key: ApiKey, version: number, request: object, scene: Scene): Promise<string> {
  const api = servedApi(key)!;
  const ctx = scene.context(key, version);
  if (api.authorization.stance === 'cluster') {
    expect(ctx.authorizeCluster(api.authorization.operation)).toBe(true);
  }
  return JSON.stringify(await api.handle(ctx, request), (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  );
}

describe.each(
  CHANGES.map(([key, version, request]) => ({ name: apiName(key), key, version, request })),
)('$name', ({ key, version, request }) => {
  const moments = (
    WITHOUT_QUEUE.includes(key) ? ['recording'] : ['recording', 'queue']
  ) as Moment[];

  it.each(moments)(
    'is not made once the right is gone (%s), and the denial is recorded',
    async (at) => {
      const scene = new Scene(at, (one) => {
        one.epoch += 1;
        one.allowed = false;
      });
      await run(key, version, request(), scene);
      expect(scene.changes).toBe(0);
      expect(scene.decisions.at(-1)).toMatchObject({ api: apiName(key), allowed: false });
    },
  );

  it.each(moments)('is not made once the connection is gone (%s)', async (at) => {
    const scene = new Scene(at, ({ session }) => session.close());
    await run(key, version, request(), scene);
    expect(scene.changes).toBe(0);
  });

  it.each(moments)(
    'is made when the policy changes otherwise, or the server drains (%s)',
    async (at) => {
      const scene = new Scene(at, (one) => {
        one.epoch += 1;
        one.session.drain();
      });
      await run(key, version, request(), scene);
      expect(scene.changes).toBe(1);
    },
  );
});

it('very many rights are asked for again in turns, and once more where the policy changes meanwhile', async () => {
  const scene = new Scene('never', () => {});
  let nowMs = 0;
  const ctx = scene.context(ApiKey.DeleteGroups, 2, { monotonicMs: () => nowMs++ });
  for (let at = 0; at < 1000; at += 1) ctx.authorize('DELETE', 'GROUP', `g${at}`);
  scene.epoch += 1;
  const asked = ctx.isStillPermitted();
  let turns = 0;
  const count = (): void => {
    turns += 1;
    // In the middle of the work, when the first rights have been granted again.
    if (turns === 5) {
      scene.epoch += 1;
      scene.forbidden = 'g3';
    }
    if (turns < 10) setImmediate(count);
  };
  setImmediate(count);
  expect(await asked).toBe(false);
  expect(turns).toBe(10);
  expect(scene.decisions.at(-1)).toMatchObject({ resourceName: 'g3', allowed: false });
});

it('a right that is gone stays gone, however often it is asked for again', async () => {
  const scene = new Scene('never', () => {});
  const ctx = scene.context(ApiKey.DeleteGroups, 2);
  expect(ctx.authorize('DELETE', 'GROUP', 'a') && ctx.authorize('DELETE', 'GROUP', 'b')).toBe(true);
  scene.epoch += 1;
  scene.allowed = false;
  expect([await ctx.isStillPermitted(), await ctx.isStillPermitted()]).toEqual([false, false]);
  scene.epoch += 1;
  scene.allowed = true;
  expect([await ctx.isStillPermitted(), await ctx.isStillPermitted()]).toEqual([true, true]);
});
