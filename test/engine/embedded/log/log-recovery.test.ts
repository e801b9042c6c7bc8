import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../../src/base/errors.ts';
import type { LogManager } from '../../../../src/engine/embedded/log/log-manager.ts';
import type { UnifiedLog } from '../../../../src/engine/embedded/log/unified-log.ts';
import { buildRecordBatch } from '../../../../src/protocol/records/record-batch-builder.ts';
import { append, batchOf, DIRECTORY, LogBench, nextTurn, TOPIC_ID } from './log-fixture.ts';

const FIRST = '00000000000000000000';

async function contents(log: UnifiedLog): Promise<string[]> {
  const found: string[] = [];
  for (let fetchOffset = log.logStartOffset; fetchOffset < log.highWatermark; fetchOffset += 1) {
    const request = {
      fetchOffset,
      maxBytes: 1,
      minOneMessage: true,
      upTo: 'highWatermark' as const,
    };
    const { records } = await log.read(request);
    found.push(records.subarray(-4, -1).toString());
  }
  return found;
}

/** Three-letter values: `v00`, `v01`, ... */
const value = (index: number) => `v${index.toString().padStart(2, '0')}`;

async function filled(bench: LogBench, count: number): Promise<LogManager> {
  const manager = await bench.open();
  const log = bench.create(manager);
  for (let index = 0; index < count; index += 1) append(log, { values: [value(index)] });
  await log.flush();
  return manager;
}

const values = (count: number) => Array.from({ length: count }, (_, index) => value(index));

describe('an end that was not clean', () => {
  test('a torn last batch is cut at whatever byte it ends, the batches before it stay', async () => {
    const bench = new LogBench();
    await filled(bench, 3);
    bench.kill();
    const path = bench.path(`${FIRST}.log`);
    const whole = bench.files.readFileSync(path);
    const size = whole.length / 3;
    for (let length = 2 * size; length < 3 * size; length += 1) {
      bench.overwrite(path, whole.subarray(0, length));
      const manager = await bench.open();
      const log = manager.get('t', 0);
      expect(log?.highWatermark, `cut at ${length}`).toBe(2);
      expect(bench.files.statSync(path)?.sizeBytes).toBe(2 * size);
      bench.kill();
    }
  });

  test('a batch with any flipped bit is cut, and appends go on from there', async () => {
    const bench = new LogBench();
    await filled(bench, 3);
    bench.kill();
    const path = bench.path(`${FIRST}.log`);
    const whole = bench.files.readFileSync(path);
    const size = whole.length / 3;
    for (let at = 2 * size; at < 3 * size; at += 1) {
      // The leader epoch stands outside the checksum.
      if (at - 2 * size >= 12 && at - 2 * size < 16) continue;
      const broken = Buffer.from(whole);
      broken[at] = broken[at]! ^ (1 << (at % 8));
      bench.overwrite(path, broken);
      const manager = await bench.open();
      const log = manager.get('t', 0)!;
      // A base offset that jumps ahead is no damage: compaction leaves such gaps.
      if (at - 2 * size < 8 && log.highWatermark !== 2) {
        expect(log.highWatermark).toBeGreaterThan(3);
      } else {
        expect(log.highWatermark, `byte ${at - 2 * size}`).toBe(2);
        expect(append(log).baseOffset).toBe(2);
      }
      bench.kill();
    }
  });

  test('segments after the damage go, with their indexes', async () => {
    const bench = new LogBench({ segmentBytes: 3 * batchOf({ values: ['v00'] }).length });
    const manager = await filled(bench, 9);
    expect(manager.get('t', 0)?.local.segments.length).toBe(3);
    bench.kill();
    const path = bench.path(`${'3'.padStart(20, '0')}.log`);
    const middle = bench.files.readFileSync(path);
    middle[middle.length - 1] = middle[middle.length - 1]! ^ 1;
    bench.overwrite(path, middle);
    const log = (await bench.open()).get('t', 0)!;
    expect(await contents(log)).toEqual(values(5));
    expect(bench.files.readdirSync(bench.path('')).filter((name) => name.endsWith('.log'))).toEqual(
      [`${FIRST}.log`, `${'3'.padStart(20, '0')}.log`],
    );
  });

  test('indexes are made anew whatever they hold', async () => {
    const bench = new LogBench({ indexIntervalBytes: 100 });
    await filled(bench, 50);
    bench.kill();
    for (const suffix of ['.index', '.timeindex']) {
      bench.overwrite(bench.path(FIRST + suffix), Buffer.from('not an index at all, no'));
    }
    bench.overwrite(bench.path(`${'7'.padStart(20, '0')}.index`), Buffer.alloc(8));
    const log = (await bench.open()).get('t', 0)!;
    expect(await contents(log)).toEqual(values(50));
    expect(log.local.active.offsetIndex.count).toBeGreaterThan(10);
    expect(bench.files.readdirSync(bench.path(''))).not.toContain(`${'7'.padStart(20, '0')}.index`);
  });

  test('only what lies past the recovery point is read', async () => {
    const bench = new LogBench({ segmentBytes: 1000, indexIntervalBytes: 100 });
    const manager = await filled(bench, 60);
    await manager.checkpoint();
    const segments = manager.get('t', 0)!.local.segments.length;
    expect(segments).toBeGreaterThan(3);
    bench.kill();
    const scanned: string[] = [];
    const open = bench.files.openSync.bind(bench.files);
    bench.files.openSync = (path, mode) => {
      const handle = open(path, mode);
      const read = handle.read.bind(handle);
      handle.read = (buffer, position) => {
        scanned.push(path);
        return read(buffer, position);
      };
      return handle;
    };
    const log = (await bench.open()).get('t', 0)!;
    expect(new Set(scanned)).toEqual(new Set([log.local.active.file.path]));
    expect(await contents(log)).toEqual(values(60));
  });

  test('a repeated batch is known after a kill, all five of them', async () => {
    const bench = new LogBench({ segmentBytes: 300 });
    const log = bench.create(await bench.open());
    const spec = { producerId: 5, producerEpoch: 0 };
    for (let sequence = 0; sequence < 12; sequence += 1) {
      append(log, { ...spec, baseSequence: sequence });
    }
    await log.flush();
    expect(log.local.segments.length).toBeGreaterThan(2);
    bench.kill();
    const again = (await bench.open()).get('t', 0)!;
    for (let sequence = 7; sequence < 12; sequence += 1) {
      const repeated = append(again, { ...spec, baseSequence: sequence });
      expect([repeated.isDuplicate, repeated.baseOffset]).toEqual([true, sequence]);
    }
    expect(append(again, { ...spec, baseSequence: 12 }).baseOffset).toBe(12);
  });

  test('a broken snapshot and a lost epoch file are made up for from the headers', async () => {
    const bench = new LogBench({ segmentBytes: 300 });
    const manager = await bench.open();
    const log = bench.create(manager);
    for (let sequence = 0; sequence < 12; sequence += 1) {
      const spec = { producerId: 5, producerEpoch: 0, baseSequence: sequence };
      log.append(batchOf(spec), { leaderEpoch: sequence });
    }
    await log.flush();
    await manager.close();
    bench.kill();
    for (const name of bench.files.readdirSync(bench.path(''))) {
      if (name.endsWith('.snapshot')) bench.overwrite(bench.path(name), Buffer.from('torn'));
    }
    bench.overwrite(bench.path('leader-epoch-checkpoint'), Buffer.from('0\n9\n1 2\n'));
    const again = (await bench.open()).get('t', 0)!;
    expect(again.endOffsetForEpoch(3)).toEqual({ leaderEpoch: 3, endOffset: 4 });
    const repeated = append(again, { producerId: 5, producerEpoch: 0, baseSequence: 11 });
    expect([repeated.isDuplicate, repeated.baseOffset]).toEqual([true, 11]);
  });
});

describe('a clean end', () => {
  test('everything is there again and no log is read through', async () => {
    const bench = new LogBench({ indexIntervalBytes: 100 });
    const manager = await filled(bench, 40);
    const producers = { producerId: 3, producerEpoch: 0, baseSequence: 0 };
    append(manager.get('t', 0)!, { ...producers, values: [value(40)] });
    // Beyond what a start reads sooner than its indexes.
    append(manager.get('t', 0)!, { values: ['x'.repeat(140_000)] });
    await manager.close();
    bench.kill();
    let reads = 0;
    const open = bench.files.openSync.bind(bench.files);
    bench.files.openSync = (path, mode) => {
      const handle = open(path, mode);
      const read = handle.read.bind(handle);
      handle.read = (buffer, position) => {
        reads += 1;
        return read(buffer, position);
      };
      return handle;
    };
    const log = (await bench.open()).get('t', 0)!;
    expect(reads).toBe(0);
    expect((await contents(log)).slice(0, 41)).toEqual(values(41));
    expect(append(log, producers).baseOffset).toBe(40);
    expect(log.local.active.offsetIndex.count).toBeGreaterThan(5);
  });

  test('a small segment has no indexes on disk and is read instead, producers too', async () => {
    const bench = new LogBench({ segmentBytes: 1000, indexIntervalBytes: 100 });
    const manager = await filled(bench, 40);
    const producers = { producerId: 3, producerEpoch: 0, baseSequence: 0 };
    append(manager.get('t', 0)!, { ...producers, values: [value(40)] });
    await manager.close();
    bench.kill();
    const log = (await bench.open()).get('t', 0)!;
    expect(await contents(log)).toEqual(values(41));
    expect(append(log, producers).baseOffset).toBe(40);
    expect(log.local.active.offsetIndex.count).toBeGreaterThan(0);
  });

  test('a log that nobody touched is closed without a write', async () => {
    const bench = new LogBench();
    await (await filled(bench, 5)).close();
    bench.kill();
    const manager = await bench.open();
    const opened = new Set<string>();
    const open = bench.files.openSync.bind(bench.files);
    bench.files.openSync = (path, mode) => {
      opened.add(path);
      return open(path, mode);
    };
    await manager.close();
    expect([...opened].filter((path) => path.startsWith(bench.path('')))).toEqual([]);
    bench.kill();
    expect(await contents((await bench.open()).get('t', 0)!)).toEqual(values(5));
  });

  test('its mark is gone while the directory is open', async () => {
    const bench = new LogBench();
    await (await filled(bench, 1)).close();
    expect(bench.files.readdirSync(DIRECTORY)).toContain('.kafka_cleanshutdown');
    bench.kill();
    await bench.open();
    expect(bench.files.cut().readdirSync(DIRECTORY)).not.toContain('.kafka_cleanshutdown');
  });

  test('appends after the close are refused', async () => {
    const bench = new LogBench();
    const manager = await filled(bench, 1);
    const log = manager.get('t', 0)!;
    await manager.close();
    expect(append(log).errorCode).toBe(56);
    expect(() => manager.create('u', 0, TOPIC_ID, bench.config)).toThrow('closed');
  });
});

describe('damage below the recovery point', () => {
  async function checkpointed(): Promise<LogBench> {
    const bench = new LogBench({ segmentBytes: 1000 });
    const manager = await filled(bench, 40);
    bench.create(manager, 1);
    await manager.checkpoint();
    bench.kill();
    return bench;
  }

  const damages: [string, (bench: LogBench) => void][] = [
    ['the log is shorter', (bench) => bench.overwrite(lastLog(bench), Buffer.alloc(0))],
    ['a segment is gone', (bench) => bench.files.unlinkSync(lastLog(bench))],
    [
      'all segments are gone',
      (bench) => {
        for (const path of logPaths(bench)) bench.files.unlinkSync(path);
      },
    ],
    ['a bit of the last segment is flipped', (bench) => flip(bench, lastLog(bench), 70)],
    ['an old segment ends early', (bench) => shorten(bench, bench.path(`${FIRST}.log`))],
  ];

  function logPaths(bench: LogBench): string[] {
    const names = bench.files.readdirSync(bench.path('')).filter((name) => name.endsWith('.log'));
    return names.sort().map((name) => bench.path(name));
  }

  function lastLog(bench: LogBench): string {
    return logPaths(bench).at(-1)!;
  }

  function flip(bench: LogBench, path: string, at: number): void {
    const bytes = bench.files.readFileSync(path);
    bytes[at] = bytes[at]! ^ 1;
    bench.overwrite(path, bytes);
  }

  function shorten(bench: LogBench, path: string): void {
    const bytes = bench.files.readFileSync(path);
    bench.overwrite(path, bytes.subarray(0, bytes.length - 5));
  }

  test.each(damages)(
    '%s: that partition stays offline, untouched; others serve',
    async (_, damage) => {
      const bench = await checkpointed();
      damage(bench);
      const before = bench.files.readdirSync(bench.path(''));
      const sizes = before.map((name) => bench.files.statSync(bench.path(name))?.sizeBytes);
      const manager = await bench.open();
      expect(manager.get('t', 0)).toBeUndefined();
      expect([...manager.offlinePartitions.keys()]).toEqual(['t-0']);
      expect(manager.offlinePartitions.get('t-0')?.message).toContain('damaged');
      const after = before.map((name) => bench.files.statSync(bench.path(name))?.sizeBytes);
      expect(after).toEqual(sizes);
      expect(append(manager.get('t', 1)!).errorCode).toBe(0);
      expect(() => bench.create(manager, 0)).toThrow('damaged');
      await manager.close();
      bench.kill();
      expect([...(await bench.open()).offlinePartitions.keys()]).toEqual(['t-0']);
    },
  );

  test('it can be deleted, and made again', async () => {
    const bench = await checkpointed();
    flip(bench, lastLog(bench), 70);
    const manager = await bench.open();
    manager.delete('t', 0);
    expect([...manager.offlinePartitions]).toEqual([]);
    expect(append(bench.create(manager, 0)).baseOffset).toBe(0);
  });

  test('an index that was lost is made anew, an old segment is checked for it', async () => {
    const bench = await checkpointed();
    bench.files.unlinkSync(bench.path(`${FIRST}.index`));
    const log = (await bench.open()).get('t', 0)!;
    expect(await contents(log)).toEqual(values(40));
    bench.kill();
    bench.files.unlinkSync(bench.path(`${FIRST}.index`));
    flip(bench, bench.path(`${FIRST}.log`), 70);
    expect([...(await bench.open()).offlinePartitions.keys()]).toEqual(['t-0']);
  });
});

describe('the directory', () => {
  test('of a newer format is refused, of something else too', async () => {
    const bench = new LogBench();
    await (await filled(bench, 1)).close();
    bench.kill();
    const path = `${DIRECTORY}/meta.properties`;
    const meta = bench.files.readFileSync(path).toString();
    bench.overwrite(path, Buffer.from(meta.replace('format.version=1', 'format.version=2')));
    await expect(bench.open()).rejects.toThrow(/newer version.*upgrade/);
    bench.overwrite(path, Buffer.from('version=1\nnode.id=1\n'));
    await expect(bench.open()).rejects.toThrow(ConfigError);
    bench.files.unlinkSync(path);
    await expect(bench.open()).rejects.toThrow(/holds partitions but no meta.properties/);
  });

  test('with a broken checkpoint is refused: damage could not be told from a torn end', async () => {
    const bench = new LogBench();
    await (await filled(bench, 1)).close();
    bench.kill();
    bench.overwrite(`${DIRECTORY}/recovery-point-offset-checkpoint`, Buffer.from('0\n7\nt 0 1\n'));
    await expect(bench.open()).rejects.toThrow(/recovery-point-offset-checkpoint is damaged/);
  });

  test('a deletion that was interrupted is finished at the next start', async () => {
    const bench = new LogBench();
    const manager = await filled(bench, 3);
    manager.delete('t', 0);
    expect(bench.files.readdirSync(DIRECTORY).some((name) => name.endsWith('-delete'))).toBe(true);
    bench.kill();
    const again = await bench.open();
    expect([...again.logs()]).toEqual([]);
    const isLeft = () =>
      bench.files.readdirSync(DIRECTORY).some((name) => name.endsWith('-delete'));
    while (isLeft()) await nextTurn();
    await again.close();
  });

  test.each(['../x', 'a/b', '', '.', '..', 'ü', 'x'.repeat(250), 'a\n'])(
    'takes no topic named %j',
    async (topic) => {
      const bench = new LogBench();
      const manager = await bench.open();
      expect(() => manager.create(topic, 0, TOPIC_ID, bench.config)).toThrow('cannot be the name');
    },
  );

  test('deletes partitions whose name leaves no room for a suffix', async () => {
    const bench = new LogBench();
    const manager = await bench.open();
    const topic = 'x'.repeat(249);
    manager.create(topic, 0, TOPIC_ID, bench.config);
    manager.delete(topic, 0);
    const lengths = bench.files.readdirSync(DIRECTORY).map((name) => name.length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(255);
    await manager.close();
  });

  test('a log is made again under a deleted name and inherits nothing', async () => {
    const bench = new LogBench();
    const manager = await filled(bench, 20);
    await manager.checkpoint();
    manager.delete('t', 0);
    const log = manager.create('t', 0, 'BBBBBBBBBBBBBBBBBBBBBB', bench.config);
    append(log, { values: [value(0)] });
    await log.flush();
    bench.files = bench.files.cut();
    const again = await bench.open();
    expect([...again.offlinePartitions]).toEqual([]);
    expect(again.get('t', 0)?.topicId).toBe('BBBBBBBBBBBBBBBBBBBBBB');
    expect(await contents(again.get('t', 0)!)).toEqual([value(0)]);
  });

  test('a record of a compressed batch keeps its bytes through a restart', async () => {
    const bench = new LogBench();
    const manager = await bench.open();
    const log = bench.create(manager);
    const batch = buildRecordBatch([{ timestampMs: 1, key: Buffer.from('k'), value: null }]);
    log.append(batch, { leaderEpoch: 0 });
    await manager.close();
    bench.kill();
    const again = (await bench.open()).get('t', 0)!;
    const request = { fetchOffset: 0, maxBytes: 1, minOneMessage: true, upTo: 'logEnd' as const };
    expect((await again.read(request)).records.equals(batch)).toBe(true);
  });
});

describe('indexes that a checkpoint left', () => {
  const indexed = () => new LogBench({ indexIntervalBytes: 0 }, { indexPersistBytes: 500 });

  /** Ten batches below the recovery point with their indexes on disk, two beyond it; killed. */
  async function crashed(): Promise<LogBench> {
    const bench = indexed();
    const manager = await filled(bench, 10);
    await manager.checkpoint();
    const log = manager.get('t', 0)!;
    for (const index of [10, 11]) append(log, { values: [value(index)] });
    await log.flush();
    bench.kill();
    return bench;
  }

  test('spare a start after a crash the reading of what was durable', async () => {
    const bench = await crashed();
    const path = bench.path(`${FIRST}.log`);
    const bytes = bench.files.readFileSync(path);
    // The start would find this broken checksum, if it looked.
    bytes[100] = bytes[100]! ^ 1;
    bench.overwrite(path, bytes);
    const manager = await bench.open();
    expect(await contents(manager.get('t', 0)!)).toHaveLength(12);
    expect(append(manager.get('t', 0)!).baseOffset).toBe(12);
  });

  test('are of no use without a batch at the recovery point, and the whole is read', async () => {
    const bench = await crashed();
    const path = bench.path(`${FIRST}.index`);
    const entries = bench.files.readFileSync(path);
    expect(entries.length).toBe(9 * 8);
    const lastPosition = entries.readInt32BE(entries.length - 4);
    entries.writeInt32BE(lastPosition - 1, entries.length - 4);
    bench.overwrite(path, entries);
    const manager = await bench.open();
    expect(await contents(manager.get('t', 0)!)).toEqual(values(12));
    expect(bench.files.statSync(path)).toBeUndefined();
  });

  test('that run ahead of the log are cut and do not come back', async () => {
    const bench = await crashed();
    const index = bench.path(`${FIRST}.index`);
    const entries = bench.files.readFileSync(index);
    const ahead = Buffer.alloc(8);
    ahead.writeInt32BE(11, 0);
    ahead.writeInt32BE(entries.readInt32BE(entries.length - 4) + 10, 4);
    bench.overwrite(index, Buffer.concat([entries, ahead]));
    const manager = await bench.open();
    expect(await contents(manager.get('t', 0)!)).toEqual(values(12));
    expect(bench.files.statSync(index)).toBeUndefined();
  });

  test('keep the producers, by the snapshot beside them', async () => {
    const bench = indexed();
    const manager = await bench.open();
    const log = bench.create(manager);
    const spec = { producerId: 7, producerEpoch: 0 };
    for (let index = 0; index < 10; index += 1) append(log, { ...spec, baseSequence: index });
    await log.flush();
    await manager.checkpoint();
    append(log, { ...spec, baseSequence: 10 });
    await log.flush();
    bench.kill();
    const again = (await bench.open()).get('t', 0)!;
    const repeated = append(again, { ...spec, baseSequence: 10 });
    expect(repeated.isDuplicate).toBe(true);
    expect(append(again, { ...spec, baseSequence: 11 }).baseOffset).toBe(11);
  });

  test('hold two snapshots inside a segment at most', async () => {
    const bench = indexed();
    const manager = await filled(bench, 10);
    const log = manager.get('t', 0)!;
    for (let round = 0; round < 5; round += 1) {
      for (let index = 0; index < 10; index += 1) append(log);
      await log.flush();
      await manager.checkpoint();
    }
    const names = bench.files.readdirSync(bench.path(''));
    expect(names.filter((name) => name.endsWith('.snapshot'))).toHaveLength(2);
  });
});

describe('a closed segment with more than its successor leaves it', () => {
  /** Two segments, all durable and checkpointed; then killed. */
  async function rolled(): Promise<{ bench: LogBench; path: string; whole: Buffer }> {
    const bench = new LogBench({ segmentBytes: 250 });
    const manager = await filled(bench, 5);
    await manager.checkpoint();
    bench.kill();
    const path = bench.path(`${FIRST}.log`);
    return { bench, path, whole: bench.files.readFileSync(path) };
  }

  test.each([
    ['a torn write', Buffer.alloc(40, 7)],
    ['a whole batch that was refused', batchOf({ values: ['old'] })],
  ])('loses %s that a power cut brought back', async (_what, overhang) => {
    const { bench, path, whole } = await rolled();
    bench.overwrite(path, Buffer.concat([whole, overhang]));
    const manager = await bench.open();
    expect([...manager.offlinePartitions]).toEqual([]);
    expect(await contents(manager.get('t', 0)!)).toEqual(values(5));
    expect(bench.files.statSync(path)?.sizeBytes).toBe(whole.length);
  });

  test('is damaged all the same when a batch of its own is missing or broken', async () => {
    const { bench, path, whole } = await rolled();
    for (const broken of [
      whole.subarray(0, whole.length - 10),
      Buffer.concat([whole.subarray(0, whole.length - 10), Buffer.alloc(60, 7)]),
      whole.subarray(0, whole.length / 3),
    ]) {
      bench.overwrite(path, broken);
      const manager = await bench.open();
      expect([...manager.offlinePartitions.keys()]).toEqual(['t-0']);
      expect(bench.files.readFileSync(path)).toEqual(broken);
      bench.kill();
    }
  });
});
