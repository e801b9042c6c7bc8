import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/base/random.ts';
import { Telemetry, type TelemetryClient } from '../../../src/fleet/telemetry/telemetry.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { compress } from '../../../src/protocol/records/compression.ts';
import { CompressionCodec } from '../../../src/protocol/records/record-batch.ts';
import { handClock } from '../../tools/hand-clock.ts';
import { gauge, otlpBytes } from './otlp-bytes.ts';

const ZERO = Buffer.alloc(16).toString('base64url');
const METADATA_TOPIC = Buffer.alloc(16).fill(1, 15).toString('base64url');
const INTERVAL_MS = 60_000;
const LATENCY = { metrics: ['org.apache.kafka.'], intervalMs: INTERVAL_MS, match: [] };
const PAYLOAD = otlpBytes([gauge('latency', 7)]);

function scene(settings: { instancesMax?: number; maxBytes?: number } = {}) {
  const clock = handClock();
  const telemetry = new Telemetry(
    { maxBytes: 100_000, intervalLeastMs: 5000, instancesMax: 1000, ...settings },
    clock,
    systemRandom,
  );
  return { clock, telemetry };
}

const SUBSCRIPTIONS = [LATENCY];
const client = (change: Partial<TelemetryClient> = {}): TelemetryClient => ({
  tenant: 'acme',
  principal: 'pump-17',
  attributes: { client_id: 'pump', client_software_name: 'librdkafka' },
  subscriptions: SUBSCRIPTIONS,
  ...change,
});

function push(clientInstanceId: string, subscriptionId: number, change: object = {}) {
  const rest = { terminating: false, compressionType: 0, metrics: PAYLOAD };
  return { clientInstanceId, subscriptionId, ...rest, ...change };
}

describe('asking for subscriptions', () => {
  it('gives a new instance an id, what is wanted, and the codecs in order of preference', () => {
    const { telemetry } = scene();
    const answer = telemetry.subscription(client(), ZERO);
    expect(answer).toMatchObject({
      errorCode: ErrorCode.NONE,
      acceptedCompressionTypes: [4, 3, 1, 2],
      pushIntervalMs: INTERVAL_MS,
      telemetryMaxBytes: 100_000,
      deltaTemporality: true,
      requestedMetrics: ['org.apache.kafka.'],
    });
    expect([ZERO, METADATA_TOPIC]).not.toContain(answer.clientInstanceId);
    expect(telemetry.subscription(client(), METADATA_TOPIC).clientInstanceId).not.toBe(
      METADATA_TOPIC,
    );
  });

  it('asks for nothing where nothing is subscribed', () => {
    const { telemetry } = scene();
    expect(telemetry.subscription(client({ subscriptions: [] }), ZERO)).toMatchObject({
      requestedMetrics: [],
      pushIntervalMs: 300_000,
    });
  });

  it('joins the subscriptions that match: all metrics, the shortest interval, no less than allowed', () => {
    const { telemetry } = scene();
    const of = (pattern: string, metrics: string[], intervalMs: number) => ({
      metrics,
      intervalMs,
      match: [{ attribute: 'client_id', pattern }],
    });
    const subscriptions = [
      of('pump', ['b.', 'a.'], 20_000),
      of('pu.*', ['c.'], 30_000),
      of('pum', ['never.'], 100),
      of('(a*)*', ['never.'], 100),
    ];
    expect(telemetry.subscription(client({ subscriptions }), ZERO)).toMatchObject({
      requestedMetrics: ['a.', 'b.', 'c.'],
      pushIntervalMs: 20_000,
    });
    const all = [...subscriptions, of('.*', ['*'], 100)];
    expect(telemetry.subscription(client({ subscriptions: all }), ZERO)).toMatchObject({
      requestedMetrics: ['*'],
      pushIntervalMs: 5000,
    });
  });

  it('too early is refused, until the interval is over', () => {
    const { telemetry, clock } = scene();
    const { clientInstanceId: id } = telemetry.subscription(client(), ZERO);
    clock.pass(INTERVAL_MS - 1);
    expect(telemetry.subscription(client(), id).errorCode).toBe(89);
    clock.pass(1);
    expect(telemetry.subscription(client(), id).errorCode).toBe(ErrorCode.NONE);
  });
});

describe('pushing', () => {
  it('is taken once at any time, then once an interval', () => {
    const { telemetry, clock } = scene();
    const { clientInstanceId: id, subscriptionId } = telemetry.subscription(client(), ZERO);
    expect(telemetry.push(client(), push(id, subscriptionId))).toBe(ErrorCode.NONE);
    clock.pass(INTERVAL_MS - 1);
    expect(telemetry.push(client(), push(id, subscriptionId))).toBe(89);
    clock.pass(1);
    expect(telemetry.push(client(), push(id, subscriptionId))).toBe(ErrorCode.NONE);
    expect(telemetry.pushedBy('acme', 'pump-17')).toMatchObject([
      { instanceId: id, metrics: [{ name: 'latency', value: 7 }], isTerminated: false },
    ]);
  });

  it('with what is left, at the end, is taken early, and nothing after it', () => {
    const { telemetry, clock } = scene();
    const { clientInstanceId: id, subscriptionId } = telemetry.subscription(client(), ZERO);
    telemetry.push(client(), push(id, subscriptionId));
    const last = push(id, subscriptionId, { terminating: true });
    expect(telemetry.push(client(), last)).toBe(ErrorCode.NONE);
    clock.pass(INTERVAL_MS);
    expect(telemetry.push(client(), last)).toBe(ErrorCode.INVALID_REQUEST);
  });

  it.each([
    ['a reserved id', ZERO, {}, ErrorCode.INVALID_REQUEST],
    ['the id of the metadata topic', METADATA_TOPIC, {}, ErrorCode.INVALID_REQUEST],
    ['another subscription', null, { subscriptionId: 1 }, ErrorCode.UNKNOWN_SUBSCRIPTION_ID],
    ['no codec', null, { compressionType: 9 }, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE],
    ['too much', null, { metrics: Buffer.alloc(100_001) }, ErrorCode.TELEMETRY_TOO_LARGE],
    ['no metrics', null, { metrics: Buffer.from('hello') }, ErrorCode.INVALID_RECORD],
    ['no gzip', null, { compressionType: 1 }, ErrorCode.INVALID_RECORD],
    ['nothing', null, { metrics: Buffer.alloc(0) }, ErrorCode.NONE],
  ])('%s', async (_, id, change, errorCode) => {
    const { telemetry } = scene();
    const got = telemetry.subscription(client(), ZERO);
    const sent = push(id ?? got.clientInstanceId, got.subscriptionId, change);
    expect(await telemetry.push(client(), sent)).toBe(errorCode);
  });

  it('with an old subscription lets the client ask again at once', () => {
    const { telemetry, clock } = scene();
    const { clientInstanceId: id, subscriptionId } = telemetry.subscription(client(), ZERO);
    const changed = client({ subscriptions: [{ ...LATENCY, metrics: ['other.'] }] });
    expect(telemetry.push(changed, push(id, subscriptionId))).toBe(117);
    clock.pass(1);
    const again = telemetry.subscription(changed, id);
    expect(again).toMatchObject({ errorCode: 0, requestedMetrics: ['other.'] });
    expect(again.subscriptionId).not.toBe(subscriptionId);
    expect(telemetry.push(changed, push(id, again.subscriptionId))).toBe(ErrorCode.NONE);
  });

  it.each(Object.entries(CompressionCodec))('is read in codec %s', async (_, codec) => {
    const { telemetry } = scene();
    const { clientInstanceId: id, subscriptionId } = telemetry.subscription(client(), ZERO);
    const metrics = await compress(codec, PAYLOAD);
    const sent = push(id, subscriptionId, { compressionType: codec, metrics });
    expect(await telemetry.push(client(), sent)).toBe(ErrorCode.NONE);
    expect(telemetry.pushedBy('acme', 'pump-17')[0]?.metrics).toHaveLength(1);
  });

  it('that inflates beyond what is allowed is refused', async () => {
    const { telemetry } = scene();
    const { clientInstanceId: id, subscriptionId } = telemetry.subscription(client(), ZERO);
    const metrics = gzipSync(Buffer.alloc(50_000_000));
    const sent = push(id, subscriptionId, { compressionType: CompressionCodec.gzip, metrics });
    expect(await telemetry.push(client(), sent)).toBe(ErrorCode.INVALID_RECORD);
  });
});

describe('client instances', () => {
  it('belong to the principal that used them: nobody pushes for another', () => {
    const { telemetry } = scene();
    const { clientInstanceId: id, subscriptionId } = telemetry.subscription(client(), ZERO);
    for (const other of [client({ principal: 'pump-18' }), client({ tenant: 'globex' })]) {
      const last = push(id, subscriptionId, { terminating: true });
      expect(telemetry.push(other, last)).toBe(ErrorCode.NONE);
    }
    expect(telemetry.pushedBy('acme', 'pump-17')).toEqual([]);
    expect(telemetry.push(client(), push(id, subscriptionId))).toBe(ErrorCode.NONE);
    expect(telemetry.pushedBy('globex', 'pump-18')).toEqual([]);
  });

  it('are bounded, and one tenant costs another none', () => {
    const { telemetry } = scene({ instancesMax: 100 });
    const { clientInstanceId: id, subscriptionId } = telemetry.subscription(client(), ZERO);
    telemetry.push(client(), push(id, subscriptionId));
    for (let index = 0; index < 1000; index++) {
      telemetry.subscription(client({ tenant: 'flood' }), ZERO);
    }
    expect(telemetry.figures.instances).toBe(100);
    expect(telemetry.pushedBy('acme', 'pump-17')).toHaveLength(1);
  });

  it('that are silent are forgotten, with what they took', () => {
    const { telemetry, clock } = scene();
    const { clientInstanceId: id, subscriptionId } = telemetry.subscription(client(), ZERO);
    telemetry.push(client(), push(id, subscriptionId));
    clock.pass(3 * INTERVAL_MS + 1);
    expect(telemetry.pushedBy('acme', 'pump-17')).toEqual([]);
    telemetry.subscription(client(), ZERO);
    expect(telemetry.figures).toEqual({ instances: 1, bytes: 600 });
    telemetry.forgetTenant('acme');
    expect(telemetry.figures).toEqual({ instances: 0, bytes: 0 });
  });
});
