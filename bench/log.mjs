/**
 * What the embedded log does on this disk: appends to the page cache (acks=1) and to stable storage
 * (acks=all, group commit), 1 KiB and 64 KiB batches, one log and a thousand, with and without a
 * producer id; reads of what was just written. Needs a build. The data goes to a folder under the
 * one named by --dir (the system's temporary folder unless given) and is removed, also on failure.
 *
 * Invariant: a measurement writes at most BYTES_MAX and none starts without twice that being free.
 *
 *   node bench/log.mjs [--seconds 3] [--dir DIR] [--syncs N]
 */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../dist/base/clock.js';
import { nodeFileSystem } from '../dist/base/file-system.js';
import { DEFAULT_LOG_CONFIG } from '../dist/engine/embedded/log/log-config.js';
import { LogManager } from '../dist/engine/embedded/log/log-manager.js';
import { buildRecordBatch } from '../dist/protocol/records/record-batch-builder.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
    syncs: { type: 'string' },
  },
});
const DURATION_MS = Number(values.seconds) * 1000;
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const MIB = 1024 * 1024;
const BYTES_MAX = 2048 * MIB;
const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 256 * MIB };

let datasyncs = 0;
const countingFileSystem = {
  ...nodeFileSystem,
  openSync(path, mode) {
    const handle = nodeFileSystem.openSync(path, mode);
    const datasync = handle.datasync.bind(handle);
    handle.datasync = () => {
      datasyncs += 1;
      return datasync();
    };
    return handle;
  },
};

async function withLogs(count, run) {
  const disk = statfsSync(values.dir);
  if (disk.bavail * disk.bsize < 2 * BYTES_MAX) {
    throw new Error(`${values.dir} has less than ${(2 * BYTES_MAX) / MIB} MiB free`);
  }
  const directory = mkdtempSync(join(values.dir, 'breakwater-log-bench-'));
  const removeData = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', removeData);
  let manager;
  try {
    manager = await LogManager.open({
      fileSystem: countingFileSystem,
      clock: systemClock,
      directory,
      config: values.syncs === undefined ? {} : { syncsInFlightMax: Number(values.syncs) },
    });
    const open = manager;
    const logs = Array.from({ length: count }, (_, partition) =>
      open.create('bench', partition, TOPIC_ID, config),
    );
    return await run(logs);
  } finally {
    await manager?.close();
    removeData();
    process.off('exit', removeData);
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

function batchOfBytes(sizeBytes) {
  const value = Buffer.alloc(sizeBytes - 75, 'x');
  return buildRecordBatch([{ timestampMs: Date.now(), key: null, value }]);
}

/**
 * Keeps up to `window` appends unanswered and adds at most `window` a turn: a batch that is written
 * within `append` is answered at once, so the answers alone would not bound a turn. The log owns a
 * batch until it is written: the buffers rotate.
 */
async function measureAppends(logs, { batchBytes, acks, window }) {
  const pool = Array.from({ length: window * 2 }, () => batchOfBytes(batchBytes));
  let sent = 0;
  let answered = 0;
  let failure;
  const answer = (reason) => {
    failure ??= reason;
    answered += 1;
  };
  const fill = () => {
    for (let added = 0; added < window && sent - answered < window; added += 1) {
      const log = logs[sent % logs.length];
      const result = log.append(pool[sent % pool.length], { leaderEpoch: 0 });
      sent += 1;
      if (result.errorCode !== 0) failure ??= new Error(`error ${result.errorCode}`);
      if (acks === 'all') log.whenDurable(result, answer);
      else log.whenWritten(result, answer);
    }
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  // A log's first sync also makes its folder durable: once in its life, and not what is measured.
  for (const log of logs) log.append(batchOfBytes(1024), { leaderEpoch: 0 });
  await Promise.all(logs.map((log) => log.flush()));
  datasyncs = 0;
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  while (performance.now() - startMs < DURATION_MS && sent * batchBytes < BYTES_MAX) {
    fill();
    await turn();
    if (failure !== undefined) throw failure;
  }
  const elapsedMs = performance.now() - startMs;
  const counted = answered;
  const cpu = process.cpuUsage(cpuBefore);
  const syncs = datasyncs;
  while (answered < sent) await turn();
  if (failure !== undefined) throw failure;
  return {
    appendsPerSecond: Math.round((counted / elapsedMs) * 1000),
    megabytesPerSecond: Math.round((counted * batchBytes) / elapsedMs / 1000),
    cpuMicrosecondsPerAppend: round((cpu.user + cpu.system) / Math.max(1, counted)),
    datasyncsPerSecond: Math.round((syncs / elapsedMs) * 1000),
  };
}

/** append and the turn's one write, nothing else: 32 batches a turn, segments written before. */
async function measureAppendPath(logs, hasProducer) {
  const [log] = logs;
  const pool = Array.from({ length: 32 }, () => batchOfBytes(1024));
  if (hasProducer) {
    const value = Buffer.alloc(949, 'x');
    const options = { producerId: 7, producerEpoch: 0, baseSequence: 0 };
    for (let index = 0; index < pool.length; index += 1) {
      pool[index] = buildRecordBatch([{ timestampMs: 1, key: null, value }], options);
    }
  }
  let sequence = 0;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 200; round += 1) {
    const turns = 20;
    let spentMs = 0;
    for (let turn = 0; turn < turns; turn += 1) {
      const startMs = performance.now();
      for (const batch of pool) {
        if (hasProducer) batch.writeInt32BE(sequence++, 53);
        log.append(batch, { leaderEpoch: 0 });
      }
      log.writePending();
      spentMs += performance.now() - startMs;
    }
    best = Math.min(best, (spentMs * 1000) / (turns * pool.length));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return round(best);
}

async function measureReads(logs, { maxBytes, totalBytes }) {
  const [log] = logs;
  const batchBytes = 16 * 1024;
  for (let written = 0; written < totalBytes; written += batchBytes) {
    log.append(batchOfBytes(batchBytes), { leaderEpoch: 0 });
  }
  await log.flush();
  const buffer = Buffer.allocUnsafeSlow(maxBytes);
  const allocate = (bytes) => buffer.subarray(0, bytes);
  const startMs = performance.now();
  let readBytes = 0;
  let reads = 0;
  let fetchOffset = 0;
  while (performance.now() - startMs < DURATION_MS) {
    const request = { fetchOffset, maxBytes, minOneMessage: true, upTo: 'highWatermark', allocate };
    const pending = log.read(request);
    const { records } = pending instanceof Promise ? await pending : pending;
    readBytes += records.length;
    reads += 1;
    fetchOffset += Math.max(1, Math.floor(records.length / batchBytes));
    if (fetchOffset >= log.highWatermark) fetchOffset = 0;
  }
  const elapsedMs = performance.now() - startMs;
  return {
    megabytesPerSecond: Math.round(readBytes / elapsedMs / 1000),
    microsecondsPerRead: round((elapsedMs * 1000) / reads),
  };
}

function round(value) {
  return Math.round(value * 100) / 100;
}

const figures = {};
const report = (name, figure) => {
  figures[name] = figure;
  process.stdout.write(`${name.padEnd(34)} ${JSON.stringify(figure)}\n`);
};

for (const hasProducer of [false, true]) {
  const name = hasProducer ? 'appendPathIdempotentUs' : 'appendPathUs';
  report(name, await withLogs(1, (logs) => measureAppendPath(logs, hasProducer)));
}
for (const acks of ['1', 'all']) {
  for (const logCount of [1, 1000]) {
    for (const [batchBytes, window] of [
      [1024, 2000],
      [64 * 1024, 200],
    ]) {
      const name = `acks=${acks} ${batchBytes / 1024}KiB logs=${logCount}`;
      report(
        name,
        await withLogs(logCount, (logs) => measureAppends(logs, { batchBytes, acks, window })),
      );
    }
  }
}
report(
  'acks=all 1KiB logs=1 one in flight',
  await withLogs(1, (logs) => measureAppends(logs, { batchBytes: 1024, acks: 'all', window: 1 })),
);
for (const maxBytes of [MIB, 64 * 1024]) {
  const totalBytes = 48 * MIB;
  report(
    `read ${maxBytes / 1024}KiB hot`,
    await withLogs(1, (logs) => measureReads(logs, { maxBytes, totalBytes })),
  );
}
report(
  'read 1024KiB through the pool',
  await withLogs(1, (logs) => measureReads(logs, { maxBytes: MIB, totalBytes: 200 * MIB })),
);
process.stdout.write(`${JSON.stringify({ bench: 'log', ...figures })}\n`);
