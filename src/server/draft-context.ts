/**
 * A request of a tenant whose decisions may have to be asked for outside the process.
 *
 * The handler runs as it always does. A decision that is not known yet reads as a refusal and makes
 * the run a draft: its outcome and its audit events are thrown away, all that it lacked is asked for
 * together, and the handler runs again from the frame. So a request costs one exchange where it asks
 * for one thing after another at most, and nothing where everything is remembered.
 *
 *   drafting --a decision is missing--> asking --answers--> drafting (the handler from the beginning)
 *   drafting --it acts, or ends, and nothing is missing--> acting: events are written, then the deed
 *
 * Invariants: a draft has no effect, since whatever has one comes through `beforeActing`, which ends
 * a draft that lacks a decision; each decision of the run that counts is recorded once, before the
 * deed (a list of hundreds as soon as it is decided, in turns of the event loop); after the deed only a list gone through as a whole (`mark`, `settle`) can still be asked
 * for, anything else that is not known is a refusal.
 */
import type { AccessEvent, SecurityEvent } from '../audit/audit-event.ts';
import type { EngineCall } from '../engine/engine.ts';
import { ApiKey } from '../protocol/api-keys.ts';
import { runInSlices } from '../protocol/records/event-loop-slices.ts';
import type { Operation, ResourceTypeName } from '../security/acl/operation.ts';
import type {
  AuthorizationResult,
  ClientFacts,
  OutsideDecisions,
  Question,
} from '../security/authorizer.ts';
import { RequestContext, type RequestIdentity, type ServerServices } from './request-context.ts';
import type { Session } from './session.ts';

/** Thrown where a draft would act. The pipeline catches it; nobody else may. */
export class UndecidedError extends Error {
  override readonly name = 'UndecidedError';
  constructor() {
    super('a decision is being asked for');
  }
}

/**
 * Their calls of the engine change nothing, and they decide on what the engine answers: they stay
 * drafts to their end. (Metadata may create a topic; that is recorded first, and so is no draft.)
 */
const READING_APIS: ReadonlySet<number> = new Set([
  ApiKey.Metadata,
  ApiKey.OffsetFetch,
  ApiKey.DescribeGroups,
  ApiKey.ListGroups,
  ApiKey.DescribeCluster,
  ApiKey.DescribeTransactions,
  ApiKey.ListTransactions,
  ApiKey.ConsumerGroupDescribe,
  ApiKey.DescribeTopicPartitions,
]);

/** Questions of one request that are under way at a time. */
const ASKED_AT_ONCE = 200;
/**
 * Decisions that one request may ask for; what is beyond is a refusal. Far above what clients name,
 * and what keeps the memory of a request within a few times its frame.
 */
const ASKED_MAX = 20_000;
/** Audit events that are written in one turn of the event loop, and how long others are. */
const EVENTS_AT_ONCE = 256;
const TURN_MS = 5;
/** Times that one request may find that it lacks a decision; far above what any handler needs. */
const ROUNDS_MAX = 32;

const GIVEN_UP: AuthorizationResult = Object.freeze({
  allowed: false,
  rule: null,
  origin: 'external: undecided',
});

/** What a request was told so far, from one run of its handler to the next. */
export class DraftAnswers {
  readonly known = new Map<string, AuthorizationResult>();
  epoch = -1;
  rounds = 0;
  asked = 0;
}

export class DraftContext extends RequestContext {
  readonly #outside: OutsideDecisions;
  readonly #answers: DraftAnswers;
  readonly #client: ClientFacts;
  #missing = new Map<string, Question>();
  #events: AccessEvent[] = [];
  /** Lists that are being gone through. */
  #marks = 0;
  /** Something outside of such a list was read as a refusal because it was not known. */
  #isDraft = false;
  #acting = false;
  #hasGivenUp = false;
  #validUntilMs = Number.POSITIVE_INFINITY;

  constructor(
    init: { session: Session; services: ServerServices; ordered: () => void },
    identity: RequestIdentity,
    outside: OutsideDecisions,
    answers: DraftAnswers,
  ) {
    // A draft takes no place in the log, so nothing may be begun behind it.
    super(init.session, init.services, identity, () => {
      if (!this.undecided) init.ordered();
    });
    this.#outside = outside;
    this.#answers = answers;
    const { clientId, apiKey, apiVersion } = identity;
    const { listener } = init.session.subject;
    this.#client = { clientId, apiKey, apiVersion, listener };
  }

  override get call(): EngineCall {
    if (!READING_APIS.has(this.apiKey)) this.beforeActing();
    return super.call;
  }

  override get undecided(): boolean {
    return this.#isDraft || this.#missing.size > 0;
  }

  override authorize(
    operation: Operation,
    resourceType: ResourceTypeName,
    resourceName: string,
  ): boolean {
    const action = { operation, resourceType, resourceName };
    return this.#record(action, this.#decide(this.#question(action, false)));
  }

  override authorizeByResourceType(operation: Operation, resourceType: ResourceTypeName): boolean {
    const question = this.#question({ operation, resourceType, resourceName: '' }, true);
    const result = this.#decide(question);
    // No right that could be asked for again by name, and so none of the grants.
    return this.#record({ operation, resourceType, resourceName: '*' }, result, false);
  }

  override permits(
    operation: Operation,
    resourceType: ResourceTypeName,
    resourceName: string,
  ): boolean {
    const question = this.#question({ operation, resourceType, resourceName }, false);
    return this.#decide(question)?.allowed ?? false;
  }

  override foresee(
    operation: Operation,
    resourceType: ResourceTypeName,
    resourceName: string,
  ): void {
    this.permits(operation, resourceType, resourceName);
  }

  override administration(reason: string, facts: NonNullable<SecurityEvent['facts']>): void {
    this.beforeActing();
    super.administration(reason, facts);
  }

  override administrationFailed(
    reason: string,
    detail: string,
    facts: NonNullable<SecurityEvent['facts']>,
  ): void {
    this.beforeActing();
    super.administrationFailed(reason, detail, facts);
  }

  override recorded(): Promise<void> {
    this.beforeActing();
    return super.recorded();
  }

  override beforeActing(): void {
    if (this.#acting) return;
    if (this.undecided) throw new UndecidedError();
    this.#acting = true;
    this.#write();
  }

  override conclude(): Promise<void> | undefined {
    this.#marks = 0; // A list whose decision threw was not settled.
    if (this.#events.length > EVENTS_AT_ONCE) return this.#writeInTurns();
    this.beforeActing();
    this.#write();
    return undefined;
  }

  override mark(): number {
    this.#marks += 1;
    return this.#events.length;
  }

  override settle(mark: number): Promise<boolean> | undefined {
    this.#marks -= 1;
    // A draft that begins again anyway: what is missing is asked for then, with the rest.
    if (this.#isDraft) return undefined;
    if (this.#missing.size > 0) {
      this.#events.length = mark;
      return this.askMissing().then(() => true);
    }
    if (this.#marks > 0 || READING_APIS.has(this.apiKey)) return undefined;
    // Many events take their time: they are not left for the moment of the deed.
    if (this.#events.length > EVENTS_AT_ONCE) return this.#writeInTurns().then(() => false);
    if (this.#acting) this.#write();
    return undefined;
  }

  override rewind(mark: number): void {
    this.#marks -= 1;
    this.#events.length = mark;
    if (!this.#isDraft) this.#missing.clear();
  }

  override lapsed(epoch: number): boolean {
    const isOver = this.services.clock.monotonicMs() >= this.#validUntilMs;
    if (!isOver && !super.lapsed(epoch)) return false;
    this.#answers.known.clear();
    this.#validUntilMs = Number.POSITIVE_INFINITY;
    return true;
  }

  /** As RequestContext's; what is not known, or not any more, is asked for outside. */
  override isStillPermitted(): boolean | Promise<boolean> {
    if (this.session.isGone) return false;
    const isOver = this.services.clock.monotonicMs() >= this.#validUntilMs;
    return (!isOver && this.policyEpoch === this.grantedEpoch) || this.#askAgain();
  }

  async #askAgain(): Promise<boolean> {
    const grants = this.takeGrants();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const epoch = this.policyEpoch;
      this.takeGrants();
      this.#validUntilMs = Number.POSITIVE_INFINITY;
      if (!(await this.#allAllowed(grants)) || this.session.isGone) break;
      if (this.policyEpoch === epoch) return true;
    }
    this.restoreGrants(grants);
    return false;
  }

  async #allAllowed(grants: readonly AccessEvent[]): Promise<boolean> {
    for (let at = 0; at < grants.length; at += ASKED_AT_ONCE) {
      const some = grants.slice(at, at + ASKED_AT_ONCE);
      const told = await Promise.all(some.map((grant) => this.#askedNow(grant)));
      for (const result of told) this.#reliesOn(result);
      const allowed = some.map((grant, index) => this.#record(actionOf(grant), told[index]));
      if (allowed.includes(false)) return false;
    }
    return true;
  }

  #askedNow(grant: AccessEvent): AuthorizationResult | Promise<AuthorizationResult> {
    const question = this.#question(actionOf(grant), false);
    return this.#outside.known(question) ?? this.#outside.ask(question);
  }

  /** Asks for all that the run lacked; what it was told is there for the next one. */
  override async askMissing(): Promise<void> {
    const missing = [...this.#missing];
    this.#missing = new Map();
    this.#answers.rounds += 1;
    this.#answers.asked += missing.length;
    const epoch = this.policyEpoch;
    for (let at = 0; at < missing.length; at += ASKED_AT_ONCE) {
      if (this.session.closing.aborted) {
        // Nobody waits for the answer any more.
        this.#isDraft = true;
        throw new UndecidedError();
      }
      const some = missing.slice(at, at + ASKED_AT_ONCE);
      const told = await Promise.all(some.map(([, question]) => this.#outside.ask(question)));
      if (this.policyEpoch !== epoch) return;
      this.#forgetOlder(epoch);
      some.forEach(([key], index) => {
        this.#answers.known.set(key, told[index]!);
      });
    }
  }

  protected override note(event: AccessEvent): void {
    if (this.#acting && this.#marks === 0) super.note(event);
    else this.#events.push(event);
  }

  #write(): void {
    const events = this.#events;
    this.#events = [];
    for (const event of events) super.note(event);
  }

  #writeInTurns(): Promise<void> {
    const { clock } = this.services;
    const events = this.#events;
    this.#events = [];
    let next = 0;
    return runInSlices(() => {
      const endMs = clock.monotonicMs() + TURN_MS;
      while (next < events.length && clock.monotonicMs() < endMs) super.note(events[next++]!);
      return next >= events.length;
    });
  }

  #question(action: Question['action'], anyResource: boolean): Question {
    const { principal, host } = this.session;
    return { principal, host, action, anyResource, client: this.#client };
  }

  /** Undefined: it is not known yet, and reads as a refusal meanwhile. */
  #decide(question: Question): AuthorizationResult | undefined {
    const { operation, resourceType, resourceName } = question.action;
    const key = `${operation} ${resourceType} ${question.anyResource} ${resourceName}`;
    this.#forgetOlder(this.policyEpoch);
    const known = this.#answers.known.get(key) ?? this.#outside.known(question);
    if (known !== undefined) {
      this.#answers.known.set(key, known);
      this.#reliesOn(known);
      return known;
    }
    const isTooLate = this.#acting && this.#marks === 0;
    const { rounds, asked } = this.#answers;
    const isTooMuch = rounds >= ROUNDS_MAX || asked + this.#missing.size >= ASKED_MAX;
    if (isTooLate || isTooMuch) return this.#giveUp(question);
    this.#missing.set(key, question);
    if (this.#marks === 0) this.#isDraft = true;
    return undefined;
  }

  #reliesOn({ allowed, cachedUntilMs }: AuthorizationResult): void {
    if (!allowed || cachedUntilMs === undefined) return;
    this.#validUntilMs = Math.min(this.#validUntilMs, cachedUntilMs);
  }

  #giveUp({ action }: Question): AuthorizationResult {
    const { tenant, principal, connectionId } = this.session.subject;
    const { operation, resourceType } = action;
    if (!this.#hasGivenUp) {
      this.services.logger.warn(
        { tenant, principal, connectionId, api: this.apiName, operation, resourceType },
        'decisions were needed that could not be asked for any more; they are denials',
      );
    }
    this.#hasGivenUp = true;
    return GIVEN_UP;
  }

  #record(
    action: Question['action'],
    result: AuthorizationResult | undefined,
    isGrant = true,
  ): boolean {
    if (result === undefined) return false;
    const allowed = result.allowed && this.services.audit.healthy;
    const event = this.eventOf(action, allowed, result);
    this.note(event);
    if (allowed && isGrant) this.granted(this.policyEpoch, event);
    return allowed;
  }

  #forgetOlder(epoch: number): void {
    if (this.#answers.epoch === epoch) return;
    this.#answers.known.clear();
    this.#answers.epoch = epoch;
  }
}

const actionOf = ({ operation, resourceType, resourceName }: AccessEvent): Question['action'] => ({
  operation,
  resourceType,
  resourceName,
});
