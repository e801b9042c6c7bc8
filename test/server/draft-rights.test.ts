/** A change of a tenant that a PDP decides for, asked again when its turn has come. */
import { describe, expect, it } from 'vitest';
import type { AccessEvent, AuditSubject } from '../../src/audit/audit-event.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type {
  AuthorizationResult,
  OutsideDecisions,
  Question,
} from '../../src/security/authorizer.ts';
import { DraftAnswers, DraftContext } from '../../src/server/draft-context.ts';
import type { ServerServices } from '../../src/server/request-context.ts';
import { Session } from '../../src/server/session.ts';
import { principal } from '../security/policy-fixture.ts';

const MINUTE_MS = 60_000;

/** A PDP that has allowed, whose word is remembered for a minute. */
class Scene {
  epoch = 1;
  nowMs = 1000;
  asked = 0;
  readonly denied = new Set<string>();
  readonly events: AccessEvent[] = [];
  readonly context: DraftContext;

  constructor() {
    const session = new Session({
      principal: principal('acme', 'ada'),
      subject: { remoteAddress: '127.0.0.1', listener: 'mtls' } as AuditSubject,
      engine: {} as Engine,
      clusterId: 'c',
      advertised: { host: 'localhost', port: 1 },
    });
    const outside: OutsideDecisions = {
      concerns: () => true,
      known: (question) => (this.#isRemembered() ? this.#answer(question, MINUTE_MS) : undefined),
      ask: async (question) => {
        this.asked += 1;
        return this.#answer(question, this.nowMs + MINUTE_MS);
      },
    };
    const services = {
      metrics: { decided() {} },
      clock: { ...systemClock, monotonicMs: () => this.nowMs },
      authorizer: { epochIn: () => this.epoch },
      audit: { healthy: true, access: (_: unknown, event: AccessEvent) => this.events.push(event) },
    } as unknown as ServerServices;
    this.context = new DraftContext(
      { session, services, ordered: () => undefined },
      { apiName: 'CreateTopics', apiKey: 19, apiVersion: 5, clientId: 'c' },
      outside,
      new DraftAnswers(),
    );
  }

  #isRemembered(): boolean {
    return this.epoch === 1 && this.nowMs < MINUTE_MS;
  }

  #answer({ action }: Question, cachedUntilMs: number): AuthorizationResult {
    const allowed = !this.denied.has(action.resourceName);
    return { allowed, rule: null, origin: 'external: pdp', cachedUntilMs };
  }

  /** Lets the request in, as its handler would. */
  begin(): this {
    for (const name of ['a', 'b'])
      expect(this.context.authorize('CREATE', 'TOPIC', name)).toBe(true);
    this.context.beforeActing();
    this.events.length = 0;
    return this;
  }
}

describe('a change that has waited', () => {
  it('is done without a question while nothing has changed', async () => {
    const scene = new Scene().begin();
    expect(await scene.context.isStillPermitted()).toBe(true);
    expect(scene.asked).toBe(0);
    expect(scene.events).toEqual([]);
  });

  it.each<[string, (scene: Scene) => void]>([
    [
      'the policy has changed',
      (scene) => {
        scene.epoch += 1;
      },
    ],
    [
      'what was remembered has lapsed',
      (scene) => {
        scene.nowMs += MINUTE_MS;
      },
    ],
  ])('is asked about again, all of it, and recorded when %s', async (_what, change) => {
    const scene = new Scene().begin();
    change(scene);
    expect(await scene.context.isStillPermitted()).toBe(true);
    expect(scene.asked).toBe(2);
    expect(scene.events.map(({ resourceName, allowed }) => [resourceName, allowed])).toEqual([
      ['a', true],
      ['b', true],
    ]);
    // Once more, with nothing changed since: the word counts.
    expect(await scene.context.isStillPermitted()).toBe(true);
    expect(scene.asked).toBe(2);
  });

  it('is asked about again where the name is a star', async () => {
    const scene = new Scene();
    expect(scene.context.authorize('DELETE', 'GROUP', '*')).toBe(true);
    scene.context.beforeActing();
    expect(await scene.context.isStillPermitted()).toBe(true);
    scene.epoch += 1;
    scene.denied.add('*');
    expect(await scene.context.isStillPermitted()).toBe(false);
  });

  it('is refused when one of its rights is gone, however often it asks', async () => {
    const scene = new Scene().begin();
    scene.epoch += 1;
    scene.denied.add('b');
    expect(await scene.context.isStillPermitted()).toBe(false);
    expect(scene.events.at(-1)).toMatchObject({ resourceName: 'b', allowed: false });
    expect(await scene.context.isStillPermitted()).toBe(false);
    scene.denied.clear();
    expect(await scene.context.isStillPermitted()).toBe(true);
  });

  it('is refused when its connection is gone', async () => {
    const scene = new Scene().begin();
    scene.context.session.close();
    expect(await scene.context.isStillPermitted()).toBe(false);
  });
});
