/**
 * How long the certificates of a fleet take: `cert bulk` as an operator runs it, in a production PKI
 * (every file synced), then the same command again with nothing left to do. Needs a build. The
 * target is 10,000 P-256 devices in under 10 s on two cores.
 *
 *   node bench/pki.mjs [--devices 10000] [--key-type p256] [--directory DIR]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createPki, createTenantCa } from '../dist/pki/pki-directory.js';

const TARGET_SECONDS = 10;
const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '10000' },
    'key-type': { type: 'string', default: 'p256' },
    directory: { type: 'string', default: tmpdir() },
  },
});
const devices = Number(values.devices);
if (!Number.isInteger(devices) || devices < 1 || devices > 1_000_000) {
  process.stderr.write('bench/pki.mjs: --devices is a number from 1 to 1000000\n');
  process.exit(2);
}

const bin = fileURLToPath(new URL('../bin/breakwater.js', import.meta.url));
const directory = mkdtempSync(join(values.directory, 'breakwater-bench-pki-'));

/** Wall clock seconds of one run, and what it says it did. */
function bulk() {
  const args = ['cert', 'bulk', '--pki', join(directory, 'pki'), '--tenant', 'acme', '--json'];
  const list = [join(directory, 'list.csv'), '--out', join(directory, 'out')];
  const startMs = performance.now();
  const run = spawnSync(
    process.execPath,
    [bin, ...args, ...list, '--key-type', values['key-type']],
    { encoding: 'utf8' },
  );
  const seconds = (performance.now() - startMs) / 1000;
  if (run.status !== 0) throw new Error(run.stderr);
  return { seconds: Number(seconds.toFixed(2)), ...JSON.parse(run.stdout) };
}

try {
  createTenantCa(createPki(join(directory, 'pki')), 'acme');
  const names = Array.from({ length: devices }, (_, at) => `device-${at},fleet-${at % 10}`);
  writeFileSync(join(directory, 'list.csv'), `device,fleet\n${names.join('\n')}\n`);
  const loadBefore = Number(loadavg()[0].toFixed(2));
  const first = bulk();
  const again = bulk();
  if (first.issued !== devices || again.kept !== devices) throw new Error('not all were issued');
  const figures = {
    bench: 'pki',
    devices,
    keyType: values['key-type'],
    seconds: first.seconds,
    perSecond: Math.round(devices / first.seconds),
    secondsToFindNothingMissing: again.seconds,
    targetSeconds: TARGET_SECONDS,
    cores: availableParallelism(),
    loadBefore,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
