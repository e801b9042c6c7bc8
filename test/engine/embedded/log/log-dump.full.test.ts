/**
 * Kafka's own kafka-dump-log on our files: segments with their records, both indexes checked
 * against the log, and producer snapshots.
 */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../../src/base/clock.ts';
import { nodeFileSystem } from '../../../../src/base/file-system.ts';
import { DEFAULT_LOG_CONFIG } from '../../../../src/engine/embedded/log/log-config.ts';
import { LogManager } from '../../../../src/engine/embedded/log/log-manager.ts';
import { CompressionCodec } from '../../../../src/protocol/records/record-batch.ts';
import { buildCompressedRecordBatch } from '../../../../src/protocol/records/record-batch-builder.ts';
import { kafkaCli } from '../../../tools/java.ts';
import { temporaryDirectory } from '../../../tools/temporary-directory.ts';
import { describeRequiring } from '../../../tools/tool-detection.ts';
import { TOPIC_ID } from './log-fixture.ts';

const BATCHES = 400;
const RECORDS_PER_BATCH = 3;
const PRODUCER_ID = 4711;
const CONFIG = { ...DEFAULT_LOG_CONFIG, segmentBytes: 12_000, indexIntervalBytes: 1000 };
const CODECS = Object.values(CompressionCodec);

describeRequiring(['java-tools'], 'kafka-dump-log', () => {
  let folder: string;

  beforeAll(async () => {
    const directory = temporaryDirectory('dump');
    const manager = await LogManager.open({
      fileSystem: nodeFileSystem,
      clock: systemClock,
      directory,
    });
    const log = manager.create('t', 0, TOPIC_ID, CONFIG);
    for (let index = 0; index < BATCHES; index += 1) {
      const records = Array.from({ length: RECORDS_PER_BATCH }, (_, record) => ({
        timestampMs: 1_700_000_000_000 + index * 10 - (index % 7) * 25 + record,
        key: Buffer.from(`key-${index}`),
        value: Buffer.from(`${index} `.repeat(20 + (index % 30))),
      }));
      const batch = await buildCompressedRecordBatch(records, CODECS[index % CODECS.length]!, {
        producerId: PRODUCER_ID,
        producerEpoch: 2,
        baseSequence: index * RECORDS_PER_BATCH,
      });
      log.append(batch, { leaderEpoch: 3 });
    }
    folder = log.local.path;
    await manager.close();
  });

  const files = (suffix: string) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(suffix))
      .sort()
      .map((name) => join(folder, name));

  async function dump(paths: string[], ...options: string[]): Promise<string> {
    const result = await kafkaCli('kafka-dump-log', ['--files', paths.join(','), ...options]);
    expect(result.stderr.toString()).not.toMatch(/Exception|ERROR/);
    return result.stdout.toString();
  }

  test('reads every batch and every record of the segments', async () => {
    expect(files('.log').length).toBeGreaterThan(2);
    const output = await dump(files('.log'), '--print-data-log', '--deep-iteration');
    const lines = output.split('\n');
    const batches = lines.filter((line) => line.startsWith('baseOffset:'));
    expect(batches.length).toBe(BATCHES);
    for (const [index, line] of batches.entries()) {
      expect(line).toContain(`baseOffset: ${index * RECORDS_PER_BATCH} `);
      expect(line).toContain('isvalid: true');
      expect(line).toContain('partitionLeaderEpoch: 3');
      expect(line).toContain(`producerId: ${PRODUCER_ID}`);
    }
    const records = lines.filter((line) => line.startsWith('| offset:'));
    expect(records.length).toBe(BATCHES * RECORDS_PER_BATCH);
    expect(output).toContain(`key: key-${BATCHES - 1} payload: ${BATCHES - 1} `);
  });

  test('finds nothing to complain of in the offset and time indexes', async () => {
    const output = await dump([...files('.index'), ...files('.timeindex')]);
    expect(output.match(/^offset: \d+ position: \d+$/gm)?.length).toBeGreaterThan(10);
    expect(output.match(/^timestamp: \d+ offset: \d+$/gm)?.length).toBeGreaterThan(10);
    expect(output).not.toMatch(/mismatch|not found|out of order|Mismatches|passed in the index/i);
    const checked = await dump(files('.index'), '--index-sanity-check');
    expect(checked.match(/passed sanity check/g)?.length).toBe(files('.index').length);
  });

  test('reads the producer snapshots', async () => {
    // The newest stands at the last roll: a small active segment is read again at a start.
    const newest = files('.snapshot').at(-1)!;
    const end = Number.parseInt(basename(newest), 10);
    expect(end).toBeGreaterThan((BATCHES * RECORDS_PER_BATCH) / 2);
    const output = await dump([newest]);
    expect(output).toContain(`producerId: ${PRODUCER_ID}`);
    expect(output).toContain('producerEpoch: 2');
    expect(output).toContain(`lastSequence: ${end - 1}`);
    expect(output).toContain(`lastOffset: ${end - 1}`);
  });
});
