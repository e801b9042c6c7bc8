/**
 * What the audit log costs: an access that repeats, one that is new, a denial, and how many security
 * records a second become durable with 1, 10 and 100 waiting at a time. Needs a build.
 *
 *   node bench/audit.mjs [--directory DIR]
 *
 * The last line is one JSON object; costs are medians of several rounds, in CPU time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileAuditLog } from '../dist/audit/file-audit-log.js';

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

const option = process.argv.indexOf('--directory');
const parent = option === -1 ? tmpdir() : process.argv[option + 1];
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
  console.log(JSON.stringify({ ...costs, durablePerSecond: durable }));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
