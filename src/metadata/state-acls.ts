/**
 * Owns how a tenant's dynamic rules change, whoever asks: judged, recorded, stored, in force.
 *
 * Invariants: the requests of one tenant run one after the other, and a bounded number of them wait;
 * rules are changed a few hundred at a time, and each such portion has its audit record and its
 * storage in one turn of the tenant at the SecurityState, so that no tenant can fill the queue of the
 * audit log or hold up the changes of another for longer than a portion.
 */
import { StorageError } from '../base/errors.ts';
import { nextTurn } from '../protocol/records/event-loop-slices.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import type {
  AclChange,
  AclChangeRecorder,
  AclOutcome,
  AclRefusal,
  TenantAcls,
  TenantRules,
} from '../security/acl/tenant-acls.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import { MetadataError } from './metadata-error.ts';
import { bindingKey } from './metadata-log.ts';
import type { SecurityState } from './security-state.ts';

/** Rules in one record of the log, and lines of the audit log that are made durable together. */
const PORTION = 256;
/** Rules that are looked at in one turn of the event loop. */
const LOOKED_AT = 2048;
/** Requests of one tenant that wait for their turn. */
const WAITING_MAX = 64;

/** A rule to be changed, with every mention of it in the request. */
interface Wanted {
  readonly binding: AclBinding;
  readonly mentions: AclBinding[];
}

interface Queue {
  last: Promise<unknown>;
  waiting: number;
}

export class StateAcls implements TenantAcls {
  readonly #state: SecurityState;
  readonly #authorizer: CasbinAuthorizer;
  readonly #queues = new Map<string, Queue>();

  constructor(state: SecurityState, authorizer: CasbinAuthorizer) {
    this.#state = state;
    this.#authorizer = authorizer;
  }

  rules(tenant: string): TenantRules {
    return this.#authorizer.bindingsIn(tenant);
  }

  problem(tenant: string, binding: AclBinding): string | null {
    return this.#authorizer.bindingProblem(tenant, binding);
  }

  add(
    tenant: string,
    bindings: readonly AclBinding[],
    recorder: AclChangeRecorder,
  ): Promise<AclOutcome> {
    return this.#inTurn(tenant, bindings, async () => {
      await recorder.begin();
      const refused = new Map<AclBinding, AclRefusal>();
      const wanted = await this.#distinct(bindings, (b) => !this.#state.hasAcl(tenant, b));
      const accepted = this.#state.admitAcls(tenant, wanted, ({ mentions }, message) => {
        for (const mention of mentions) refused.set(mention, { reason: 'limit', message });
      });
      return this.#change('acl-add', tenant, accepted, recorder, refused);
    });
  }

  remove(
    tenant: string,
    bindings: readonly AclBinding[],
    recorder: AclChangeRecorder,
  ): Promise<AclOutcome> {
    return this.#inTurn(tenant, bindings, async () => {
      await recorder.begin();
      const wanted = await this.#distinct(bindings, (b) => this.#state.hasAcl(tenant, b));
      return this.#change('acl-remove', tenant, wanted, recorder, new Map());
    });
  }

  /** Runs the changes of one tenant one after the other. */
  async #inTurn(
    tenant: string,
    bindings: readonly AclBinding[],
    work: () => Promise<AclOutcome>,
  ): Promise<AclOutcome> {
    const queue = this.#queues.get(tenant) ?? { last: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= WAITING_MAX) {
      const refusal = busy('Too many changes of rules are waiting: try again later.');
      return { changed: 0, refused: new Map(bindings.map((binding) => [binding, refusal])) };
    }
    this.#queues.set(tenant, queue);
    queue.waiting += 1;
    const done = queue.last.then(work);
    queue.last = done.catch(() => {});
    try {
      return await done;
    } finally {
      queue.waiting -= 1;
      if (queue.waiting === 0) this.#queues.delete(tenant);
    }
  }

  async #distinct(
    bindings: readonly AclBinding[],
    isWanted: (binding: AclBinding) => boolean,
  ): Promise<Wanted[]> {
    const byKey = new Map<string, Wanted>();
    for (const [at, binding] of bindings.entries()) {
      if (at > 0 && at % LOOKED_AT === 0) await nextTurn();
      if (!isWanted(binding)) continue;
      const key = bindingKey(binding);
      const known = byKey.get(key);
      if (known === undefined) byKey.set(key, { binding, mentions: [binding] });
      else known.mentions.push(binding);
    }
    return [...byKey.values()];
  }

  async #change(
    change: AclChange,
    tenant: string,
    wanted: readonly Wanted[],
    recorder: AclChangeRecorder,
    refused: Map<AclBinding, AclRefusal>,
  ): Promise<AclOutcome> {
    let changed = 0;
    for (let at = 0; at < wanted.length; at += PORTION) {
      const portion = wanted.slice(at, at + PORTION);
      const bindings = portion.map(({ binding }) => binding);
      const refusal = await this.#changePortion(change, tenant, bindings, recorder);
      if (refusal === null) {
        changed += portion.length;
        continue;
      }
      // What failed for one portion would fail for the next ones too: they are not tried.
      for (const { mentions } of wanted.slice(at)) {
        for (const mention of mentions) refused.set(mention, refusal);
      }
      break;
    }
    return { changed, refused };
  }

  /** Null when the portion is changed. */
  async #changePortion(
    change: AclChange,
    tenant: string,
    bindings: readonly AclBinding[],
    recorder: AclChangeRecorder,
  ): Promise<AclRefusal | null> {
    let isRecorded = false;
    const record = async (): Promise<void> => {
      await recorder.record(change, bindings);
      isRecorded = true;
    };
    try {
      if (change === 'acl-add') await this.#state.addAcls(tenant, bindings, record);
      else await this.#state.removeAcls(tenant, bindings, record);
      return null;
    } catch (error) {
      const refusal = refusalOf(error);
      if (isRecorded) recorder.failed(change, bindings, refusal);
      return refusal;
    }
  }
}

const busy = (message: string): AclRefusal => ({ reason: 'busy', message });

/** What a client is told; anything that is nobody's refusal is passed on. */
function refusalOf(error: unknown): AclRefusal {
  if (error instanceof MetadataError) {
    const { reason, message } = error;
    if (reason === 'limit' || reason === 'busy') return { reason, message };
    return { reason: 'invalid', message };
  }
  if (!(error instanceof StorageError)) throw error;
  const message = 'The change could not be stored or recorded: look again what is in force.';
  return { reason: 'storage', message };
}
