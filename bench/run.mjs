/**
 * `npm run bench`: makes ready what the benchmark needs (Kafka's jars, its own compiled code in the
 * git-ignored .cache/bench), then runs bench/main.ts with the arguments given.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = join(root, '.cache', 'bench');

const run = (script, ...args) => {
  const result = spawnSync(process.execPath, [join(root, script), ...args], { stdio: 'inherit' });
  if (result.status !== 0) process.exit(1);
};

run('scripts/fetch-java-tools.mjs');
rmSync(compiled, { recursive: true, force: true });
run('node_modules/typescript/bin/tsc', '-p', join(root, 'bench', 'tsconfig.json'));
const { main } = await import(pathToFileURL(join(compiled, 'bench', 'main.js')).href);
await main(process.argv.slice(2));
