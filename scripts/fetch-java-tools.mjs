/**
 * Fetches and compiles the Java side of the tests and of the benchmark.
 *
 * Owns two git-ignored directories: `.cache/kafka-libs` (Apache Kafka's clients, tools and broker,
 * at the versions pinned in test/tools/java/pom.xml) and `.cache/java-classes` (our own drivers in
 * test/tools/java/src). Invariant: a directory is complete if and only if its `stamp` file equals
 * the hash of what it was made from, so a run that is already up to date costs milliseconds, and
 * an interrupted one is done again.
 *
 * Usage: node scripts/fetch-java-tools.mjs      exit code 0 when both are ready
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pom = join(root, 'test', 'tools', 'java', 'pom.xml');
const sources = join(root, 'test', 'tools', 'java', 'src');
const libs = join(root, '.cache', 'kafka-libs');
const classes = join(root, '.cache', 'java-classes');
const copyGoal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

const hashOf = (files) => {
  const hash = createHash('sha256');
  for (const file of files) hash.update(relative(root, file)).update(readFileSync(file));
  return hash.digest('hex');
};

const isCurrent = (directory, stamp) => {
  const file = join(directory, 'stamp');
  return existsSync(file) && readFileSync(file, 'utf8') === stamp;
};

/** Runs `make(temporary directory)` and puts its result in place of `directory` in one rename. */
const replaceDirectory = (directory, stamp, make) => {
  const fresh = `${directory}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  try {
    make(fresh);
    writeFileSync(join(fresh, 'stamp'), stamp);
    rmSync(directory, { recursive: true, force: true });
    renameSync(fresh, directory);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
};

const run = (command, args) => {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 600_000 });
  if (result.error !== undefined) throw new Error(`${command}: ${result.error.message}`);
  if (result.status !== 0) {
    throw new Error(`${command} failed (${result.status}):\n${result.stdout}${result.stderr}`);
  }
};

const fetchLibraries = () => {
  const stamp = hashOf([pom]);
  if (isCurrent(libs, stamp)) return;
  console.log("fetching Apache Kafka's tools with Maven");
  replaceDirectory(libs, stamp, (into) => {
    const args = ['-B', '-q', '-f', pom, copyGoal, `-DoutputDirectory=${into}`];
    // Leftovers of a broken download make Maven repeat its error without asking again: -U asks.
    run('mvn', ['-U', ...args, '-DincludeScope=runtime']);
  });
};

const compileDrivers = () => {
  const files = readdirSync(sources)
    .filter((name) => name.endsWith('.java'))
    .sort()
    .map((name) => join(sources, name));
  const stamp = hashOf([pom, ...files]);
  if (isCurrent(classes, stamp)) return;
  console.log('compiling the Java test drivers');
  replaceDirectory(classes, stamp, (into) => {
    const classPath = [join(libs, '*')].join(delimiter);
    run('javac', [
      '-Xlint:all',
      '-nowarn',
      '--release',
      '17',
      '-cp',
      classPath,
      '-d',
      into,
      ...files,
    ]);
  });
};

try {
  fetchLibraries();
  compileDrivers();
} catch (error) {
  console.error(`Java tools not available: ${error.message}`);
  process.exitCode = 1;
}
