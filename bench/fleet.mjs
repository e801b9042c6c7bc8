/**
 * What the fleet view costs for a million devices: memory a device, the time that connections take
 * of it (begin, fold, end), how long the file takes to be made anew and to be read, and the longest
 * that the event loop stood still meanwhile. Needs a build.
 *
 *   node bench/fleet.mjs [--devices 1000000] [--tenants 10] [--directory DIR]
 *
 * Memory is what the process has more, in the heap and outside it, after all devices have come and
 * gone; the names and texts are as long as those of real devices. The last line is one JSON object.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '../dist/base/clock.js';
import { nodeFileSystem } from '../dist/base/file-system.js';
import { systemRandom } from '../dist/base/random.js';
import { ConnectionMeter } from '../dist/fleet/connection-meter.js';
import { Fleet } from '../dist/fleet/fleet.js';

const BYTES_TARGET = 300;
const CONNECTED = 100_000;
const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '1000000' },
    tenants: { type: 'string', default: '10' },
    directory: { type: 'string', default: tmpdir() },
  },
});
const number = (name, most) => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  process.stderr.write(`bench/fleet.mjs: --${name} is a number from 1 to ${most}\n`);
  return process.exit(2);
};
const devices = number('devices', 2_000_000);
const tenants = number('tenants', 1000);
if (!existsSync(values.directory)) process.exit(2);
const directory = mkdtempSync(join(values.directory, 'breakwater-bench-fleet-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const logger = { info() {}, warn: console.error, error: console.error, debug() {} };
const open = () =>
  Fleet.open({
    files: nodeFileSystem,
    directory,
    clock: systemClock,
    random: systemRandom,
    logger,
    // The bench says itself when to flush.
    settings: { devicesMax: devices, devicesPerTenantMax: devices, flushMs: 3_600_000 },
    isTenant: () => true,
  });

const keyIds = Array.from({ length: tenants }, () => systemRandom.bytes(32).toString('hex'));
const principalOf = (index) => ({
  principalType: 'User',
  name: `device-${String(index).padStart(7, '0')}`,
  tenant: `tenant-${index % tenants}`,
  kind: 'device',
  fleet: `plant-${index % 97}`,
  roles: [],
  authentication: 'mTLS',
  certificateSerial: null,
  expiresAtMs: 1_900_000_000_000,
  certificate: {
    issuerKeyId: keyIds[index % tenants],
    serial: `4F${index.toString(16).toUpperCase().padStart(36, '0')}`,
    validFromMs: 1_700_000_000_000,
  },
});

function memoryBytes() {
  for (let count = 0; count < 3; count++) globalThis.gc();
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return heapUsed + Math.max(external, arrayBuffers);
}

function connect(fleet, index) {
  const meter = new ConnectionMeter();
  const bytes = { bytesRead: 2000, bytesWritten: 900 };
  const address = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  const connection = fleet.connected(principalOf(index), address, bytes, meter);
  meter.request(`client-${index}`);
  meter.software('librdkafka', '2.5.0');
  return { connection, meter, bytes };
}

async function longestStallMs(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  await delay(20);
  histogram.enable();
  const beganMs = performance.now();
  await work();
  const tookMs = performance.now() - beganMs;
  await delay(20);
  histogram.disable();
  return { tookMs: Math.round(tookMs), stallMs: Math.round(histogram.max / 1e5) / 10 };
}

async function main() {
  if (globalThis.gc === undefined) {
    const { setFlagsFromString } = await import('node:v8');
    const { runInNewContext } = await import('node:vm');
    setFlagsFromString('--expose-gc');
    globalThis.gc = runInNewContext('gc');
  }
  const before = memoryBytes();
  let fleet = open();
  const beganMs = performance.now();
  for (let index = 0; index < devices; index++) {
    connect(fleet, index).connection.closed('peer-closed');
    if (index % 1000 === 0) await delay(0);
    if (index % 50_000 === 49_999) await fleet.flush();
  }
  const addUs = ((performance.now() - beganMs) * 1000) / devices;
  while (fleet.figures.diskBytes === 0) await fleet.flush();
  for (let round = 0; round < 12; round++) await fleet.flush();
  const bytesPerDevice = (memoryBytes() - before) / devices;

  // Those who are connected count, and are folded.
  const connected = [];
  for (let index = 0; index < Math.min(CONNECTED, devices); index++) {
    connected.push(connect(fleet, index * Math.floor(devices / Math.min(CONNECTED, devices))));
  }
  await fleet.flush();
  const countBeganMs = performance.now();
  for (let round = 0; round < 100; round++) {
    for (const { meter } of connected) meter.request('x');
  }
  const countNs = ((performance.now() - countBeganMs) * 1e6) / (100 * connected.length);
  for (const { bytes } of connected) bytes.bytesRead += 100;
  const fold = await longestStallMs(() => fleet.flush());
  const search = await longestStallMs(() =>
    fleet.list('tenant-0', { cursor: null, limit: 1000, prefix: '', matches: () => false }),
  );
  for (const { connection } of connected) connection.closed('peer-closed');
  await fleet.close();

  const beganReadMs = performance.now();
  fleet = open();
  const readMs = Math.round(performance.now() - beganReadMs);
  const kept = fleet.count;
  const snapshot = await longestStallMs(async () => {
    while (readdirSync(directory).length > 1) await fleet.flush();
  });
  const [file] = readdirSync(directory);
  const diskMiB = Math.round(statSync(join(directory, file)).size / 1048576);
  await fleet.close();
  const figures = {
    devices,
    kept,
    bytesPerDevice: Math.round(bytesPerDevice),
    bytesTarget: BYTES_TARGET,
    addUs: Math.round(addUs * 100) / 100,
    countNs: Math.round(countNs * 10) / 10,
    foldedConnections: connected.length,
    fold,
    searchOfOnePage: search,
    snapshot,
    diskMiB,
    readMs,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

await main();
