/**
 * Produce throughput of a broker with its audit log against one without, by kcat, in turns. `batched`
 * is what producers do; `single` sends a record a request, so that every request is an access.
 */
import { fork, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BROKER = fileURLToPath(new URL('./audit-broker.mjs', import.meta.url));
const RECORD_BYTES = 1_024;
const LOADS = {
  batched: { records: 150_000, settings: ['linger.ms=5'] },
  single: { records: 20_000, settings: ['linger.ms=0', 'batch.num.messages=1'] },
};

async function startBroker(directory, mode) {
  const child = fork(BROKER, [mode], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: {
      ...process.env,
      BREAKWATER_DATA_DIR: join(directory, `data-${mode}`),
      BREAKWATER_CERTS_DIR: join(directory, 'certs'),
      BREAKWATER_PORT: '0',
      BREAKWATER_SASL_PORT: '0',
      BREAKWATER_ADMIN_PORT: '0',
    },
  });
  const port = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const ready = /^ready ([0-9]+)$/m.exec(text);
      if (ready !== null) resolve(Number(ready[1]));
    });
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)));
  });
  const cpuSeconds = () =>
    new Promise((resolve) => {
      child.once('message', resolve);
      child.send('cpu');
    });
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
  return { port, cpuSeconds, stop };
}

function produce(directory, port, file, settings) {
  const certs = join(directory, 'certs');
  const options = [
    'security.protocol=ssl',
    `ssl.ca.location=${join(certs, 'ca.crt')}`,
    `ssl.certificate.location=${join(certs, 'acme', 'device-1.crt')}`,
    `ssl.key.location=${join(certs, 'acme', 'device-1.key')}`,
    'acks=all',
    'queue.buffering.max.kbytes=262144',
    ...settings,
  ];
  const args = ['-P', '-t', 'telemetry', '-p', '0', '-b', `127.0.0.1:${port}`, '-l', file];
  return new Promise((resolve, reject) => {
    const child = spawn('kcat', [...args, ...options.flatMap((option) => ['-X', option])], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`kcat: ${code}`))));
  });
}

async function measure(directory, broker, file, { records, settings }) {
  const cpuBefore = await broker.cpuSeconds();
  const start = performance.now();
  await produce(directory, broker.port, file, settings);
  const seconds = (performance.now() - start) / 1_000;
  return { rate: records / seconds, cpu: (await broker.cpuSeconds()) - cpuBefore };
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Per load: records a second and processor seconds with and without, and their ratios. */
export async function measureProduce(directory, { rounds, scale }) {
  mkdirSync(directory, { recursive: true });
  const brokers = { on: await startBroker(directory, 'on') };
  brokers.off = await startBroker(directory, 'off');
  const figures = {};
  try {
    for (const [name, load] of Object.entries(LOADS)) {
      const records = Math.round(load.records * scale);
      const file = join(directory, `${name}.txt`);
      writeFileSync(file, `${'x'.repeat(RECORD_BYTES - 1)}\n`.repeat(records));
      const taken = { on: [], off: [] };
      for (let round = -1; round < rounds; round += 1) {
        for (const mode of round % 2 === 0 ? ['on', 'off'] : ['off', 'on']) {
          const result = await measure(directory, brokers[mode], file, { ...load, records });
          if (round >= 0) taken[mode].push(result);
        }
      }
      const of = (mode, what) => median(taken[mode].map((one) => one[what]));
      figures[name] = {
        onPerSecond: Math.round(of('on', 'rate')),
        offPerSecond: Math.round(of('off', 'rate')),
        throughputRatio: of('on', 'rate') / of('off', 'rate'),
        cpuRatio: of('on', 'cpu') / of('off', 'cpu'),
      };
    }
  } finally {
    for (const broker of Object.values(brokers)) await broker.stop();
  }
  return figures;
}
