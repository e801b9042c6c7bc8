import { describe, expect, test } from 'vitest';
import { ProducerQuota } from '../../../../src/engine/embedded/log/producer-quota.ts';
import {
  decodeProducerSnapshot,
  encodeProducerSnapshot,
  snapshotAsOf,
} from '../../../../src/engine/embedded/log/producer-snapshot.ts';
import { ProducerState } from '../../../../src/engine/embedded/log/producer-state.ts';
import { setBaseOffset } from '../../../../src/protocol/records/record-batch.ts';
import { type BatchSpec, batchOf } from './log-fixture.ts';

interface Step {
  readonly epoch?: number;
  readonly sequence: number;
  readonly count?: number;
  readonly expected: string;
}

const INT32_MAX = 2 ** 31 - 1;

/** Batches of one producer in turn; each is applied if it may be appended. */
const table: { readonly name: string; readonly steps: readonly Step[] }[] = [
  {
    name: 'the first batch may begin anywhere when nothing is known',
    steps: [{ sequence: 17, expected: 'append' }],
  },
  {
    name: 'sequences follow one another',
    steps: [
      { sequence: 0, count: 3, expected: 'append' },
      { sequence: 3, expected: 'append' },
      { sequence: 5, expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
      { sequence: 4, expected: 'append' },
    ],
  },
  {
    name: 'the last five batches are known as duplicates, with their own offsets',
    steps: [
      { sequence: 0, count: 2, expected: 'append' },
      { sequence: 2, expected: 'append' },
      { sequence: 3, expected: 'append' },
      { sequence: 4, expected: 'append' },
      { sequence: 5, expected: 'append' },
      { sequence: 0, count: 2, expected: 'duplicate of 0' },
      { sequence: 5, expected: 'duplicate of 5' },
      { sequence: 6, expected: 'append' },
      { sequence: 0, count: 2, expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
      { sequence: 2, expected: 'duplicate of 2' },
    ],
  },
  {
    name: 'a batch that only overlaps a known one is no duplicate',
    steps: [
      { sequence: 0, count: 3, expected: 'append' },
      { sequence: 0, count: 2, expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
      { sequence: 1, count: 2, expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
    ],
  },
  {
    name: 'an older epoch is fenced, a newer one begins at 0 and forgets the batches before',
    steps: [
      { epoch: 1, sequence: 0, expected: 'append' },
      { epoch: 0, sequence: 1, expected: 'INVALID_PRODUCER_EPOCH' },
      { epoch: 2, sequence: 1, expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
      { epoch: 2, sequence: 0, expected: 'append' },
      { epoch: 1, sequence: 0, expected: 'INVALID_PRODUCER_EPOCH' },
      { epoch: 2, sequence: 0, expected: 'duplicate of 1' },
    ],
  },
  {
    name: 'sequences wrap from 2147483647 to 0, within a batch and between batches',
    steps: [
      { sequence: INT32_MAX - 1, count: 3, expected: 'append' },
      { sequence: 2, expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
      { sequence: 1, expected: 'append' },
      { sequence: INT32_MAX - 1, count: 3, expected: 'duplicate of 0' },
    ],
  },
  {
    name: 'after 2147483647 comes 0',
    steps: [
      { sequence: INT32_MAX, expected: 'append' },
      { sequence: 1, expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
      { sequence: 0, expected: 'append' },
    ],
  },
];

class Producer {
  readonly state = new ProducerState(new ProducerQuota(100, 1000));
  #nextOffset = 0;

  send(spec: BatchSpec & { readonly count?: number }): string {
    const { count = 1, ...rest } = spec;
    const batch = batchOf({
      producerId: 7,
      producerEpoch: 0,
      ...rest,
      values: Array(count).fill('v'),
    });
    setBaseOffset(batch, 0, this.#nextOffset);
    const verdict = this.state.check(batch, 0);
    if (verdict.kind === 'refuse') return verdict.reason;
    if (verdict.kind === 'duplicate') {
      return `duplicate of ${verdict.of.lastOffset - verdict.of.offsetDelta}`;
    }
    this.state.update(batch, 0, 1000);
    this.#nextOffset += count;
    return 'append';
  }
}

describe('ProducerState', () => {
  test.each(table)('$name', ({ steps }) => {
    const producer = new Producer();
    for (const { epoch = 0, sequence, count = 1, expected } of steps) {
      const answer = producer.send({ producerEpoch: epoch, baseSequence: sequence, count });
      expect(answer, `epoch ${epoch}, sequence ${sequence}`).toBe(expected);
    }
  });

  test('refuses a plain batch within a transaction', () => {
    const producer = new Producer();
    producer.send({ baseSequence: 0, isTransactional: true });
    expect(producer.send({ baseSequence: 1 })).toBe('INVALID_TXN_STATE');
    expect(producer.send({ baseSequence: 1, isTransactional: true })).toBe('append');
    expect(producer.state.get(7)?.currentTxnFirstOffset).toBe(0);
  });

  test('a restored entry is as it was, an entry that was new is gone', () => {
    const { state } = new Producer();
    const batch = batchOf({ producerId: 7, producerEpoch: 0, baseSequence: 0 });
    expect(state.update(batch, 0, 1)).toBeUndefined();
    const first = state.get(7);
    const replaced = state.update(
      batchOf({ producerId: 7, producerEpoch: 1, baseSequence: 0 }),
      0,
      2,
    );
    state.restore(7, replaced);
    expect(state.get(7)).toBe(first);
    state.restore(7, undefined);
    expect(state.size).toBe(0);
  });

  test('forgets a producer that was idle, by our clock and not by its own', () => {
    const state = new ProducerState(new ProducerQuota(100, 1000));
    const oldStamp = { timestampMs: 5, producerEpoch: 0, baseSequence: 0 };
    state.update(batchOf({ ...oldStamp, producerId: 1 }), 0, 1000);
    state.update(batchOf({ ...oldStamp, producerId: 2 }), 0, 1500);
    state.update(batchOf({ ...oldStamp, producerId: 3, isTransactional: true }), 0, 1000);
    state.expire(2000, 1000);
    expect([...state.entries()].map((entry) => entry.producerId)).toEqual([2, 3]);
  });
});

describe('the quota of remembered producers', () => {
  const ids = (state: ProducerState): number[] => [...state.entries()].map((e) => e.producerId);
  const heard = (state: ProducerState, producerId: number, more: BatchSpec = {}): void => {
    state.update(batchOf({ producerId, producerEpoch: 0, baseSequence: 0, ...more }), 0, 1000);
  };

  test('a partition forgets the longest idle, but none with an open transaction', () => {
    const quota = new ProducerQuota(3, 1000);
    const state = new ProducerState(quota);
    heard(state, 1, { isTransactional: true });
    for (const producerId of [2, 3]) heard(state, producerId);
    heard(state, 2, { baseSequence: 1 });
    heard(state, 4);
    expect(ids(state)).toEqual([1, 2, 4]);
    expect(quota.total).toBe(3);
    // What a forgotten one sends is taken for new.
    const batch = batchOf({ producerId: 3, producerEpoch: 0, baseSequence: 9 });
    expect(state.check(batch, 0).kind).toBe('append');
  });

  test('in all, the partitions with most pay: whoever invents ids forgets them again', () => {
    const quota = new ProducerQuota(1000, 100);
    const honest = new ProducerState(quota);
    for (let id = 0; id < 10; id += 1) heard(honest, id);
    const flooded = new ProducerState(quota);
    for (let id = 0; id < 5000; id += 1) {
      heard(flooded, id);
      expect(quota.total).toBeLessThanOrEqual(100);
    }
    expect(honest.size).toBe(10);
    expect(flooded.get(4999)).toBeDefined();
    expect(quota.total).toBe(honest.size + flooded.size);
    flooded.clear();
    honest.expire(5000, 1);
    expect(quota.total).toBe(0);
  });

  test('an undone update counts as if it had never come', () => {
    const quota = new ProducerQuota(100, 1000);
    const state = new ProducerState(quota);
    const batch = batchOf({ producerId: 7, producerEpoch: 0, baseSequence: 0 });
    state.restore(7, state.update(batch, 0, 1000));
    expect([state.size, quota.total]).toEqual([0, 0]);
  });
});

describe('producer snapshots', () => {
  const filled = (): ProducerState => {
    const producer = new Producer();
    for (let sequence = 0; sequence < 8; sequence += 1) producer.send({ baseSequence: sequence });
    producer.send({ producerId: 9, baseSequence: 40, count: 3, timestampMs: 77 });
    producer.send({ producerId: 11, baseSequence: 0, isTransactional: true });
    return producer.state;
  };

  test('hold all five batches of every producer', () => {
    const state = filled();
    const decoded = decodeProducerSnapshot(encodeProducerSnapshot(state.entries()), 1000);
    expect(decoded).toEqual([...state.entries()]);
    expect(decoded?.[0]?.batches.length).toBe(5);
  });

  test('for an offset that lies behind hold what ended before it', () => {
    const producer = new Producer();
    for (let sequence = 0; sequence < 4; sequence += 1) producer.send({ baseSequence: sequence });
    producer.send({ producerId: 9, baseSequence: 0 });
    const decoded = decodeProducerSnapshot(snapshotAsOf(producer.state.entries(), 2), 1000);
    const known = decoded?.map((e) => [e.producerId, e.batches.map((b) => b.lastOffset)]);
    expect(known).toEqual([[7, [0, 1]]]);
  });

  test('may be empty', () => {
    expect(decodeProducerSnapshot(encodeProducerSnapshot([]), 1000)).toEqual([]);
  });

  test('written by Kafka hold the newest batch only', () => {
    const bytes = encodeProducerSnapshot([...filled().entries()].slice(0, 1));
    const kafkas = bytes.subarray(0, 10 + 46);
    // The checksum of a file without our section.
    kafkas.writeUInt32BE(crcOf(kafkas), 2);
    const [entry] = decodeProducerSnapshot(kafkas, 1000) ?? [];
    expect(entry?.batches.map((batch) => batch.lastSequence)).toEqual([7]);
  });

  test('are refused when any bit is flipped or any byte is missing', () => {
    const bytes = encodeProducerSnapshot(filled().entries());
    for (let at = 0; at < bytes.length; at += 1) {
      const broken = Buffer.from(bytes);
      broken[at] = broken[at]! ^ (1 << (at % 8));
      expect(decodeProducerSnapshot(broken, 0), `byte ${at}`).toBeUndefined();
      expect(decodeProducerSnapshot(bytes.subarray(0, at), 0), `length ${at}`).toBeUndefined();
    }
  });
});

function crcOf(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes.subarray(6)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0x82f6_3b78 & -(crc & 1));
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
