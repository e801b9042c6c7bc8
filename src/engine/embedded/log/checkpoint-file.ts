/**
 * Owns Kafka's checkpoint text format: a version line "0", the number of entries, one entry a line,
 * numbers and names separated by single blanks. Reading believes nothing: a file that does not fit
 * is undefined, as if it were missing, and its owner decides what that means.
 */

export function formatCheckpoint(lines: readonly string[]): Buffer {
  return Buffer.from(`0\n${lines.length}\n${lines.map((line) => `${line}\n`).join('')}`);
}

export function parseCheckpoint(bytes: Buffer): string[][] | undefined {
  const lines = bytes.toString('utf8').split('\n');
  const count = Number(lines[1]);
  if (lines[0] !== '0' || !Number.isSafeInteger(count) || lines.length !== count + 3) {
    return undefined;
  }
  if (lines.at(-1) !== '') return undefined;
  return lines.slice(2, -1).map((line) => line.split(' '));
}

/** `topic partition offset` lines, as in recovery-point-offset-checkpoint; keyed `topic-partition`. */
export function parseOffsetCheckpoint(bytes: Buffer): Map<string, number> | undefined {
  const entries = parseCheckpoint(bytes);
  if (entries === undefined) return undefined;
  const offsets = new Map<string, number>();
  for (const [topic, partition, offset, ...rest] of entries) {
    const value = Number(offset);
    const fits = rest.length === 0 && offset !== undefined && Number.isSafeInteger(value);
    if (!fits || value < 0) return undefined;
    offsets.set(`${topic}-${partition}`, value);
  }
  return offsets;
}
