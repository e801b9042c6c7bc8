/**
 * One client of bench/storm.mjs, in a process of its own: either a storm (`count` devices that all
 * connect at once, each again until it is served or has given up) or a steady one (a new connection
 * every `everyMs`, whether or not the last is done, until it is told to stop). Served means:
 * connected, full mutual-TLS handshake without a session, ApiVersions asked and answered.
 *
 * Options come as one JSON argument; what happened goes back over IPC as {kind: 'done', ...}.
 */
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { setPriority } from 'node:os';
import { connect as connectTls, createSecureContext } from 'node:tls';

const options = JSON.parse(process.argv[2]);
const { port, sources, niceness } = options;
if (niceness !== undefined) setPriority(niceness);
const secureContext = createSecureContext({
  ca: readFileSync(options.ca),
  cert: readFileSync(options.cert),
  key: readFileSync(options.key),
});
/** ApiVersions v0, correlation id 1, client id "storm". */
const REQUEST = Buffer.from('0000000f0012000000000001000573746f726d', 'hex');

const sourceOf = (index) => sources[index % sources.length];

/** Resolves with the milliseconds until it was served; rejects when it was not. */
function connectOnce(index) {
  const { localAddress, servername } = sourceOf(index);
  return new Promise((resolve, reject) => {
    const beganMs = performance.now();
    const raw = connectTcp({ host: '127.0.0.1', port, localAddress });
    const socket = connectTls({
      socket: raw,
      servername,
      secureContext,
      checkServerIdentity: () => undefined,
    });
    const timer = setTimeout(() => socket.destroy(new Error('ETIMEDOUT')), options.timeoutMs);
    const fail = (error) => {
      clearTimeout(timer);
      socket.destroy();
      raw.destroy();
      reject(error);
    };
    raw.once('error', fail);
    socket.once('error', fail);
    socket.once('close', () => fail(new Error('closed')));
    socket.once('secureConnect', () => socket.write(REQUEST));
    socket.once('data', () => {
      clearTimeout(timer);
      resolve(performance.now() - beganMs);
      socket.destroy();
    });
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function storm() {
  const { count, backoffMs } = options;
  const failures = {};
  let served = 0;
  let attempts = 0;
  const device = async (index) => {
    for (let attempt = 1; attempt <= sourceOf(index).attemptsMax; attempt++) {
      attempts++;
      const error = await connectOnce(index).then(
        () => null,
        (cause) => cause,
      );
      if (error === null) {
        served++;
        return;
      }
      const what = error.code ?? error.message;
      failures[what] = (failures[what] ?? 0) + 1;
      await pause(backoffMs);
    }
  };
  const beganMs = performance.now();
  const devices = [];
  for (let index = 0; index < count; index++) {
    devices.push(device(index));
    // As fast as one process opens them, each beginning its handshake when it is connected.
    if (index % 20 === 19) await new Promise((resolve) => setImmediate(resolve));
  }
  const openedMs = Math.round(performance.now() - beganMs);
  await Promise.all(devices);
  const seconds = (performance.now() - beganMs) / 1000;
  process.send({ kind: 'done', served, attempts, failures, openedMs, seconds });
}

async function steady() {
  const tookMs = [];
  let failed = 0;
  const inFlight = new Set();
  let index = 0;
  const tick = setInterval(() => {
    const one = connectOnce(index++)
      .then((ms) => tookMs.push(ms))
      .catch(() => failed++)
      .finally(() => inFlight.delete(one));
    inFlight.add(one);
  }, options.everyMs);
  await new Promise((resolve) => process.once('message', resolve));
  clearInterval(tick);
  await Promise.all(inFlight);
  process.send({ kind: 'done', tookMs, failed });
}

await (options.mode === 'storm' ? storm() : steady());
process.disconnect();
