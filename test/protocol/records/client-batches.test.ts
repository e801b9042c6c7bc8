import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { readRecords } from '../../../src/protocol/records/record.ts';
import {
  CompressionCodec,
  compressionCodec,
  recordsSection,
} from '../../../src/protocol/records/record-batch.ts';
import { accepted, NOW_MS } from './produced-batch.ts';

interface KafkajsEncoder {
  readonly buffer: Buffer;
}

/** kafkajs' own encoder: written by others, from the same specification. */
const require = createRequire(import.meta.url);
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(options: object): Promise<KafkajsEncoder>;
};
const kafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (
  options: object,
) => KafkajsEncoder;

const records = [
  { key: Buffer.from('a'), value: Buffer.from('first'), headers: { source: Buffer.from('x') } },
  { key: null, value: Buffer.alloc(300, 'second '), headers: {} },
  { key: Buffer.from('c'), value: null, headers: { héadér: Buffer.from('é') } },
];

function kafkajsBatch(compression: number): Promise<KafkajsEncoder> {
  return RecordBatch({
    compression,
    firstTimestamp: NOW_MS,
    maxTimestamp: NOW_MS + 20,
    lastOffsetDelta: records.length - 1,
    records: records.map((record, offsetDelta) =>
      kafkajsRecord({ ...record, offsetDelta, timestampDelta: offsetDelta * 10 }),
    ),
  });
}

describe('a batch of kafkajs', () => {
  it.each([CompressionCodec.none, CompressionCodec.gzip])(
    'is accepted: codec %i',
    async (codec) => {
      const batch = (await kafkajsBatch(codec)).buffer;
      expect(compressionCodec(batch, 0)).toBe(codec);
      const result = await accepted(batch);
      expect(result.batch).toBe(batch);
      expect(result).toMatchObject({ recordCount: 3, maxTimestamp: NOW_MS + 20 });
      const plain = await accepted(batch, { compressionType: 'uncompressed' });
      const read = [...readRecords(plain.batch, 0, recordsSection(plain.batch, 0))];
      expect(read).toEqual(
        records.map(({ key, value, headers }, index) => ({
          offset: index,
          timestampMs: NOW_MS + index * 10,
          key,
          value,
          headers: Object.entries(headers).map(([name, bytes]) => ({ key: name, value: bytes })),
        })),
      );
    },
  );
});

describe('a batch written by hand', () => {
  it('is accepted as it stands', async () => {
    const batch = Buffer.from(
      [
        '0000000000000000 0000003b ffffffff 02 1ff10afb', // offset, length 59, epoch, magic, crc
        '0000 00000000 00000199c82cc000 00000199c82cc000', // attributes, delta, times
        'ffffffffffffffff ffff ffffffff 00000001', // producer id, epoch, sequence, count
        '12 00 00 00 02 6b 04 6869 00', // key "k", value "hi", no headers
      ]
        .join('')
        .replaceAll(' ', ''),
      'hex',
    );
    const result = await accepted(batch);
    expect(result).toMatchObject({ recordCount: 1, maxTimestamp: NOW_MS, inflatedBytes: 10 });
  });
});
