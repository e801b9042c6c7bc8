/**
 * Owns client telemetry (KIP-714), by the rules of Kafka's ClientMetricsManager: who asks is told what
 * to push and how often; who pushes too early, with an old subscription, too much, or in a form that
 * is not known is told so by an error that it understands.
 *
 *   get -> push -> push ... -> push (terminating)      an error of a push leads back to get
 *
 * Invariant: what is pushed changes nothing but what an operator sees; it is inflated under a cap,
 * and only as much of it is kept as there is room for.
 */
import type { Clock } from '../../base/clock.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { planInflation } from '../../protocol/records/compression.ts';
import { crc32c } from '../../protocol/records/crc32c.ts';
import { InflationBudget } from '../../protocol/records/inflation.ts';
import { CompressionCodec } from '../../protocol/records/record-batch.ts';
import { type ClientInstance, ClientInstances, type PushedMetrics } from './client-instances.ts';
import { type MetricBounds, readMetrics } from './otlp-metrics.ts';
import {
  type ClientAttributes,
  type MetricsSubscription,
  wantedMetrics,
} from './subscription-match.ts';

export interface TelemetrySettings {
  readonly maxBytes: number;
  /** A tenant that asks for less gets this. */
  readonly intervalLeastMs: number;
  readonly instancesMax: number;
}

/** Who asks, and what it is matched by. */
export interface TelemetryClient {
  readonly tenant: string;
  readonly principal: string;
  /** Without `client_instance_id`. */
  readonly attributes: ClientAttributes;
  readonly subscriptions: readonly MetricsSubscription[];
}

export interface SubscriptionAnswer {
  readonly errorCode: number;
  readonly clientInstanceId: string;
  readonly subscriptionId: number;
  readonly acceptedCompressionTypes: number[];
  readonly pushIntervalMs: number;
  readonly telemetryMaxBytes: number;
  readonly deltaTemporality: boolean;
  readonly requestedMetrics: string[];
}

export interface Push {
  readonly clientInstanceId: string;
  readonly subscriptionId: number;
  readonly terminating: boolean;
  readonly compressionType: number;
  readonly metrics: Buffer;
}

/** Zero asks for a new id; the other stands for the metadata topic. */
const RESERVED_IDS: ReadonlySet<string> = new Set([
  Buffer.alloc(16).toString('base64url'),
  Buffer.alloc(16).fill(1, 15).toString('base64url'),
]);
const { zstd, lz4, gzip, snappy } = CompressionCodec;
/** In Kafka's order. A push may be uncompressed as well. */
const ACCEPTED_CODECS: readonly number[] = [zstd, lz4, gzip, snappy];
const CODECS: ReadonlySet<number> = new Set(Object.values(CompressionCodec));
/** What one client instance may have kept. */
const KEPT: MetricBounds = { metricsMax: 64, bytesMax: 8 * 1024 };
/** For inflating, of all clients at a time. */
const INFLATION_BYTES = 16 * 1024 * 1024;
const NEVER = Number.NEGATIVE_INFINITY;
/** After these a client asks again at once. */
const ASK_AGAIN: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_SUBSCRIPTION_ID,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
]);

export class Telemetry {
  readonly #settings: TelemetrySettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #instances: ClientInstances;
  readonly #inflation = new InflationBudget(INFLATION_BYTES);

  constructor(settings: TelemetrySettings, clock: Clock, random: Random) {
    this.#settings = settings;
    this.#clock = clock;
    this.#random = random;
    this.#instances = new ClientInstances(settings.instancesMax, clock);
  }

  get figures(): { instances: number; bytes: number } {
    return { instances: this.#instances.count, bytes: this.#instances.bytes };
  }

  /** GetTelemetrySubscriptions. */
  subscription(client: TelemetryClient, askedId: string): SubscriptionAnswer {
    const id = RESERVED_IDS.has(askedId) ? randomUuid(this.#random) : askedId;
    const instance = this.#instanceOf(client, id);
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = nowMs - Math.max(instance.lastGetMs, instance.lastPushMs);
    const isEarly = sinceMs < instance.wanted.intervalMs && !ASK_AGAIN.has(instance.lastError);
    if (isEarly) {
      instance.lastError = ErrorCode.THROTTLING_QUOTA_EXCEEDED;
      return refusedSubscription(ErrorCode.THROTTLING_QUOTA_EXCEEDED);
    }
    instance.lastGetMs = nowMs;
    instance.lastError = ErrorCode.NONE;
    return {
      errorCode: ErrorCode.NONE,
      clientInstanceId: id,
      subscriptionId: instance.subscriptionId,
      acceptedCompressionTypes: [...ACCEPTED_CODECS],
      pushIntervalMs: instance.wanted.intervalMs,
      telemetryMaxBytes: this.#settings.maxBytes,
      deltaTemporality: true,
      requestedMetrics: [...instance.wanted.metrics],
    };
  }

  /** PushTelemetry: answers the error code. Small pushes are read at once. */
  push(client: TelemetryClient, push: Push): number | Promise<number> {
    if (RESERVED_IDS.has(push.clientInstanceId)) return ErrorCode.INVALID_REQUEST;
    const instance = this.#instanceOf(client, push.clientInstanceId);
    const refusal = this.#refusalOf(instance, push);
    instance.lastError = refusal;
    if (refusal !== ErrorCode.NONE) return refusal;
    instance.isTerminating = push.terminating;
    if (push.metrics.length === 0) return ErrorCode.NONE;
    const failed = (): number => {
      instance.lastError = ErrorCode.INVALID_RECORD;
      return ErrorCode.INVALID_RECORD;
    };
    try {
      const read = this.#read(client.tenant, instance, push);
      return read instanceof Promise ? read.then(() => ErrorCode.NONE, failed) : ErrorCode.NONE;
    } catch {
      return failed();
    }
  }

  pushedBy(tenant: string, principal: string): readonly PushedMetrics[] {
    return this.#instances.pushedBy(tenant, principal);
  }

  forgetTenant(tenant: string): void {
    this.#instances.forgetTenant(tenant);
  }

  #refusalOf(instance: ClientInstance, push: Push): number {
    if (instance.isTerminating) return ErrorCode.INVALID_REQUEST;
    const nowMs = this.#clock.monotonicMs();
    // The first push after a get may come at once: clients spread theirs over the interval.
    const isDue =
      instance.lastGetMs > instance.lastPushMs ||
      nowMs - instance.lastPushMs >= instance.wanted.intervalMs;
    if (isDue) instance.lastPushMs = nowMs;
    else if (!push.terminating) return ErrorCode.THROTTLING_QUOTA_EXCEEDED;
    if (push.subscriptionId !== instance.subscriptionId) return ErrorCode.UNKNOWN_SUBSCRIPTION_ID;
    if (!CODECS.has(push.compressionType)) return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE;
    if (push.metrics.length > this.#settings.maxBytes) return ErrorCode.TELEMETRY_TOO_LARGE;
    return ErrorCode.NONE;
  }

  #read(
    tenant: string,
    instance: ClientInstance,
    { compressionType, metrics }: Push,
  ): void | Promise<void> {
    const keep = (bytes: Buffer): void => this.#instances.keep(instance, readMetrics(bytes, KEPT));
    const codec = compressionType as CompressionCodec;
    const plan = planInflation(codec, metrics, this.#settings.maxBytes);
    const inflated = plan.isSmall
      ? plan.run()
      : this.#inflation.spend(tenant, plan.bytesMax, async () => plan.run());
    return inflated instanceof Promise ? inflated.then(keep) : keep(inflated);
  }

  /** The instance, matched anew when a subscription of its tenant has changed. */
  #instanceOf(client: TelemetryClient, instanceId: string): ClientInstance {
    const { tenant, principal, subscriptions } = client;
    const known = this.#instances.find(tenant, principal, instanceId);
    if (known !== undefined && known.subscriptions === subscriptions) return known;
    const attributes = { ...client.attributes, client_instance_id: instanceId };
    const found = wantedMetrics(subscriptions, attributes);
    const intervalMs = Math.max(found.intervalMs, this.#settings.intervalLeastMs);
    const wanted = { ...found, intervalMs };
    const instance: ClientInstance = {
      tenant,
      principal,
      instanceId,
      subscriptions,
      wanted,
      subscriptionId: subscriptionId(wanted.metrics, intervalMs, instanceId),
      lastGetMs: NEVER,
      lastPushMs: NEVER,
      heardMs: this.#clock.monotonicMs(),
      isTerminating: known?.isTerminating ?? false,
      lastError: ErrorCode.NONE,
      pushedMs: 0,
      metrics: [],
      leftOut: 0,
      sizeBytes: 0,
    };
    this.#instances.add(instance);
    if (known !== undefined && known.metrics.length > 0) this.#instances.keep(instance, known);
    return instance;
  }
}

export function refusedSubscription(errorCode: number): SubscriptionAnswer {
  return {
    errorCode,
    clientInstanceId: Buffer.alloc(16).toString('base64url'),
    subscriptionId: 0,
    acceptedCompressionTypes: [],
    pushIntervalMs: 0,
    telemetryMaxBytes: 0,
    deltaTemporality: false,
    requestedMetrics: [],
  };
}

/** As Kafka makes it: a CRC-32C of what is wanted, and the instance mixed in. Signed, 32 bits. */
function subscriptionId(metrics: readonly string[], intervalMs: number, id: string): number {
  const bytes = Buffer.from(`[${metrics.join(', ')}]${intervalMs}`);
  const idBytes = Buffer.from(id, 'base64url');
  let mixed = crc32c(bytes, 0, bytes.length);
  for (let at = 0; at + 4 <= idBytes.length; at += 4) mixed ^= idBytes.readInt32BE(at);
  return mixed | 0;
}
