/**
 * What a tenant that floods costs its neighbour: acme has `connections` open and sends on each as
 * fast as it is answered (or, with --quota, against a limit that it exceeds by far), while globex
 * writes at a steady pace. Needs a build.
 *
 *   node bench/neighbour.mjs [--connections 200] [--value-bytes 16384] [--seconds 15]
 *                            [--quota BYTES_PER_SECOND] [--directory DIR]
 *
 * Measured is, at globex, request to answer (acks=all) and how many were answered, alone and beside
 * acme, in one run. The data folder is in memory where there is such a folder: a disk that others use
 * has a p99 of its own. Broker and loads are three processes; acme's runs at the lowest priority,
 * so that what globex sees is the broker's work: tenants have machines of their own.
 */
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const RATIO_TARGET = 2;
const MEMORY = '/dev/shm';
const STEADY = { connections: 4, everyMs: 20, valueBytes: 1024 };
const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '200' },
    'value-bytes': { type: 'string', default: '16384' },
    seconds: { type: 'string', default: '15' },
    quota: { type: 'string' },
    directory: { type: 'string', default: existsSync(MEMORY) ? MEMORY : tmpdir() },
  },
});
const [connections, valueBytes, seconds] = ['connections', 'value-bytes', 'seconds'].map((name) =>
  Number(values[name]),
);
const inRepository = (path) => fileURLToPath(new URL(path, import.meta.url));
const directory = mkdtempSync(join(values.directory, 'breakwater-bench-neighbour-'));
const certs = join(directory, 'certs');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function startBroker() {
  const child = spawn(process.execPath, [inRepository('../bin/breakwater.js'), 'serve', '--dev'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      BREAKWATER_DATA_DIR: join(directory, 'data'),
      BREAKWATER_CERTS_DIR: certs,
      BREAKWATER_PORT: '0',
      BREAKWATER_ADMIN_PORT: '0',
      BREAKWATER_SASL_PORT: '0',
      // The flood must not fill the memory that the folder is in.
      BREAKWATER_LOG_RETENTION_BYTES: String(64 * 1024 * 1024),
      BREAKWATER_LOG_SEGMENT_BYTES: String(16 * 1024 * 1024),
      BREAKWATER_LOG_RETENTION_CHECK_INTERVAL_MS: '1000',
      BREAKWATER_LOG_LEVEL: 'error',
    },
  });
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  const text = String(line);
  if (!text.startsWith('ready')) throw new Error('the broker did not start');
  return { child, text };
}

async function startLoad(port, tenant, load) {
  const person = join(certs, tenant, 'device-1');
  const all = {
    port,
    clientId: `${tenant}-load`,
    ca: join(certs, 'ca.crt'),
    cert: `${person}.crt`,
    key: `${person}.key`,
    ...load,
  };
  const child = fork(inRepository('neighbour-client.mjs'), [JSON.stringify(all)]);
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error(`the load of ${tenant} ended`);
    }),
  ]);
  const take = async () => {
    child.send('take');
    const [taken] = await once(child, 'message');
    return taken;
  };
  return { child, take };
}

async function measured(load, during) {
  await load.take();
  const beganMs = performance.now();
  await pause(during * 1000);
  const { tookMs, failed } = await load.take();
  const took = (performance.now() - beganMs) / 1000;
  const sorted = [...tookMs].sort((a, b) => a - b);
  const at = (share) => Number(sorted[Math.ceil(share * sorted.length) - 1]?.toFixed(2));
  return {
    perSecond: Number((sorted.length / took).toFixed(1)),
    failed,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
  };
}

/** User and system time of a process in seconds, where the system tells. */
function cpuSeconds({ pid }) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}

const portOf = (text, name) => Number(new RegExp(`${name} \\S*?:(\\d+)`).exec(text)?.[1]);
let broker;
const loads = [];
try {
  const loadBefore = Number(loadavg()[0].toFixed(2));
  const started = await startBroker();
  broker = started.child;
  const port = portOf(started.text, 'mTLS');
  const adminPort = Number(/admin https:\S+?:(\d+)/.exec(started.text)?.[1]);
  if (values.quota !== undefined) {
    execFileSync(
      process.execPath,
      [
        inRepository('../bin/breakwater.js'),
        ...['quota', 'set', '--tenant', 'acme', `producer_byte_rate=${values.quota}`],
      ],
      {
        env: {
          ...process.env,
          BREAKWATER_ADMIN_URL: `https://localhost:${adminPort}`,
          BREAKWATER_CERTS_DIR: certs,
        },
      },
    );
  }
  const steady = await startLoad(port, 'globex', STEADY);
  loads.push(steady);
  await pause(3000); // The code is compiled.
  const alone = await measured(steady, seconds);
  const flood = await startLoad(port, 'acme', { connections, valueBytes, niceness: 19 });
  loads.push(flood);
  await pause(2000);
  await flood.take();
  const cpuBefore = cpuSeconds(broker);
  const beside = await measured(steady, seconds);
  const floodedCount = (await flood.take()).tookMs.length;
  const cpuUs = ((cpuSeconds(broker) - cpuBefore) * 1e6) / floodedCount;
  const flooded = floodedCount / seconds;
  const figures = {
    bench: 'neighbour',
    connections,
    valueBytes,
    quotaBytesPerSecond: values.quota === undefined ? null : Number(values.quota),
    flood: {
      requestsPerSecond: Math.round(flooded),
      brokerCpuUsPerRequest: Number(cpuUs.toFixed(1)),
      mibPerSecond: Number(((flooded * valueBytes) / 2 ** 20).toFixed(1)),
    },
    alone,
    beside,
    p99Ratio: Number((beside.p99Ms / alone.p99Ms).toFixed(2)),
    throughputRatio: Number((beside.perSecond / alone.perSecond).toFixed(3)),
    targetRatio: RATIO_TARGET,
    cores: availableParallelism(),
    loadBefore,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  for (const { child } of loads) if (child.connected) child.send('stop');
  if (broker !== undefined && broker.exitCode === null) {
    const ended = once(broker, 'exit');
    broker.kill('SIGTERM');
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
}
