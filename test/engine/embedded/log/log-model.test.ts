/**
 * A log against a small reference: random operations, restarts and power cuts among them, and after
 * each the log must say and give what the reference does. The seed is printed with a failure.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LogManager } from '../../../../src/engine/embedded/log/log-manager.ts';
import type { UnifiedLog } from '../../../../src/engine/embedded/log/unified-log.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { readAll } from '../../../crash/log-model.ts';
import { testSeed } from '../../../tools/test-seed.ts';
import { batchOf, durable, LogBench, nextTurn } from './log-fixture.ts';

const RETENTION_MS = 100_000;
const RETENTION_BYTES = 3000;
const CONFIG = {
  segmentBytes: 1000,
  segmentMs: 60_000,
  indexIntervalBytes: 200,
  retentionMs: RETENTION_MS,
  retentionBytes: RETENTION_BYTES,
};

/** Retention comes when the test says so. */
const LIMITS = {
  hotBytes: 500,
  openFilesMax: 3,
  retentionCheckIntervalMs: Number.MAX_SAFE_INTEGER,
};

interface Entry {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: Buffer;
  readonly timestampMs: number;
}

/** What a log is, without files: batches, where it begins, and how far it is durable. */
class Reference {
  entries: Entry[] = [];
  start = 0;
  end = 0;
  durableEnd = 0;

  /** The entries that a reader from the beginning gets. */
  visible(): Entry[] {
    return this.entries.filter(({ lastOffset }) => lastOffset >= this.start);
  }
}

class Bench {
  readonly bench = new LogBench(CONFIG, LIMITS);
  readonly reference = new Reference();
  manager!: LogManager;
  log!: UnifiedLog;

  async open(): Promise<void> {
    this.manager = await this.bench.open();
    expect([...this.manager.offlinePartitions.keys()]).toEqual([]);
    this.log = this.manager.get('t', 0) ?? this.bench.create(this.manager);
  }

  async check(): Promise<void> {
    const { log, reference } = this;
    expect(log.logStartOffset).toBe(reference.start);
    expect(log.logEndOffset).toBe(reference.end);
    expect(log.highWatermark).toBeGreaterThanOrEqual(reference.durableEnd);
    expect(log.local.segments[0]!.baseOffset).toBeLessThanOrEqual(reference.start);
  }

  async readBack(): Promise<void> {
    const { log, reference } = this;
    await log.flush();
    reference.durableEnd = reference.end;
    const found = await readAll(log);
    expect(found).toEqual(reference.visible().map(({ bytes }) => bytes));
    for (const offset of [reference.start - 1, reference.end + 1]) {
      if (offset < 0) continue;
      const request = { fetchOffset: offset, maxBytes: 1, minOneMessage: true };
      const answer = await log.read({ ...request, upTo: 'logEnd' });
      expect(answer.errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    // By time, where the beginning is no batch's middle.
    const [first, ...others] = reference.visible();
    if (first === undefined || first.baseOffset < reference.start) return;
    const times = [first, ...others].map(({ timestampMs }) => timestampMs);
    const wantedMs = times[Math.floor(times.length / 2)]!;
    const expected = [first, ...others].find(({ timestampMs }) => timestampMs >= wantedMs)!;
    expect((await log.fetchOffsetByTimestamp(wantedMs))?.offset).toBe(expected.baseOffset);
    const newestMs = Math.max(...times);
    expect((await log.fetchOffsetOfMaxTimestamp())?.timestampMs).toBe(newestMs);
  }
}

type Step = (bench: Bench) => Promise<void>;
interface Command extends fc.WithToStringMethod {
  readonly name: string;
  readonly run: Step;
}

const command = (name: string, run: Step): Command => ({
  name,
  run,
  [fc.toStringMethod]: () => name,
});

/** `count` records of `sizeBytes` each, `ageMs` old. */
const appended = fc
  .record({
    count: fc.integer({ min: 1, max: 4 }),
    sizeBytes: fc.integer({ min: 0, max: 150 }),
    ageMs: fc.integer({ min: 0, max: 150_000 }),
    isDurable: fc.boolean(),
  })
  .map((spec) => command(`append ${JSON.stringify(spec)}`, (bench) => append(bench, spec)));

interface AppendSpec {
  readonly count: number;
  readonly sizeBytes: number;
  readonly ageMs: number;
  readonly isDurable: boolean;
}

async function append({ bench, log, reference }: Bench, spec: AppendSpec): Promise<void> {
  const timestampMs = bench.clock.nowMs() - spec.ageMs;
  const values = Array.from({ length: spec.count }, () => 'x'.repeat(spec.sizeBytes));
  const batch = batchOf({ values, timestampMs });
  const result = log.append(batch, { leaderEpoch: 0 });
  expect([result.errorCode, result.baseOffset]).toEqual([0, reference.end]);
  const { baseOffset, lastOffset } = result;
  reference.entries.push({ baseOffset, lastOffset, bytes: Buffer.from(batch), timestampMs });
  reference.end = lastOffset + 1;
  if (!spec.isDurable) return;
  expect(await durable(log, result)).toBeUndefined();
  reference.durableEnd = reference.end;
}

const deleted = fc.nat(100).map((share) =>
  command(`delete ${share} %`, async ({ log, manager, reference }) => {
    const to = reference.start + Math.floor(((log.highWatermark - reference.start) * share) / 100);
    expect(log.advanceLogStart(to)).toBe(to > reference.start);
    await manager.persistLogStarts([log]);
    manager.retention.removeBelowStart(log);
    reference.start = to;
  }),
);

/** Held against the rules of retention from without: by what is there before and after. */
const retained = fc.constant(
  command('retention', async ({ bench, manager, log, reference }) => {
    await log.flush();
    reference.durableEnd = reference.end;
    // What DeleteRecords left half done goes first.
    log.updateConfig({ ...bench.config, retentionMs: -1, retentionBytes: -1 });
    await manager.retention.check();
    const before = log.local.segments.map(({ baseOffset, sizeBytes }) => ({
      baseOffset,
      sizeBytes,
    }));
    log.updateConfig(bench.config);
    await manager.retention.check();
    const start = Math.max(reference.start, expectedStart(before, reference, bench));
    expect(log.logStartOffset).toBe(start);
    expect(log.local.segments[0]!.baseOffset).toBeLessThanOrEqual(start);
    expect(log.local.segments[1]?.baseOffset ?? start + 1).toBeGreaterThan(start);
    reference.start = start;
  }),
);

function expectedStart(
  segments: readonly { baseOffset: number; sizeBytes: number }[],
  { entries, end }: Reference,
  { clock }: LogBench,
): number {
  let leftBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let start = 0;
  for (const [index, { baseOffset, sizeBytes }] of segments.entries()) {
    const next = segments[index + 1]?.baseOffset ?? end;
    const held = entries.filter(
      (entry) => entry.baseOffset >= baseOffset && entry.baseOffset < next,
    );
    const youngestMs = Math.max(...held.map(({ timestampMs }) => timestampMs));
    const isOld = clock.nowMs() - youngestMs > RETENTION_MS;
    if (held.length === 0 || !(isOld || leftBytes - sizeBytes >= RETENTION_BYTES)) break;
    leftBytes -= sizeBytes;
    start = next;
  }
  return start;
}

const steps: Readonly<Record<string, Step>> = {
  'a turn': () => nextTurn(),
  'time passes': async ({ bench }) => bench.clock.advance(30_000),
  checkpoint: async ({ manager }) => manager.checkpoint(),
  read: (bench) => bench.readBack(),
  'clean restart': async (bench) => {
    await bench.manager.close();
    bench.reference.durableEnd = bench.reference.end;
    bench.bench.kill();
    await bench.open();
  },
  'power cut': async (bench) => {
    const { reference, log } = bench;
    const written = log.highWatermark;
    bench.bench.files = bench.bench.files.cut();
    await bench.open();
    // What nobody was promised may be lost, whole batches from the end.
    expect(bench.log.logEndOffset).toBeGreaterThanOrEqual(Math.max(reference.durableEnd, written));
    reference.end = bench.log.logEndOffset;
    reference.durableEnd = reference.end;
    reference.entries = reference.entries.filter(({ lastOffset }) => lastOffset < reference.end);
    expect(reference.entries.at(-1)?.lastOffset ?? reference.start - 1).toBe(reference.end - 1);
    // Retention of the last life may have moved the beginning: only forward, as it was.
    expect(bench.log.logStartOffset).toBe(reference.start);
  },
};

const others = fc.constantFrom(...Object.entries(steps)).map(([name, run]) => command(name, run));

const commands = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: appended },
    { weight: 5, arbitrary: others },
    { weight: 1, arbitrary: deleted },
    { weight: 1, arbitrary: retained },
  ),
  { minLength: 10, maxLength: 60, size: 'max' },
);

test('a log does what the reference does', async () => {
  const seed = testSeed('log-model', 1_789_620);
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const bench = new Bench();
      await bench.open();
      for (const { run } of sequence) {
        await run(bench);
        await bench.check();
      }
      await bench.readBack();
      await bench.manager.close();
    }),
    { seed, numRuns: 150 },
  );
}, 60_000);
