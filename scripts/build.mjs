/**
 * Builds dist/ from src/ when something it depends on has changed; does nothing, quickly, when not.
 *
 * Invariants: dist/ is only touched after a compilation without errors; every file in it is replaced
 * by rename, so a reader meets the old file or the new one, never half of one; one build at a time
 * (a lock file that names its process; a dead owner's lock is taken over), and who waited for
 * another's build looks again before building. Plain JavaScript: it runs before anything is built.
 *
 *   node scripts/build.mjs             build if needed
 *   node scripts/build.mjs --force     build anyway
 *   node scripts/build.mjs --no-check  emit even if types do not check (local experiments only)
 */
import { spawnSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const STAMP = join(DIST, '.stamp');
const LOCK = join(DIST, '.lock');
const STAGING = join(DIST, `.staging-${process.pid}`);
const LOCK_WAIT_MS = 120_000;

const INPUT_FILES = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

function filesUnder(folder) {
  const found = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...filesUnder(path));
    else found.push(path);
  }
  return found;
}

/** One line an input: name, size, time. A deleted or renamed source changes it too. */
function fingerprint() {
  const inputs = filesUnder(join(ROOT, 'src')).concat(INPUT_FILES.map((name) => join(ROOT, name)));
  const lines = [];
  for (const path of inputs.sort()) {
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts) lines.push(`${relative(ROOT, path)} ${facts.size} ${facts.mtimeMs}`);
  }
  return `${lines.join('\n')}\n`;
}

function isUpToDate(wanted) {
  try {
    return readFileSync(STAMP, 'utf8') === wanted && statSync(join(DIST, 'main.js')).isFile();
  } catch {
    return false;
  }
}

function ownerOfLock() {
  try {
    return Number(readFileSync(LOCK, 'utf8'));
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** The lock appears complete, process id included: it is written apart, then linked into place. */
function tryToLock() {
  const mine = `${LOCK}-${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, LOCK);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    unlinkSync(mine);
  }
}

/** Takes a dead owner's lock away by rename, so that of two takers only one removes it. */
function clearDeadLock(owner) {
  const aside = `${LOCK}-dead-${process.pid}`;
  try {
    renameSync(LOCK, aside);
    const moved = Number(readFileSync(aside, 'utf8'));
    if (moved !== owner && isAlive(moved)) linkSync(aside, LOCK);
    unlinkSync(aside);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
}

async function lock() {
  const deadline = Date.now() + LOCK_WAIT_MS;
  while (!tryToLock()) {
    const owner = ownerOfLock();
    if (owner !== undefined && !isAlive(owner)) clearDeadLock(owner);
    else if (Date.now() > deadline) {
      throw new Error(`another build (process ${owner}) has held dist/.lock for two minutes`);
    } else await delay(25);
  }
}

function compile(checkTypes) {
  const args = ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', STAGING];
  args.push(checkTypes ? '--noEmitOnError' : '--noCheck');
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const run = spawnSync(process.execPath, [tsc, ...args], { cwd: ROOT, stdio: 'inherit' });
  if (run.error) throw run.error;
  return run.status === 0;
}

/** Moves the staged files into dist/ one by one, then removes what no source stands behind. */
function promote() {
  const fresh = new Set();
  for (const staged of filesUnder(STAGING)) {
    const target = join(DIST, relative(STAGING, staged));
    fresh.add(target);
    // The staging folder is one level deeper than dist/, and source maps hold relative paths.
    if (staged.endsWith('.map')) {
      const map = JSON.parse(readFileSync(staged, 'utf8'));
      map.sources = map.sources.map((path) => path.replace('../', ''));
      writeFileSync(staged, JSON.stringify(map));
    }
    mkdirSync(dirname(target), { recursive: true });
    renameSync(staged, target);
  }
  for (const path of filesUnder(DIST)) {
    const isOurs = /\.js(\.map)?$/.test(path) && !relative(DIST, path).startsWith('.');
    if (isOurs && !fresh.has(path)) rmSync(path);
  }
}

/** Ours, and what a killed build left behind: only the holder of the lock has any. */
function removeStaging() {
  for (const name of readdirSync(DIST)) {
    if (name.startsWith('.staging-')) rmSync(join(DIST, name), { recursive: true, force: true });
  }
}

async function build({ force, checkTypes }) {
  if (!force && isUpToDate(fingerprint())) return true;
  mkdirSync(DIST, { recursive: true });
  await lock();
  try {
    const wanted = fingerprint();
    if (!force && isUpToDate(wanted)) return true;
    if (!compile(checkTypes)) return false;
    promote();
    writeFileSync(`${STAMP}-${process.pid}`, wanted);
    renameSync(`${STAMP}-${process.pid}`, STAMP);
    return true;
  } finally {
    removeStaging();
    rmSync(LOCK, { force: true });
  }
}

const flags = new Set(process.argv.slice(2));
const options = { force: flags.has('--force'), checkTypes: !flags.has('--no-check') };
try {
  if (!(await build(options))) {
    process.stderr.write('build: the sources do not compile; dist/ is as it was\n');
    process.exitCode = 1;
  }
} catch (error) {
  const hint = error.code === 'ENOENT' ? ' (run "npm ci" first)' : '';
  process.stderr.write(`build: ${error.message}${hint}\n`);
  process.exitCode = 1;
}
