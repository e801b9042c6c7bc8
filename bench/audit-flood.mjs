/**
 * What a flood of refusals and of failed handshakes costs a neighbour, and whether the access log
 * stays whole. Principals of acme, many of them, ask without a pause for what they may not have,
 * while strangers fail handshakes (no certificate, a wrong CA, bytes that are no TLS); globex
 * produces and fetches at a steady pace that does not wait for answers, as it did in the quiet
 * before. Needs a build.
 *
 *   node bench/audit-flood.mjs [--seconds 10] [--rounds 2] [--principals 32] [--strangers 16]
 *                              [--every-ms 25] [--directory DIR]
 *
 * Measured at the victim is the time from the sending of a record (acks=all) to its arrival in a
 * parked Fetch on another connection. Broker, flood and victim are three processes on one machine;
 * the flood runs at the lowest priority, so that the victim sees the broker's work and not the
 * loader's. Both values are of one run, of rounds of quiet and flood in turn. The data folder is in memory where there is such a folder: a
 * disk that others use has a p99 of its own.
 *
 * Afterwards the log is counted: each denial and each authentication of the victim must stand there
 * by itself, and the flood's, counted lines included, must add up to the refusals that it was
 * answered. The last line is one JSON object; the exit code is 1 where the log is not whole.
 */
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const RATIO_TARGET = 2;
const MEMORY = '/dev/shm';
const READY_MS = 30_000;
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '2' },
    principals: { type: 'string', default: '32' },
    strangers: { type: 'string', default: '16' },
    'every-ms': { type: 'string', default: '25' },
    directory: { type: 'string', default: existsSync(MEMORY) ? MEMORY : tmpdir() },
  },
});
const number = (name, least, most) => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  process.stderr.write(`bench/audit-flood.mjs: --${name} is from ${least} to ${most}\n`);
  return process.exit(2);
};
const seconds = number('seconds', 1, 600);
const rounds = number('rounds', 1, 100);
const principals = number('principals', 1, 500);
const strangers = number('strangers', 0, 200);
const everyMs = number('every-ms', 1, 1000);

const inRepository = (path) => fileURLToPath(new URL(path, import.meta.url));
const bin = inRepository('../bin/breakwater.js');
const directory = mkdtempSync(join(values.directory, 'breakwater-bench-audit-flood-'));
const certs = join(directory, 'certs');
const data = join(directory, 'data');
const minted = join(directory, 'minted');

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function startBroker(port) {
  const child = spawn(process.execPath, [bin, 'serve', '--dev'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      BREAKWATER_DATA_DIR: data,
      BREAKWATER_CERTS_DIR: certs,
      BREAKWATER_PORT: String(port),
      BREAKWATER_ADMIN_PORT: '0',
      BREAKWATER_SASL_PORT: '0',
      BREAKWATER_LOG_LEVEL: 'fatal',
    },
  });
  const late = setTimeout(() => child.kill('SIGKILL'), READY_MS);
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  clearTimeout(late);
  if (!String(line).startsWith('ready')) throw new Error('the broker did not start');
  return child;
}

/** Principals that the tenant's CA made, as many as it likes. */
function mintPrincipals() {
  const list = join(directory, 'minted.csv');
  const names = Array.from({ length: principals }, (_, n) => `minted-${n}`);
  writeFileSync(list, ['device', ...names, ''].join('\n'));
  const args = ['cert', 'bulk', list, '--tenant', 'acme', '--out', minted, '--pki', certs];
  execFileSync(process.execPath, [bin, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  return names.map((name) => join(minted, name));
}

function startClient(options) {
  const child = fork(inRepository('audit-flood-client.mjs'), [JSON.stringify(options)]);
  const done = Promise.race([
    once(child, 'message').then(([message]) => message),
    once(child, 'exit').then(([code]) => {
      throw new Error(`a client ended with ${code}`);
    }),
  ]);
  return { child, done };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const rounded = (value, digits = 2) => Number(value.toFixed(digits));

/** Runs the victim for as long as `during` lasts. */
async function measured(port, label, during) {
  const ca = join(certs, 'ca.crt');
  const { child, done } = startClient({ mode: 'victim', port, ca, certs, everyMs, label });
  await during();
  child.send('stop');
  return await done;
}

function figuresOf(victims) {
  const sorted = victims.flatMap(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const at = (share) => rounded(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN);
  const failed = victims.reduce((sum, victim) => sum + victim.failed, 0);
  return { records: sorted.length, failed, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

function auditLines() {
  const folder = join(data, 'audit');
  return readdirSync(folder)
    .filter((name) => name.startsWith('security-') && name.endsWith('.ndjson'))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** What the log should have, and what it has. */
function judge(lines, { victims, flood }) {
  const counts = (keep) => lines.filter(keep).reduce((sum, line) => sum + (line.count ?? 1), 0);
  const own = lines.filter(({ tenant }) => tenant === 'globex');
  const denials = own.filter(({ type, decision }) => type === 'access' && decision === 'deny');
  const resources = new Map();
  for (const { resource, count = 1 } of denials) {
    resources.set(resource, (resources.get(resource) ?? 0) + count);
  }
  const asked = victims.flatMap(({ denied }) => denied);
  const authentications = own.filter(
    ({ type, outcome }) => type === 'authentication' && outcome === 'success',
  ).length;
  const numbers = lines.map(({ seq }) => seq);
  return {
    victimDenials: asked.length,
    victimDenialsRecorded: asked.filter((name) => resources.get(name) === 1).length,
    victimDenialLines: denials.length,
    victimConnections: victims.reduce((sum, { connected }) => sum + connected, 0),
    victimAuthentications: authentications,
    floodRefusals: flood.refused,
    floodRefusalsRecorded: counts(
      ({ tenant, type, decision }) => tenant === 'acme' && type === 'access' && decision === 'deny',
    ),
    strangersFailed: flood.strangers,
    strangersRecorded: counts(
      ({ tenant, decision }) => (tenant ?? null) === null && decision === 'deny',
    ),
    lost: lines.filter(({ reason }) => reason === 'audit-lines-lost').length,
    gaps: numbers.filter((seq, index) => index > 0 && seq !== numbers[index - 1] + 1).length,
    lines: lines.length,
  };
}

const isWhole = (log) =>
  log.victimDenialsRecorded === log.victimDenials &&
  log.victimDenialLines === log.victimDenials &&
  log.victimAuthentications === log.victimConnections &&
  log.floodRefusalsRecorded === log.floodRefusals &&
  log.lost === 0 &&
  log.gaps === 0;

let broker;
const stopBroker = async () => {
  if (broker === undefined || broker.exitCode !== null) return;
  const ended = once(broker, 'exit');
  broker.kill('SIGTERM');
  await ended;
};
try {
  const loadBefore = rounded(loadavg()[0]);
  const port = await freePort();
  broker = await startBroker(port);
  const people = mintPrincipals();
  const warmUp = await measured(port, 'warm', () => pause(2000)); // The first compile the code.
  const quiet = [];
  const flooded = [];
  const flood = { refused: 0, requests: 0, strangers: 0 };
  for (let round = 0; round < rounds; round += 1) {
    quiet.push(await measured(port, `quiet${round}`, () => pause(seconds * 1000)));
    const victim = await measured(port, `flood${round}`, async () => {
      await pause(200); // The victim has its pace before it begins.
      const ca = join(certs, 'ca.crt');
      const foreign = join(certs, 'operator');
      const options = {
        mode: 'flood',
        niceness: 19,
        port,
        ca,
        people,
        strangers,
        foreign,
        seconds,
      };
      const sent = await startClient(options).done;
      for (const name of Object.keys(flood)) flood[name] += sent[name];
    });
    flooded.push(victim);
    await pause(1500); // What was counted for the running second is written.
  }
  await stopBroker();
  const log = judge(auditLines(), { victims: [warmUp, ...quiet, ...flooded], flood });
  const calm = figuresOf(quiet);
  const rough = figuresOf(flooded);
  const floodSeconds = rounds * seconds;
  const figures = {
    bench: 'audit-flood',
    principals,
    strangers,
    rounds,
    seconds,
    refusalsPerSecond: Math.round(flood.refused / floodSeconds),
    requestsPerSecond: Math.round(flood.requests / floodSeconds),
    failedHandshakesPerSecond: Math.round(flood.strangers / floodSeconds),
    quiet: calm,
    flooded: rough,
    p99Ratio: rounded(rough.p99Ms / calm.p99Ms),
    targetRatio: RATIO_TARGET,
    log,
    isLogWhole: isWhole(log),
    cores: availableParallelism(),
    directory: values.directory,
    loadBefore,
  };
  if (!figures.isLogWhole) process.exitCode = 1;
  process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  await stopBroker();
  rmSync(directory, { recursive: true, force: true });
}
