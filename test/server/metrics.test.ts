/** /metrics after traffic whose figures are known, and what it must never show. */
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, it } from 'vitest';
import { ApiKey, apiName } from '../../src/protocol/api-keys.ts';
import { encodeRequest, encodeResponse } from '../../src/protocol/headers.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { advertisedApis } from '../../src/server/apis/index.ts';
import { AUTHORIZATION_CASES } from '../scenarios/authorization.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { nodeTlsOptions } from '../tools/client-identity.ts';
import { commitOffset } from '../tools/group-member.ts';
import { type Scraped, scrape } from '../tools/scrape.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const TENANT = { tenant: 'acme' };
const VALUE_BYTES = 100;

const batchOf = (records: number): Buffer =>
  buildRecordBatch(
    Array.from({ length: records }, (_, index) => ({
      timestampMs: 1_000 + index,
      key: null,
      value: Buffer.alloc(VALUE_BYTES, index),
    })),
  );

const produceRequest = (topic: string, records: Buffer) => ({
  acks: -1,
  timeoutMs: 10_000,
  topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
});

const fetchRequest = (topic: string) => ({
  maxWaitMs: 0,
  minBytes: 1,
  maxBytes: 1_000_000,
  topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }] }],
});

const sizeOf = (chunks: readonly Buffer[]): number =>
  chunks.reduce((sum, chunk) => sum + chunk.length, 0);

describeRequiring(['built-broker'], 'the metrics of known traffic', () => {
  // An audit topic would grow by itself.
  const fixture = useBroker({ env: { BREAKWATER_AUDIT_TOPIC_ENABLE: 'false' } });
  const figures = (): Promise<Scraped> => scrape(fixture.broker);

  it('are true to the request, the byte and the record', async () => {
    const client = await fixture.connect('acme', 'service-1');
    const batches = [batchOf(3), batchOf(5), batchOf(1)];
    let receivedBytes = 0;
    let sentBytes = 0;
    for (const [index, batch] of batches.entries()) {
      const body = produceRequest('telemetry', batch);
      const identity = { correlationId: index + 1, clientId: client.clientId };
      const frame = encodeRequest({ apiKey: ApiKey.Produce, apiVersion: 9, ...identity, body });
      // Without the size in front, as the figures are of what is read and decoded.
      receivedBytes += sizeOf(frame) - 4;
      const answer = await client.call(ApiKey.Produce, 9, body);
      const correlationId = index + 1;
      const said = { apiKey: ApiKey.Produce, apiVersion: 9, correlationId, body: answer };
      sentBytes += sizeOf(encodeResponse(said));
    }
    const producedBytes = sizeOf(batches);
    const after = await figures();
    expect(after.value('breakwater_request_seconds_count', { api: 'Produce' })).toBe(3);
    expect(after.value('breakwater_request_queue_seconds_count', { api: 'Produce' })).toBe(3);
    expect(after.value('breakwater_request_local_seconds_count', { api: 'Produce' })).toBe(3);
    expect(after.value('breakwater_requests_in_flight', { api: 'Produce' })).toBe(0);
    expect(after.value('breakwater_tenant_requests_total', TENANT)).toBe(3);
    expect(after.value('breakwater_tenant_received_bytes_total', TENANT)).toBe(receivedBytes);
    expect(after.value('breakwater_tenant_sent_bytes_total', TENANT)).toBe(sentBytes);
    expect(after.value('breakwater_tenant_produced_records_total', TENANT)).toBe(9);
    expect(after.value('breakwater_tenant_produced_bytes_total', TENANT)).toBe(producedBytes);
    expect(after.value('breakwater_tenant_log_bytes', TENANT)).toBe(producedBytes);
    expect(after.value('breakwater_tenant_partitions', TENANT)).toBe(6);
    expect(after.value('breakwater_tenant_connections', TENANT)).toBe(1);
    expect(after.value('breakwater_connections', { listener: 'mtls' })).toBe(1);
    const decided = (by: string) => ({ outcome: 'allow', decided_by: by });
    expect(after.value('breakwater_authorizations_total', decided('policy'))).toBe(1);
    expect(after.value('breakwater_authorizations_total', decided('session'))).toBe(2);
    // The neighbour did nothing.
    for (const { tenant } of after.series('breakwater_tenant_requests_total')) {
      const requests = after.value('breakwater_tenant_requests_total', { tenant: tenant! });
      expect(requests).toBe(tenant === 'acme' ? 3 : 0);
    }

    const { responses } = await client.call(ApiKey.Fetch, 12, fetchRequest('telemetry'));
    const fetchedBytes = responses[0]!.partitions[0]!.records!.length;
    expect(fetchedBytes).toBe(producedBytes);
    const read = await figures();
    expect(read.value('breakwater_tenant_fetched_bytes_total', TENANT)).toBe(fetchedBytes);

    expect(await commitOffset(client, 'svc-lag', 4)).toBe(0);
    expect(await commitOffset(client, 'svc-other', 7)).toBe(0);
    const lagging = await figures();
    expect(lagging.value('breakwater_tenant_consumer_lag_records', TENANT)).toBe(5 + 2);
    expect(lagging.value('breakwater_tenant_consumer_lag_records_max', TENANT)).toBe(5);
    expect(lagging.value('breakwater_tenant_groups', TENANT)).toBe(2);
    expect(lagging.value('breakwater_groups', { state: 'Empty' })).toBe(2);
    expect(lagging.value('breakwater_tenant_groups', { tenant: 'globex' })).toBe(0);
  });

  it('count a batch that was there already once', async () => {
    const client = await fixture.connect('globex', 'service-1');
    const { producerId, producerEpoch } = await client.call(ApiKey.InitProducerId, 4, {
      transactionalId: null,
      transactionTimeoutMs: 1000,
    });
    expect(producerId).toBeGreaterThanOrEqual(0);
    const batch = buildRecordBatch([{ timestampMs: 1, key: null, value: Buffer.from('once') }], {
      producerId,
      producerEpoch,
      baseSequence: 0,
    });
    for (const _ of [1, 2]) {
      const answer = await client.call(ApiKey.Produce, 9, produceRequest('telemetry', batch));
      expect(answer.responses[0]!.partitionResponses[0]!.errorCode).toBe(0);
    }
    const { value } = await figures();
    expect(value('breakwater_tenant_produced_records_total', { tenant: 'globex' })).toBe(1);
    client.close();
  });

  it('count refusals by API and error, and for the tenant', async () => {
    const before = await figures();
    const client = await fixture.connect('globex', 'device-2');
    const answer = await client.call(ApiKey.Produce, 9, produceRequest('forbidden', batchOf(1)));
    expect(answer.responses[0]!.partitionResponses[0]!.errorCode).toBe(29);
    const after = await figures();
    const errors = { api: 'Produce', error: 'TOPIC_AUTHORIZATION_FAILED' };
    expect(before.value('breakwater_response_errors_total', errors)).toBeUndefined();
    expect(after.value('breakwater_response_errors_total', errors)).toBe(1);
    const globex = { tenant: 'globex' };
    const denials = 'breakwater_tenant_denials_total';
    expect(after.value(denials, globex)! - before.value(denials, globex)!).toBe(1);
    expect(after.value(denials, TENANT)).toBe(before.value(denials, TENANT));
    client.close();
  });

  it('count connections and handshakes by their outcome', async () => {
    const before = await figures();
    const since = (after: Scraped, name: string, labels: Record<string, string>): number =>
      (after.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0);
    const client = await WireClient.connect(fixture.broker.port, fixture.who('acme', 'device-1'));
    await client.call(ApiKey.ApiVersions, 0, {});
    client.close();
    // Nobody: without a certificate, and with bytes that are no TLS.
    const { ca } = nodeTlsOptions(fixture.who('acme', 'device-1'));
    await new Promise<void>((resolve) => {
      const nobody = connectTls({ port: fixture.broker.port, servername: 'localhost', ca });
      nobody.on('error', () => {});
      nobody.once('close', () => resolve());
      nobody.resume();
    });
    await new Promise<void>((resolve) => {
      const plain = connect(fixture.broker.port, '127.0.0.1', () => {
        plain.write('GET / HTTP/1.1\r\n\r\n');
      });
      plain.on('error', () => {});
      plain.once('close', () => resolve());
      plain.resume();
    });
    await expect
      .poll(async () => {
        const after = await figures();
        return {
          full: since(after, 'breakwater_tls_handshakes_total', { listener: 'mtls', kind: 'full' }),
          seconds: since(after, 'breakwater_tls_handshake_seconds_count', { listener: 'mtls' }),
          proven: since(after, 'breakwater_authentications_total', {
            listener: 'mtls',
            method: 'mutual-tls',
            outcome: 'success',
          }),
          unproven: since(after, 'breakwater_authentications_total', {
            listener: 'mtls',
            method: 'mutual-tls',
            outcome: 'failure',
          }),
          nobody: since(after, 'breakwater_authentication_failures_total', {
            listener: 'mtls',
            reason: 'no_certificate',
          }),
          malformed: since(after, 'breakwater_tls_handshake_failures_total', {
            listener: 'mtls',
            reason: 'malformed',
          }),
          left: since(after, 'breakwater_connections_closed_total', {
            listener: 'mtls',
            reason: 'peer-closed',
          }),
          open: since(after, 'breakwater_tenant_connections', TENANT),
        };
      })
      .toEqual({
        full: 2,
        seconds: 2,
        proven: 1,
        unproven: 1,
        nobody: 1,
        malformed: 1,
        left: 1,
        open: 0,
      });
  });

  it('show every API that was asked, and nothing of the clients', async () => {
    const client = await fixture.connect('acme', 'service-1');
    const asked = new Set<number>();
    for (const { key, version, body } of AUTHORIZATION_CASES) {
      asked.add(key);
      await client.call(key, version, body as never).catch(() => null);
    }
    const { text, status, contentType, value, series } = await figures();
    expect([status, contentType]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    for (const key of asked) {
      expect([key, value('breakwater_request_seconds_count', { api: apiName(key) })]).toEqual([
        key,
        expect.any(Number),
      ]);
    }
    expect(asked.size).toBeGreaterThan(30);
    expect(asked.size).toBeLessThanOrEqual(advertisedApis(true).length);
    const hidden = ['127.0.0.1', 'service-1', 'device-1', 'User:', 'matrix-topic', 'telemetry'];
    for (const word of [...hidden, 'svc-lag', client.clientId]) {
      expect([word, text.includes(word)]).toEqual([word, false]);
    }
    const labels = new Set(series('breakwater_tenant_requests_total').map(({ tenant }) => tenant));
    expect(labels).toEqual(new Set(['acme', 'globex']));
  });

  describeRequiring(['promtool'], 'for Prometheus', () => {
    it('are in order', async () => {
      const { text } = await figures();
      const checked = spawnSync('promtool', ['check', 'metrics'], { input: text });
      expect([checked.status, checked.stderr.toString()]).toEqual([0, '']);
      const wrong = spawnSync('promtool', ['check', 'metrics'], { input: `${text}}` });
      expect(wrong.status).not.toBe(0);
    });
  });
});
