/**
 * Which outside tools this machine has, and what a test does when one is missing.
 *
 * Invariant: a suite that needs a missing tool is never silently absent. Without
 * BREAKWATER_TEST_REQUIRE it is skipped with a note that the reporter repeats at the end of the
 * run; with BREAKWATER_TEST_REQUIRE=all it fails.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { projectRoot } from './project-root.ts';

const onPath = (name: string): boolean =>
  (process.env.PATH ?? '')
    .split(':')
    .some((directory) => directory !== '' && existsSync(join(directory, name)));

const startsCleanly = (command: string, args: readonly string[], cwd?: string): boolean =>
  spawnSync(command, args, { stdio: 'ignore', timeout: 20_000, ...(cwd && { cwd }) }).status === 0;

/** Where librdkafka's SASL library looks for mechanisms. */
const saslPluginFolders = (): string[] =>
  process.env.SASL_PATH?.split(':') ??
  readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'sasl2'));

const fileNamedBy = (variable: string): boolean => {
  const path = process.env[variable];
  return path !== undefined && existsSync(path);
};

const canMountTmpfs = (): boolean => {
  const directory = mkdtempSync(join(tmpdir(), 'breakwater-tmpfs-'));
  const mounted = startsCleanly('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
  if (mounted) startsCleanly('umount', [directory]);
  rmdirSync(directory);
  return mounted;
};

/** Where Debian's packages for Python are found, whatever else is on the path. */
export const debianPython = '/usr/bin/python3';

/** The virtual environment of scripts/fetch-client-tools.mjs. */
export const cachedPython = join(projectRoot, '.cache', 'kafka-python', 'bin', 'python');

/** schemathesis: of scripts/fetch-client-tools.mjs, or the machine's own. */
export const schemathesis = ((): string => {
  const cached = join(projectRoot, '.cache', 'schemathesis', 'bin', 'schemathesis');
  return existsSync(cached) ? cached : 'schemathesis';
})();

/** Tool -> how it is found, and what a person does to have it. */
const tools = {
  kcat: { found: () => onPath('kcat'), advice: 'Debian package kcat' },
  openssl: { found: () => onPath('openssl'), advice: 'Debian package openssl' },
  'gnutls-cli': { found: () => onPath('gnutls-cli'), advice: 'Debian package gnutls-bin' },
  testssl: { found: () => onPath('testssl'), advice: 'Debian package testssl.sh' },
  sslscan: { found: () => onPath('sslscan'), advice: 'Debian package sslscan' },
  certtool: { found: () => onPath('certtool'), advice: 'Debian package gnutls-bin' },
  keytool: { found: () => onPath('keytool'), advice: 'JDK 17' },
  strace: {
    found: () => onPath('strace') && startsCleanly('strace', ['-o', '/dev/null', 'true']),
    advice: 'Debian package strace, and leave to trace own processes',
  },
  krb5kdc: {
    found: () => existsSync('/usr/sbin/krb5kdc') || onPath('krb5kdc'),
    advice: 'Debian packages krb5-kdc, krb5-admin-server, krb5-user',
  },
  'kerberos-addon': {
    found: () => startsCleanly(process.execPath, ['-e', "require('kerberos')"], projectRoot),
    advice: 'Debian package libkrb5-dev, then: npm run build:kerberos',
  },
  'sasl-gssapi': {
    found: () => saslPluginFolders().some((folder) => existsSync(join(folder, 'libgssapiv2.so'))),
    advice: 'Debian package libsasl2-modules-gssapi-mit',
  },
  'java-tools': {
    found: () =>
      onPath('java') &&
      existsSync(join(projectRoot, '.cache', 'kafka-libs', 'stamp')) &&
      existsSync(join(projectRoot, '.cache', 'java-classes', 'stamp')),
    advice: 'JDK 17, Maven, then: node scripts/fetch-java-tools.mjs',
  },
  'debian-kafka-python': {
    found: () =>
      startsCleanly(debianPython, [
        '-c',
        'import kafka, sys; sys.exit(kafka.__version__ != "2.0.2")',
      ]),
    advice: 'Debian package python3-kafka',
  },
  'kafka-python': {
    found: () => existsSync(join(projectRoot, '.cache', 'kafka-python', 'stamp')),
    advice: 'python3 with venv, then: node scripts/fetch-client-tools.mjs',
  },
  'confluent-kafka': {
    found: () => startsCleanly(cachedPython, ['-c', 'import confluent_kafka']),
    advice: 'python3 with venv, then: node scripts/fetch-client-tools.mjs',
  },
  schemathesis: {
    found: () => startsCleanly(schemathesis, ['--version']),
    advice: 'python3 with venv, then: node scripts/fetch-client-tools.mjs',
  },
  'go-consumer': {
    found: () => existsSync(join(projectRoot, '.cache', 'go-consumer', 'stamp')),
    advice: 'Go 1.19 or newer, then: node scripts/fetch-client-tools.mjs',
  },
  cerbos: {
    found: () => existsSync(join(projectRoot, '.cache', 'cerbos', 'stamp')),
    advice: 'node scripts/fetch-client-tools.mjs',
  },
  opa: {
    found: () => existsSync(join(projectRoot, '.cache', 'opa', 'stamp')),
    advice: 'Go 1.19 or newer, then: node scripts/fetch-client-tools.mjs',
  },
  'kafka-messages': {
    found: () => fileNamedBy('BREAKWATER_KAFKA_MESSAGES'),
    advice: 'BREAKWATER_KAFKA_MESSAGES=<kafka-messages.json>',
  },
  'kafka-errors': {
    found: () => fileNamedBy('BREAKWATER_KAFKA_ERRORS'),
    advice: 'BREAKWATER_KAFKA_ERRORS=<errors.json>',
  },
  haproxy: {
    found: () => onPath('haproxy') || existsSync('/usr/sbin/haproxy'),
    advice: 'Debian package haproxy',
  },
  promtool: { found: () => onPath('promtool'), advice: 'Debian package prometheus' },
  'linux-proc': { found: () => existsSync('/proc/self/io'), advice: 'Linux, with /proc' },
  tmpfs: {
    found: () => process.getuid?.() === 0 && onPath('mount') && canMountTmpfs(),
    advice: 'root, and leave to mount a tmpfs',
  },
  'built-broker': {
    found: () =>
      existsSync(join(projectRoot, 'bin', 'breakwater.js')) &&
      existsSync(join(projectRoot, 'dist', 'main.js')),
    advice: 'npm run build',
  },
} as const;

export type ToolName = keyof typeof tools;

const found = new Map<ToolName, boolean>();

/** Whether the tool is here. Looked up once a process. */
export const hasTool = (name: ToolName): boolean => {
  let answer = found.get(name);
  if (answer === undefined) {
    answer = tools[name].found();
    found.set(name, answer);
  }
  return answer;
};

/** True when CI demands that nothing be skipped. */
export const everyToolIsRequired = (): boolean => process.env.BREAKWATER_TEST_REQUIRE === 'all';

/** One line for a person: what is missing and how to get it; undefined when nothing is missing. */
export const missingToolsNote = (names: readonly ToolName[]): string | undefined => {
  const missing = names.filter((name) => !hasTool(name));
  if (missing.length === 0) return undefined;
  return missing.map((name) => `needs ${name} (${tools[name].advice})`).join('; ');
};

/**
 * `describe` for a suite that needs outside tools. When one is missing the suite becomes a single
 * test: skipped with the reason, or failing with it when everything is required.
 */
export const describeRequiring = (
  names: readonly ToolName[],
  title: string,
  body: () => void,
): void => {
  const note = missingToolsNote(names);
  if (note === undefined) {
    describe(title, body);
    return;
  }
  describe(title, () => {
    test('needs a tool that is not here', (context) => {
      if (everyToolIsRequired()) throw new Error(note);
      context.skip(note);
    });
  });
};
