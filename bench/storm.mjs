/**
 * What a reconnect storm of one tenant costs the others: `count` devices of acme connect at once,
 * while globex opens a new connection every few milliseconds, as it did in the quiet before. Needs a
 * build.
 *
 *   node bench/storm.mjs [--count 5000] [--quiet-seconds 15] [--every-ms 40] [--shared-address]
 *                        [--directory DIR]
 *
 * The storm comes from two loopback addresses, a third of it asks for the victim's server name; with
 * --shared-address it comes from the victim's own address under its own name, as behind one NAT.
 *
 * Measured is, at the victim, connect() to the first answer: TCP, queue, full mutual-TLS handshake,
 * the durable record of the authentication, ApiVersions. Broker, storm and victim are three processes
 * on one machine; the storm runs at the lowest priority, so that what the victim sees is the broker's
 * work and not the loader's: devices have processors of their own. Both values are of one run, and
 * the victim's pace does not wait for answers. The data folder is in memory where there is such a
 * folder (--directory says otherwise): a record of an authentication waits for the disk, and a disk
 * that others use has a p99 of its own, which says nothing of the order of handshakes.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const RATIO_TARGET = 3;
const DOMAIN = 'kafka.example';
const VICTIM = '127.0.0.1';
const READY_MS = 30_000;
const MEMORY = '/dev/shm';
const WAIT_MS = 90_000;
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '5000' },
    'quiet-seconds': { type: 'string', default: '15' },
    'every-ms': { type: 'string', default: '40' },
    directory: { type: 'string', default: existsSync(MEMORY) ? MEMORY : tmpdir() },
    'shared-address': { type: 'boolean', default: false },
  },
});
const number = (name, most) => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  process.stderr.write(`bench/storm.mjs: --${name} is a number from 1 to ${most}\n`);
  return process.exit(2);
};
const count = number('count', 9000);
const quietSeconds = number('quiet-seconds', 600);
const everyMs = number('every-ms', 1000);

const inRepository = (path) => fileURLToPath(new URL(path, import.meta.url));
const directory = mkdtempSync(join(values.directory, 'breakwater-bench-storm-'));
const certs = join(directory, 'certs');

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function startBroker(port) {
  const child = spawn(process.execPath, [inRepository('../bin/breakwater.js'), 'serve', '--dev'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      BREAKWATER_DATA_DIR: join(directory, 'data'),
      BREAKWATER_CERTS_DIR: certs,
      BREAKWATER_PORT: String(port),
      BREAKWATER_ADMIN_PORT: '0',
      BREAKWATER_SASL_PORT: '0',
      BREAKWATER_TENANT_DOMAIN: DOMAIN,
      // The whole storm may wait: each device comes once, and is served in the end.
      BREAKWATER_HANDSHAKE_TIMEOUT_MS: String(WAIT_MS),
      BREAKWATER_LOG_LEVEL: 'error',
    },
  });
  const late = setTimeout(() => child.kill('SIGKILL'), READY_MS);
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  clearTimeout(late);
  if (!String(line).startsWith('ready')) throw new Error('the broker did not start');
  return child;
}

function startClient(port, tenant, options) {
  const person = join(certs, tenant, 'device-1');
  const all = {
    port,
    ca: join(certs, 'ca.crt'),
    cert: `${person}.crt`,
    key: `${person}.key`,
    timeoutMs: WAIT_MS,
    ...options,
  };
  const child = fork(inRepository('storm-client.mjs'), [JSON.stringify(all)]);
  const done = Promise.race([
    once(child, 'message').then(([message]) => message),
    once(child, 'exit').then(([code]) => {
      throw new Error(`a client ended with ${code}`);
    }),
  ]);
  return { child, done };
}

const named = (tenant) => `${tenant}.${DOMAIN}`;
const victimOf = (port) =>
  startClient(port, 'globex', {
    mode: 'steady',
    everyMs,
    sources: [{ localAddress: VICTIM, servername: named('globex') }],
  });
const stormOf = (port) =>
  startClient(port, 'acme', {
    mode: 'storm',
    niceness: 19,
    count,
    backoffMs: 500,
    sources: values['shared-address']
      ? [{ localAddress: VICTIM, servername: named('acme'), attemptsMax: 10 }]
      : [
          { localAddress: '127.0.0.2', servername: named('acme'), attemptsMax: 10 },
          // Refused at the end of its handshake, and not before.
          { localAddress: '127.0.0.2', servername: named('globex'), attemptsMax: 1 },
          { localAddress: '127.1.0.2', servername: named('acme'), attemptsMax: 10 },
        ],
  });

/** Runs the victim for as long as `during` lasts. */
async function measured(port, during) {
  const { child, done } = victimOf(port);
  await during();
  child.send('stop');
  return figuresOf(await done);
}

function figuresOf({ tookMs, failed }) {
  const sorted = [...tookMs].sort((a, b) => a - b);
  const at = (share) => Number(sorted[Math.ceil(share * sorted.length) - 1]?.toFixed(2));
  return { connections: sorted.length, failed, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let broker;
try {
  const loadBefore = Number(loadavg()[0].toFixed(2));
  const port = await freePort();
  broker = await startBroker(port);
  await measured(port, () => pause(2000)); // The first connections compile the code.
  const quiet = await measured(port, () => pause(quietSeconds * 1000));
  let storm;
  const stormy = await measured(port, async () => {
    await pause(200); // The victim has its pace before it begins.
    storm = await stormOf(port).done;
  });
  const { served, attempts, failures, openedMs, seconds } = storm;
  const figures = {
    bench: 'storm',
    devices: count,
    sharedAddress: values['shared-address'],
    served,
    attempts,
    failures,
    openedMs,
    stormSeconds: Number(seconds.toFixed(1)),
    servedPerSecond: Math.round(served / seconds),
    quiet,
    stormy,
    p99Ratio: Number((stormy.p99Ms / quiet.p99Ms).toFixed(2)),
    targetRatio: RATIO_TARGET,
    cores: availableParallelism(),
    directory: values.directory,
    loadBefore,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  if (broker !== undefined && broker.exitCode === null) {
    const ended = once(broker, 'exit');
    broker.kill('SIGTERM');
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
}
