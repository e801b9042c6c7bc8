/**
 * Owns what is counted while connections and requests are served: how long requests of each API
 * take, the error codes in their answers, decisions, and the tenant's share (tenant-meters.ts).
 *
 * Invariants: the labels are APIs, error codes, listeners and reasons of our own, so their number is
 * bounded whatever clients send; children are resolved at their first use and kept.
 */
import type { Clock } from '../base/clock.ts';
import type { Counter, Family, Gauge, Histogram, MetricRegistry } from '../base/metrics.ts';
import type { Answer, CloseReason, RequestMeter } from '../network/connection.ts';
import type { HandshakeMeter } from '../network/handshake-admission.ts';
import { apiName } from '../protocol/api-keys.ts';
import { compileErrorCodeWalk, type ErrorCodeWalk } from '../protocol/error-code-walk.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { apiSchema } from '../protocol/schemas/index.ts';
import { HandshakeFamilies } from './handshake-metrics.ts';
import type { RequestLog } from './request-log.ts';
import type { Session } from './session.ts';
import { type TenantMeter, TenantMeters } from './tenant-meters.ts';

/** How a decision came about. */
export type DecidedBy = 'policy' | 'session' | 'external';

const TENANT_LABELS_MAX_DEFAULT = 1_000;
const ERROR_NAMES = new Map<number, string>(
  Object.entries(ErrorCode).map(([name, code]) => [code, name]),
);

export class ServerMetrics {
  readonly tenants: TenantMeters;
  readonly #clock: Clock;
  readonly #log: RequestLog | null;
  readonly #queueSeconds: Family<Histogram>;
  readonly #localSeconds: Family<Histogram>;
  readonly #totalSeconds: Family<Histogram>;
  readonly #inFlight: Family<Gauge>;
  readonly #errors: Family<Counter>;
  readonly #closed: Family<Counter>;
  readonly #handshakes: HandshakeFamilies;
  readonly #byKey: ApiMeter[] = [];
  readonly #allowed: Readonly<Record<DecidedBy, Counter>>;
  readonly #denied: Readonly<Record<DecidedBy, Counter>>;

  constructor(
    registry: MetricRegistry,
    clock: Clock,
    tenantsMax = TENANT_LABELS_MAX_DEFAULT,
    log: RequestLog | null = null,
  ) {
    this.#clock = clock;
    this.#log = log;
    const seconds = (name: string, help: string): Family<Histogram> =>
      registry.histogram(`breakwater_request_${name}seconds`, help, ['api']);
    this.#totalSeconds = seconds('', 'From the last byte of a request to its answer being ready.');
    this.#queueSeconds = seconds('queue_', 'Wait of a request for its turn on its connection.');
    this.#localSeconds = seconds(
      'local_',
      'From the turn of a request to its answer, or to the first thing that it waited for.',
    );
    this.#inFlight = registry.gauge(
      'breakwater_requests_in_flight',
      'Requests begun and not answered: parked ones (Fetch, JoinGroup) too.',
      ['api'],
    );
    this.#errors = registry.counter(
      'breakwater_response_errors_total',
      'Error codes in answers, each place in an answer counted.',
      ['api', 'error'],
    );
    this.#closed = registry.counter(
      'breakwater_connections_closed_total',
      'Connections that were served and have ended.',
      ['listener', 'reason'],
    );
    const decisions = registry.counter(
      'breakwater_authorizations_total',
      'Decisions of requests over Kafka; decided_by "session": remembered on the connection.',
      ['outcome', 'decided_by'],
    );
    const counters = (outcome: string) => ({
      policy: decisions.of(outcome, 'policy'),
      session: decisions.of(outcome, 'session'),
      external: decisions.of(outcome, 'external'),
    });
    this.#allowed = counters('allow');
    this.#denied = counters('deny');
    this.tenants = new TenantMeters(registry, tenantsMax);
    this.#handshakes = new HandshakeFamilies(registry);
  }

  handshakes(listener: string): HandshakeMeter {
    return this.#handshakes.of(listener);
  }

  /** Monotonic. */
  nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** The figures of an API that is served; clients cannot make more of them. */
  api(key: number): ApiMeter {
    const known = this.#byKey[key];
    if (known !== undefined) return known;
    const api = apiName(key);
    const schema = apiSchema(key);
    if (schema === undefined) throw new RangeError(`${api} has no schema`);
    const made = new ApiMeter({
      queueSeconds: this.#queueSeconds.of(api),
      localSeconds: this.#localSeconds.of(api),
      totalSeconds: this.#totalSeconds.of(api),
      inFlight: this.#inFlight.of(api),
      walk: compileErrorCodeWalk(schema.response),
      error: (code) => this.#errors.of(api, ERROR_NAMES.get(code) ?? 'UNKNOWN_SERVER_ERROR'),
    });
    this.#byKey[key] = made;
    return made;
  }

  decided(session: Session, allowed: boolean, by: DecidedBy): void {
    (allowed ? this.#allowed : this.#denied)[by].inc();
    if (!allowed) this.meterOf(session).denials.inc();
  }

  meterOf(session: Session): TenantMeter {
    session.meter ??= this.tenants.of(session.principal.tenant);
    return session.meter;
  }

  opened(session: Session): void {
    this.meterOf(session).connections.add(1);
  }

  closed(session: Session, reason: CloseReason): void {
    this.meterOf(session).connections.add(-1);
    this.#closed.of(session.subject.listener, reason).inc();
  }

  /** What the connection of the session tells of its requests. */
  requestsOf(session: Session): RequestMeter {
    const meter = this.meterOf(session);
    return {
      suspended: ({ apiKey }) => this.api(apiKey).inFlight.add(1),
      answered: (request, answer, wasSuspended) => {
        const api = this.api(request.apiKey);
        if (wasSuspended) api.inFlight.add(-1);
        const { arrivedMs, begunMs, returnedMs } = request;
        const doneMs = wasSuspended ? this.nowMs() : returnedMs;
        api.queueSeconds.observe((begunMs - arrivedMs) / 1000);
        api.localSeconds.observe((returnedMs - begunMs) / 1000);
        api.totalSeconds.observe((doneMs - arrivedMs) / 1000);
        countAnswer(meter, request.frameBytes, answer);
        this.#log?.answered(session, request, doneMs);
      },
      failed: ({ apiKey }) => this.api(apiKey).inFlight.add(-1),
    };
  }
}

function countAnswer(meter: TenantMeter, frameBytes: number, answer: Answer): void {
  meter.requests.inc();
  meter.receivedBytes.inc(frameBytes);
  if (answer === 'close') return;
  if (answer.frame !== null) {
    let sentBytes = 0;
    for (const chunk of answer.frame) sentBytes += chunk.length;
    meter.sentBytes.inc(sentBytes);
  }
  if (answer.muteMs <= 0) return;
  meter.throttledRequests.inc();
  meter.throttleSeconds.inc(answer.muteMs / 1000);
}

interface ApiMeterParts {
  readonly queueSeconds: Histogram;
  readonly localSeconds: Histogram;
  readonly totalSeconds: Histogram;
  readonly inFlight: Gauge;
  readonly walk: ErrorCodeWalk;
  readonly error: (code: number) => Counter;
}

export class ApiMeter {
  readonly queueSeconds: Histogram;
  readonly localSeconds: Histogram;
  readonly totalSeconds: Histogram;
  readonly inFlight: Gauge;
  readonly #walk: ErrorCodeWalk;
  readonly #error: (code: number) => Counter;
  readonly #errors = new Map<number, Counter>();
  readonly #tell = (code: number): void => this.#counterOf(code).inc();

  constructor({ walk, error, ...figures }: ApiMeterParts) {
    this.queueSeconds = figures.queueSeconds;
    this.localSeconds = figures.localSeconds;
    this.totalSeconds = figures.totalSeconds;
    this.inFlight = figures.inFlight;
    this.#walk = walk;
    this.#error = error;
  }

  /** Counts the error codes in an answer before it is encoded. */
  countErrors(body: object): void {
    this.#walk(body, this.#tell);
  }

  #counterOf(code: number): Counter {
    const known = this.#errors.get(code);
    if (known !== undefined) return known;
    const made = this.#error(code);
    this.#errors.set(code, made);
    return made;
  }
}
