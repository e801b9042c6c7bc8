/**
 * Fetches the clients in Python and Go that the tests of consumer groups and of SASL use, the two
 * policy decision points that the tests of the external authorizer ask, and schemathesis, which tries
 * the admin API by its OpenAPI document.
 *
 * Owns five git-ignored directories: `.cache/kafka-python` and `.cache/schemathesis` (virtual
 * environments with what test/interop/python-consumer/requirements.txt and
 * test/interop/schemathesis/requirements.txt pin), `.cache/go-consumer` (the program of
 * test/interop/go-consumer), `.cache/cerbos` (the npm package that test/interop/pdp/cerbos pins) and
 * `.cache/opa` (built from what test/interop/pdp/opa pins). Invariant: a directory is complete if and only if its `stamp` file
 * equals the hash of what it was made from, so a run that is already up to date costs milliseconds.
 *
 * Usage: node scripts/fetch-client-tools.mjs    exit code 0 when all are ready
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, '.cache');
const goSources = join(root, 'test', 'interop', 'go-consumer');
const opaSources = join(root, 'test', 'interop', 'pdp', 'opa');
const cerbosSources = ['package.json', 'package-lock.json'].map((name) =>
  join(root, 'test', 'interop', 'pdp', 'cerbos', name),
);
const requirementsOf = (folder) => join(root, 'test', 'interop', folder, 'requirements.txt');

const hashOf = (files) => {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
};

const run = (command, args, options = {}) => {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 300_000, ...options });
  if (result.error !== undefined) throw new Error(`${command}: ${result.error.message}`);
  if (result.status !== 0) {
    throw new Error(`${command} failed (${result.status}):\n${result.stdout}${result.stderr}`);
  }
};

/** A virtual environment names its own place, so it is made where it stays: the stamp comes last. */
const prepare = (name, sources, make) => {
  const directory = join(cache, name);
  const stamp = hashOf(sources);
  const file = join(directory, 'stamp');
  if (existsSync(file) && readFileSync(file, 'utf8') === stamp) return;
  console.log(`preparing ${name}`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  make(directory);
  writeFileSync(file, stamp);
};

const makePython = (requirements) => (into) => {
  run('python3', ['-m', 'venv', into]);
  const options = ['--quiet', '--require-hashes', '--only-binary=:all:', '-r', requirements];
  run(join(into, 'bin', 'pip'), ['install', ...options]);
};

const makeGo = (cwd, program) => (into) => {
  const options = ['-mod=readonly', '-buildvcs=false', '-trimpath', '-o', join(into, program)];
  const env = { ...process.env, CGO_ENABLED: '0' };
  run('go', ['build', ...options, '.'], { cwd, env, timeout: 900_000 });
};

const makeCerbos = (into) => {
  for (const file of cerbosSources) copyFileSync(file, join(into, basename(file)));
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: into });
};

const attempt = (name, sources, make) => {
  try {
    prepare(name, sources, make);
  } catch (error) {
    console.error(`${name} not available: ${error.message}`);
    process.exitCode = 1;
  }
};

const attemptPython = (name, folder) => {
  const requirements = requirementsOf(folder);
  attempt(name, [requirements], makePython(requirements));
};

attemptPython('kafka-python', 'python-consumer');
attemptPython('schemathesis', 'schemathesis');
const goFiles = (folder) => ['go.mod', 'go.sum', 'main.go'].map((name) => join(folder, name));
attempt('go-consumer', goFiles(goSources), makeGo(goSources, 'go-consumer'));
attempt('opa', goFiles(opaSources), makeGo(opaSources, 'opa'));
attempt('cerbos', cerbosSources, makeCerbos);
