/**
 * What the audit log costs: an access that repeats, one that is new, a denial; how many security
 * records a second become durable with 1, 10 and 100 waiting at a time; how fast a log is verified,
 * compressed but for its newest files; and the produce throughput of a broker with its audit log against one
 * without, in one run (needs kcat). Needs a build.
 *
 *   node bench/audit.mjs [--directory DIR] [--records 1000000] [--rounds 5] [--scale 1]
 *
 * The last line is one JSON object; costs are medians of several rounds, in CPU time.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileAuditLog } from '../dist/audit/file-audit-log.js';
import { makeSigningKey, readSigningKey, readVerifyingKey } from '../dist/audit/signing-key.js';
import { verifyAudit } from '../dist/audit/verifier.js';
import { nodeFileSystem } from '../dist/base/file-system.js';
import { measureProduce } from './audit-produce.mjs';

const ROUNDS = 7;
const NEW_ACCESSES = 20_000;
const REPEATS = 1_000_000;
const DURABLE_RECORDS = 2_000;

const subject = {
  connectionId: 'c0ffee',
  listener: 'mtls',
  remoteAddress: '10.1.2.3',
  remotePort: 50_000,
  tenant: 'acme',
  principal: 'User:device-1',
  fleet: 'dev',
  certificateSerial: '0A1B2C3D',
};
const access = (resourceName, allowed = true) => ({
  api: 'Produce',
  apiVersion: 12,
  clientId: 'pump-17',
  operation: 'WRITE',
  resourceType: 'TOPIC',
  resourceName,
  allowed,
  rule: allowed ? 'p, Fleet:dev, *, TOPIC, LITERAL, telemetry, WRITE, *, allow' : null,
  origin: allowed ? 'devices.csv:3' : null,
});

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

function cpuNs(count, run) {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1_000) / count;
}

async function rounds(count, log, run) {
  const results = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    results.push(cpuNs(count, () => run(round)));
    await log.durable();
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
  return median(results);
}

async function measureAccess(directory) {
  const log = openFileAuditLog({ directory, repeatEntriesMax: 1_000_000, denialsPerSecond: 1e9 });
  const topics = Array.from({ length: 16 }, (_, index) => access(`telemetry-${index}`));
  const repeat = (round) => {
    for (let index = 0; index < REPEATS; index += 1) log.access(subject, topics[index & 15]);
    return round;
  };
  repeat(0);
  const repeatNs = await rounds(REPEATS, log, repeat);
  const fresh = (allowed, prefix) => (round) => {
    for (let index = 0; index < NEW_ACCESSES; index += 1) {
      log.access(subject, access(`${prefix}-${round}-${index}`, allowed));
    }
  };
  const newUs = (await rounds(NEW_ACCESSES, log, fresh(true, 'new'))) / 1_000;
  const denialUs = (await rounds(NEW_ACCESSES, log, fresh(false, 'denied'))) / 1_000;
  await log.close();
  return { repeatNs, newUs, denialUs };
}

async function measureDurable(directory, waiting) {
  const log = openFileAuditLog({ directory });
  const record = { type: 'administration', outcome: 'success', reason: 'bench' };
  let left = DURABLE_RECORDS;
  const worker = async () => {
    for (; left > 0; left -= 1) {
      log.security(subject, record);
      await log.durable();
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: waiting }, worker));
  const seconds = (performance.now() - start) / 1_000;
  await log.close();
  return DURABLE_RECORDS / seconds;
}

/** A signed log of so many records in both streams, verified as it is and compressed. */
async function measureVerify(parent, records) {
  const directory = join(parent, 'log');
  mkdirSync(parent, { recursive: true });
  const { keyPath, publicPath } = makeSigningKey(parent);
  const signingKey = await readSigningKey(keyPath);
  const keys = [await readVerifyingKey(publicPath)];
  const keep = { days: 0, bytes: 0 };
  const log = openFileAuditLog({
    ...{ directory, signingKey, repeatWindowMs: 0, fileBytesMax: 64 * 1024 * 1024 },
    ...{ denialsPerSecond: 1e9, tenantDenialsPerSecond: 1e9, queueBytesMax: 64 * 1024 * 1024 },
    keeping: { isCompressing: true, security: keep, access: keep },
  });
  const start = performance.now();
  for (let at = 0; at < records; at += 1) {
    log.access(subject, access(`telemetry-${at}`, at % 10 !== 0));
    if (at % 20_000 === 19_999) {
      await log.durable();
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  }
  await log.durable();
  const writeSeconds = (performance.now() - start) / 1_000;
  await log.close();
  const verified = async () => {
    const begun = performance.now();
    const report = await verifyAudit({ files: nodeFileSystem, directory, keys });
    if (report.problems.length > 0) throw new Error(report.problems[0].what);
    const { security, access: allowed } = report.streams;
    return Math.round((security.records + allowed.records) / ((performance.now() - begun) / 1_000));
  };
  await verified();
  return { records, writeSeconds, verifiedPerSecond: await verified() };
}

const argument = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? otherwise : process.argv[at + 1];
};
const parent = argument('directory', tmpdir());
const directory = mkdtempSync(join(parent, 'breakwater-bench-audit-'));
try {
  const costs = await measureAccess(join(directory, 'access'));
  const durable = {};
  for (const waiting of [1, 10, 100]) {
    durable[waiting] = await measureDurable(join(directory, `durable-${waiting}`), waiting);
  }
  console.log(
    `repeat ${costs.repeatNs.toFixed(0)} ns, new access ${costs.newUs.toFixed(2)} us, ` +
      `denial ${costs.denialUs.toFixed(2)} us`,
  );
  for (const [waiting, rate] of Object.entries(durable)) {
    console.log(`${waiting} waiting: ${rate.toFixed(0)} durable records/s`);
  }
  const records = Number(argument('records', '1000000'));
  const verify = await measureVerify(join(directory, 'verify'), records);
  console.log(`verified ${verify.verifiedPerSecond} records/s of ${records}`);
  const rounds = Number(argument('rounds', '5'));
  const scale = Number(argument('scale', '1'));
  const produce = await measureProduce(join(directory, 'produce'), { rounds, scale });
  for (const [load, { onPerSecond, offPerSecond, throughputRatio }] of Object.entries(produce)) {
    const cost = ((1 - throughputRatio) * 100).toFixed(1);
    console.log(`${load}: ${onPerSecond} records/s with audit, ${offPerSecond} without: ${cost} %`);
  }
  console.log(JSON.stringify({ ...costs, durablePerSecond: durable, verify, produce }));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
