/**
 * Client telemetry (KIP-714) of real clients: Kafka's own tool makes and removes the subscription,
 * and a Java producer and librdkafka push without being told in any configuration of theirs.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { adminRequest } from '../tools/admin-request.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { runCommand } from '../tools/child-process.ts';
import { clientIdentity, javaProperties, writeProperties } from '../tools/client-identity.ts';
import { type KafkaTool, kafkaCli } from '../tools/java.ts';
import { projectRoot } from '../tools/project-root.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { cachedPython, describeRequiring } from '../tools/tool-detection.ts';

interface Shown {
  readonly softwareName: string | null;
  readonly telemetryMs: number | null;
  readonly telemetry: readonly {
    readonly requested: readonly string[];
    readonly metrics: readonly { readonly name: string; readonly value: number }[];
  }[];
}

const script = join(projectRoot, 'test', 'interop', 'python-consumer', 'roundtrip.py');

describeRequiring(['built-broker', 'java-tools', 'confluent-kafka'], 'client telemetry', () => {
  let broker: BrokerProcess;
  let silent: BrokerProcess;
  const work = temporaryDirectory('telemetry');
  const short = { BREAKWATER_TELEMETRY_PUSH_INTERVAL_MIN_MS: '1000' };
  beforeAll(async () => {
    const env = { ...short, BREAKWATER_FLEET_FLUSH_INTERVAL_MS: '200' };
    broker = await startBroker({ env });
    silent = await startBroker({ env: { BREAKWATER_TELEMETRY_ENABLE: 'false' } });
  }, 60_000);
  afterAll(async () => {
    await broker?.dispose();
    await silent?.dispose();
    removeDirectory(work);
  });

  const java = (tool: KafkaTool, name: string, args: readonly string[], at = broker) => {
    const identity = clientIdentity(at.certsDir, 'acme', name);
    const file = `${name}-${at.port}-${tool}`;
    const properties = writeProperties(work, file, javaProperties(identity, at.bootstrap));
    const connection = ['--bootstrap-server', at.bootstrap, '--command-config', properties];
    return kafkaCli(tool, [...connection, ...args]);
  };
  const metrics = (...args: string[]) => java('kafka-client-metrics', 'admin-1', args);
  const produce = (at = broker) =>
    java(
      'kafka-verifiable-producer',
      'device-1',
      ['--topic', 'telemetry', '--max-messages', '60', '--throughput', '10'],
      at,
    );
  const shown = async (tenant: string, device: string, at = broker): Promise<Shown> => {
    const reply = await adminRequest(at, 'GET', `/v1/tenants/${tenant}/devices/${device}`);
    expect(reply.status).toBe(200);
    return reply.body as Shown;
  };
  const names = ({ telemetry }: Shown): string[] =>
    telemetry.flatMap((instance) => instance.metrics.map(({ name }) => name));

  test('Kafka’s tool makes a subscription, lists and describes it', async () => {
    const made = await metrics(
      ...['--alter', '--name', 'latency', '--interval', '2000'],
      ...['--metrics', 'org.apache.kafka.producer.,librdkafka.'],
      ...['--match', 'client_source_address=127\\.0\\.0\\.1'],
    );
    expect(made.text).toContain('Altered client metrics config for latency.');
    expect((await metrics('--list')).text).toBe('latency\n');
    const described = await metrics('--describe', '--name', 'latency');
    expect(described.text).toContain('interval.ms=2000');
    expect(described.text).toContain('metrics=org.apache.kafka.producer.,librdkafka.');
    const bad = await metrics('--alter', '--name', 'bad', '--match', 'client_id=(a)\\1');
    expect(bad.text).toContain('Illegal client matching pattern');
  });

  test('a Java producer pushes, and the operator sees what it measures', async () => {
    const produced = await produce();
    expect(produced.code).toBe(0);
    const device = await vi.waitFor(async () => {
      const found = await shown('acme', 'device-1');
      expect(found.telemetryMs).not.toBeNull();
      return found;
    }, 10_000);
    expect(device.softwareName).toBe('apache-kafka-java');
    expect(device.telemetry[0]).toMatchObject({
      requested: ['librdkafka.', 'org.apache.kafka.producer.'],
    });
    expect(names(device).length).toBeGreaterThan(5);
    expect(names(device).every((name) => name.startsWith('org.apache.kafka.producer.'))).toBe(true);
  });

  test('librdkafka pushes', async () => {
    const config = join(work, 'rdkafka.json');
    const identity = clientIdentity(broker.certsDir, 'acme', 'service-1');
    const settings = {
      'bootstrap.servers': broker.bootstrap,
      'security.protocol': 'ssl',
      'ssl.ca.location': identity.caFile,
      'ssl.certificate.location': identity.certFile,
      'ssl.key.location': identity.keyFile,
    };
    writeFileSync(config, JSON.stringify(settings));
    const ran = await runCommand(cachedPython, [script, config, 'telemetry', '6'], {});
    expect(ran.text).toMatch(/written \d+/);
    await vi.waitFor(async () => {
      const service = await shown('acme', 'service-1');
      expect(service.softwareName).toMatch(/librdkafka|confluent/);
      expect(names(service)).toContain('org.apache.kafka.producer.request.latency.avg');
    }, 10_000);
  });

  test('the tool removes it, and nothing is asked for any more', async () => {
    expect((await metrics('--delete', '--name', 'latency')).code).toBe(0);
    expect((await metrics('--list')).text.trim()).toBe('');
  });

  test('where telemetry is switched off the same producer works, and pushes nothing', async () => {
    const produced = await produce(silent);
    expect(produced.code).toBe(0);
    expect(produced.text).not.toMatch(/telemetry.*(?:WARN|ERROR)|(?:WARN|ERROR).*[Tt]elemetry/);
    const versions = await java('kafka-broker-api-versions', 'admin-1', [], silent);
    expect(versions.text).not.toMatch(/PushTelemetry\(72\): 0/);
    await vi.waitFor(async () => {
      const device = await shown('acme', 'device-1', silent);
      expect(device.telemetry).toEqual([]);
      expect(device.telemetryMs).toBeNull();
    }, 10_000);
  });
});
