/**
 * kcat (librdkafka) as a client: producing lines, and reading a partition in a form that can be
 * compared byte for byte with what is expected.
 */
import { type RunOptions, type RunResult, runCommand } from './child-process.ts';
import { type ClientIdentity, kcatConnection } from './client-identity.ts';
import type { TestRecord } from './record-file.ts';

/** Runs kcat as `identity` to its end. */
export const kcat = (
  identity: ClientIdentity,
  bootstrap: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> =>
  runCommand('kcat', [...kcatConnection(identity, bootstrap), ...args], {
    timeoutMs: 60_000,
    ...options,
  });

const readFormat = '%p|%o|%T|%K|%S|%k|%s|%h\\n';

/** Everything in one partition, printed with the format that `kcatOutput` predicts. */
export const kcatRead = async (
  identity: ClientIdentity,
  bootstrap: string,
  topic: string,
  partition: number,
): Promise<Buffer> => {
  const where = ['-t', topic, '-p', String(partition), '-o', 'beginning'];
  const result = await kcat(identity, bootstrap, ['-C', '-q', '-e', ...where, '-f', readFormat]);
  if (result.code !== 0) throw new Error(`kcat -C ended with ${result.code}: ${result.stderr}`);
  return result.stdout;
};

const printed = (bytes: Buffer | null): Buffer => bytes ?? Buffer.alloc(0);

/** kcat prints a header's value as a C string. */
const untilNul = (bytes: Buffer): Buffer => {
  const nul = bytes.indexOf(0);
  return nul === -1 ? bytes : bytes.subarray(0, nul);
};

/** What `kcatRead` prints for these records of one partition, in offset order. */
export const kcatOutput = (records: readonly TestRecord[]): Buffer => {
  const parts: Buffer[] = [];
  for (const record of records) {
    const { partition, offset, timestamp, key, value, headers } = record;
    const lengths = `${key?.length ?? -1}|${value?.length ?? -1}`;
    parts.push(Buffer.from(`${partition}|${offset}|${timestamp}|${lengths}|`));
    parts.push(printed(key), Buffer.from('|'), printed(value), Buffer.from('|'));
    headers.forEach((header, index) => {
      parts.push(Buffer.from(`${index === 0 ? '' : ','}${header.name}=`));
      parts.push(header.value === null ? Buffer.from('NULL') : untilNul(header.value));
    });
    parts.push(Buffer.from('\n'));
  }
  return Buffer.concat(parts);
};

/** The first byte where two outputs part, in a sentence; undefined when they are equal. */
export const firstDifferingByte = (expected: Buffer, actual: Buffer): string | undefined => {
  if (expected.equals(actual)) return undefined;
  let at = 0;
  while (at < expected.length && expected[at] === actual[at]) at += 1;
  const around = (bytes: Buffer): string =>
    JSON.stringify(bytes.subarray(Math.max(0, at - 60), at + 40).toString('latin1'));
  const lengths = `lengths ${expected.length} and ${actual.length}`;
  return `${lengths}, differing at ${at}: expected ${around(expected)}, got ${around(actual)}`;
};
