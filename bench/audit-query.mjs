/**
 * How long a selective question to a large audit log takes: `audit query --dir` as an operator runs
 * it, the start of the process included. Makes a log of ten million records (compressed and indexed
 * as a broker leaves it) in a temporary folder and removes it. Needs a build. The target is under 1 s
 * for the records of one device, and for its denials.
 *
 *   node bench/audit-query.mjs [--records 10000000] [--devices 100000] [--runs 5] [--directory DIR]
 *
 * The devices' records are spread evenly over the whole log, which is the worst case: no block is
 * full of one device. "without index" is the same question with every file read whole.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { buildFileIndex } from '../dist/audit/file-index.js';
import { nodeFileSystem } from '../dist/base/file-system.js';

const TARGET_MS = 1000;
const TENANTS = 20;
const LINES_PER_FILE = 280_000;
const BLOCK_BYTES = 1024 * 1024;
const START_MS = Date.parse('2026-01-01T00:00:00.000Z');
const MS_PER_RECORD = 60;
/** Whose records are asked for. */
const TARGET = 4242;

const tenantOf = (device) => `tenant-${device % TENANTS}`;
const nameOf = (device) => `device-${Math.floor(device / TENANTS)}`;

/** A hash that spreads consecutive numbers. */
function spread(number) {
  let value = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** One record in ten is a denial, in the security stream; the others are counted accesses. */
function lineOf(stream, seq, atMs, device) {
  const time = new Date(atMs).toISOString();
  const isDenied = stream === 'security';
  const name = nameOf(device);
  const serial = (spread(device) * 65_536 + device).toString(16).toUpperCase().padStart(16, '0');
  const address = `10.${device % 200}.${(device >> 8) % 250}.${device % 250}`;
  return (
    `{"level":"${isDenied ? 'warn' : 'info'}","v":2,"seq":${seq},"prev":"${(spread(seq) * 1e6).toString(16).padStart(64, 'ab')}",` +
    `"time":"${time}","type":"access","tenant":"${tenantOf(device)}","principal":"User:${name}",` +
    `"fleet":"fleet-${device % 40}","certificate":"${serial}","address":"${address}","port":${20000 + (seq % 40000)},` +
    `"connection":"${spread(seq >> 3).toString(36)}${spread(device).toString(36)}","listener":"mtls","api":"Produce","apiVersion":9,` +
    `"clientId":"rdkafka","operation":"WRITE","resourceType":"TOPIC",` +
    (isDenied
      ? `"resource":"forbidden","decision":"deny","rule":null,"origin":null}\n`
      : `"resource":"${name}.telemetry","decision":"allow","rule":"p, Role:device, tenant, TOPIC, PREFIXED, \${principal}., WRITE, *, allow","origin":"devices.csv:7",` +
        `"count":${1 + (seq % 50)},"first":"${time}","last":"${time}"}\n`)
  );
}

async function makeFiles({ directory, jobs, devices }) {
  const counts = { access: 0, security: 0 };
  let bytes = 0;
  for (const { stream, number, from, to, every } of jobs) {
    const path = join(directory, `${stream}-20260101-${String(number).padStart(6, '0')}.ndjson.gz`);
    const members = [];
    let text = '';
    const close = () => {
      bytes += text.length;
      members.push(gzipSync(Buffer.from(text, 'latin1'), { level: 3 }));
      text = '';
    };
    for (let seq = from; seq < to; seq += 1) {
      const device = spread(seq * 2 + (stream === 'access' ? 1 : 0)) % devices;
      if (device === TARGET) counts[stream] += 1;
      text += lineOf(stream, seq, START_MS + seq * every * MS_PER_RECORD, device);
      if (text.length >= BLOCK_BYTES) close();
    }
    if (text !== '') close();
    writeFileSync(path, Buffer.concat(members));
    await buildFileIndex(nodeFileSystem, path);
  }
  parentPort.postMessage({ counts, bytes });
}

function jobsFor(records) {
  const jobs = [];
  for (const [stream, share, every] of [
    ['access', 0.9, 1.11],
    ['security', 0.1, 10],
  ]) {
    const lines = Math.round(records * share);
    for (let from = 1, number = 1; from <= lines; from += LINES_PER_FILE, number += 1) {
      jobs.push({ stream, number, from, to: Math.min(lines + 1, from + LINES_PER_FILE), every });
    }
  }
  return jobs;
}

async function main() {
  const { values } = parseArgs({
    options: {
      records: { type: 'string', default: '10000000' },
      devices: { type: 'string', default: '100000' },
      runs: { type: 'string', default: '5' },
      directory: { type: 'string', default: tmpdir() },
    },
  });
  const [records, devices, runs] = [values.records, values.devices, values.runs].map(Number);
  const isSane = (value, most) => Number.isInteger(value) && value > 0 && value <= most;
  if (!isSane(records, 10_000_000) || !isSane(devices, 1_000_000) || !isSane(runs, 100)) {
    process.stderr.write(
      'bench/audit-query.mjs: at most 10000000 records, 1000000 devices, 100 runs\n',
    );
    process.exit(2);
  }
  if (devices <= TARGET) throw new RangeError(`--devices must be more than ${TARGET}`);
  const directory = mkdtempSync(join(values.directory, 'breakwater-bench-audit-'));
  try {
    await run({ directory, records, devices, runs });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function run({ directory, records, devices, runs }) {
  const startMs = performance.now();
  const jobs = jobsFor(records);
  const threads = Math.min(availableParallelism(), jobs.length);
  const made = await Promise.all(
    Array.from({ length: threads }, (_, thread) => {
      const mine = jobs.filter((_job, at) => at % threads === thread);
      const worker = new Worker(fileURLToPath(import.meta.url), {
        workerData: { directory, jobs: mine, devices },
      });
      return new Promise((resolve, reject) =>
        worker.once('message', resolve).once('error', reject),
      );
    }),
  );
  const makeSeconds = (performance.now() - startMs) / 1000;
  const total = (of) => made.reduce((sum, one) => sum + of(one), 0);
  const expected = {
    access: total((m) => m.counts.access),
    security: total((m) => m.counts.security),
  };
  const sizeOf = (ending) =>
    readdirSync(directory)
      .filter((name) => name.endsWith(ending))
      .reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  const [tenant, device] = [tenantOf(TARGET), nameOf(TARGET)];
  const who = ['--tenant', tenant, '--device', device];
  const all = ['--limit', '0'];
  const questions = {
    device: [[...who, ...all], expected.access + expected.security],
    deviceDenials: [[...who, '--decision', 'deny', ...all], expected.security],
    deviceNewest100: [who, Math.min(100, expected.access + expected.security)],
    nobody: [['--tenant', tenant, '--device', 'no-such-device', ...all], 0],
  };
  const figures = {};
  for (const [name, [args, count]] of Object.entries(questions)) {
    figures[name] = ask(directory, args, { count, runs });
    process.stdout.write(`${name}: ${count} records, median ${figures[name].medianMs} ms\n`);
  }
  const unindexed = ask(directory, [...who, '--decision', 'deny', ...all, '--no-index'], {
    count: expected.security,
    runs: 1,
  });
  const help = ask(directory, ['--help'], { count: null, runs });
  const slowestMs = Math.max(figures.device.medianMs, figures.deviceDenials.medianMs);
  const report = {
    benchmark: 'audit-query',
    records,
    devices,
    cpus: availableParallelism(),
    load: loadavg()[0],
    textMiB: Math.round(total((m) => m.bytes) / 2 ** 20),
    compressedMiB: Math.round(sizeOf('.gz') / 2 ** 20),
    indexMiB: Math.round(sizeOf('.idx') / 2 ** 20),
    makeSeconds: Math.round(makeSeconds),
    processStartMs: help.medianMs,
    ...figures,
    withoutIndexMs: unindexed.medianMs,
    ratio: Number((unindexed.medianMs / figures.deviceDenials.medianMs).toFixed(1)),
    targetMs: TARGET_MS,
    targetMet: slowestMs < TARGET_MS,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

const bin = fileURLToPath(new URL('../bin/breakwater.js', import.meta.url));

function ask(directory, args, { count, runs }) {
  const tookMs = [];
  for (let turn = 0; turn < runs; turn += 1) {
    const startMs = performance.now();
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [bin, 'audit', 'query', '--dir', directory, '--json', ...args],
      { encoding: 'utf8', maxBuffer: 2 ** 28 },
    );
    tookMs.push(performance.now() - startMs);
    if (status !== 0) throw new Error(`audit query ${args.join(' ')}: ${stderr}`);
    if (count !== null && JSON.parse(stdout).length !== count) {
      throw new Error(
        `audit query ${args.join(' ')} gave ${JSON.parse(stdout).length}, not ${count}`,
      );
    }
  }
  tookMs.sort((a, b) => a - b);
  const at = (share) => Math.round(tookMs[Math.floor(share * (tookMs.length - 1))]);
  return { medianMs: at(0.5), bestMs: at(0), worstMs: at(1), records: count };
}

if (isMainThread) await main();
else await makeFiles(workerData);
