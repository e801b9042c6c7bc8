/**
 * Threat: clients make up names (server names, logins, mechanisms, client ids, topics, groups, API
 * keys), and each becomes a series of /metrics: memory goes, Prometheus falls over, and names of one
 * tenant stand where others read.
 */
import { connect as connectTls } from 'node:tls';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { encodeRequest } from '../../src/protocol/headers.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { nodeTlsOptions } from '../tools/client-identity.ts';
import { parseMetrics, scrape } from '../tools/scrape.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const ROUNDS = 6;

describeRequiring(['built-broker'], 'names that clients make up', () => {
  const fixture = useBroker({
    env: {
      BREAKWATER_FAILED_AUTHENTICATION_EXEMPT_ADDRESSES: '127.0.0.1',
      BREAKWATER_CONNECTION_FAILED_AUTHENTICATION_DELAY_MS: '0',
    },
  });
  const batch = buildRecordBatch([{ timestampMs: 1, key: null, value: Buffer.from('x') }]);

  /** One of everything that takes a name, all with this one. */
  async function say(name: string): Promise<void> {
    const identity = fixture.who('acme', 'service-1');
    const client = await WireClient.connect(fixture.broker.port, identity, { clientId: name });
    const partitionData = [{ index: 0, records: batch }];
    const topicData = [{ name, partitionData }];
    await client.call(ApiKey.Produce, 9, { acks: -1, timeoutMs: 5_000, topicData });
    await client.call(ApiKey.FindCoordinator, 4, { keyType: 0, coordinatorKeys: [name] });
    await client.call(ApiKey.OffsetFetch, 8, { groups: [{ groupId: name, topics: null }] });
    client.close();
    const mechanism = await WireClient.connect(fixture.broker.saslPort, identity);
    await mechanism.call(ApiKey.SaslHandshake, 1, { mechanism: name }).catch(() => null);
    await mechanism.closed;
    const login = await WireClient.connect(fixture.broker.saslPort, identity);
    await login.call(ApiKey.SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
    const authBytes = Buffer.from(`n,,n=acme/${name},r=${name}`);
    await login.call(ApiKey.SaslAuthenticate, 2, { authBytes }).catch(() => null);
    login.close();
    await new Promise<void>((resolve) => {
      const { ca } = nodeTlsOptions(identity);
      const servername = `${name.toLowerCase()}.example`;
      const stranger = connectTls({ port: fixture.broker.port, servername, ca });
      stranger.on('error', () => {});
      stranger.once('close', () => resolve());
      stranger.resume();
    });
  }

  /** An API that nobody has. */
  async function sayKey(key: number): Promise<void> {
    const client = await fixture.connect('acme', 'service-1');
    const said = { apiKey: ApiKey.ApiVersions, apiVersion: 0, correlationId: 1, clientId: 'x' };
    const frame = Buffer.concat(encodeRequest({ ...said, body: {} }));
    frame.writeInt16BE(key, 4);
    expect(await client.closedBy(frame)).toBe(true);
  }

  it('make no series and stand in none', async () => {
    await say('Made-up');
    await sayKey(1_000);
    const before = parseMetrics((await scrape(fixture.broker)).text);
    for (let round = 0; round < ROUNDS; round += 1) {
      await say(`Made-up-${round}`);
      await sayKey(2_000 + round);
    }
    const { text, value } = await scrape(fixture.broker);
    const after = parseMetrics(text);
    const seriesOf = (samples: typeof after): string[] =>
      samples
        .map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`)
        .filter((series) => !series.startsWith('nodejs_gc'))
        .sort();
    expect(seriesOf(after)).toEqual(seriesOf(before));
    expect(text).not.toMatch(/made-up|API_[12]0/i);
    // They were counted all the same.
    const protocolErrors = value('breakwater_protocol_errors_total', { listener: 'mtls' });
    expect(protocolErrors).toBe(1 + ROUNDS);
    const none = { listener: 'sasl', method: 'none', outcome: 'failure' };
    expect(value('breakwater_authentications_total', none)).toBe(1 + ROUNDS);
    const denied = value('breakwater_response_errors_total', {
      api: 'OffsetFetch',
      error: 'GROUP_AUTHORIZATION_FAILED',
    });
    expect(denied).toBe(1 + ROUNDS);
  });
});
