/**
 * The record file that the Java drivers and the tests exchange (its twin is RecordFile.java), and
 * records made from a seed.
 *
 * Layout, big endian, records one after another: partition i32, offset i64 (-1 when not yet
 * written), timestamp i64, key, value, header count i32, then name and value of each header; every
 * byte string is a length i32 (-1 for null) and the bytes.
 */

export interface TestHeader {
  readonly name: string;
  readonly value: Buffer | null;
}

export interface TestRecord {
  readonly partition: number;
  /** -1n before it is written. */
  readonly offset: bigint;
  /** Milliseconds since 1970. */
  readonly timestamp: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly TestHeader[];
}

const bytesParts = (bytes: Buffer | null): Buffer[] => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes === null ? -1 : bytes.length);
  return bytes === null ? [length] : [length, bytes];
};

/** One record in the file's layout. */
export const encodeRecord = (record: TestRecord): Buffer => {
  const head = Buffer.alloc(20);
  head.writeInt32BE(record.partition, 0);
  head.writeBigInt64BE(record.offset, 4);
  head.writeBigInt64BE(record.timestamp, 12);
  const count = Buffer.alloc(4);
  count.writeInt32BE(record.headers.length);
  const headers = record.headers.flatMap((header) => [
    ...bytesParts(Buffer.from(header.name, 'utf8')),
    ...bytesParts(header.value),
  ]);
  const body = [...bytesParts(record.key), ...bytesParts(record.value), count, ...headers];
  return Buffer.concat([head, ...body]);
};

export const encodeRecords = (records: readonly TestRecord[]): Buffer =>
  Buffer.concat(records.map(encodeRecord));

/** Reads a whole record file. */
export const decodeRecords = (file: Buffer): TestRecord[] => {
  let at = 0;
  const int32 = (): number => {
    at += 4;
    return file.readInt32BE(at - 4);
  };
  const int64 = (): bigint => {
    at += 8;
    return file.readBigInt64BE(at - 8);
  };
  const bytes = (): Buffer | null => {
    const length = int32();
    if (length < 0) return null;
    at += length;
    return file.subarray(at - length, at);
  };
  const records: TestRecord[] = [];
  while (at < file.length) {
    const partition = int32();
    const offset = int64();
    const timestamp = int64();
    const key = bytes();
    const value = bytes();
    const headers: TestHeader[] = [];
    for (let left = int32(); left > 0; left -= 1) {
      headers.push({ name: (bytes() ?? Buffer.alloc(0)).toString('utf8'), value: bytes() });
    }
    records.push({ partition, offset, timestamp, key, value, headers });
  }
  return records;
};

/** Deterministic numbers below `bound`: mulberry32. */
const numbersFrom = (seed: number): ((bound: number) => number) => {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
};

const anyBytes = (below: (bound: number) => number, lengthMax: number): Buffer => {
  const bytes = Buffer.alloc(below(lengthMax + 1));
  // Half repeats, half noise: something for the codecs to do.
  const pattern = below(256);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = i % 2 === 0 ? pattern : below(256);
  return bytes;
};

/**
 * `count` records over `partitions` partitions: a tenth with a null key, a twentieth tombstones,
 * a third with one to three headers (some null, some binary), now and then an empty or a large
 * value. Offsets are those of a topic that is empty before. Timestamps count up from
 * `firstTimestamp`, by default an hour ago, so that retention leaves them alone.
 */
export const makeRecords = (
  seed: number,
  count: number,
  partitions: number,
  firstTimestamp = Date.now() - 3_600_000,
): TestRecord[] => {
  const below = numbersFrom(seed);
  const next = new Array<bigint>(partitions).fill(0n);
  return Array.from({ length: count }, (_, index) => {
    const partition = below(partitions);
    const offset = next[partition] ?? 0n;
    next[partition] = offset + 1n;
    const headers = Array.from({ length: below(3) === 0 ? 1 + below(3) : 0 }, (__, which) => ({
      name: `header-${which}-é`,
      value: below(8) === 0 ? null : anyBytes(below, 20),
    }));
    const key = below(10) === 0 ? null : Buffer.from(`key-${below(5000)}`);
    const large = below(2000) === 0;
    const value = below(20) === 0 ? null : anyBytes(below, large ? 60_000 : 200);
    const timestamp = BigInt(firstTimestamp + index);
    return { partition, offset, timestamp, key, value, headers };
  });
};

/** The same records, partition by partition, each in offset order: the order a reader compares in. */
export const byPartition = (records: readonly TestRecord[]): TestRecord[] =>
  [...records].sort(
    (left, right) => left.partition - right.partition || Number(left.offset - right.offset),
  );

/** A sentence about the first difference, or undefined: expect() on 20 MB would print them. */
export const firstDifference = (
  expected: readonly TestRecord[],
  actual: readonly TestRecord[],
): string | undefined => {
  const left = byPartition(expected);
  const right = byPartition(actual);
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const [want, got] = [left[i], right[i]];
    if (want === undefined) return `${right.length - i} records too many, first ${describe(got)}`;
    if (got === undefined) return `${left.length - i} records missing, first ${describe(want)}`;
    if (!encodeRecord(want).equals(encodeRecord(got))) {
      return `record ${i}: expected ${describe(want)}, got ${describe(got)}`;
    }
  }
  return undefined;
};

const describe = (record: TestRecord | undefined): string => {
  if (record === undefined) return 'nothing';
  const short = (bytes: Buffer | null): string =>
    bytes === null ? 'null' : `${bytes.length} B ${bytes.subarray(0, 12).toString('hex')}`;
  const headers = record.headers.map((header) => `${header.name}=${short(header.value)}`);
  const at = `partition ${record.partition} offset ${record.offset} time ${record.timestamp}`;
  return `${at} key ${short(record.key)} value ${short(record.value)} headers [${headers}]`;
};
