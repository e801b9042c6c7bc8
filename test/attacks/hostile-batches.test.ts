/** Threat: a device stores bytes that break whoever reads them, or that cost the broker dear. */
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { updateCrc } from '../../src/protocol/records/crc32c.ts';
import { BatchField, CompressionCodec } from '../../src/protocol/records/record-batch.ts';
import {
  buildRecordBatch,
  replaceSection,
} from '../../src/protocol/records/record-batch-builder.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const good = (): Buffer =>
  buildRecordBatch([
    { timestampMs: Date.now(), key: null, value: Buffer.from('one'), headers: [] },
    { timestampMs: Date.now(), key: null, value: Buffer.from('two'), headers: [] },
  ]);

function changed(change: (batch: Buffer) => void, fixCrc = true): Buffer {
  const batch = good();
  change(batch);
  if (fixCrc) updateCrc(batch, 0);
  return batch;
}

const bomb = (): Buffer =>
  replaceSection(good(), 0, CompressionCodec.gzip, gzipSync(Buffer.alloc(128 << 20)));

const CASES: readonly [string, () => Buffer | null, number][] = [
  ['nothing at all', () => null, ErrorCode.INVALID_RECORD],
  [
    'a wrong checksum',
    () => changed((b) => b.writeUInt8(b.at(-1)! ^ 1, b.length - 1), false),
    ErrorCode.CORRUPT_MESSAGE,
  ],
  [
    'a record count too high',
    () => changed((b) => b.writeInt32BE(3, BatchField.recordCount)),
    ErrorCode.INVALID_RECORD,
  ],
  [
    'a record count of two billion',
    () =>
      changed((b) => {
        b.writeInt32BE(2 ** 31 - 1, BatchField.recordCount);
        b.writeInt32BE(2 ** 31 - 2, BatchField.lastOffsetDelta);
      }),
    ErrorCode.INVALID_RECORD,
  ],
  [
    'offsets that leap',
    () => changed((b) => b.writeInt32BE(99, BatchField.lastOffsetDelta)),
    ErrorCode.INVALID_RECORD,
  ],
  [
    'a control batch',
    () => changed((b) => b.writeInt16BE(0x20, BatchField.attributes)),
    ErrorCode.INVALID_RECORD,
  ],
  [
    'an old format',
    () => changed((b) => b.writeInt8(1, BatchField.magic), false),
    ErrorCode.INVALID_RECORD,
  ],
  [
    'a base offset of its own',
    () => changed((b) => b.writeInt32BE(7, 4)),
    ErrorCode.INVALID_RECORD,
  ],
  ['two batches', () => Buffer.concat([good(), good()]), ErrorCode.INVALID_RECORD],
  ['a batch cut short', () => good().subarray(0, 70), ErrorCode.INVALID_RECORD],
  [
    'garbage that claims to be gzip',
    () => replaceSection(good(), 0, CompressionCodec.gzip, Buffer.from('not gzip')),
    ErrorCode.INVALID_RECORD,
  ],
  ['128 MiB of zeros in gzip', bomb, ErrorCode.INVALID_RECORD],
];

describeRequiring(['built-broker'], 'hostile record batches', () => {
  const fixture = useBroker();

  it.each(CASES)('%s is refused and not stored', async (_name, make, expected) => {
    const records = make();
    const device = await fixture.connect('acme', 'device-1');
    const produced = await device.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: 'telemetry', partitionData: [{ index: 0, records }] }],
    });
    const { errorCode, baseOffset } = produced.responses[0]!.partitionResponses[0]!;
    expect([expected, ErrorCode.CORRUPT_MESSAGE, ErrorCode.MESSAGE_TOO_LARGE]).toContain(errorCode);
    expect(baseOffset).toBe(-1);
    const listed = await device.call(ApiKey.ListOffsets, 7, {
      topics: [{ name: 'telemetry', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    });
    expect(listed.topics[0]!.partitions[0]!.offset).toBe(0);
  });

  it('with acks=0 the connection is closed instead', async () => {
    const device = await fixture.connect('acme', 'device-1');
    device.tell(ApiKey.Produce, 9, {
      acks: 0,
      timeoutMs: 5000,
      topicData: [{ name: 'telemetry', partitionData: [{ index: 0, records: null }] }],
    });
    expect(await device.isClosed()).toBe(true);
  });

  it('a good one beside a bad one is stored, the bad one alone is refused', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const produced = await device.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [
        {
          name: 'telemetry',
          partitionData: [
            { index: 1, records: good() },
            { index: 2, records: null },
            { index: 99, records: good() },
          ],
        },
      ],
    });
    const codes = produced.responses[0]!.partitionResponses.map(({ errorCode }) => errorCode);
    expect(codes).toEqual([
      ErrorCode.NONE,
      ErrorCode.INVALID_RECORD,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]);
  });

  it("a topic's own max.message.bytes does not lift the operator's limit", async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    const create = async (maxMessageBytes: number) => {
      const { topics } = await admin.call(ApiKey.CreateTopics, 7, {
        topics: [
          {
            name: 'wide-open',
            numPartitions: 1,
            replicationFactor: 1,
            configs: [{ name: 'max.message.bytes', value: String(maxMessageBytes) }],
          },
        ],
        timeoutMs: 5000,
      });
      return topics[0]!.errorCode;
    };
    expect(await create(2 ** 31 - 1)).toBe(ErrorCode.INVALID_CONFIG);
    expect(await create(1_048_588)).toBe(ErrorCode.NONE);
    const value = Buffer.alloc(2 * 1024 * 1024);
    const records = buildRecordBatch([{ timestampMs: Date.now(), key: null, value, headers: [] }]);
    const produced = await admin.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: 'wide-open', partitionData: [{ index: 0, records }] }],
    });
    const { errorCode } = produced.responses[0]!.partitionResponses[0]!;
    expect(errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
  });
});
