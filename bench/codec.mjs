/**
 * The codec against plain closures over the same tables (test/protocol/closure-codec.ts), in turn,
 * A B A B in one run: Produce v9 with one batch of 1 KiB, Fetch v12 with 10 topics of 10 partitions,
 * Metadata v12 with 500 topics of 3 partitions. Many messages are warmed first, as in a broker: a
 * codec that meets one message only looks faster than it is. Needs a build.
 *
 *   node bench/codec.mjs
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { decodeBody, encodeBody } from '../dist/protocol/codec.js';
import { apiSchemas } from '../dist/protocol/schemas/index.js';
import { Writer } from '../dist/protocol/writer.js';

const ROUNDS = 9;
const ROUND_MS = 60;

const { closureCodec } = await importOracle();

/** Compiles the oracle, which stands with the tests, into a folder of its own. */
async function importOracle() {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'breakwater-codec-bench-'));
  try {
    const source = join(root, 'test/protocol/closure-codec.ts');
    const flags = ['--ignoreConfig', '--noCheck', '--module', 'esnext', '--target', 'es2023'];
    const types = ['--moduleResolution', 'bundler', '--allowImportingTsExtensions'];
    const output = ['--rewriteRelativeImportExtensions', '--rootDir', root, '--outDir', folder];
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const run = spawnSync(process.execPath, [tsc, ...flags, ...types, ...output, source]);
    if (run.status !== 0) throw new Error(`tsc: ${run.stdout}${run.stderr}`);
    const compiled = join(folder, 'test/protocol/closure-codec.js');
    return await import(pathToFileURL(compiled).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const repeat = (count, make) => Array.from({ length: count }, (_, i) => make(i));

const metadataTopic = (t) => ({
  name: `telemetry.device-${t}`,
  topicId: Buffer.from(`topic-id-of-${`${t}`.padStart(4, '0')}`).toString('base64url'),
  partitions: repeat(3, (partitionIndex) => ({
    partitionIndex,
    leaderId: 1,
    leaderEpoch: 5,
    replicaNodes: [1, 2, 3],
    isrNodes: [1, 2, 3],
  })),
});

const fetchPartition = (partition) => ({
  partition,
  currentLeaderEpoch: 3,
  fetchOffset: 123_456_789,
  lastFetchedEpoch: 3,
  logStartOffset: 0,
  partitionMaxBytes: 1 << 20,
});

const cases = {
  produceV9: {
    message: apiSchemas[0].request,
    version: 9,
    value: {
      acks: -1,
      timeoutMs: 30_000,
      topicData: [
        { name: 'telemetry', partitionData: [{ index: 3, records: Buffer.alloc(1024, 7) }] },
      ],
    },
  },
  fetchV12: {
    message: apiSchemas[1].request,
    version: 12,
    value: {
      replicaId: -1,
      maxWaitMs: 500,
      minBytes: 1,
      topics: repeat(10, (t) => ({
        topic: `telemetry-${t}`,
        partitions: repeat(10, fetchPartition),
      })),
    },
  },
  metadataV12: {
    message: apiSchemas[3].response,
    version: 12,
    value: {
      clusterId: 'cluster',
      controllerId: 1,
      brokers: repeat(3, (nodeId) => ({ nodeId, host: `broker-${nodeId}.example`, port: 9093 })),
      topics: repeat(500, metadataTopic),
    },
  },
};

function encode(message, version, value) {
  const writer = new Writer();
  encodeBody(message, version, value, writer);
  return writer.finish();
}

/** Runs every message of the tables a few hundred times through both codecs. */
function warm() {
  for (const { request, response, maxVersion } of Object.values(apiSchemas)) {
    for (const message of [request, response]) {
      const oracle = closureCodec(message, maxVersion);
      const bytes = Buffer.concat(encode(message, maxVersion, {}));
      for (let i = 0; i < 200; i++) {
        const value = decodeBody(message, maxVersion, bytes, 0, bytes.length);
        encode(message, maxVersion, value);
        oracle.encode(oracle.decode(bytes).value);
      }
    }
  }
}

/** Nanoseconds a call, over about ROUND_MS. */
function time(run) {
  let calls = 0;
  const start = process.hrtime.bigint();
  const end = start + BigInt(ROUND_MS * 1e6);
  let now = start;
  do {
    for (let i = 0; i < 20; i++) run();
    calls += 20;
    now = process.hrtime.bigint();
  } while (now < end);
  return Number(now - start) / calls;
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** Both sides in turn; medians in ns, and the closures' time over ours. */
function compare(ours, closures) {
  const rounds = repeat(ROUNDS, () => [time(ours), time(closures)]);
  const [ns, closureNs] = [0, 1].map((side) => median(rounds.map((round) => round[side])));
  return {
    ns: Math.round(ns),
    closureNs: Math.round(closureNs),
    ratio: +(closureNs / ns).toFixed(2),
  };
}

warm();
const figures = {};
for (const [name, { message, version, value }] of Object.entries(cases)) {
  const oracle = closureCodec(message, version);
  const bytes = Buffer.concat(encode(message, version, value));
  const full = decodeBody(message, version, bytes, 0, bytes.length);
  if (!oracle.encode(full).equals(bytes)) throw new Error(`${name}: the codecs disagree`);
  figures[name] = {
    bytes: bytes.length,
    decode: compare(
      () => decodeBody(message, version, bytes, 0, bytes.length),
      () => oracle.decode(bytes),
    ),
    encode: compare(
      () => encode(message, version, full),
      () => oracle.encode(full),
    ),
  };
  const { decode, encode: encoded } = figures[name];
  console.log(
    `${name}: decode ${decode.ns} ns (closures ${decode.closureNs}), ` +
      `encode ${encoded.ns} ns (closures ${encoded.closureNs})`,
  );
}
console.log(JSON.stringify({ benchmark: 'codec', node: process.version, ...figures }));
