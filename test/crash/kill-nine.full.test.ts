/**
 * `kill -9` twenty times while Java producers write with acks=all: every acknowledged record is
 * there afterwards, at its offset, in order, once; and Kafka's own tool finds the segments whole.
 *
 * A kill keeps the page cache: what a power cut does is shown elsewhere, by the file system that
 * drops what was not synced, and by strace.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity, javaProperties, writeProperties } from '../tools/client-identity.ts';
import { checkHistory, type ReadRecord } from '../tools/consistency-checker.ts';
import { kafkaCli, runJava } from '../tools/java.ts';
import { decodeRecords } from '../tools/record-file.ts';
import { segmentFiles } from '../tools/segment-files.ts';
import { startSteadfastProducer } from '../tools/steadfast-producer.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const kills = 20;
const topic = 'telemetry';
const partitions = 6;
/** Acknowledgements to see between two kills, so that each kill meets a broker at work. */
const acknowledgedBetween = 200;

/** Never gives up on a send; Kafka's own retries and sequence numbers do the work. */
const patient = [
  ...['acks=all', 'delivery.timeout.ms=240000', 'request.timeout.ms=4000', 'linger.ms=1'],
  ...['max.block.ms=120000', 'reconnect.backoff.max.ms=200', 'retry.backoff.max.ms=200'],
];
const producers = [
  { name: 'idempotent', inFlight: 500, settings: [...patient, 'enable.idempotence=true'] },
  {
    name: 'plain',
    inFlight: 20,
    settings: [...patient, 'enable.idempotence=false', 'retries=0', 'delivery.timeout.ms=6000'],
  },
];

describeRequiring(['built-broker', 'java-tools'], 'kill -9 during acks=all', () => {
  const directories = { data: '', certs: '', work: '' };
  let broker: BrokerProcess;
  beforeAll(async () => {
    directories.data = temporaryDirectory('kill-data');
    directories.certs = temporaryDirectory('kill-certs');
    directories.work = temporaryDirectory('kill-work');
    broker = await startBroker({ dataDir: directories.data, certsDir: directories.certs });
  });
  afterAll(async () => {
    await broker?.dispose();
    Object.values(directories).forEach(removeDirectory);
  });

  const restart = async (): Promise<void> => {
    const { port, adminPort, dataDir, certsDir } = broker;
    broker = await startBroker({ port, adminPort, dataDir, certsDir });
  };

  test(`${kills} kills: acknowledged records are there, in order, once`, async () => {
    const identity = clientIdentity(broker.certsDir, 'acme', 'service-1');
    const properties = javaProperties(identity, broker.bootstrap);
    const propertiesFile = writeProperties(directories.work, 'client', properties);
    const running = producers.map((producer) =>
      startSteadfastProducer({ ...producer, propertiesFile, topic, partitions }),
    );
    const acknowledged = (): number => running.reduce((sum, each) => sum + each.acknowledged(), 0);
    for (let kill = 0; kill < kills; kill += 1) {
      const wanted = acknowledged() + acknowledgedBetween;
      await expect.poll(acknowledged, { timeout: 60_000, interval: 5 }).toBeGreaterThan(wanted);
      await pause(randomInt(100)); // where in the broker's work the kill falls is left to chance
      await broker.kill9();
      await restart();
    }
    const wanted = acknowledged() + acknowledgedBetween;
    await expect.poll(acknowledged, { timeout: 60_000, interval: 20 }).toBeGreaterThan(wanted);
    const outcomes = (await Promise.all(running.map((producer) => producer.finish()))).flat();

    const file = join(directories.work, 'read');
    const read = await runJava('ConsumeFile', [propertiesFile, topic, file, '0']);
    expect(read.code, read.text).toBe(0);
    const reads: ReadRecord[] = decodeRecords(readFileSync(file)).map((record) => ({
      partition: record.partition,
      offset: Number(record.offset),
      value: record.value?.toString('utf8') ?? '',
    }));
    const anomalies = checkHistory(outcomes, reads);
    const counts = new Map<string, number>();
    for (const { outcome } of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    console.log(`outcomes ${JSON.stringify(Object.fromEntries(counts))}, read ${reads.length}`);
    expect(anomalies.slice(0, 20)).toEqual([]);
    expect(counts.get('ok')).toBeGreaterThan(kills * acknowledgedBetween);
  });

  test("Kafka's dump tool finds every segment whole", async () => {
    expect(await broker.stop()).toBe(0);
    const indices = Array.from({ length: partitions }, (_, partition) => partition);
    const logs = indices.flatMap((index) =>
      segmentFiles(directories.data, `acme.${topic}`, index, '.log'),
    );
    const dump = await kafkaCli('kafka-dump-log', ['--deep-iteration', '--files', logs.join(',')]);
    expect(dump.code).toBe(0);
    expect(dump.text).toContain('isvalid: true');
    expect(dump.text).not.toMatch(/isvalid: false|Exception|invalid bytes/i);
  });
});
